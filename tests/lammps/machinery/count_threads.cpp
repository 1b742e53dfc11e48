// To be preloaded: writes the number of threads of each parallel region of OpenMP to a file.
#include <dlfcn.h>

#include <cstdio>
#include <cstdlib>

extern "C" int omp_get_max_threads();

extern "C" void GOMP_parallel(void (*work)(void*), void* data, unsigned threads, unsigned flags) {
  using Parallel = void (*)(void (*)(void*), void*, unsigned, unsigned);
  static const auto next = reinterpret_cast<Parallel>(dlsym(RTLD_NEXT, "GOMP_parallel"));
  static std::FILE* const file = std::fopen(std::getenv("COUNT_THREADS"), "a");
  const int number = threads > 0 ? static_cast<int>(threads) : omp_get_max_threads();
  std::fprintf(file, "%d\n", number);
  std::fflush(file);
  next(work, data, threads, flags);
}
