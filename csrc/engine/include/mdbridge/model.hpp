#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "mdbridge/visibility.hpp"

namespace mdbridge {

class Backend;

/// What a model file says of itself. Lengths in Å.
struct ModelInfo {
  std::string path;
  std::string name;
  std::string description;
  std::vector<std::string> authors;
  /// Section ("model", "architecture", "implementation") -> citations.
  std::map<std::string, std::vector<std::string>> references;
  /// Supported atomic numbers, ascending.
  std::vector<std::int32_t> atomic_types;
  /// Largest cutoff of the neighbour lists that the model asks for.
  double cutoff = 0.0;
  /// How far an atom can influence another one: cutoff times message-passing layers.
  double interaction_range = 0.0;
  /// "float32" or "float64".
  std::string dtype;
  /// Devices that the model was exported for, best first, and the one that it is on.
  std::vector<std::string> supported_devices;
  std::string device;
  /// Output name -> unit.
  std::map<std::string, std::string> outputs;
};

/// How to load a model.
struct ModelOptions {
  /// "auto" (CUDA if both the model and the machine have it, else CPU), "cpu", "cuda" or "cuda:N".
  std::string device = "auto";
  /// Directory with compiled TorchScript extensions that the model needs; empty if none.
  std::string extensions;
  /// Which of several CUDA devices "auto" and "cuda" mean: this number modulo how many there are
  /// (the rank of a process on its node, say).
  int device_rank = 0;
};

/// A loaded model. One copy of a file on a device exists per process, whoever asks for it.
class MDBRIDGE_API Model {
 public:
  /// Load an exported model, or return the copy that this process has already.
  /// Throws ModelError if the file is missing, is not an exported model, or the device is not
  /// there.
  static std::shared_ptr<Model> load(const std::string& path, const ModelOptions& options = {});

  Model(std::unique_ptr<Backend> backend, ModelInfo info);
  ~Model();
  Model(const Model&) = delete;
  Model& operator=(const Model&) = delete;

  const ModelInfo& info() const { return info_; }
  Backend& backend() { return *backend_; }

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
  ModelInfo info_;
};

}  // namespace mdbridge
