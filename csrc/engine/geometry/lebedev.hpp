#pragma once

#include <array>
#include <vector>

namespace mdbridge {

/// Points of the unit sphere that permutations and changes of sign of the coordinates make of one.
struct Orbit {
  std::array<double, 3> point;  // ascending, none negative
  double weight;                // of each of the points
};

/// Lebedev and Laikov, Doklady Mathematics 59, 477 (1999): the weighted sum over the points is the
/// mean over the sphere for spherical harmonics up to this degree.
struct LebedevRule {
  int degree;
  std::vector<Orbit> orbits;
};

/// Rules with positive weights, by ascending degree.
const std::vector<LebedevRule>& lebedev_rules();

}  // namespace mdbridge
