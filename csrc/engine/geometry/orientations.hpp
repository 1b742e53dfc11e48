#pragma once

#include <optional>
#include <string>
#include <vector>

#include "mdbridge/rotations.hpp"

namespace mdbridge {

/// What a rotated copy counts in the means over copies: in those of the energy and all that follows
/// from it, and in those of what the model predicts directly. 0: not at all, and so it need not be
/// evaluated for them.
struct Weights {
  double energy = 1.0;
  double direct = 1.0;
};

/// One of the copies of a structure; without a rotation the structure as it is.
struct Orientation {
  std::optional<Rotation> rotation;
  Weights weights;
};

/// The copies for the sets of these names (of symmetrization_names()), that of the energy and that
/// of the direct forces; empty for the latter: the same one. A rotation that both have is there
/// once. For "random", and without any set, it is the structure itself alone.
///
/// Throws Error for an unknown name, and for two sets that make no sense together: direct forces
/// have one of their own only beside a fixed set of the energy, and a fixed one or none.
std::vector<Orientation> orientations_of(const std::string& symmetrize,
                                         const std::string& direct_symmetrize);

/// Sums of the weights, by which the sums over the copies are divided.
Weights total(const std::vector<Orientation>& orientations);

}  // namespace mdbridge
