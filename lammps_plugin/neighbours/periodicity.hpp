// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include "domain.h"

namespace mdbridge_lammps {

/// Whether atoms have images along this lattice vector (0, 1, 2). LAMMPS calls a box of two
/// dimensions periodic in z, but has no images there: its depth has no meaning.
inline bool has_images(const LAMMPS_NS::Domain& domain, int axis) {
  return domain.periodicity[axis] != 0 && axis < domain.dimension;
}

}  // namespace mdbridge_lammps
