// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <mpi.h>

#include <string>
#include <vector>

namespace mdbridge_lammps {

/// How the inner forces of multiple time stepping agree with the conservative ones: root mean
/// squares over the components of all forces, in eV/Å.
///
/// Direct forces that approximate the conservative ones are off by 5 to 30 % of them; those of
/// another potential energy surface, or of a head that was never trained, by 100 % and more.
struct ForceAgreement {
  double conservative = 0.0;
  /// Of conservative minus direct forces.
  double correction = 0.0;

  /// Of the forces on the own atoms of each rank, in eV/Å. Collective.
  static ForceAgreement of(MPI_Comm world, const std::vector<double>& conservative,
                           const std::vector<double>& inner);

  /// Whether the conservative forces are so small that the correction says nothing in relation to
  /// them: in a crystal at rest they vanish by symmetry.
  bool at_rest() const;
  /// A line for the log. `two_models`: the inner forces are those of a model of their own.
  std::string describe(bool two_models) const;
  /// Throws mdbridge::Error if the correction is larger than `largest` times the conservative
  /// forces; these are taken for no smaller than forces in a hot liquid or solid are.
  void require(double largest, bool two_models) const;
};

}  // namespace mdbridge_lammps
