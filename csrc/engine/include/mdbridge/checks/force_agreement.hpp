#pragma once

#include <span>
#include <string>

#include "mdbridge/engine.hpp"
#include "mdbridge/visibility.hpp"

namespace mdbridge {

/// How the inner forces of multiple time stepping agree with the conservative ones.
///
/// Direct forces that approximate the conservative ones are off by 5 to 30 % of them; those of
/// another potential energy surface, or of a head that was never trained, by 100 % and more.
class MDBRIDGE_API ForceAgreement {
 public:
  /// So many times the conservative forces may the correction be, unless a user says otherwise.
  static constexpr double largest = 0.7;

  /// Sums over the components of forces, in eV/Å: hosts that share the atoms out among processes
  /// add them up.
  struct Sums {
    double conservative = 0.0;  // of squares
    double correction = 0.0;    // of squares, of conservative minus inner forces
    double count = 0.0;

    /// Forces on the same atoms.
    MDBRIDGE_API void add(std::span<const double> of_conservative,
                          std::span<const double> of_inner);
  };

  ForceAgreement() = default;
  explicit ForceAgreement(const Sums& sums);

  /// Root mean squares, eV/Å: of the conservative forces, and of the correction.
  double conservative() const { return conservative_; }
  double correction() const { return correction_; }
  /// Whether the conservative forces are so small that the correction says nothing in relation to
  /// them: in a crystal at rest they vanish by symmetry.
  bool at_rest() const;

  /// "direct forces differ from the conservative ones by ...", without an end. `two_models`: the
  /// inner forces are those of a model of their own.
  std::string describe(bool two_models) const;
  /// Throws Error if the correction is larger than `limit` times the conservative forces; these are
  /// taken for no smaller than forces in a hot liquid or solid are. `advice` ends the sentence:
  /// "They do not belong to one potential energy surface: ...".
  void require(double limit, bool two_models, const std::string& advice) const;

 private:
  double conservative_ = 0.0;
  double correction_ = 0.0;
};

/// A model that was made to stand in for another one may say which variant of that one it learned,
/// in its metadata (`teacher_variant`). Throws ModelError if that is not the variant of `outer`.
MDBRIDGE_API void require_teacher_variant(const Engine& inner, const Engine& outer);

}  // namespace mdbridge
