#include "mdbridge/threads.hpp"

#include <ATen/Parallel.h>
#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <string>
#include <thread>

#include "mdbridge/error.hpp"

namespace mdbridge {

namespace {

// OpenMP keeps its team of threads from one parallel region to the next. A forked process knows of
// the team that its parent had, but the threads are not there: it would wait for them for ever.
std::atomic<bool> team_is_lost = false;

}  // namespace

int available_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof(set), &set) == 0) return std::max(1, CPU_COUNT(&set));
  return std::max(1U, std::thread::hardware_concurrency());
}

int choose_threads(int requested) { return choose_threads_for(requested, available_cores()); }

int choose_threads_for(int requested, int cores) {
  if (requested > 0) return requested;
  if (team_is_lost) return 1;
  if (const char* variable = std::getenv("OMP_NUM_THREADS")) {
    const int value = std::atoi(variable);
    if (value > 0) return value;
  }
  return std::max(1, cores);
}

void set_threads(int threads) {
  if (team_is_lost && threads > 1) {
    throw Error(
        "this process was forked from one that had evaluated a model, and can use 1 thread "
        "only, found " +
        std::to_string(threads) +
        ": leave the number of threads out, or start it by the method \"spawn\" of "
        "multiprocessing");
  }
  at::set_num_threads(threads);
}

int get_threads() { return at::get_num_threads(); }

void survive_forks() {
  static const int registered = pthread_atfork(nullptr, nullptr, [] { team_is_lost = true; });
  static_cast<void>(registered);  // without memory for a handler, all else fails as well
  if (team_is_lost && at::get_num_threads() > 1) at::set_num_threads(1);
}

}  // namespace mdbridge
