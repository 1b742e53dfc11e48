// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include "mdbridge/error.hpp"
#include "mdbridge/threads.hpp"

namespace mdbridge_lammps {

/// While it lives, torch uses this many threads; then the process has the number that it had.
///
/// Both torch and the /omp styles of LAMMPS take the number of the OpenMP library that they share,
/// and so does each other pair style mdbridge: none can rely on what it has set once.
class ThreadScope {
 public:
  explicit ThreadScope(int threads)
      : before_(mdbridge::get_threads()), changed_(before_ != threads) {
    if (changed_) mdbridge::set_threads(threads);
  }
  ~ThreadScope() {
    try {
      if (changed_) mdbridge::set_threads(before_);
    } catch (const mdbridge::Error&) {
      // a forked process, which keeps its one thread
    }
  }
  ThreadScope(const ThreadScope&) = delete;
  ThreadScope& operator=(const ThreadScope&) = delete;

 private:
  int before_;
  bool changed_;
};

}  // namespace mdbridge_lammps
