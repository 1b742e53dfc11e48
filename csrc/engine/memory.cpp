#include "memory.hpp"

#include <atomic>
#include <cstdlib>
#include <initializer_list>
#include <limits>

#ifdef __GLIBC__
#include <malloc.h>
#endif

namespace mdbridge {

namespace {

#ifdef __GLIBC__
bool keep() {
  // the settings of a user are for the whole process
  for (const char* name :
       {"MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_", "MALLOC_TOP_PAD_", "GLIBC_TUNABLES"}) {
    if (std::getenv(name) != nullptr) return false;
  }
  // blocks up to this size come from the heap: more than any tensor of an evaluation
  constexpr int large = std::numeric_limits<int>::max();
  // what glibc before 2.35 takes for blocks
  constexpr int largest_of_old = 32 << 20;
  // all of a heap stays when it is free: a limit would be passed by large structures
  constexpr int never = -1;
  const bool stays = mallopt(M_TRIM_THRESHOLD, never) != 0;
  const bool on_heap =
      mallopt(M_MMAP_THRESHOLD, large) != 0 || mallopt(M_MMAP_THRESHOLD, largest_of_old) != 0;
  return stays && on_heap;
}

std::atomic<bool> kept{false};
#endif

}  // namespace

void keep_freed_memory() {
#ifdef __GLIBC__
  static const bool done = keep();
  kept = done;
#endif
}

void give_back_freed_memory() {
#ifdef __GLIBC__
  if (kept) malloc_trim(0);
#endif
}

}  // namespace mdbridge
