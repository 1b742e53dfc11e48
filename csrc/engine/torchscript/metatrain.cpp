#include "torchscript/metatrain.hpp"

#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

namespace mdbridge::metatrain {

namespace {

using torch::jit::Module;

/// Of a class, without the modules that it is in: "PETBackend".
std::string class_of(const Module& part) {
  const auto name = part.type()->name();
  return name ? name->name() : "";
}

/// Whether a class is that of a part of this one: all of them are looked at, so that those are
/// found which other models are made of.
bool has_part(const Module& module, const std::string& name) {
  for (const Module& part : module.modules()) {
    if (class_of(part) == name) return true;
  }
  return false;
}

bool pads_with_first_pair(const Module& module) {
  for (const Module& part : module.modules()) {
    const std::string name = class_of(part);
    if (name == "PETBackend") return true;
    // before metatrain 2026.3 all was in one class
    const bool whole = name == "PET" || name == "NativePET";
    if (whole && !has_part(part, "PETBackend") && !has_part(part, "IsolatedPadding")) return true;
  }
  return false;
}

/// Cutoffs that information travels in this part; 0 if it is no PET. The "feedforward" featuriser
/// exchanges messages after its last layer too; and with an adaptive cutoff the weight of the last
/// edge depends on the neighbours of its far end. (md_bridge/export/pet.py has the same rule.)
double range_of(const Module& part) {
  for (const char* name : {"featurizer_type", "num_gnn_layers", "cutoff"}) {
    if (!part.hasattr(name)) return 0.0;
  }
  const auto featurizer = part.attr("featurizer_type");
  const auto layers = part.attr("num_gnn_layers");
  const auto cutoff = part.attr("cutoff");
  if (!featurizer.isString() || !layers.isInt() || !cutoff.isDouble()) return 0.0;
  auto hops = layers.toInt();
  if (featurizer.toStringRef() == "feedforward") ++hops;
  const char* adaptive = "num_neighbors_adaptive";
  if (part.hasattr(adaptive) && !part.attr(adaptive).isNone()) ++hops;
  return static_cast<double>(hops) * cutoff.toDouble();
}

}  // namespace

Facts inspect(const Module& module) {
  Facts facts;
  facts.pads_with_first_pair = pads_with_first_pair(module);
  for (const Module& part : module.modules()) facts.range = std::max(facts.range, range_of(part));
  if (has_part(module, "LongRangeFeaturizer")) {
    facts.range = std::numeric_limits<double>::infinity();
  }
  return facts;
}

std::map<std::string, std::string> default_inputs(const Module& module) {
  if (!has_part(module, "SystemConditioningEmbedding")) return {};
  return {{"charge", "charge 0"}, {"spin_multiplicity", "spin multiplicity 1 (a singlet)"}};
}

SystemTensors padding_dimer(std::int32_t type, const std::vector<PairRequest>& requests,
                            torch::Dtype dtype, torch::Device device) {
  double step = 1.0;  // along each axis, Å
  for (const PairRequest& request : requests) {
    if (request.full) step = std::min(step, 0.25 * request.cutoff);
  }
  const auto options = torch::TensorOptions().dtype(dtype).device(device);
  SystemTensors dimer;
  dimer.types = torch::full({2}, type, options.dtype(torch::kInt32));
  dimer.positions = torch::zeros({2, 3}, options);
  dimer.positions[1].fill_(step);
  dimer.cell = torch::zeros({3, 3}, options);
  dimer.periodic = torch::zeros({3}, options.dtype(torch::kBool));
  dimer.owned = 2;
  for (const PairRequest& request : requests) {
    const bool within = step * std::sqrt(3.0) < request.cutoff;
    const std::int64_t count = !within ? 0 : request.full ? 2 : 1;
    PairTensors pairs{torch::zeros({count, 5}, options.dtype(torch::kInt32)),
                      torch::full({count, 3}, step, options)};
    if (count > 0) pairs.labels[0][1] = 1;
    if (count > 1) {
      pairs.labels[1][0] = 1;
      pairs.vectors[1].neg_();
    }
    dimer.pairs.push_back(std::move(pairs));
  }
  return dimer;
}

BackendResult without_dimer(BackendResult result, const BackendRequest& request) {
  const auto drop_rows = [](torch::Tensor& rows, std::int64_t count) {
    if (rows.defined()) rows = rows.slice(0, count);
  };
  drop_rows(result.energy, request.energy_per_atom ? 2 : 1);
  drop_rows(result.direct_forces, 2);
  drop_rows(result.direct_stress, 1);
  drop_rows(result.uncertainty, 2);
  drop_rows(result.committee, request.committee_per_atom ? 2 : 1);
  for (auto* gradients : {&result.position_gradients, &result.strain_gradients,
                          &result.member_position_gradients, &result.member_strain_gradients}) {
    if (!gradients->empty()) gradients->erase(gradients->begin());
  }
  auto& of_pairs = result.pair_gradients;
  if (!of_pairs.empty()) of_pairs.erase(of_pairs.begin());
  return result;
}

}  // namespace mdbridge::metatrain
