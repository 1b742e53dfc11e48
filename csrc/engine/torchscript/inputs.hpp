#pragma once

#include <torch/types.h>

#include <map>
#include <metatomic/torch.hpp>
#include <string>
#include <utility>

/// What networks ask for besides atoms, cell and elements.
namespace mdbridge {

/// Name of each input -> the value that the network has for it where it is given none, in words
/// (empty: none). Throws ModelError, with the path of the model, for what no host can give.
std::map<std::string, std::string> known_inputs(metatensor_torch::Module& module,
                                                const std::string& path);

/// The sentence about those that have a value of their own; empty: there are none.
std::string note_of(const std::map<std::string, std::string>& inputs);

/// Numbers of structures, as metatomic hands them over. They seldom change, and stay on the device.
class GivenInputs {
 public:
  /// The input of this name with this value. Device and type are those of the first call.
  const metatensor_torch::TensorMap& of(const std::string& name, double value, torch::Dtype dtype,
                                        torch::Device device);

 private:
  std::map<std::string, std::pair<double, metatensor_torch::TensorMap>> last_;
};

}  // namespace mdbridge
