#include "torchscript/inputs.hpp"

#include <torch/torch.h>

#include <vector>

#include "mdbridge/error.hpp"
#include "text.hpp"
#include "torchscript/metatrain.hpp"

namespace mdbridge {

namespace mtt = metatensor_torch;

std::map<std::string, std::string> known_inputs(mtt::Module& module, const std::string& path) {
  const auto method = module.find_method("requested_inputs");
  if (!method) return {};  // of before they were thought of
  const auto defaults = metatrain::default_inputs(module);
  std::map<std::string, std::string> known;
  std::vector<std::string> unknown;
  const bool renamed = method->function().getSchema().arguments().size() > 1;
  const auto requested = renamed ? (*method)({/*use_new_names=*/true}) : (*method)({});
  for (const auto& entry : requested.toGenericDict()) {
    const std::string name = entry.key().toStringRef();
    const auto found = defaults.find(name);
    if (found != defaults.end()) {
      known[name] = found->second;
    } else if (name == "charge" || name == "spin_multiplicity") {
      known[name] = "";
    } else {
      unknown.push_back("'" + name + "'");
    }
  }
  if (unknown.empty()) return known;
  throw ModelError("the model '" + path + "' needs " + join(unknown) +
                   " of each structure, which MD Bridge cannot give it: use a model of atoms, "
                   "cell and atomic numbers alone");
}

std::string note_of(const std::map<std::string, std::string>& inputs) {
  std::vector<std::string> assumed, names;
  for (const auto& [name, value] : inputs) {
    if (value.empty()) continue;
    assumed.push_back(value);
    names.push_back(name);
  }
  if (assumed.empty()) return "";
  return "the model takes inputs besides the atoms: it computes with " + join(assumed) +
         " per structure, unless it is told otherwise (" + join(names) + ")";
}

namespace {

mtt::TensorMap input_of(const std::string& name, double value, torch::Dtype dtype,
                        torch::Device device) {
  const auto values =
      torch::full({1, 1}, value, torch::TensorOptions().dtype(dtype).device(device));
  const auto block = torch::make_intrusive<mtt::TensorBlockHolder>(
      values, mtt::LabelsHolder::create({"system"}, {{0}})->to(device), std::vector<mtt::Labels>{},
      mtt::LabelsHolder::create({name}, {{0}})->to(device));
  const auto key = mtt::LabelsHolder::create({"_"}, {{0}})->to(device);
  auto map = torch::make_intrusive<mtt::TensorMapHolder>(key, std::vector<mtt::TensorBlock>{block});
  map->set_info("unit", name == "charge" ? "e" : "");
  return map;
}

}  // namespace

const mtt::TensorMap& GivenInputs::of(const std::string& name, double value, torch::Dtype dtype,
                                      torch::Device device) {
  auto& [known, map] = last_[name];
  if (!map || known != value) {
    map = input_of(name, value, dtype, device);
    known = value;
  }
  return map;
}

}  // namespace mdbridge
