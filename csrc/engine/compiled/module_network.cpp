#include <torch/torch.h>

#include "compiled/neighborhoods.hpp"
#include "compiled/network.hpp"

namespace mdbridge {

namespace {

class ModuleNetwork final : public CompiledNetwork {
 public:
  explicit ModuleNetwork(CompiledPackage& package) : package_(package) {}

  /// Sizes below two are constants to the compiler.
  bool takes(const std::vector<SystemTensors>& systems) const override {
    std::int64_t atoms = 0, pairs = 0;
    for (const SystemTensors& system : systems) {
      atoms += system.types.size(0);
      pairs += system.pairs.front().labels.size(0);
    }
    return atoms > 1 && pairs > 1;
  }

  CompiledResult run(const std::string& function,
                     const std::vector<SystemTensors>& systems) override {
    std::vector<torch::Tensor> positions, cells, structures;
    for (std::size_t s = 0; s < systems.size(); ++s) {
      positions.push_back(systems[s].positions);
      cells.push_back(systems[s].cell);
      structures.push_back(
          torch::full({systems[s].types.size(0)}, static_cast<std::int64_t>(s), torch::kInt64));
    }
    // an empty one behind the last, since one alone would be a special size
    cells.push_back(torch::zeros_like(cells.front()));
    const auto labels = all_labels(systems);
    const auto dtype = cells.front().scalar_type();
    auto out = package_.run(
        function, {all_types(systems), torch::cat(positions), torch::stack(cells),
                   labels.slice(1, 0, 2).to(torch::kInt64), labels.slice(1, 2, 5).to(dtype),
                   torch::cat(structures), ownership(systems, dtype)});
    CompiledResult result;
    std::size_t next = 0;
    result.energies = out.at(next++);
    if (function != "conservative") {
      if (!package_.value("direct_forces").empty()) result.forces = out.at(next++);
      if (!package_.value("direct_stress").empty()) result.stress = out.at(next++);
    }
    if (function != "direct") {
      result.position_gradients = out.at(next++);
      result.strain_gradients = out.at(next++);
    }
    return result;
  }

 private:
  CompiledPackage& package_;
};

}  // namespace

std::unique_ptr<CompiledNetwork> module_network(CompiledPackage& package) {
  return std::make_unique<ModuleNetwork>(package);
}

}  // namespace mdbridge
