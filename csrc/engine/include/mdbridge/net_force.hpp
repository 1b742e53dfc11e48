#pragma once

#include <cstdint>

#include "mdbridge/visibility.hpp"

namespace mdbridge {

/// Subtract the mean from `forces` (3N), so that they sum to zero.
MDBRIDGE_API void remove_net_force(double* forces, std::int64_t count);

/// Make the torque of `forces` (3N) about the centroid of `positions` (3N) zero by the smallest
/// change (in the sum of squares) that leaves their sum as it is. Collinear atoms and single atoms
/// are fine.
MDBRIDGE_API void remove_net_torque(const double* positions, double* forces, std::int64_t count);

}  // namespace mdbridge
