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
  const RotationSet set = rotation_set(symmetrize);  // throws for an unknown name
  RotationSet of_direct = rotation_set(apart ? direct_symmetrize : "none");
  if (apart) require_sense(symmetrize, direct_symmetrize);
  if (!is_fixed_set(symmetrize)) return {Orientation{}};
  std::vector<Orientation> orientations;
  for (std::size_t c = 0; c < set.rotations.size(); ++c) {
    const double weight = set.weights[c];
    orientations.push_back({set.rotations[c], {.energy = weight, .direct = apart ? 0.0 : weight}});
  }
  if (!apart) return orientations;
  if (of_direct.rotations.empty()) of_direct = {{Rotation{1, 0, 0, 0, 1, 0, 0, 0, 1}}, {1.0}};
  for (std::size_t c = 0; c < of_direct.rotations.size(); ++c) {
    const Rotation& rotation = of_direct.rotations[c];
    const auto found =
        std::find_if(orientations.begin(), orientations.end(),
                     [&](const Orientation& other) { return same(*other.rotation, rotation); });
    if (found != orientations.end()) {
      found->weights.direct = of_direct.weights[c];
    } else {
      orientations.push_back({rotation, {.energy = 0.0, .direct = of_direct.weights[c]}});
    }
  }
  return orientations;
}

}  // namespace mdbridge
