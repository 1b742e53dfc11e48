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

/// What is wanted, and what that is made of: the values whose deviations are wanted.
Wanted with_averages(Wanted wanted);

/// Whether deviations over rotated copies are wanted.
bool wants_deviations(const Wanted& wanted);

/// Turn what was evaluated for the copy that `rotation` made back: into what the copy says of the
/// original.
void turn_back(Evaluation& of_copy, const Rotation& rotation);

/// The weighted mean of evaluations, and their standard deviations where these are wanted.
///
/// Sums are made about the first evaluation, so that what all of them agree on loses no digits.
class Average {
 public:
  /// `weight`: all of them add up to 1. The first evaluation says what is wanted (Evaluation::has).
  void add(Evaluation turned_back, double weight);
  /// Of all that were added, at least one.
  Evaluation result() &&;

 private:
  void start_sums();

  std::size_t count_ = 0;
  Evaluation first_;
  // sums of weight times difference from the first one, as deviations of weight times its square
  Evaluation sums_;
};

}  // namespace mdbridge
