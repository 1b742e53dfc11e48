#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "backend.hpp"
#include "mdbridge/evaluation.hpp"
#include "mdbridge/pairs.hpp"
#include "mdbridge/rotations.hpp"
#include "mdbridge/structure.hpp"

namespace mdbridge {

/// The structure as tensors on the backend's device, lengths in double precision. Positions and
/// pair vectors may share memory with `structure` and `selected`, which holds the pairs of each
/// request of the backend.
BackendStructure to_tensors(const Structure& structure, const std::vector<SelectedPairs>& selected,
                            const Backend& backend);

/// The tensors of one structure in the model's precision, and the leaves that gradients are taken
/// with respect to.
struct Packed {
  BackendStructure structure;
  torch::Tensor positions;
  torch::Tensor strain;
};

/// What the model gets: a copy of the structure, rotated in double precision if a rotation is given
/// (the pairs stay the same ones, and the copies of a structure share their labels).
Packed pack(const BackendStructure& original, const std::optional<Rotation>& rotation,
            torch::Dtype dtype, const Wanted& wanted);

/// Derivatives of the energy with respect to the leaves of each structure.
struct Gradients {
  std::vector<torch::Tensor> positions;
  std::vector<torch::Tensor> strains;
};

/// Gradients of the sum of `energy`; empty unless wanted.
Gradients differentiate(const torch::Tensor& energy, const std::vector<Packed>& packed,
                        const Wanted& wanted);

/// Results of one forward pass over structures (of these volumes, Å^3), as the model gave them: not
/// checked, net forces in.
std::vector<Evaluation> unpack(const std::vector<Packed>& packed,
                               const std::vector<double>& volumes, const BackendRequest& request,
                               const BackendResult& result, const Gradients& gradients,
                               const Wanted& wanted);

}  // namespace mdbridge
