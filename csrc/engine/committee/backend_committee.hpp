#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "backend.hpp"
#include "mdbridge/model.hpp"

namespace mdbridge {

/// Several models as one, which says what they say on average. Its committee ("energy_ensemble")
/// are their energies, and its uncertainty ("energy_uncertainty") is the standard deviation over
/// them of the energy of each atom, that of a sample: M - 1 in the denominator.
///
/// It has those outputs that all members have. Each gets its own pairs and its own precision; what
/// they say is added up in double precision.
class CommitteeBackend final : public Backend {
 public:
  /// Throws ModelError if there are fewer members than two, one is there twice, or they are on
  /// different devices.
  explicit CommitteeBackend(std::vector<std::shared_ptr<Model>> members);

  BackendResult forward(const std::vector<SystemTensors>& systems,
                        const BackendRequest& request) override;
  ModelInfo info() const override { return info_; }
  bool has_per_atom(const std::string& output) const override;
  std::map<std::string, bool> inputs() const override;
  bool adds_up_atoms(const std::string& energy) const override;
  std::string lacks_gradient(const std::string& energy, bool of_strain) const override;
  std::string lacks_forces_of_members(bool /*direct*/) const override { return ""; }
  bool gives_pair_gradients(const std::string& energy) override;
  bool shares_direct_stress(const std::string& stress) override;
  const std::vector<PairRequest>& pair_requests() const override { return pair_requests_; }
  torch::Device device() const override { return members_.front().backend().device(); }
  torch::Dtype dtype() const override { return dtype_; }

 private:
  struct Member {
    std::shared_ptr<Model> model;
    std::vector<std::size_t> lists;  // of pair_requests(), by those of the member

    Backend& backend() const { return model->backend(); }
    /// Its own name for an output of the committee; empty: it has none.
    std::string name_of(const std::string& output) const;
  };

  void read_info();
  void gather_pair_requests();
  BackendRequest request_for(const Member& member, const BackendRequest& request) const;
  std::vector<SystemTensors> systems_for(const Member& member,
                                         const std::vector<SystemTensors>& systems) const;

  std::vector<Member> members_;
  std::vector<PairRequest> pair_requests_;
  torch::Dtype dtype_ = torch::kFloat32;
  ModelInfo info_;
};

}  // namespace mdbridge
