#pragma once

#include <torch/script.h>

#include <map>
#include <string>
#include <vector>

#include "backend.hpp"

/// What must be known of metatrain's networks to run a file as `mtt export` wrote it.
namespace mdbridge::metatrain {

struct Facts {
  /// PET works on a rectangular array of neighbours and fills the free places with the first pair
  /// that it keeps. Their contributions cancel, but in single precision not quite: the gradient of
  /// what is left acts on that pair, some meV/Å if it is a bond, growing with the number of atoms.
  /// (Files of our own exporter fill in constants.)
  bool pads_with_first_pair = false;
  /// How far an atom can feel another one, in the length unit of the model: often further than
  /// metatrain declares. Infinite with long-range features; 0 where nothing is known.
  double range = 0.0;
};

/// What the parts of a module say, by the names of their classes and their attributes.
Facts inspect(const torch::jit::Module& module);

/// Inputs besides the structure that the network has a value for where it is given none, with that
/// value in words.
std::map<std::string, std::string> default_inputs(const torch::jit::Module& module);

/// Two atoms of this type, in no cell, that are each other's only neighbours. As the first
/// structure of a batch they take upon themselves what the padding does to the first pair: they are
/// so close that no cutoff, adaptive or not, drops their pairs.
SystemTensors padding_dimer(std::int32_t type, const std::vector<PairRequest>& requests,
                            torch::Dtype dtype, torch::Device device);

/// The results of all structures but the first one, which has two atoms.
BackendResult without_dimer(BackendResult result, const BackendRequest& request);

}  // namespace mdbridge::metatrain
