#pragma once

#include <torch/types.h>

#include <vector>

#include "backend.hpp"

namespace mdbridge {

/// What gradients are taken with respect to, a structure each.
struct Leaves {
  std::vector<torch::Tensor> positions;  // [N, 3]
  std::vector<torch::Tensor> strains;    // [3, 3]
  // instead of strains: [P, 3] of all pair lists of all structures, and the cells, [3, 3]
  std::vector<torch::Tensor> pairs;
  std::vector<torch::Tensor> cells;
};

/// Put the leaves of the gradients that are wanted under these tensors.
Leaves grow_leaves(std::vector<SystemTensors>& systems, const BackendRequest& request);

/// Gradients of the energies of the members of a committee (the columns of `energies`, whatever
/// their rows), into the result; the graph stays.
void differentiate_members(const torch::Tensor& energies, const Leaves& leaves,
                           const BackendRequest& request, BackendResult& result);

/// Gradients of the sum of `energy`, into the result.
void differentiate(const torch::Tensor& energy, const Leaves& leaves, const BackendRequest& request,
                   BackendResult& result);

/// Gradients of the sum of `energy` with respect to the pair vectors, and what follows from them,
/// into the result. False if the energy depends on the positions in another way, or on the cell.
bool differentiate_pairs(const torch::Tensor& energy, const Leaves& leaves,
                         const std::vector<SystemTensors>& systems, const BackendRequest& request,
                         BackendResult& result);

}  // namespace mdbridge
