#pragma once

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

}  // namespace mdbridge
