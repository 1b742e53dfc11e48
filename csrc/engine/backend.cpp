#include "backend.hpp"

#include <torch/cuda.h>
#include <torch/torch.h>

#include <algorithm>

#include "compiled/backend_compiled.hpp"
#include "mdbridge/error.hpp"
#include "text.hpp"
#include "torchscript/backend_torchscript.hpp"

namespace mdbridge {

namespace {

torch::Device nth_cuda(int place) {
  // always with its number: without one it is another device by name, and the current one by use
  const int index = place % std::max(1, static_cast<int>(torch::cuda::device_count()));
  return {torch::kCUDA, static_cast<c10::DeviceIndex>(index)};
}

}  // namespace

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

torch::Device choose_device(const ModelOptions& options, const ModelInfo& info) {
  const std::string& wanted = options.device;
  const auto& supported = info.supported_devices;
  const auto supports = [&](const std::string& type) {
    return std::find(supported.begin(), supported.end(), type) != supported.end();
  };
  const bool cuda_here = torch::cuda::is_available();
  if (wanted == "auto" || wanted.empty()) {
    for (const std::string& type : supported) {  // the best first
      if (type == "cpu") break;
      if (type == "cuda" && cuda_here) return nth_cuda(options.device_rank);
    }
    return torch::Device("cpu");
  }
  const std::string type = wanted.substr(0, wanted.find(':'));
  if (type != "cpu" && type != "cuda") {
    throw ModelError("unknown device '" + wanted + "': expected auto, cpu, cuda or cuda:N");
  }
  if (!supports(type)) {
    throw ModelError("the model '" + info.path + "' was not exported for " + type +
                     ": it supports " + join(supported));
  }
  if (type == "cuda" && !cuda_here) {
    throw ModelError("device '" + wanted + "' was asked for, but torch finds no CUDA device here");
  }
  if (wanted == "cuda") return nth_cuda(options.device_rank);
  try {
    const torch::Device device(wanted);
    if (device.is_cuda() && device.has_index() && device.index() >= torch::cuda::device_count()) {
      throw ModelError("device '" + wanted + "' was asked for, but there are only " +
                       std::to_string(torch::cuda::device_count()) + " CUDA devices here");
    }
    return device;
  } catch (const c10::Error&) {
    throw ModelError("unknown device '" + wanted + "': expected auto, cpu, cuda or cuda:N");
  }
}

std::unique_ptr<Backend> load_backend(const std::string& path, const ModelOptions& options) {
  // one line for each kind of file, and the sentence for all others
  if (TorchScriptBackend::reads(path)) return std::make_unique<TorchScriptBackend>(path, options);
  if (CompiledBackend::reads(path)) return std::make_unique<CompiledBackend>(path, options);
  throw ModelError(
      "could not load '" + path +
      "': expected a model exported by `md-bridge export` or `mtt export`, but it is "
      "no whole TorchScript archive (a text, a checkpoint, a file cut off in a copy?)");
}

}  // namespace mdbridge
