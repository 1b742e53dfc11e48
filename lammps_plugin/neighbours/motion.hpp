// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <mpi.h>

#include <array>
#include <cstddef>

#include "mdbridge/structure.hpp"

namespace mdbridge_lammps {

/// How the own atoms of a rank, or of all ranks, have moved since a neighbour list was built.
///
/// mdbridge::list_reach() is the same for one rank, and the sharper one: it takes off a translation
/// of all atoms, which a rank does not know of those of others.
struct Motion {
  /// How much the cell has stretched or shrunk, without unit.
  double stretch = 0.0;
  /// The two largest displacements (Å) that the cell's deformation does not explain.
  double largest = 0.0;
  double second = 0.0;

  /// A list that held all pairs up to `range` (Å) has all that are closer than this now.
  double reach(double range) const { return (1.0 - stretch) * range - largest - second; }
};

/// A structure, and the corner (Å) of its cell, from which the cell grows.
struct Placed {
  const mdbridge::Structure& structure;
  std::array<double, 3> corner;
};

/// The motion of the first `atoms` of two structures, the same atoms in the same order.
Motion motion_between(const Placed& built, const Placed& now, std::size_t atoms);

/// Of the atoms of all ranks: either exactly, or a bound that is good enough, which is one with a
/// reach of at least `cutoff` for a list of `range` (both in Å). Collective.
Motion motion_of_all(MPI_Comm world, const Motion& mine, double range, double cutoff);

}  // namespace mdbridge_lammps
