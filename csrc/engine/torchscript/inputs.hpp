#pragma once

#include <torch/types.h>

#include <map>
#include <metatomic/torch.hpp>
#include <string>

/// What networks ask for besides atoms, cell and elements.
namespace mdbridge {

/// Name of each input -> the value that the network has for it where it is given none, in words
/// (empty: none). Throws ModelError, with the path of the model, for what no host can give.
std::map<std::string, std::string> known_inputs(metatensor_torch::Module& module,
                                                const std::string& path);

/// The sentence about those that have a value of their own; empty: there are none.
std::string note_of(const std::map<std::string, std::string>& inputs);

/// A number of one structure, as metatomic hands it over.
metatensor_torch::TensorMap input_of(const std::string& name, double value, torch::Dtype dtype,
                                     torch::Device device);

}  // namespace mdbridge
