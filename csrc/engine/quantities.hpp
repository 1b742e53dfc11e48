#pragma once

#include "geometry/orientations.hpp"
#include "mdbridge/evaluation.hpp"
#include "mdbridge/rotations.hpp"
#include "mdbridge/structure.hpp"

/// What is done to all quantities of an evaluation alike.
namespace mdbridge {

/// Throw NonFiniteError, naming the first quantity (and for forces the atom and its element) that
/// is not finite.
void check_finite(const Evaluation& evaluation, const Structure& structure);

/// Whether any of the quantities that are not predicted directly is wanted, or any that is.
bool wants_energy(const Wanted& wanted);
bool wants_direct(const Wanted& wanted);
/// These two parts, or one of them.
Wanted part_of(Wanted wanted, bool energy, bool direct);

/// Add to `sum` what an evaluation of the copy that `rotation` made says of the original, times the
/// weights of the copy: nothing of what it has no weight in.
void add_rotated_back(const Evaluation& of_copy, const Rotation& rotation, const Weights& weights,
                      Evaluation& sum);

/// Divide a sum of evaluations by that of their weights.
void divide(Evaluation& sum, const Weights& weights);

}  // namespace mdbridge
