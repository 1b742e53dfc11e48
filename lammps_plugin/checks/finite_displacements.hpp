// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <mpi.h>

#include <string>

#include "mdbridge/structure.hpp"

namespace LAMMPS_NS {
class Update;
}

namespace mdbridge_lammps {

/// Follows a command that takes derivatives of forces by displacing atoms (dynamical_matrix,
/// third_order).
///
/// Pair styles are not told of such a command, but it is known by what it does: it computes forces
/// outside of any run or minimization, atoms displaced one after the other.
class FiniteDisplacements {
 public:
  /// Whether the force call is one of such a command.
  static bool under_way(const LAMMPS_NS::Update& update);

  /// Forget what the last command did.
  void begin();
  /// At each force call, of a model in single precision: a sentence, once, if the displacements are
  /// so small that rounding errors of the forces drown their differences; else empty. Collective.
  std::string warning(MPI_Comm world, const mdbridge::Structure& structure);

 private:
  mdbridge::Structure undisplaced_;
  bool warned_ = false;
};

}  // namespace mdbridge_lammps
