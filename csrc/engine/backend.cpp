#include "backend.hpp"

#include <torch/torch.h>

#include "compiled/backend_compiled.hpp"
#include "external/backend_external.hpp"
#include "external/registry.hpp"
#include "mdbridge/error.hpp"
#include "torchscript/backend_torchscript.hpp"

namespace mdbridge {

bool wants_gradient(const BackendRequest& request) {
  return request.position_gradient || request.strain_gradient || request.pair_gradients ||
         request.member_position_gradients || request.member_strain_gradients;
}

void add_pair_gradients(const SystemTensors& system, const std::vector<torch::Tensor>& gradients,
                        const BackendRequest& request, BackendResult& result) {
  const auto numbers = system.positions.options().dtype(torch::kFloat64);
  auto of_positions = torch::zeros({system.types.size(0), 3}, numbers);
  auto of_strain = torch::zeros({3, 3}, numbers);
  for (std::size_t n = 0; n < gradients.size(); ++n) {
    const PairTensors& pairs = system.pairs[n];
    const auto slopes = gradients[n].to(torch::kFloat64);
    of_positions.index_add_(0, pairs.labels.select(1, 1), slopes);
    of_positions.index_add_(0, pairs.labels.select(1, 0), -slopes);
    of_strain += pairs.vectors.to(torch::kFloat64).transpose(0, 1).matmul(slopes);
  }
  if (request.position_gradient) result.position_gradients.push_back(of_positions);
  if (request.strain_gradient) result.strain_gradients.push_back(of_strain);
}

std::unique_ptr<Backend> load_backend(const std::string& path, const ModelOptions& options) {
  if (opens_external_model(path))
    return std::make_unique<ExternalBackend>(open_external(path, options));
  // one line for each kind of file, and the sentence for all others
  if (TorchScriptBackend::reads(path)) return std::make_unique<TorchScriptBackend>(path, options);
  if (CompiledBackend::reads(path)) return std::make_unique<CompiledBackend>(path, options);
  throw ModelError(
      "could not load '" + path +
      "': expected a model exported by `md-bridge export` or `mtt export`, but it is "
      "no whole TorchScript archive (a text, a checkpoint, a file cut off in a copy?)");
}

}  // namespace mdbridge
