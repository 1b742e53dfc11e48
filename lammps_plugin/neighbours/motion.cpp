// SPDX-License-Identifier: GPL-2.0-only
#include "motion.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>

#include "mdbridge/matrix3.hpp"
#include "mpi/gather.hpp"

namespace mdbridge_lammps {

using mdbridge::Structure;
using mdbridge::matrix3::Matrix3;

namespace {

/// A cell that can be inverted: LAMMPS's lattice vectors, and unit vectors in open directions.
Matrix3 invertible(const Structure& structure) {
  Matrix3 cell = structure.cell;
  for (int a = 0; a < 3; ++a) {
    if (!structure.periodic[a]) cell[4 * a] = 1.0;
  }
  return cell;
}

}  // namespace

Motion motion_between(const Placed& built, const Placed& now, std::size_t atoms) {
  Motion motion;
  const Matrix3 deformation = mdbridge::matrix3::multiply(
      mdbridge::matrix3::inverse(invertible(built.structure)), invertible(now.structure));
  for (int k = 0; k < 9; ++k) {
    motion.stretch = std::hypot(motion.stretch, deformation[k] - (k % 4 == 0 ? 1.0 : 0.0));
  }
  const auto& corner = now.corner;
  for (std::size_t i = 0; i < 3 * atoms; i += 3) {
    const double* x = &built.structure.positions[i];
    const double from_corner[3] = {x[0] - built.corner[0], x[1] - built.corner[1],
                                   x[2] - built.corner[2]};
    const auto moved = mdbridge::matrix3::apply(from_corner, deformation);
    x = &now.structure.positions[i];
    const double distance = std::hypot(x[0] - corner[0] - moved[0], x[1] - corner[1] - moved[1],
                                       x[2] - corner[2] - moved[2]);
    motion.second = std::max(motion.second, std::min(distance, motion.largest));
    motion.largest = std::max(motion.largest, distance);
  }
  return motion;
}

Motion motion_of_all(MPI_Comm world, const Motion& mine, double range, double cutoff) {
  double values[2] = {mine.stretch, mine.largest};
  MPI_Allreduce(MPI_IN_PLACE, values, 2, MPI_DOUBLE, MPI_MAX, world);
  Motion bound{values[0], values[1], values[1]};
  if (bound.reach(range) >= cutoff) return bound;
  auto all = gather_everywhere(world, {mine.largest, mine.second}).values;
  std::nth_element(all.begin(), all.begin() + 1, all.end(), std::greater<>());
  bound.second = all[1];
  return bound;
}

}  // namespace mdbridge_lammps
