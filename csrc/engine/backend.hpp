#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace mdbridge {

/// A list of pairs that a model asks for. Cutoff in Å.
struct PairRequest {
  double cutoff;
  bool full;
};

/// One structure as tensors, on the model's device and in its dtype. `positions` and `cell` may be
/// part of a gradient graph.
struct BackendStructure {
  torch::Tensor types;      // [N] int32
  torch::Tensor positions;  // [N, 3]
  torch::Tensor cell;       // [3, 3]
  torch::Tensor periodic;   // [3] bool
  std::int64_t owned;       // leading atoms whose outputs are wanted
  struct PairTensors {
    torch::Tensor labels;   // [P, 5] int32
    torch::Tensor vectors;  // [P, 3]
  };
  std::vector<PairTensors> pairs;  // one for each PairRequest, in order
};

/// Names of the model outputs to compute; empty: not wanted. `energy_per_atom` asks for [atoms]
/// instead of [structures].
struct BackendRequest {
  std::string energy;
  bool energy_per_atom = false;
  std::string direct_forces;
  std::string direct_stress;
  std::string uncertainty;
  bool check_consistency = false;
};

/// Results in eV and Å, all atoms of all structures one after the other, with zeros for those that
/// are not owned; undefined tensors for what was not requested.
struct BackendResult {
  torch::Tensor energy;         // [structures] or [atoms]
  torch::Tensor direct_forces;  // [atoms, 3]
  torch::Tensor direct_stress;  // [structures, 3, 3], positive = tension
  torch::Tensor uncertainty;    // [atoms]
};

/// Runs a network. What it is compiled to is its own affair; nothing above it knows.
class Backend {
 public:
  virtual ~Backend() = default;
  virtual BackendResult forward(const std::vector<BackendStructure>& structures,
                                const BackendRequest& request) = 0;
  /// Whether the model can give this output (its own name) atom by atom.
  virtual bool has_per_atom(const std::string& output) const = 0;
  /// The pair lists that the model needs, in the order of BackendStructure::pairs.
  virtual const std::vector<PairRequest>& pair_requests() const = 0;
  virtual torch::Device device() const = 0;
  virtual torch::Dtype dtype() const = 0;
};

}  // namespace mdbridge
