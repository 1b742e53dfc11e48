#pragma once

#include <chrono>

#include "mdbridge/visibility.hpp"

namespace mdbridge {

/// Number of cores that this process may run on (its affinity mask, not the machine's size).
MDBRIDGE_API int available_cores();

/// Number of threads that this process should use: `requested` if positive, else OMP_NUM_THREADS if
/// set, else the cores available to it.
MDBRIDGE_API int choose_threads(int requested);
/// The same for a process that has `cores` cores to itself.
MDBRIDGE_API int choose_threads_for(int requested, int cores);

/// Let torch use this many threads in this process. Throws Error for more than one in a process
/// that was forked from one that had used torch.
MDBRIDGE_API void set_threads(int threads);
/// How many threads torch uses now.
MDBRIDGE_API int get_threads();

/// To be called before torch works: a process that is forked afterwards goes on with one thread.
MDBRIDGE_API void survive_forks();

// GNU's OpenMP, which torch uses, lets the threads that wait for others spin for some milliseconds:
// the fastest way on cores that nobody else wants, and ruinous on others, where the thread that all
// wait for gets no core because its own team spins on it. So the engine looks how long its threads
// had to wait for a core, and while that is long they sleep at once instead.
//
// A user's own OMP_WAIT_POLICY or GOMP_SPINCOUNT wins: nothing is done then, nor where threads are
// bound to cores (OMP_PROC_BIND, GOMP_CPU_AFFINITY), nor with another OpenMP.

/// Around an evaluation: what it took is watched, and what follows from it is done at its end.
class MDBRIDGE_API WatchedEvaluation {
 public:
  WatchedEvaluation();
  ~WatchedEvaluation();
  WatchedEvaluation(const WatchedEvaluation&) = delete;
  WatchedEvaluation& operator=(const WatchedEvaluation&) = delete;

 private:
  std::chrono::steady_clock::time_point start_;
  double waited_ = -1.0;  // seconds, before it; negative: it is not looked at
};

/// Decide again: in `worked` seconds of evaluations the threads of this process had to wait for a
/// core `waited` seconds, all of them together. WatchedEvaluation calls it; a test may.
MDBRIDGE_API void note_waiting(double waited, double worked);

/// Whether threads that wait for others sleep at once now.
MDBRIDGE_API bool waiting_threads_sleep();

}  // namespace mdbridge
