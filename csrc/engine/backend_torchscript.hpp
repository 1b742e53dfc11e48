#pragma once

#include <metatomic/torch.hpp>
#include <string>
#include <vector>

#include "backend.hpp"
#include "mdbridge/model.hpp"

namespace mdbridge {

/// Runs an exported TorchScript model in the metatomic format.
class TorchScriptBackend final : public Backend {
 public:
  /// Load the file, onto the CPU. Throws ModelError if it is not an exported model.
  TorchScriptBackend(const std::string& path, const std::string& extensions);

  /// Move the model to a device.
  void to(torch::Device device);
  /// What the file says of itself; the device is not filled in.
  ModelInfo info();

  BackendResult forward(const std::vector<BackendStructure>& structures,
                        const BackendRequest& request) override;
  bool has_per_atom(const std::string& output) const override;
  const std::vector<PairRequest>& pair_requests() const override { return pair_requests_; }
  torch::Device device() const override { return device_; }
  torch::Dtype dtype() const override { return dtype_; }

 private:
  metatomic_torch::System make_system(const BackendStructure& structure) const;
  metatomic_torch::ModelEvaluationOptions make_options(
      const std::vector<BackendStructure>& structures, const BackendRequest& request) const;

  std::string path_;
  metatensor_torch::Module module_;
  metatomic_torch::ModelCapabilities capabilities_;
  std::vector<metatomic_torch::NeighborListOptions> neighbor_options_;
  std::vector<PairRequest> pair_requests_;
  torch::Device device_ = torch::kCPU;
  torch::Dtype dtype_ = torch::kFloat64;
  // constant metadata of every pair list, kept on the device
  metatensor_torch::Labels vector_component_;
  metatensor_torch::Labels vector_property_;
};

}  // namespace mdbridge
