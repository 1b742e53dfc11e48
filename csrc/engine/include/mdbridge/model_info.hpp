#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace mdbridge {

/// What a model file says of itself. Lengths in Å.
struct ModelInfo {
  std::string path;
  std::string name;
  std::string description;
  std::vector<std::string> authors;
  /// Section ("model", "architecture", "implementation") -> citations.
  std::map<std::string, std::vector<std::string>> references;
  /// What else its metadata say, by key.
  std::map<std::string, std::string> extra;
  /// Supported atomic numbers, ascending.
  std::vector<std::int32_t> atomic_types;
  /// Largest cutoff of the neighbour lists that the model asks for.
  double cutoff = 0.0;
  /// How far an atom can influence another one: cutoff times message-passing layers, and more for
  /// some networks. Infinite with long-range interactions.
  double interaction_range = 0.0;
  /// What the file states of that.
  double stated_range = 0.0;
  /// "float32" or "float64".
  std::string dtype;
  /// Devices that the model was exported for, best first, and the one that it is on.
  std::vector<std::string> supported_devices;
  std::string device;
  /// Output name -> unit.
  std::map<std::string, std::string> outputs;
  /// What a user should know of the file before a run, a sentence each.
  std::vector<std::string> notes;
};

/// How to load a model.
struct ModelOptions {
  /// "auto" (the first device of the model that the machine has: CUDA, for most), "cpu", "cuda" or
  /// "cuda:N".
  std::string device = "auto";
  /// Directory with compiled TorchScript extensions that the model needs; empty if none.
  std::string extensions;
  /// Which of several CUDA devices "auto" and "cuda" mean: this number modulo how many there are
  /// (the place of this process among those of its machine, say).
  int device_rank = 0;
};

}  // namespace mdbridge
