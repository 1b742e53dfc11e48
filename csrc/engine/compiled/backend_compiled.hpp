#pragma once

#include <memory>
#include <string>
#include <vector>

#include "backend.hpp"
#include "compiled/network.hpp"
#include "compiled/package.hpp"
#include "torchscript/backend_torchscript.hpp"

namespace mdbridge {

/// Runs a file of `md-bridge compile`: energies, both kinds of forces and stresses by compiled
/// functions, whose gradients are outputs. Everything else (uncertainties, other variants, an atom
/// alone) by the TorchScript that is in the file.
class CompiledBackend final : public Backend {
 public:
  /// Whether this is such a file. Never throws.
  static bool reads(const std::string& path) { return CompiledPackage::reads(path); }

  /// Throws ModelError if the file was compiled for another machine or library, or is broken.
  CompiledBackend(const std::string& path, const ModelOptions& options);

  BackendResult forward(const std::vector<SystemTensors>& systems,
                        const BackendRequest& request) override;
  ModelInfo info() const override { return info_; }
  bool has_per_atom(const std::string& output) const override {
    return torchscript_->has_per_atom(output);
  }
  std::map<std::string, bool> inputs() const override { return torchscript_->inputs(); }
  std::string lacks_forces_of_members(bool direct) const override {
    return torchscript_->lacks_forces_of_members(direct);
  }
  bool gives_pair_gradients(const std::string& energy) override;
  bool shares_direct_stress(const std::string& stress) override;
  const std::vector<PairRequest>& pair_requests() const override {
    return torchscript_->pair_requests();
  }
  torch::Device device() const override { return torchscript_->device(); }
  torch::Dtype dtype() const override { return torchscript_->dtype(); }

 private:
  std::string function_for(const std::vector<SystemTensors>& systems,
                           const BackendRequest& request) const;
  bool has_stresses_of_atoms() const;

  CompiledPackage package_;
  std::unique_ptr<CompiledNetwork> network_;
  std::unique_ptr<TorchScriptBackend> torchscript_;
  ModelInfo info_;
};

}  // namespace mdbridge
