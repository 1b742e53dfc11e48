#include "geometry/orientations.hpp"

#include <algorithm>
#include <cmath>

#include "mdbridge/error.hpp"

namespace mdbridge {

namespace {

bool is_fixed_set(const std::string& name) { return name != "none" && name != "random"; }

/// Throw Error unless the direct forces can have this set, which is another one than the energy's.
void require_sense(const std::string& symmetrize, const std::string& direct) {
  const std::string found = ", found symmetrize " + symmetrize + " and " + direct + " for them";
  if (symmetrize == "random") {
    throw Error(
        "with symmetrize random the direct forces have the random rotation of the conservative "
        "ones, which costs nothing" +
        found + ": leave out the set of the direct forces, or choose a fixed one for symmetrize");
  }
  if (symmetrize == "none") {
    throw Error("direct forces are averaged over copies only where the energy is" + found +
                ": choose a fixed set for symmetrize, too, or leave out that of the direct forces");
  }
  if (direct == "random") {
    throw Error(
        "direct forces that are averaged otherwise than the energy have a fixed set, or none" +
        found + ": choose none, which costs as little");
  }
}

bool same(const Rotation& a, const Rotation& b) {
  constexpr double tolerance = 1e-12;  // no two elements of a set are as near to each other
  return std::equal(a.begin(), a.end(), b.begin(),
                    [](double x, double y) { return std::abs(x - y) < tolerance; });
}

}  // namespace

std::vector<Orientation> orientations_of(const std::string& symmetrize,
                                         const std::string& direct_symmetrize) {
  const bool apart = !direct_symmetrize.empty() && direct_symmetrize != symmetrize;
  const std::vector<Rotation> set = rotation_group(symmetrize);  // throws for an unknown name
  std::vector<Rotation> of_direct = rotation_group(apart ? direct_symmetrize : "none");
  if (apart) require_sense(symmetrize, direct_symmetrize);
  if (!is_fixed_set(symmetrize)) return {Orientation{}};
  std::vector<Orientation> orientations;
  for (const Rotation& rotation : set) {
    orientations.push_back({rotation, {.energy = 1.0, .direct = apart ? 0.0 : 1.0}});
  }
  if (!apart) return orientations;
  if (of_direct.empty()) of_direct.push_back(Rotation{1, 0, 0, 0, 1, 0, 0, 0, 1});
  for (const Rotation& rotation : of_direct) {
    const auto found =
        std::find_if(orientations.begin(), orientations.end(),
                     [&](const Orientation& other) { return same(*other.rotation, rotation); });
    if (found != orientations.end()) {
      found->weights.direct = 1.0;
    } else {
      orientations.push_back({rotation, {.energy = 0.0, .direct = 1.0}});
    }
  }
  return orientations;
}

Weights total(const std::vector<Orientation>& orientations) {
  Weights sum{.energy = 0.0, .direct = 0.0};
  for (const Orientation& orientation : orientations) {
    sum.energy += orientation.weights.energy;
    sum.direct += orientation.weights.direct;
  }
  return sum;
}

}  // namespace mdbridge
