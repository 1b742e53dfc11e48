// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <mpi.h>

#include <string>
#include <vector>

namespace mdbridge_lammps {

/// How the direct forces of a model agree with its conservative ones: root mean squares over the
/// components of all forces, in eV/Å.
///
/// Direct forces that approximate the conservative ones are off by 5 to 30 % of them; those of
/// another potential energy surface, or of a head that was never trained, by 100 % and more.
struct ForceAgreement {
  double conservative = 0.0;
  /// Of conservative minus direct forces.
  double correction = 0.0;

  /// Of the forces on the own atoms of each rank, in eV/Å. Collective.
  static ForceAgreement of(MPI_Comm world, const std::vector<double>& conservative,
                           const std::vector<double>& direct);

  /// Whether the conservative forces are so small that the correction says nothing in relation to
  /// them: in a crystal at rest they vanish by symmetry.
  bool at_rest() const;
  /// A line for the log.
  std::string describe() const;
  /// Throws mdbridge::Error if the correction is larger than `largest` times the conservative
  /// forces; these are taken for no smaller than forces in a hot liquid or solid are.
  void require(double largest) const;
};

}  // namespace mdbridge_lammps
