// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <vector>

#include "mdbridge/pairs.hpp"
#include "mdbridge/structure.hpp"

namespace mdbridge_lammps::test {

using mdbridge::Pairs;
using mdbridge::SelectedPairs;
using mdbridge::Structure;

/// The pairs within the cutoff, in an order of their own.
inline std::vector<std::array<std::int32_t, 5>> labels(const Pairs& pairs,
                                                       const Structure& structure, double cutoff) {
  SelectedPairs selected;
  pairs.select(structure, cutoff, /*full=*/true, selected);
  std::vector<std::array<std::int32_t, 5>> all(selected.size());
  for (std::size_t p = 0; p < all.size(); ++p) {
    std::copy_n(&selected.labels[5 * p], 5, all[p].begin());
  }
  std::sort(all.begin(), all.end());
  return all;
}

/// The pairs within the cutoff that begin at one atom: how many, and the sum of their lengths.
struct Neighbours {
  int count = 0;
  double length = 0.0;
};

inline std::vector<Neighbours> neighbours_of_each(const Pairs& pairs, const Structure& structure,
                                                  double cutoff) {
  SelectedPairs selected;
  pairs.select(structure, cutoff, /*full=*/true, selected);
  std::vector<Neighbours> all(structure.size());
  for (std::int64_t p = 0; p < selected.size(); ++p) {
    const double* d = &selected.vectors[3 * p];
    Neighbours& of = all[selected.labels[5 * p]];
    of.count += 1;
    of.length += std::sqrt(d[0] * d[0] + d[1] * d[1] + d[2] * d[2]);
  }
  return all;
}

/// Which sites are at most so many pairs away from an owned one.
inline std::vector<bool> within(const Pairs& pairs, const Structure& structure, double cutoff,
                                int steps) {
  std::vector<bool> reached(structure.size(), false);
  std::fill_n(reached.begin(), structure.owned_size(), true);
  for (int step = 0; step < steps; ++step) {
    const std::vector<bool> before = reached;
    for (const auto& label : labels(pairs, structure, cutoff)) {
      if (before[label[0]]) reached[label[1]] = true;
    }
  }
  return reached;
}

}  // namespace mdbridge_lammps::test
