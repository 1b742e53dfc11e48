#include "mdbridge/rotations.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cmath>
#include <map>
#include <numbers>
#include <optional>
#include <utility>

#include "geometry/rotation_grids.hpp"
#include "mdbridge/error.hpp"
#include "text.hpp"

namespace mdbridge {

namespace {

using Quaternion = std::array<double, 4>;  // real part first

const std::string with_inversion = "/inversion";

/// Matrix of the rotation v -> q v q*, for a unit quaternion.
Rotation to_matrix(const Quaternion& q) {
  const auto [w, x, y, z] = q;
  return {1 - 2 * (y * y + z * z), 2 * (x * y - w * z),     2 * (x * z + w * y),
          2 * (x * y + w * z),     1 - 2 * (x * x + z * z), 2 * (y * z - w * x),
          2 * (x * z - w * y),     2 * (y * z + w * x),     1 - 2 * (x * x + y * y)};
}

/// The 24 rotations of a cube: signed permutation matrices of determinant 1, and so without any
/// rounding.
std::vector<Rotation> octahedral_group() {
  std::vector<Rotation> group;
  std::array<int, 3> columns = {0, 1, 2};
  do {
    for (int signs = 0; signs < 8; ++signs) {
      Rotation matrix{};
      for (int row = 0; row < 3; ++row) {
        matrix[3 * row + columns[row]] = (signs >> row & 1) != 0 ? -1.0 : 1.0;
      }
      if (matrix3::determinant(matrix) > 0.0) group.push_back(matrix);
    }
  } while (std::next_permutation(columns.begin(), columns.end()));
  return group;
}

bool is_even(const std::array<int, 4>& permutation) {
  int inversions = 0;
  for (int i = 0; i < 4; ++i) {
    for (int j = i + 1; j < 4; ++j) inversions += permutation[i] > permutation[j] ? 1 : 0;
  }
  return inversions % 2 == 0;
}

/// The 120 unit icosians: (1, 0, 0, 0) and (1, 1, 1, 1)/2 with all signs and places, and the even
/// permutations of (phi, 1, 1/phi, 0)/2 with all signs (Conway & Smith, On Quaternions and
/// Octonions, 2003). q and -q are one rotation of the icosahedron: 60 of them.
std::vector<Rotation> icosahedral_group() {
  const double phi = std::numbers::phi;
  std::vector<Rotation> group;
  const auto add_signed = [&](const Quaternion& magnitudes) {
    for (int signs = 0; signs < 16; ++signs) {
      Quaternion q = magnitudes;
      bool once = true;  // a sign of zero is no other quaternion
      for (int k = 0; k < 4; ++k) {
        if ((signs >> k & 1) == 0) continue;
        once = once && q[k] != 0.0;
        q[k] = -q[k];
      }
      const double first = *std::find_if(q.begin(), q.end(), [](double x) { return x != 0.0; });
      if (once && first > 0.0) group.push_back(to_matrix(q));
    }
  };
  for (int place = 0; place < 4; ++place) {
    Quaternion unit{};
    unit[place] = 1.0;
    add_signed(unit);
  }
  add_signed({0.5, 0.5, 0.5, 0.5});
  std::array<int, 4> places = {0, 1, 2, 3};
  do {
    if (!is_even(places)) continue;
    const Quaternion values = {0.5 * phi, 0.5, 0.5 / phi, 0.0};
    Quaternion q{};
    for (int k = 0; k < 4; ++k) q[places[k]] = values[k];
    add_signed(q);
  } while (std::next_permutation(places.begin(), places.end()));
  return group;
}

/// The 12 rotations of a hexagonal prism along z, with a two-fold axis along x.
std::vector<Rotation> hexagonal_group() {
  const double c = 0.5;
  const double s = std::sqrt(0.75);
  const std::array<std::array<double, 2>, 6> turns = {
      {{1.0, 0.0}, {c, s}, {-c, s}, {-1.0, 0.0}, {-c, -s}, {c, -s}}};
  std::vector<Rotation> group;
  for (const double side : {1.0, -1.0}) {  // -1: after half a turn about x
    for (const auto& [cosine, sine] : turns) {
      group.push_back({cosine, -side * sine, 0.0, sine, side * cosine, 0.0, 0.0, 0.0, side});
    }
  }
  return group;
}

/// The group of this name, if there is one.
std::vector<Rotation> proper_group(const std::string& name) {
  if (name == "octahedral") return octahedral_group();
  if (name == "icosahedral") return icosahedral_group();
  if (name == "hexagonal") return hexagonal_group();
  return {};
}

/// By the words before the colon: angles in the plane come in multiples of this number.
const std::map<std::string, int>& grid_folds() {
  static const std::map<std::string, int> folds = {{"hexagonal", 6}, {"lebedev", 1}};
  return folds;
}

/// The degree of a grid from the word after the colon; none unless it is one that there is.
std::optional<int> grid_degree(const std::string& word) {
  int degree = 0;
  const auto [end, problem] = std::from_chars(word.data(), word.data() + word.size(), degree);
  const bool whole = problem == std::errc() && end == word.data() + word.size();
  if (!whole || degree < 1 || degree > largest_grid_degree()) return std::nullopt;
  return degree;
}

/// The grid of this name ("lebedev:6"), if there is a colon.
RotationSet proper_grid(const std::string& name) {
  const auto colon = name.find(':');
  if (colon == std::string::npos) return {};
  const auto family = grid_folds().find(name.substr(0, colon));
  if (family == grid_folds().end()) return {};
  const auto degree = grid_degree(name.substr(colon + 1));
  if (!degree) {
    throw Error("symmetrize " + family->first + ":L takes a whole number L from 1 to " +
                std::to_string(largest_grid_degree()) + ", found '" + name + "'");
  }
  return rotation_grid(*degree, family->second);
}

RotationSet doubled_by_inversion(RotationSet set) {
  const std::size_t count = set.rotations.size();
  for (std::size_t n = 0; n < count; ++n) {
    Rotation inverted = set.rotations[n];
    for (double& entry : inverted) entry = -entry;
    set.rotations.push_back(inverted);
    set.weights[n] /= 2.0;
    set.weights.push_back(set.weights[n]);
  }
  return set;
}

/// Philox4x32-10, a counter-based generator: Salmon et al., SC'11, doi:10.1145/2063384.2063405.
std::array<std::uint32_t, 4> philox(std::array<std::uint32_t, 4> counter,
                                    std::array<std::uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t first = std::uint64_t{0xD2511F53} * counter[0];
    const std::uint64_t second = std::uint64_t{0xCD9E8D57} * counter[2];
    const auto high = [](std::uint64_t product) {
      return static_cast<std::uint32_t>(product >> 32);
    };
    const auto low = [](std::uint64_t product) { return static_cast<std::uint32_t>(product); };
    counter = {high(second) ^ counter[1] ^ key[0], low(second), high(first) ^ counter[3] ^ key[1],
               low(first)};
    key[0] += 0x9E3779B9;
    key[1] += 0xBB67AE85;
  }
  return counter;
}

/// SplitMix64: Steele, Lea & Flood, OOPSLA 2014, doi:10.1145/2660193.2660195.
std::uint64_t mixed(std::uint64_t z) {
  z += 0x9E3779B97F4A7C15;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
  return z ^ (z >> 31);
}

}  // namespace

