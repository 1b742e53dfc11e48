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

/// The names that `symmetrize` takes: "none", "octahedral" (24 rotations), "icosahedral" (60), each
/// of these two followed by "/inversion" (twice as many), and "random".
MDBRIDGE_API const std::vector<std::string>& symmetrization_names();

/// The group of this name, the identity first; no rotations for "none" and "random". Throws Error,
/// listing the names, for any other.
///
/// The mean of f(R r) over the octahedral group is the mean over all rotations if f holds no
/// spherical harmonics above l = 3, over the icosahedral group if it holds none above l = 5: these
/// are the orders below the first invariant of the group other than a constant (l = 4 and l = 6).
MDBRIDGE_API std::vector<Rotation> rotation_group(const std::string& name);

/// Random element of O(3), uniform: a rotation, or with probability 1/2 a rotation times the
/// inversion. Depends on `seed` and `counter` only, on every machine.
MDBRIDGE_API Rotation random_rotation(std::uint64_t seed, std::uint64_t counter);

/// A counter that belongs to these positions and this cell, the same whenever they are asked about.
MDBRIDGE_API std::uint64_t counter_from_positions(const Structure& structure);

}  // namespace mdbridge
