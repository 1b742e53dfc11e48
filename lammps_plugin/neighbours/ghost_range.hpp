// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <algorithm>

#include "comm.h"
#include "pointers.h"

namespace mdbridge_lammps {

/// How far LAMMPS's ghosts reach for the sake of a pair style, as `comm_modify cutoff` does for the
/// user; no longer than the pair style is there.
class GhostRange : protected LAMMPS_NS::Pointers {
 public:
  explicit GhostRange(LAMMPS_NS::LAMMPS* lmp) : Pointers(lmp) {}
  ~GhostRange() { reach(0.0); }
  GhostRange(const GhostRange&) = delete;
  GhostRange& operator=(const GhostRange&) = delete;

  /// Let ghosts reach at least so far (LAMMPS units), in place of what was asked for before.
  void reach(double range) {
    if (comm == nullptr) return;
    const bool ours = comm->cutghostuser == ours_;
    if (ours) comm->cutghostuser = users_;
    ours_ = none;
    if (range <= comm->cutghostuser) return;
    users_ = comm->cutghostuser;
    ours_ = range;
    comm->cutghostuser = range;
  }

 private:
  static constexpr double none = -1.0;  // no length

  double users_ = 0.0;
  double ours_ = none;
};

}  // namespace mdbridge_lammps
