#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "mdbridge/matrix3.hpp"
#include "mdbridge/structure.hpp"
#include "mdbridge/visibility.hpp"

namespace mdbridge {

/// Orthogonal 3x3 matrix R that takes the position r to R r: a rotation, or one times the
/// inversion.
using Rotation = matrix3::Matrix3;

/// The rotated copies that an average is over.
struct RotationSet {
  std::vector<Rotation> rotations;
  std::vector<double> weights;  // of each copy; positive, of sum 1
};

/// What a rotated copy counts in the means over copies: in those of the energy and all that follows
/// from it, and in those of what the model predicts directly. 0: not at all, and so it need not be
/// evaluated for them.
struct Weights {
  double energy = 1.0;
  double direct = 1.0;
};

/// The names that `symmetrize` takes, but for those of grids: "none", "octahedral" (24 rotations),
/// "icosahedral" (60) and "hexagonal" (12), each of these three followed by "/inversion" (twice as
/// many), and "random".
MDBRIDGE_API const std::vector<std::string>& symmetrization_names();

/// The names of grids, L standing for a degree: "lebedev:L" and "hexagonal:L", each also followed
/// by "/inversion".
MDBRIDGE_API const std::vector<std::string>& rotation_grid_names();

/// The set of this name, that of a group with the identity first; empty for "none" and "random".
/// Throws Error, saying what there is, for any other.
///
/// The mean of f(R r) over the octahedral group is the mean over all rotations if f holds no
/// spherical harmonics above l = 3, over the icosahedral group if it holds none above l = 5: these
/// are the orders below the first invariant of the group other than a constant (l = 4 and l = 6).
/// The hexagonal group (a six-fold axis along z, two-fold ones along x and every 30 degrees from
/// it) has such an invariant at l = 2. A grid of degree L is exact up to l = L, and "hexagonal:L"
/// is besides closed under the hexagonal group, so that averages have its symmetry to rounding.
MDBRIDGE_API RotationSet rotation_set(const std::string& name);

/// The rotations of a set that is a group. Throws Error for grids, whose rotations have weights.
MDBRIDGE_API std::vector<Rotation> rotation_group(const std::string& name);

/// Random element of O(3), uniform: a rotation, or with probability 1/2 a rotation times the
/// inversion. Depends on `seed` and `counter` only, on every machine.
MDBRIDGE_API Rotation random_rotation(std::uint64_t seed, std::uint64_t counter);

/// A counter that belongs to these positions and this cell, the same whenever they are asked about.
MDBRIDGE_API std::uint64_t counter_from_positions(const Structure& structure);

}  // namespace mdbridge
