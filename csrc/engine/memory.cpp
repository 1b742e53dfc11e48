#include "memory.hpp"

#include <cstdlib>
#include <initializer_list>

#ifdef __GLIBC__
#include <malloc.h>
#endif

namespace mdbridge {

void keep_freed_memory() {
#ifdef __GLIBC__
  // blocks up to this size come from the heap, and as much of it stays when it is free: more than
  // any tensor of an evaluation, and the largest number that mallopt takes is not far
  constexpr int large = 1 << 30;
  // what glibc before 2.35 takes for blocks
  constexpr int largest_of_old = 32 << 20;
  // once per process, whatever is loaded: the settings are the process's
  static const bool done = [] {
    for (const char* name : {"MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_", "MALLOC_TOP_PAD_",
                             "GLIBC_TUNABLES"}) {
      if (std::getenv(name) != nullptr) return false;
    }
    const bool stays = mallopt(M_TRIM_THRESHOLD, large) != 0;
    const bool on_heap =
        mallopt(M_MMAP_THRESHOLD, large) != 0 || mallopt(M_MMAP_THRESHOLD, largest_of_old) != 0;
    return stays && on_heap;
  }();
  static_cast<void>(done);
#endif
}

}  // namespace mdbridge
