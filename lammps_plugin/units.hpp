// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <string>

namespace mdbridge_lammps {

/// Factors from the units of the engine (Å, eV), and from g/mol, to those of a LAMMPS `units`
/// style.
struct Units {
  double length = 1.0;
  double energy = 1.0;
  double mass = 1.0;
  double force() const { return energy / length; }

  /// Throws mdbridge::Error for a style without a fixed relation to eV and Å.
  static Units of(const std::string& style);
};

}  // namespace mdbridge_lammps
