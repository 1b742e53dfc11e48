#include "geometry/lattice.hpp"

#include <cmath>

namespace mdbridge {

matrix3::Matrix3 completed(matrix3::Matrix3 cell, const matrix3::Matrix3& reference,
                           const std::array<bool, 3>& periodic) {
  std::array<std::array<double, 3>, 3> basis{};
  int known = 0;
  const auto orthogonal_part = [&](std::array<double, 3> v) {
    for (int pass = 0; pass < 2; ++pass) {
      for (int b = 0; b < known; ++b) {
        const double dot = v[0] * basis[b][0] + v[1] * basis[b][1] + v[2] * basis[b][2];
        for (int k = 0; k < 3; ++k) v[k] -= dot * basis[b][k];
      }
    }
    return v;
  };
  const auto add = [&](const std::array<double, 3>& v) {
    const double norm = std::hypot(v[0], v[1], v[2]);
    for (int k = 0; k < 3; ++k) basis[known][k] = v[k] / norm;
    ++known;
  };
  for (int a = 0; a < 3; ++a) {
    if (periodic[a]) {
      add(orthogonal_part({reference[3 * a], reference[3 * a + 1], reference[3 * a + 2]}));
    }
  }
  for (int a = 0; a < 3; ++a) {
    if (periodic[a]) continue;
    std::array<double, 3> best{};
    double best_norm = -1.0;
    for (int axis = 0; axis < 3; ++axis) {
      std::array<double, 3> unit{};
      unit[axis] = 1.0;
      const auto candidate = orthogonal_part(unit);
      const double norm = std::hypot(candidate[0], candidate[1], candidate[2]);
      if (norm > best_norm + 1e-9) {
        best = candidate;
        best_norm = norm;
      }
    }
    add(best);
    for (int k = 0; k < 3; ++k) cell[3 * a + k] = basis[known - 1][k];
  }
  return cell;
}

}  // namespace mdbridge
