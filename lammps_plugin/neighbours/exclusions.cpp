// SPDX-License-Identifier: GPL-2.0-only
#include "exclusions.hpp"

#include "atom.h"
#include "neighbor.h"

namespace mdbridge_lammps {

bool Exclusions::from_all(int index) const {
  constexpr int all = 0;  // the number of the group of this name
  const int mask = atom->mask[index];
  for (int k = 0; k < neighbor->nex_group; ++k) {
    if (neighbor->ex2_group[k] == all && (mask & neighbor->ex1_bit[k]) != 0) return true;
    if (neighbor->ex1_group[k] == all && (mask & neighbor->ex2_bit[k]) != 0) return true;
  }
  if (neighbor->nex_type == 0) return false;
  const int* excluded = neighbor->ex_type[atom->type[index]];
  for (int type = 1; type <= atom->ntypes; ++type) {
    if (excluded[type] == 0) return false;
  }
  return true;
}

}  // namespace mdbridge_lammps