const std::vector<std::string>& symmetrization_names() {
  static const std::vector<std::string> names = {"none",
                                                 "octahedral",
                                                 "octahedral" + with_inversion,
                                                 "icosahedral",
                                                 "icosahedral" + with_inversion,
                                                 "hexagonal",
                                                 "hexagonal" + with_inversion,
                                                 "random"};
  return names;
}

const std::vector<std::string>& rotation_grid_names() {
  static const std::vector<std::string> names = {"lebedev:L", "lebedev:L" + with_inversion,
                                                 "hexagonal:L", "hexagonal:L" + with_inversion};
  return names;
}

RotationSet rotation_set(const std::string& name) {
  if (name == "none" || name == "random") return {};
  const bool inversion = name.ends_with(with_inversion);
  const std::string proper = inversion ? name.substr(0, name.size() - with_inversion.size()) : name;
  RotationSet set{proper_group(proper), {}};
  set.weights.assign(set.rotations.size(), 1.0 / static_cast<double>(set.rotations.size()));
  if (set.rotations.empty()) set = proper_grid(proper);
  if (set.rotations.empty()) {
    throw Error("symmetrize expects one of " + join(symmetrization_names()) + ", " +
                join(rotation_grid_names()) + " (with L from 1 to " +
                std::to_string(largest_grid_degree()) + "), found '" + name + "'");
  }
  return inversion ? doubled_by_inversion(std::move(set)) : set;
}

std::vector<Rotation> rotation_group(const std::string& name) {
  if (name.find(':') != std::string::npos) {
    throw Error("'" + name +
                "' is a grid and no group: its copies have weights of their own, which "
                "rotation_set gives");
  }
  return rotation_set(name).rotations;
}

// Uniform unit quaternion from three uniform numbers: Shoemake, Graphics Gems III (1992), p. 124.
Rotation random_rotation(std::uint64_t seed, std::uint64_t counter) {
  const auto low = [](std::uint64_t x) { return static_cast<std::uint32_t>(x); };
  const auto high = [](std::uint64_t x) { return static_cast<std::uint32_t>(x >> 32); };
  const auto words = philox({low(counter), high(counter), 0, 0}, {low(seed), high(seed)});
  const auto uniform = [&](int k) { return (words[k] + 0.5) / 4294967296.0; };
  const double u = uniform(0);
  const double a = 2.0 * std::numbers::pi * uniform(1);
  const double b = 2.0 * std::numbers::pi * uniform(2);
  Rotation rotation = to_matrix({std::sqrt(u) * std::cos(b), std::sqrt(1.0 - u) * std::sin(a),
                                 std::sqrt(1.0 - u) * std::cos(a), std::sqrt(u) * std::sin(b)});
  if ((words[3] & 1U) != 0) {
    for (double& entry : rotation) entry = -entry;
  }
  return rotation;
}

std::uint64_t counter_from_positions(const Structure& structure) {
  std::uint64_t hash = 0;
  const auto include = [&](double length) {
    hash = mixed(hash ^ std::bit_cast<std::uint64_t>(length + 0.0));  // -0 is 0
  };
  std::for_each(structure.positions.begin(), structure.positions.end(), include);
  std::for_each(structure.cell.begin(), structure.cell.end(), include);
  return hash;
}

}  // namespace mdbridge
