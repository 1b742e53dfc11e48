#pragma once

#include <cstddef>

#include "mdbridge/evaluation.hpp"
#include "mdbridge/rotations.hpp"
#include "mdbridge/structure.hpp"

/// What is done to all quantities of an evaluation alike.
namespace mdbridge {

/// Throw NonFiniteError, naming the first quantity (and for forces the atom and its element) that
/// is not finite.
void check_finite(const Evaluation& evaluation, const Structure& structure);

/// Add to `sum` what an evaluation of the copy that `rotation` made says of the original.
void add_rotated_back(const Evaluation& of_copy, const Rotation& rotation, Evaluation& sum);

/// Divide a sum of `count` evaluations by their number.
void divide(Evaluation& sum, std::size_t count);

}  // namespace mdbridge
