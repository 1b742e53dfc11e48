#include "backend_torchscript.hpp"

#include <torch/csrc/jit/runtime/graph_executor.h>

#include <algorithm>
#include <utility>

#include "mdbridge/error.hpp"

namespace mdbridge {

namespace mta = metatomic_torch;
namespace mts = metatensor_torch;

namespace {

metatensor_torch::Module load_module(const std::string& path, const std::string& extensions) {
  try {
    return mta::load_atomistic_model(
        path, extensions.empty() ? c10::nullopt : c10::optional<std::string>(extensions));
  } catch (const std::exception& error) {
    const auto* torch_error = dynamic_cast<const c10::Error*>(&error);
    std::string reason = torch_error ? torch_error->what_without_backtrace() : error.what();
    if (reason.size() > 600) reason = reason.substr(0, 600) + " ...";
    throw ModelError(
        "could not load '" + path +
        "': expected a model exported by `md-bridge export` or `mtt export`, but: " + reason);
  }
}

mta::ModelOutput make_output(const char* unit, const char* sample_kind) {
  return torch::make_intrusive<mta::ModelOutputHolder>("", unit, sample_kind,
                                                       std::vector<std::string>{}, "");
}

std::vector<std::string> pair_label_names() {
  return {"first_atom", "second_atom", "cell_shift_a", "cell_shift_b", "cell_shift_c"};
}

mts::TensorBlock only_block(const c10::impl::GenericDict& outputs, const std::string& name) {
  return mts::TensorMapHolder::block_by_id(outputs.at(name).toCustomClass<mts::TensorMapHolder>(),
                                           0);
}

/// Spread per-atom rows, which come in the order of the block's samples, over all atoms of all
/// structures; atoms without a row get zero.
torch::Tensor per_atom(const mts::TensorBlock& block, const std::vector<std::int64_t>& offsets,
                       std::int64_t width) {
  const auto values = block->values().reshape({-1, width});
  const auto samples = block->samples()->values().to(torch::kInt64);
  const std::int64_t total = offsets.back();
  auto rows = samples.select(1, 1);
  if (offsets.size() > 2) {
    const auto starts = torch::tensor(offsets, torch::kInt64).to(values.device());
    rows = rows + starts.index_select(0, samples.select(1, 0));
  }
  return torch::zeros({total, width}, values.options()).index_copy(0, rows, values);
}

/// Order the per-structure values by structure.
torch::Tensor per_structure(const mts::TensorBlock& block, std::int64_t count) {
  auto values = block->values();
  if (values.size(0) != count) {
    throw ModelError("the model returned " + std::to_string(values.size(0)) + " values for " +
                     std::to_string(count) + " structures");
  }
  if (count == 1) return values;
  const auto systems = block->samples()->values().select(1, 0).to(torch::kInt64);
  return values.index_select(0, torch::argsort(systems));
}

}  // namespace

TorchScriptBackend::TorchScriptBackend(const std::string& path, const std::string& extensions)
    : path_(path), module_(load_module(path, extensions)) {
  module_.eval();
  // the weights are constants here: leave them out of every gradient graph
  for (auto parameter : module_.parameters()) parameter.set_requires_grad(false);
  capabilities_ = module_.run_method("capabilities").toCustomClass<mta::ModelCapabilitiesHolder>();
  dtype_ = capabilities_->dtype() == "float32" ? torch::kFloat32 : torch::kFloat64;
  for (const auto& entry : module_.run_method("requested_neighbor_lists").toList()) {
    auto options = entry.get().toCustomClass<mta::NeighborListOptionsHolder>();
    neighbor_options_.push_back(options);
    pair_requests_.push_back({options->engine_cutoff("angstrom"), options->full_list()});
  }
  to(torch::kCPU);
}

void TorchScriptBackend::to(torch::Device device) {
  module_.to(device);
  device_ = device;
  vector_component_ = mts::LabelsHolder::create({"xyz"}, {{0}, {1}, {2}})->to(device);
  vector_property_ = mts::LabelsHolder::create({"distance"}, {{0}})->to(device);
}

ModelInfo TorchScriptBackend::info() {
  ModelInfo info;
  info.path = path_;
  const auto metadata = module_.run_method("metadata").toCustomClass<mta::ModelMetadataHolder>();
  info.name = metadata->name;
  info.description = metadata->description;
  info.authors = metadata->authors;
  for (const auto& entry : metadata->references) info.references[entry.key()] = entry.value();
  for (const auto type : capabilities_->atomic_types) {
    info.atomic_types.push_back(static_cast<std::int32_t>(type));
  }
  std::sort(info.atomic_types.begin(), info.atomic_types.end());
  info.interaction_range = capabilities_->engine_interaction_range("angstrom");
  for (const auto& request : pair_requests_) info.cutoff = std::max(info.cutoff, request.cutoff);
  info.dtype = capabilities_->dtype();
  info.supported_devices = capabilities_->supported_devices;
  for (const auto& entry : capabilities_->outputs()) {
    info.outputs[entry.key()] = entry.value()->unit();
  }
  return info;
}

bool TorchScriptBackend::has_per_atom(const std::string& output) const {
  const auto outputs = capabilities_->outputs();
  return outputs.contains(output) && outputs.at(output)->sample_kind() == "atom";
}

mta::System TorchScriptBackend::make_system(const BackendStructure& structure) const {
  auto system = torch::make_intrusive<mta::SystemHolder>(structure.types, structure.positions,
                                                         structure.cell, structure.periodic);
  for (std::size_t n = 0; n < neighbor_options_.size(); ++n) {
    const auto& pairs = structure.pairs[n];
    auto samples = torch::make_intrusive<mts::LabelsHolder>(pair_label_names(), pairs.labels,
                                                            metatensor::assume_unique{});
    auto block = torch::make_intrusive<mts::TensorBlockHolder>(
        pairs.vectors.reshape({-1, 3, 1}), samples, std::vector<mts::Labels>{vector_component_},
        vector_property_);
    mta::register_autograd_neighbors(system, block, /*check_consistency=*/false);
    system->add_neighbor_list(neighbor_options_[n], block);
  }
  return system;
}

mta::ModelEvaluationOptions TorchScriptBackend::make_options(
    const std::vector<BackendStructure>& structures, const BackendRequest& request) const {
  auto options = torch::make_intrusive<mta::ModelEvaluationOptionsHolder>();
  options->set_length_unit("angstrom");
  const auto want = [&](const std::string& name, const char* unit, const char* sample_kind) {
    if (!name.empty()) options->outputs.insert(name, make_output(unit, sample_kind));
  };
  want(request.energy, "eV", request.energy_per_atom ? "atom" : "system");
  want(request.direct_forces, "eV/A", "atom");
  want(request.direct_stress, "eV/A^3", "system");
  want(request.uncertainty, "eV", "atom");

  bool all_owned = true;
  std::vector<std::int32_t> selected;
  for (std::size_t s = 0; s < structures.size(); ++s) {
    all_owned = all_owned && structures[s].owned == structures[s].types.size(0);
    for (std::int64_t i = 0; i < structures[s].owned; ++i) {
      selected.push_back(static_cast<std::int32_t>(s));
      selected.push_back(static_cast<std::int32_t>(i));
    }
  }
  if (!all_owned) {
    const auto values = torch::tensor(selected, torch::kInt32).reshape({-1, 2}).to(device_);
    options->set_selected_atoms(torch::make_intrusive<mts::LabelsHolder>(
        std::vector<std::string>{"system", "atom"}, values, metatensor::assume_unique{}));
  }
  return options;
}

BackendResult TorchScriptBackend::forward(const std::vector<BackendStructure>& structures,
                                          const BackendRequest& request) {
  // The default executor re-specialises whenever the number of pairs changes, which stalls the
  // first steps for seconds and is slower afterwards too.
  const torch::jit::GraphOptimizerEnabledGuard no_profiling(false);
  std::vector<mta::System> systems;
  std::vector<std::int64_t> offsets = {0};
  for (const auto& structure : structures) {
    systems.push_back(make_system(structure));
    offsets.push_back(offsets.back() + structure.types.size(0));
  }
  const auto options = make_options(structures, request);
  const auto outputs =
      module_.forward({systems, options, request.check_consistency}).toGenericDict();

  const auto count = static_cast<std::int64_t>(structures.size());
  BackendResult result;
  if (!request.energy.empty()) {
    const auto block = only_block(outputs, request.energy);
    result.energy = request.energy_per_atom ? per_atom(block, offsets, 1).reshape({-1})
                                            : per_structure(block, count).reshape({-1});
  }
  if (!request.direct_forces.empty()) {
    result.direct_forces = per_atom(only_block(outputs, request.direct_forces), offsets, 3);
  }
  if (!request.direct_stress.empty()) {
    result.direct_stress =
        per_structure(only_block(outputs, request.direct_stress), count).reshape({-1, 3, 3});
  }
  if (!request.uncertainty.empty()) {
    result.uncertainty =
        per_atom(only_block(outputs, request.uncertainty), offsets, 1).reshape({-1});
  }
  return result;
}

}  // namespace mdbridge
