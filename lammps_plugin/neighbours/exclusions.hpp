// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include "pointers.h"

namespace mdbridge_lammps {

/// What `neigh_modify exclude` says of single atoms.
///
/// An atom without any pairs would still have the energy that the model gives to an isolated atom.
/// `fix gcmc` and `fix widom` exclude an atom from all others in order to take it away: such an
/// atom is gone.
class Exclusions : protected LAMMPS_NS::Pointers {
 public:
  explicit Exclusions(LAMMPS_NS::LAMMPS* lmp) : Pointers(lmp) {}

  /// Whether an own atom or ghost (LAMMPS index) is in a group that is excluded from the group
  /// all, or of a type that is excluded from all types.
  bool from_all(int index) const;
};

}  // namespace mdbridge_lammps
