#pragma once

#include <vector>

#include "backend.hpp"
#include "mdbridge/evaluation.hpp"
#include "mdbridge/pairs.hpp"
#include "mdbridge/structure.hpp"

namespace mdbridge {

/// The structure as tensors on the CPU, lengths still in double precision, with these positions
/// ([3N], Å) instead of its own. They and the pair vectors share memory with `positions` and
/// `selected`, which holds the pairs of each request of the backend.
SystemTensors to_tensors(const Structure& structure, const std::vector<double>& positions,
                         const std::vector<SelectedPairs>& selected);

/// What the backend gets: a copy of `original` in its precision, rotated (before that, in double
/// precision) if a rotation is given: a 3x3 matrix on the same device. The pairs stay the same
/// ones, and the copies of a structure share their labels.
SystemTensors pack(const SystemTensors& original, const torch::Tensor& rotation,
                   torch::Dtype dtype);

/// Results of one forward pass over these systems (of these volumes, Å^3), as the model gave them:
/// not checked, net forces in.
std::vector<Evaluation> unpack(const std::vector<SystemTensors>& systems,
                               const std::vector<double>& volumes, const BackendRequest& request,
                               const BackendResult& result, const Wanted& wanted);

}  // namespace mdbridge
