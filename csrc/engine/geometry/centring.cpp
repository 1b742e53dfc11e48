#include "geometry/centring.hpp"

#include <algorithm>
#include <cmath>

#include "geometry/lattice.hpp"
#include "mdbridge/matrix3.hpp"

namespace mdbridge {

namespace {

// Cells from the centre that an atom may be. Those in a box that begins at the origin stay, so that
// most structures need no change of their pairs.
constexpr double far_away = 1.05;

// How far from the origin a structure may be to stay where it is, Å.
constexpr double near = 1.0;

/// The middle of the atoms; 0 along axes on which the origin lies among them, where there is little
/// to gain. Rounded to whole Å, so that it is one point for all steps (and orders of the atoms) but
/// few.
std::array<double, 3> centre_of(const std::vector<double>& positions) {
  std::array<double, 3> centre{};
  for (int k = 0; k < 3; ++k) {
    double low = positions[k];
    double high = positions[k];
    for (std::size_t i = k; i < positions.size(); i += 3) {
      low = std::min(low, positions[i]);
      high = std::max(high, positions[i]);
    }
    if (low > near || high < -near) centre[k] = std::round(0.5 * (low + high));
  }
  return centre;
}

}  // namespace

void Centring::update(const Structure& structure) {
  take_off_centre(structure);
  taken_.clear();
  if (structure.is_periodic()) take_off_lattice_vectors(structure);
}

void Centring::follow(const Structure& structure) {
  take_off_centre(structure);
  for (std::size_t i = 0; i < taken_.size(); ++i) {
    for (int a = 0; a < 3; ++a) {
      for (int k = 0; k < 3; ++k) positions_[3 * i + k] -= taken_[i][a] * structure.cell[3 * a + k];
    }
  }
}

void Centring::take_off_centre(const Structure& structure) {
  const auto centre = centre_of(structure.positions);
  positions_.resize(structure.positions.size());
  for (std::size_t i = 0; i < positions_.size(); i += 3) {
    for (int k = 0; k < 3; ++k) positions_[i + k] = structure.positions[i + k] - centre[k];
  }
}

void Centring::take_off_lattice_vectors(const Structure& structure) {
  const auto inverse =
      matrix3::inverse(completed(structure.cell, structure.cell, structure.periodic));
  for (std::size_t i = 0; i < positions_.size(); i += 3) {
    const auto fraction = matrix3::apply(&positions_[i], inverse);
    for (int a = 0; a < 3; ++a) {
      if (!structure.periodic[a] || std::abs(fraction[a]) <= far_away) continue;
      const double cells = std::round(fraction[a]);
      if (!(std::abs(cells) < 1e9)) continue;  // no 32-bit shift can say it
      if (taken_.empty()) taken_.resize(structure.types.size());
      taken_[i / 3][a] = static_cast<std::int32_t>(cells);
      for (int k = 0; k < 3; ++k) positions_[i + k] -= cells * structure.cell[3 * a + k];
    }
  }
}

void Centring::correct(std::span<std::int32_t> labels) const {
  if (taken_.empty()) return;
  // r_j - r_i + S @ cell, with r = r' + n @ cell
  for (std::size_t p = 0; p < labels.size(); p += 5) {
    const auto& first = taken_[labels[p]];
    const auto& second = taken_[labels[p + 1]];
    for (int a = 0; a < 3; ++a) labels[p + 2 + a] += second[a] - first[a];
  }
}

}  // namespace mdbridge
