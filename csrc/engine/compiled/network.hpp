#pragma once

#include <torch/types.h>

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "backend.hpp"
#include "compiled/package.hpp"

namespace mdbridge {

/// What a compiled network says of the atoms of all structures, one after the other. What was not
/// wanted is undefined.
struct CompiledResult {
  torch::Tensor energies;        // [N] float64, eV
  torch::Tensor forces;          // [N, 3], eV/Å
  torch::Tensor stresses;        // [N, 3, 3], each atom's share of the stress times the volume, eV
  torch::Tensor stress;          // [structures, 3, 3], eV/Å^3, of networks that know no shares
  torch::Tensor pair_gradients;  // [P, 3], dE/d(pair vector) of the owned atoms, or, of others,
  torch::Tensor position_gradients;  // [N, 3] and
  torch::Tensor strain_gradients;    // [structures, 3, 3]
  double pair_seconds = 0.0;         // spent on putting pairs into rows
};

/// One of the ways in which a compiled function takes atoms and their pairs.
class CompiledNetwork {
 public:
  virtual ~CompiledNetwork() = default;

  /// Run one of the package's functions, "direct", "conservative" or "both". Nothing where there
  /// are too few atoms or pairs for them.
  virtual std::optional<CompiledResult> run(const std::string& function,
                                            const std::vector<SystemTensors>& systems) = 0;
};

/// The network of a package. Throws ModelError if it is of no kind that is known here.
std::unique_ptr<CompiledNetwork> compiled_network(CompiledPackage& package);

/// Of pairs: packed, and in rows; gradients with respect to pair vectors (PET, students).
std::unique_ptr<CompiledNetwork> pair_network(CompiledPackage& package);

/// A plain module: positions and a list of pairs, gradients with respect to positions and strain.
std::unique_ptr<CompiledNetwork> module_network(CompiledPackage& package);

/// Whether compiled functions run so many: sizes below two (of pairs counted once, too) are
/// constants to the compiler.
bool are_enough(std::int64_t atoms, std::int64_t pairs);

/// The first of a function's outputs, which all kinds of network have: energies, direct forces, and
/// what the network has of the direct stress. Returns what follows them.
std::span<const torch::Tensor> take_outputs(const CompiledPackage& package,
                                            const std::string& function,
                                            const std::vector<torch::Tensor>& outputs,
                                            torch::Tensor CompiledResult::* stress,
                                            CompiledResult& result);

/// 1 for the atoms that are owned, 0 for the others, [N].
torch::Tensor ownership(const std::vector<SystemTensors>& systems, torch::Dtype dtype);

/// Pair vectors of all structures, [P, 3].
torch::Tensor all_vectors(const std::vector<SystemTensors>& systems);

/// Atomic numbers of all structures, [N] int64.
torch::Tensor all_types(const std::vector<SystemTensors>& systems);

}  // namespace mdbridge
