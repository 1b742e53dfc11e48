#include "geometry/rotation_grids.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

#include "geometry/lebedev.hpp"

namespace mdbridge {

namespace {

using Point = std::array<double, 3>;

std::vector<Point> points_of(const Orbit& orbit) {
  std::vector<Point> points;
  Point magnitudes = orbit.point;
  do {
    for (int signs = 0; signs < 8; ++signs) {
      Point point = magnitudes;
      bool once = true;  // a sign of zero makes no other point
      for (int k = 0; k < 3; ++k) {
        if ((signs >> k & 1) == 0) continue;
        once = once && point[k] != 0.0;
        point[k] = -point[k];
      }
      if (once) points.push_back(point);
    }
  } while (std::next_permutation(magnitudes.begin(), magnitudes.end()));
  return points;
}

/// Rz(a) Ry(b), which turns the z axis into the point of these polar coordinates.
Rotation turn_z_into(const Point& point) {
  const auto [x, y, z] = point;
  const double sine = std::hypot(x, y);
  const double along_x = sine > 0.0 ? x / sine : 1.0;
  const double along_y = sine > 0.0 ? y / sine : 0.0;
  return {along_x * z, -along_y, x, along_y * z, along_x, y, -sine, 0.0, z};
}

Rotation turn_about_z(double angle) {
  const double c = std::cos(angle);
  const double s = std::sin(angle);
  return {c, -s, 0.0, s, c, 0.0, 0.0, 0.0, 1.0};
}

}  // namespace

int largest_grid_degree() { return lebedev_rules().back().degree; }

RotationSet rotation_grid(int degree, int fold) {
  const auto& rules = lebedev_rules();
  const auto rule = std::find_if(rules.begin(), rules.end(),
                                 [&](const LebedevRule& each) { return each.degree >= degree; });
  const int turns = fold * (degree / fold + 1);
  RotationSet set;
  for (const Orbit& orbit : rule->orbits) {
    for (const Point& point : points_of(orbit)) {
      const Rotation tilt = turn_z_into(point);
      for (int k = 0; k < turns; ++k) {
        const Rotation turn = turn_about_z(2.0 * std::numbers::pi * k / turns);
        set.rotations.push_back(matrix3::multiply(tilt, turn));
        set.weights.push_back(orbit.weight / turns);
      }
    }
  }
  return set;
}

}  // namespace mdbridge
