#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "mdbridge/model_info.hpp"
#include "mdbridge/visibility.hpp"

namespace mdbridge {

class Backend;

/// A loaded model. One copy of a file on a device exists per process, whoever asks for it.
class MDBRIDGE_API Model {
 public:
  /// Load an exported model, or one that somebody else evaluates (external/model.hpp), or return
  /// the copy that this process has already.
  /// Throws ModelError if the file is missing, is not an exported model, or the device is not
  /// there.
  static std::shared_ptr<Model> load(const std::string& path, const ModelOptions& options = {});

  /// Several models as one, which says what they say on average: energies, forces and virials of
  /// the mean drive a host, its committee are the members, and its uncertainty is the standard
  /// deviation of their atomic energies. Its interaction range is the longest one. Throws
  /// ModelError if there are fewer than two, one twice, or they are on different devices.
  static std::shared_ptr<Model> committee(const std::vector<std::shared_ptr<Model>>& members);

  /// A model that is run by a backend made elsewhere (csrc/engine/backend.hpp, which is not
  /// installed). Hosts call load().
  explicit Model(std::unique_ptr<Backend> backend);
  ~Model();
  Model(const Model&) = delete;
  Model& operator=(const Model&) = delete;

  const ModelInfo& info() const { return info_; }
  /// Those of committee(), in order; else empty.
  const std::vector<std::shared_ptr<Model>>& members() const { return members_; }
  /// What it asks for besides the atoms ("charge", "spin_multiplicity"), and whether it can do
  /// without: see EngineOptions.
  std::map<std::string, bool> inputs() const;
  /// What runs the network: the engine's own affair.
  Backend& backend() { return *backend_; }
  /// Engines in several threads that share the model take turns: each call of the backend that runs
  /// the network happens under this lock.
  std::unique_lock<std::recursive_mutex> take_turn() {
    return std::unique_lock<std::recursive_mutex>(turn_);
  }

  /// The model's name for an output, given its standard name ("energy", "non_conservative_force",
  /// "non_conservative_stress", "energy_uncertainty") and a variant (empty: the default one). Knows
  /// the old plural name of the direct forces. Returns an empty string if the model has no such
  /// output.
  std::string find_output(const std::string& standard_name, const std::string& variant = "") const;
  /// Same, but throws ModelError, listing what the model has, if there is no such output.
  std::string require_output(const std::string& standard_name,
                             const std::string& variant = "") const;

 private:
  std::unique_ptr<Backend> backend_;
  std::vector<std::shared_ptr<Model>> members_;
  std::recursive_mutex turn_;
  ModelInfo info_;
};

/// The instruction sets that the CPU of this machine has, as the system names them ("avx2",
/// "asimd"), sorted: what a compiled model may rest on. Empty where the system does not say.
MDBRIDGE_API std::vector<std::string> cpu_features();

}  // namespace mdbridge
