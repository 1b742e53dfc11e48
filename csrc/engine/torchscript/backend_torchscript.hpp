#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <metatomic/torch.hpp>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "backend.hpp"
#include "torchscript/inputs.hpp"

namespace mdbridge {

/// What the sizes of the structures of a call are on the device: the same from step to step.
struct BatchOnDevice {
  std::vector<std::array<std::int64_t, 2>> sizes;  // atoms, and how many of them are owned
  std::int64_t atoms = 0;                          // in all
  torch::Tensor first_atoms;                       // [structures] int64, counted through all
  std::optional<metatensor_torch::Labels> owned;   // none: all of them
};

/// Runs an exported TorchScript model in the metatomic format. Gradients by autograd.
class TorchScriptBackend final : public Backend {
 public:
  /// Whether this is a TorchScript archive: a whole zip archive with code in it. Never throws.
  static bool reads(const std::string& path);

  /// Load the file onto the device that `options` choose. Throws ModelError if it is not an
  /// exported model, or the device is not there or not supported.
  TorchScriptBackend(const std::string& path, const ModelOptions& options)
      : TorchScriptBackend(path, options, path) {}
  /// `name`: by which users know the file.
  TorchScriptBackend(const std::string& path, const ModelOptions& options, const std::string& name);

  BackendResult forward(const std::vector<SystemTensors>& systems,
                        const BackendRequest& request) override;
  ModelInfo info() const override { return info_; }
  bool has_per_atom(const std::string& output) const override;
  std::map<std::string, bool> inputs() const override { return inputs_; }
  std::string lacks_forces_of_members(bool direct) const override;
  bool gives_pair_gradients(const std::string& energy) override;
  bool shares_direct_stress(const std::string& stress) override;
  const std::vector<PairRequest>& pair_requests() const override { return pair_requests_; }
  torch::Device device() const override { return device_; }
  torch::Dtype dtype() const override { return dtype_; }

 private:
  ModelInfo read_info(const std::string& path, double true_range);
  void find_network();
  bool needs_wrapper(const BackendRequest& request) const;
  BackendResult with_members_apart(const std::vector<SystemTensors>& systems,
                                   const BackendRequest& request);
  BackendResult evaluate(std::vector<SystemTensors> systems, const BackendRequest& request);
  metatomic_torch::System make_system(const SystemTensors& tensors, const BackendRequest& request);
  std::map<std::string, double> trial_inputs() const;
  metatomic_torch::ModelEvaluationOptions make_options(const BatchOnDevice& batch,
                                                       const BackendRequest& request) const;
  const BatchOnDevice& batch_of(const std::vector<SystemTensors>& systems);
  c10::impl::GenericDict call(const std::vector<metatomic_torch::System>& systems,
                              const metatomic_torch::ModelEvaluationOptions& options,
                              const BackendRequest& request);
  BackendResult run_module(const std::vector<SystemTensors>& systems,
                           const BackendRequest& request);

  metatensor_torch::Module module_;
  // The network inside of metatomic's wrapper, which rebuilds all structures to multiply them by
  // the factor between units; and the outputs for which the wrapper does nothing else.
  std::optional<torch::jit::Module> network_;
  std::set<std::string> outputs_of_network_;
  metatomic_torch::ModelCapabilities capabilities_;
  std::vector<metatomic_torch::NeighborListOptions> neighbor_options_;
  std::vector<PairRequest> pair_requests_;
  std::map<std::string, bool> inputs_;
  ModelInfo info_;
  torch::Device device_ = torch::kCPU;
  torch::Dtype dtype_ = torch::kFloat64;
  // put before the structures of each call, where the network's padding needs it
  std::optional<SystemTensors> dimer_;
  std::vector<BatchOnDevice> batches_;
  /// By which files of our own exporter know that gradients are those of pair vectors.
  metatensor_torch::TensorMap gradients_asked_for_;
  GivenInputs given_inputs_;
  std::map<std::string, bool> pair_gradients_;   // by energy; see gives_pair_gradients()
  std::map<std::string, bool> shared_stresses_;  // by stress; see shares_direct_stress()
  // constant metadata of every pair list, kept on the device
  metatensor_torch::Labels vector_component_;
  metatensor_torch::Labels vector_property_;
};

}  // namespace mdbridge
