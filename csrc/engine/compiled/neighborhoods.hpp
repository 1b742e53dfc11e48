#pragma once

#include <torch/types.h>

#include <cstdint>
#include <vector>

#include "backend.hpp"

namespace mdbridge {

/// The pairs of a batch of structures, one after the other, as a compiled PET takes them: the
/// atoms' neighbours in rows (md_bridge/compiled/pet/neighborhoods.py has the same names).
///
/// N atoms with at most W neighbours each; P pairs in both directions, M if each is counted once.
struct Neighborhoods {
  torch::Tensor pairs;   // [P, 2] int64, first and second atom, counted through all structures
  torch::Tensor places;  // [P] int64, the place of each pair in its row, counted through all rows
  torch::Tensor rows;    // [N, W] int64, the pair in each place; P where there is none
};

/// The other direction of each pair.
struct Directions {
  torch::Tensor reverse;  // [P] int64, the same pair seen from its other end
  torch::Tensor half;     // [M] int64, one direction of each pair
};

/// Pairs of atoms in cells: labels [P, 5] as in PairTensors, atoms counted through all structures.
torch::Tensor all_labels(const std::vector<SystemTensors>& systems);

/// Rows of these pairs among `atoms` atoms.
Neighborhoods make_neighborhoods(const torch::Tensor& labels, std::int64_t atoms);

/// Throws ModelError if a pair is there in one direction only.
Directions match_directions(const torch::Tensor& labels, const Neighborhoods& neighborhoods);

}  // namespace mdbridge
