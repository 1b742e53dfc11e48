// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <cstddef>
#include <vector>

namespace mdbridge_lammps {

/// What the members of a committee differ by: standard deviations of a sample, with M - 1 in the
/// denominator, in eV and Å.
struct Disagreement {
  /// Of the energy of all atoms together.
  double energy_std = 0.0;
  /// Of each component of the force on each own atom, 3 a site; empty unless wanted.
  std::vector<double> forces_std;

  /// The norm of these on each own atom.
  std::vector<double> norms() const;
};

/// The standard deviation of each column of these rows, all of one length; zeros for one row.
std::vector<double> deviations(const std::vector<std::vector<double>>& rows);

}  // namespace mdbridge_lammps
