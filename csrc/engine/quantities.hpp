#pragma once

#include <array>
#include <cstddef>

#include "mdbridge/evaluation.hpp"
#include "mdbridge/rotations.hpp"
#include "mdbridge/structure.hpp"

/// What is done to all quantities of an evaluation alike.
namespace mdbridge {

/// Throw NonFiniteError, naming the first quantity (and for forces the atom and its element) that
/// is not finite.
void check_finite(const Evaluation& evaluation, const Structure& structure);

/// What is wanted, and what that is made of: the values whose deviations are wanted, and of members
/// of a committee their energies.
Wanted with_averages(Wanted wanted);

/// Whether deviations over rotated copies are wanted.
bool wants_deviations(const Wanted& wanted);

/// Turn what was evaluated for the copy that `rotation` made back: into what the copy says of the
/// original.
void turn_back(Evaluation& of_copy, const Rotation& rotation);

/// Whether any of the quantities that are not predicted directly is wanted, or any that is.
bool wants_energy(const Wanted& wanted);
bool wants_direct(const Wanted& wanted);
/// These two parts, or one of them.
Wanted part_of(Wanted wanted, bool energy, bool direct);

/// The weighted mean of evaluations, and their standard deviations where these are wanted.
///
/// Sums are made about the first evaluation of each part (what belongs to the energy, what is
/// predicted directly), so that what all of them agree on loses no digits.
class Average {
 public:
  explicit Average(const Wanted& wanted) : wanted_(wanted) {}

  /// The weights of each part add up to 1; an evaluation need not have the part in which it has
  /// none.
  void add(Evaluation turned_back, const Weights& weights);
  /// Of all that were added, at least one of each part that is wanted.
  Evaluation result() &&;

 private:
  void add_part(bool direct, Evaluation& turned_back, double weight);
  void start_sums(bool direct);
  void finish(bool direct);

  Wanted wanted_;
  std::array<std::size_t, 2> counts_{};  // by part
  Evaluation first_;
  // sums of weight times difference from the first one, as deviations of weight times its square
  Evaluation sums_;
};

}  // namespace mdbridge
