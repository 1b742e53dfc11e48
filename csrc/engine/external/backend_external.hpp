#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "backend.hpp"
#include "mdbridge/external/model.hpp"

namespace mdbridge {

/// Lets an ExternalModel work as a backend. Structures go to it whole, from the memory of the host.
class ExternalBackend final : public Backend {
 public:
  explicit ExternalBackend(std::unique_ptr<ExternalModel> model);

  BackendResult forward(const std::vector<SystemTensors>& systems,
                        const BackendRequest& request) override;
  ModelInfo info() const override { return info_; }
  bool has_per_atom(const std::string& output) const override;
  std::map<std::string, bool> inputs() const override { return model_->inputs(); }
  bool adds_up_atoms(const std::string& energy) const override;
  std::string lacks_gradient(const std::string& energy, bool of_strain) const override;
  bool gives_pair_gradients(const std::string& energy) override;
  bool shares_direct_stress(const std::string& stress) override;
  const std::vector<PairRequest>& pair_requests() const override { return no_pairs_; }
  torch::Device device() const override { return torch::kCPU; }
  torch::Dtype dtype() const override { return torch::kFloat64; }

 private:
  Structure whole(const SystemTensors& system) const;
  void check(const Evaluation& evaluation, const Structure& structure, const Wanted& wanted) const;

  std::unique_ptr<ExternalModel> model_;
  ModelInfo info_;
  Wanted abilities_;
  std::vector<PairRequest> no_pairs_;
};

}  // namespace mdbridge
