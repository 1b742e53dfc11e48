#include "mdbridge/checks/force_agreement.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <sstream>

#include "mdbridge/error.hpp"

namespace mdbridge {

namespace {

// eV/Å, of a component. What is smaller does not drive the motion of atoms with kT in them, and
// direct forces that are good elsewhere may be off by a large part of it.
constexpr double small_force = 0.3;
constexpr double no_force = 0.005;

/// With three digits.
std::string short_number(double value) {
  std::ostringstream text;
  text.precision(3);
  text << value;
  return text.str();
}

std::string variant_in_words(const std::string& variant) {
  return variant.empty() ? "the default one" : "'" + variant + "'";
}

}  // namespace

void ForceAgreement::Sums::add(std::span<const double> of_conservative,
                               std::span<const double> of_inner) {
  for (std::size_t k = 0; k < of_inner.size(); ++k) {
    const double difference = of_conservative[k] - of_inner[k];
    conservative += of_conservative[k] * of_conservative[k];
    correction += difference * difference;
  }
  count += static_cast<double>(of_inner.size());
}

ForceAgreement::ForceAgreement(const Sums& sums)
    : conservative_(std::sqrt(sums.conservative / std::max(sums.count, 1.0))),
      correction_(std::sqrt(sums.correction / std::max(sums.count, 1.0))) {}

bool ForceAgreement::at_rest() const { return conservative_ < no_force; }

std::string ForceAgreement::describe(bool two_models) const {
  const std::string part =
      at_rest() ? "" : " (" + short_number(100.0 * correction_ / conservative_) + " %)";
  return std::string(two_models ? "the inner model's" : "direct") +
         " forces differ from the conservative ones by " + short_number(correction_) +
         ", these are " + short_number(conservative_) + " eV/Angstrom" + part +
         " (root mean squares)";
}

void ForceAgreement::require(double limit, bool two_models, const std::string& advice) const {
  if (correction_ <= limit * std::max(conservative_, small_force)) return;
  throw Error(std::string("the ") +
              (two_models ? "forces of the inner model" : "direct forces of the model") +
              " differ from the conservative ones by " + short_number(correction_) +
              " eV/Angstrom, but these are only " + short_number(conservative_) +
              " (root mean squares; largest correction allowed: " + short_number(limit) +
              " times the conservative forces). They do not belong to one potential energy "
              "surface: " +
              advice);
}

void require_teacher_variant(const Engine& inner, const Engine& outer) {
  const auto& extra = inner.info().extra;
  const auto learned = extra.find("teacher_variant");
  if (learned == extra.end() || learned->second == outer.options().variant) return;
  throw ModelError(
      "the inner model '" + inner.info().path + "' was made for another variant of its teacher (" +
      variant_in_words(learned->second) + ") than the one that the model '" + outer.info().path +
      "' is used with (" + variant_in_words(outer.options().variant) +
      "): choose that variant, or an inner model that was made for this one");
}

}  // namespace mdbridge
