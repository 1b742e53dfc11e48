// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <exception>
#include <new>
#include <string>

#include "platform.h"
#include "pointers.h"

namespace mdbridge_lammps {

/// Where what the engine throws becomes a LAMMPS error. Work handed to it must not call LAMMPS's
/// own error functions: it throws mdbridge::Error instead.
class ErrorBoundary : protected LAMMPS_NS::Pointers {
 public:
  explicit ErrorBoundary(LAMMPS_NS::LAMMPS* lmp) : Pointers(lmp) {}

  /// For work that all ranks do at the same time and that may fail on some of them only (a file
  /// that one node lacks): all ranks stop, with the message of the first one that failed. What may
  /// fail on some ranks only must not come before a collective MPI call in the same work. The time
  /// spent on agreeing, most of it waiting for the slowest rank, is added to `waiting`.
  template <typename Work>
  void agree(Work&& work, double* waiting = nullptr) {
    const std::string message = message_of(work);
    const double start = LAMMPS_NS::platform::walltime();
    stop_if_any(message);
    if (waiting != nullptr) *waiting += LAMMPS_NS::platform::walltime() - start;
  }

  /// As agree(), for work without which LAMMPS can go on: gives the message to all ranks, empty if
  /// all went well, and stops none.
  template <typename Work>
  std::string problem_of(Work&& work) {
    return shared(message_of(work));
  }

  /// For work with collective MPI calls inside, which should not fail at all: a rank where it does
  /// aborts all others, and its message may be lost.
  template <typename Work>
  void or_abort(Work&& work) {
    const std::string message = message_of(work);
    if (!message.empty()) stop(message);
  }

 private:
  /// What the work threw; empty if it went well.
  template <typename Work>
  std::string message_of(Work&& work) {
    try {
      work();
    } catch (const std::bad_alloc&) {
      return "out of memory";
    } catch (const std::exception& error) {
      const std::string what = error.what();
      return what.empty() ? "unknown error" : what;
    } catch (...) {
      return "unknown error";
    }
    return "";
  }

  /// The message of the first rank that has one. Collective.
  std::string shared(std::string message);
  void stop_if_any(const std::string& message);
  [[noreturn]] void stop(const std::string& message);
};

}  // namespace mdbridge_lammps
