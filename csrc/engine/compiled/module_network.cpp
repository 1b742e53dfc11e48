#include <torch/torch.h>

#include "compiled/neighborhoods.hpp"
#include "compiled/network.hpp"

namespace mdbridge {

namespace {

class ModuleNetwork final : public CompiledNetwork {
 public:
  explicit ModuleNetwork(CompiledPackage& package) : package_(package) {}

  std::optional<CompiledResult> run(const std::string& function,
                                    const std::vector<SystemTensors>& systems) override {
    const auto labels = all_labels(systems);
    const auto types = all_types(systems);
    if (!are_enough(types.size(0), labels.size(0))) return std::nullopt;
    std::vector<torch::Tensor> positions, cells, structures;
    for (std::size_t s = 0; s < systems.size(); ++s) {
      positions.push_back(systems[s].positions);
      cells.push_back(systems[s].cell);
      structures.push_back(
          torch::full({systems[s].types.size(0)}, static_cast<std::int64_t>(s), torch::kInt64));
    }
    // an empty one behind the last, since one alone would be a special size
    cells.push_back(torch::zeros_like(cells.front()));
    const auto dtype = cells.front().scalar_type();
    const auto out = package_.run(
        function,
        {types, torch::cat(positions), torch::stack(cells), labels.slice(1, 0, 2).to(torch::kInt64),
         labels.slice(1, 2, 5).to(dtype), torch::cat(structures), ownership(systems, dtype)});
    CompiledResult result;
    const auto gradients = take_outputs(package_, function, out, &CompiledResult::stress, result);
    if (function != "direct") {
      result.position_gradients = gradients[0];
      result.strain_gradients = gradients[1];
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
