#pragma once

#include <optional>
#include <string>
#include <vector>

#include "mdbridge/rotations.hpp"

namespace mdbridge {

/// One of the copies of a structure; without a rotation the structure as it is.
struct Orientation {
  std::optional<Rotation> rotation;
  Weights weights;
};

/// The copies for the sets of these names (of rotation_set()), that of the energy and that of the
/// direct forces; empty for the latter: the same one. A rotation that both have is there once. The
/// weights of either add up to 1. For "random", and without any set, it is the structure itself
/// alone.
///
/// Throws Error for an unknown name, and for two sets that make no sense together: direct forces
/// have one of their own only beside a fixed set of the energy, and a fixed one or none.
std::vector<Orientation> orientations_of(const std::string& symmetrize,
                                         const std::string& direct_symmetrize);

}  // namespace mdbridge
