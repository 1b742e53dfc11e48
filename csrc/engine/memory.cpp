#include "memory.hpp"

#include <cstdlib>
#include <initializer_list>

#ifdef __GLIBC__
#include <malloc.h>
#endif

namespace mdbridge {

void keep_freed_memory() {
#ifdef __GLIBC__
  constexpr int large = 1 << 30;
  static const bool done = [] {
    for (const char* name : {"MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_", "MALLOC_TOP_PAD_",
                             "GLIBC_TUNABLES"}) {
      if (std::getenv(name) != nullptr) return false;
    }
    return mallopt(M_MMAP_THRESHOLD, large) != 0 && mallopt(M_TRIM_THRESHOLD, large) != 0;
  }();
  static_cast<void>(done);
#endif
}

}  // namespace mdbridge
