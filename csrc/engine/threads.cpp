#include "mdbridge/threads.hpp"

#include <ATen/Parallel.h>
#include <sched.h>

#include <algorithm>
#include <cstdlib>
#include <thread>

namespace mdbridge {

int available_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof(set), &set) == 0) return std::max(1, CPU_COUNT(&set));
  return std::max(1U, std::thread::hardware_concurrency());
}

int choose_threads(int requested) { return choose_threads_for(requested, available_cores()); }

int choose_threads_for(int requested, int cores) {
  if (requested > 0) return requested;
  if (const char* variable = std::getenv("OMP_NUM_THREADS")) {
    const int value = std::atoi(variable);
    if (value > 0) return value;
  }
  return std::max(1, cores);
}

void set_threads(int threads) { at::set_num_threads(threads); }

int get_threads() { return at::get_num_threads(); }

}  // namespace mdbridge
