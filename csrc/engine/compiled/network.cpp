#include "compiled/network.hpp"

#include <torch/torch.h>

#include "mdbridge/error.hpp"

namespace mdbridge {

namespace {

torch::Tensor joined(const std::vector<torch::Tensor>& tensors) {
  return tensors.size() == 1 ? tensors.front() : torch::cat(tensors);
}

}  // namespace

std::unique_ptr<CompiledNetwork> compiled_network(CompiledPackage& package) {
  const std::string kind = package.value("kind");
  if (kind == "pairs") return pair_network(package);
  if (kind == "module") return module_network(package);
  throw ModelError("the compiled model '" + package.path() +
                   "' holds functions of an unknown kind, '" + kind +
                   "', and is of another version of MD Bridge" + package.remedy());
}

bool are_enough(std::int64_t atoms, std::int64_t pairs) { return atoms > 1 && pairs > 3; }

std::span<const torch::Tensor> take_outputs(const CompiledPackage& package,
                                            const std::string& function,
                                            const std::vector<torch::Tensor>& outputs,
                                            torch::Tensor CompiledResult::* stress,
                                            CompiledResult& result) {
  std::size_t next = 0;
  result.energies = outputs.at(next++);
  if (function != "conservative") {
    if (!package.value("direct_forces").empty()) result.forces = outputs.at(next++);
    if (!package.value("direct_stress").empty()) result.*stress = outputs.at(next++);
  }
  return std::span(outputs).subspan(next);
}

torch::Tensor ownership(const std::vector<SystemTensors>& systems, torch::Dtype dtype) {
  std::vector<torch::Tensor> owned;
  for (const SystemTensors& system : systems) {
    const auto weights = torch::zeros({system.types.size(0)}, dtype);
    weights.slice(0, 0, system.owned).fill_(1.0);
    owned.push_back(weights);
  }
  return joined(owned);
}

torch::Tensor all_vectors(const std::vector<SystemTensors>& systems) {
  std::vector<torch::Tensor> vectors;
  for (const SystemTensors& system : systems) vectors.push_back(system.pairs.front().vectors);
  return joined(vectors);
}

torch::Tensor all_types(const std::vector<SystemTensors>& systems) {
  std::vector<torch::Tensor> types;
  for (const SystemTensors& system : systems) types.push_back(system.types.to(torch::kInt64));
  return joined(types);
}

}  // namespace mdbridge
