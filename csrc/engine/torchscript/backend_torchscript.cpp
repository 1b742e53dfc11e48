#include "torchscript/backend_torchscript.hpp"

#include <c10/core/DeviceGuard.h>
#include <caffe2/serialize/inline_container.h>
#include <torch/csrc/jit/runtime/graph_executor.h>
#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <sstream>
#include <utility>

#include "devices/choice.hpp"
#include "devices/transfer.hpp"
#include "mdbridge/error.hpp"
#include "mdbridge/stopwatch.hpp"
#include "text.hpp"
#include "torchscript/gradients.hpp"
#include "torchscript/inputs.hpp"
#include "torchscript/metatrain.hpp"

namespace mdbridge {

namespace mta = metatomic_torch;
namespace mtt = metatensor_torch;

namespace {

constexpr std::size_t most_batches = 8;

/// `name`: of the file, for messages.
mtt::Module load_module(const std::string& path, const std::string& name,
                        const std::string& extensions) {
  try {
    return mta::load_atomistic_model(
        path, extensions.empty() ? c10::nullopt : c10::optional<std::string>(extensions));
  } catch (const std::exception& error) {
    const auto* torch_error = dynamic_cast<const c10::Error*>(&error);
    std::string reason = torch_error ? torch_error->what_without_backtrace() : error.what();
    if (reason.size() > 600) reason = reason.substr(0, 600) + " ...";
    throw ModelError(
        "could not load '" + name +
        "': expected a model exported by `md-bridge export` or `mtt export`, but: " + reason);
  }
}

std::string range_note(const ModelInfo& info) {
  std::ostringstream text;
  text << "the file states an interaction range of " << info.stated_range << " Å; it is ";
  if (std::isfinite(info.interaction_range)) {
    text << info.interaction_range << " Å";
  } else {
    text << "infinite (long-range interactions)";
  }
  text << " by the network in it, and that is what counts here";
  return text.str();
}

mta::ModelOutput make_output(const char* unit, const char* sample_kind) {
  return torch::make_intrusive<mta::ModelOutputHolder>("", unit, sample_kind,
                                                       std::vector<std::string>{}, "");
}

/// The unit that we ask for an output in; null for one that no request can be for.
const char* unit_of(const std::string& output) {
  static const std::map<std::string, const char*> units = {{"energy", "eV"},
                                                           {"energy_uncertainty", "eV"},
                                                           {"energy_ensemble", "eV"},
                                                           {"non_conservative_force", "eV/A"},
                                                           {"non_conservative_forces", "eV/A"},
                                                           {"non_conservative_stress", "eV/A^3"}};
  const auto found = units.find(output.substr(0, output.find('/')));
  return found == units.end() ? nullptr : found->second;
}

std::vector<std::string> pair_label_names() {
  return {"first_atom", "second_atom", "cell_shift_a", "cell_shift_b", "cell_shift_c"};
}

/// Data without contents: that it is there says something to the network.
mtt::TensorMap mark(torch::Dtype dtype, torch::Device device) {
  const auto label = mtt::LabelsHolder::create({"_"}, {{0}})->to(device);
  const auto nothing = torch::zeros({1, 1}, torch::TensorOptions().dtype(dtype).device(device));
  const auto block = torch::make_intrusive<mtt::TensorBlockHolder>(
      nothing, label, std::vector<mtt::Labels>{}, label);
  return torch::make_intrusive<mtt::TensorMapHolder>(label, std::vector<mtt::TensorBlock>{block});
}

mtt::TensorBlock only_block(const c10::impl::GenericDict& outputs, const std::string& name) {
  return mtt::TensorMapHolder::block_by_id(outputs.at(name).toCustomClass<mtt::TensorMapHolder>(),
                                           0);
}

/// Spread per-atom rows, which come in the order of the block's samples, over all atoms of all
/// structures; atoms without a row get zero.
torch::Tensor per_atom(const mtt::TensorBlock& block, const BatchOnDevice& batch,
                       std::int64_t width) {
  const auto values = block->values().reshape({-1, width});
  const auto samples = block->samples()->values().to(torch::kInt64);
  auto rows = samples.select(1, 1);
  if (batch.sizes.size() > 1) {
    rows = rows + batch.first_atoms.index_select(0, samples.select(1, 0));
  }
  return torch::zeros({batch.atoms, width}, values.options()).index_copy(0, rows, values);
}

/// Order the per-structure values by structure.
torch::Tensor per_structure(const mtt::TensorBlock& block, std::int64_t count) {
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

bool TorchScriptBackend::reads(const std::string& path) {
  try {
    // torch's other archives (checkpoints, compiled packages) have no such record
    return caffe2::serialize::PyTorchStreamReader(path).hasRecord("constants.pkl");
  } catch (const std::exception&) {
    return false;
  }
}

TorchScriptBackend::TorchScriptBackend(const std::string& path, const ModelOptions& options,
                                       const std::string& name)
    : module_(load_module(path, name, options.extensions)) {
  module_.eval();
  // the weights are constants here: leave them out of every gradient graph
  for (auto parameter : module_.parameters()) parameter.set_requires_grad(false);
  capabilities_ = module_.run_method("capabilities").toCustomClass<mta::ModelCapabilitiesHolder>();
  dtype_ = capabilities_->dtype() == "float32" ? torch::kFloat32 : torch::kFloat64;
  for (const auto& entry : module_.run_method("requested_neighbor_lists").toList()) {
    auto list = entry.get().toCustomClass<mta::NeighborListOptionsHolder>();
    neighbor_options_.push_back(list);
    pair_requests_.push_back({list->engine_cutoff("angstrom"), list->full_list(), list->strict()});
  }
  const auto facts = metatrain::inspect(module_);
  info_ = read_info(name, facts.range);
  device_ = choose_device(options, info_);
  info_.device = device_.str();
  const c10::DeviceGuard guard(device_);
  module_.to(device_);
  find_network();
  vector_component_ = mtt::LabelsHolder::create({"xyz"}, {{0}, {1}, {2}})->to(device_);
  vector_property_ = mtt::LabelsHolder::create({"distance"}, {{0}})->to(device_);
  gradients_asked_for_ = mark(dtype_, device_);
  if (facts.pads_with_first_pair && dtype_ == torch::kFloat32) {
    dimer_ = metatrain::padding_dimer(info_.atomic_types.front(), pair_requests_, dtype_, device_);
  }
}

ModelInfo TorchScriptBackend::read_info(const std::string& path, double true_range) {
  ModelInfo info;
  info.path = path;
  const auto metadata = module_.run_method("metadata").toCustomClass<mta::ModelMetadataHolder>();
  info.name = metadata->name;
  info.description = metadata->description;
  info.authors = metadata->authors;
  for (const auto& entry : metadata->references) info.references[entry.key()] = entry.value();
  for (const auto& entry : metadata->extra) info.extra[entry.key()] = entry.value();
  for (const auto type : capabilities_->atomic_types) {
    info.atomic_types.push_back(static_cast<std::int32_t>(type));
  }
  std::sort(info.atomic_types.begin(), info.atomic_types.end());
  info.stated_range = capabilities_->engine_interaction_range("angstrom");
  info.interaction_range = info.stated_range;
  if (true_range > 0.0) {
    const auto& unit = capabilities_->length_unit();
    const double in_angstrom = true_range * mta::unit_conversion_factor(unit, "angstrom");
    info.interaction_range = std::max(info.stated_range, in_angstrom);
  }
  if (info.stated_range < info.interaction_range * (1.0 - 1e-6)) {
    info.notes.push_back(range_note(info));
  }
  const auto known = known_inputs(module_, path);
  for (const auto& [name, value] : known) inputs_[name] = !value.empty();
  const std::string assumed = note_of(known);
  if (!assumed.empty()) info.notes.push_back(assumed);
  for (const auto& request : pair_requests_) info.cutoff = std::max(info.cutoff, request.cutoff);
  info.dtype = capabilities_->dtype();
  info.supported_devices = capabilities_->supported_devices;
  for (const auto& entry : capabilities_->outputs()) {
    info.outputs[entry.key()] = entry.value()->unit();
  }
  if (info.outputs.contains("energy") && !has_per_atom("energy")) {
    info.notes.emplace_back("the model gives energies of whole structures only, none of atoms");
  }
  return info;
}

/// Look which outputs the network itself has, in our units and by the names that we know them by:
/// the wrapper renames what was exported under names of before.
void TorchScriptBackend::find_network() {
  const auto name = module_.type()->name();
  if (!name || name->name() != "AtomisticModel" || !module_.hasattr("module") ||
      !module_.hasattr("_model_capabilities_outputs_names")) {
    return;
  }
  const auto& unit = capabilities_->length_unit();
  if (!unit.empty() && mta::unit_conversion_factor(unit, "angstrom") != 1.0) return;
  network_ = module_.attr("module").toModule();
  const auto outputs = capabilities_->outputs();
  for (const auto& entry : module_.attr("_model_capabilities_outputs_names").toListRef()) {
    const std::string output = entry.toStringRef();
    const char* wanted = unit_of(output);
    if (wanted == nullptr) continue;
    const std::string declared = outputs.at(output)->unit();
    const bool ours = declared.empty() || mta::unit_conversion_factor(declared, wanted) == 1.0;
    if (ours) outputs_of_network_.insert(output);
  }
}

bool TorchScriptBackend::needs_wrapper(const BackendRequest& request) const {
  if (!network_ || request.check_consistency) return true;
  const auto unknown = [&](const std::string& output) {
    return !output.empty() && !outputs_of_network_.contains(output);
  };
  return unknown(request.energy) || unknown(request.direct_forces) ||
         unknown(request.direct_stress) || unknown(request.uncertainty) ||
         unknown(request.committee);
}

std::string TorchScriptBackend::lacks_forces_of_members(bool direct) const {
  return direct ? "its committee has energies and no direct forces" : "";
}

bool TorchScriptBackend::has_per_atom(const std::string& output) const {
  const auto outputs = capabilities_->outputs();
  return outputs.contains(output) && outputs.at(output)->sample_kind() == "atom";
}

mta::System TorchScriptBackend::make_system(const SystemTensors& tensors,
                                            const BackendRequest& request) {
  const bool pairs_are_leaves = request.pair_gradients;
  auto system = torch::make_intrusive<mta::SystemHolder>(tensors.types, tensors.positions,
                                                         tensors.cell, tensors.periodic);
  for (std::size_t n = 0; n < neighbor_options_.size(); ++n) {
    const auto& pairs = tensors.pairs[n];
    auto samples = torch::make_intrusive<mtt::LabelsHolder>(pair_label_names(), pairs.labels,
                                                            metatensor::assume_unique{});
    auto block = torch::make_intrusive<mtt::TensorBlockHolder>(
        pairs.vectors.reshape({-1, 3, 1}), samples, std::vector<mtt::Labels>{vector_component_},
        vector_property_);
    if (!pairs_are_leaves) {
      mta::register_autograd_neighbors(system, block, /*check_consistency=*/false);
    }
    system->add_neighbor_list(neighbor_options_[n], block);
  }
  if (pairs_are_leaves) system->add_data("mdbridge::pair_gradients", gradients_asked_for_);
  for (const auto& [name, value] : request.inputs) {
    system->add_data(name, given_inputs_.of(name, value, dtype_, device_));
  }
  return system;
}

mta::ModelEvaluationOptions TorchScriptBackend::make_options(const BatchOnDevice& batch,
                                                             const BackendRequest& request) const {
  auto options = torch::make_intrusive<mta::ModelEvaluationOptionsHolder>();
  options->set_length_unit("angstrom");
  const auto want = [&](const std::string& name, const char* sample_kind) {
    if (!name.empty()) options->outputs.insert(name, make_output(unit_of(name), sample_kind));
  };
  want(request.energy, request.energy_per_atom ? "atom" : "system");
  want(request.direct_forces, "atom");
  want(request.direct_stress, "system");
  want(request.uncertainty, "atom");
  want(request.committee, request.committee_per_atom ? "atom" : "system");
  if (batch.owned) options->set_selected_atoms(*batch.owned);
  return options;
}

/// What the sizes of these structures mean on the device: that of one of the last calls, if they
/// are the same. (The parts that a large batch goes through the model in differ in size.)
const BatchOnDevice& TorchScriptBackend::batch_of(const std::vector<SystemTensors>& systems) {
  std::vector<std::array<std::int64_t, 2>> sizes;
  for (const SystemTensors& system : systems) {
    sizes.push_back({system.types.size(0), system.owned});
  }
  for (const BatchOnDevice& batch : batches_) {
    if (batch.sizes == sizes) return batch;
  }
  BatchOnDevice batch;
  bool all_owned = true;
  std::vector<std::int64_t> first_atoms;
  std::vector<std::int32_t> owned;
  for (std::size_t s = 0; s < sizes.size(); ++s) {
    first_atoms.push_back(batch.atoms);
    batch.atoms += sizes[s][0];
    all_owned = all_owned && sizes[s][0] == sizes[s][1];
    for (std::int64_t i = 0; i < sizes[s][1]; ++i) {
      owned.push_back(static_cast<std::int32_t>(s));
      owned.push_back(static_cast<std::int32_t>(i));
    }
  }
  batch.first_atoms = torch::tensor(first_atoms, torch::kInt64).to(device_);
  if (!all_owned) {
    const auto values = torch::tensor(owned, torch::kInt32).reshape({-1, 2}).to(device_);
    batch.owned = torch::make_intrusive<mtt::LabelsHolder>(
        std::vector<std::string>{"system", "atom"}, values, metatensor::assume_unique{});
  }
  batch.sizes = std::move(sizes);
  if (batches_.size() == most_batches) batches_.erase(batches_.begin());
  batches_.push_back(std::move(batch));
  return batches_.back();
}

/// Of two atoms that are to show how the network works.
std::map<std::string, double> TorchScriptBackend::trial_inputs() const {
  std::map<std::string, double> inputs;
  for (const auto& [name, can_do_without] : inputs_) {
    if (!can_do_without) inputs[name] = name == "charge" ? 0.0 : 1.0;
  }
  return inputs;
}

/// By trying: two atoms and their pair, in a box so large that they have no other one.
bool TorchScriptBackend::gives_pair_gradients(const std::string& energy) {
  const auto known = pair_gradients_.find(energy);
  if (known != pair_gradients_.end()) return known->second;
  BackendRequest request;
  request.energy = energy;
  request.energy_per_atom = has_per_atom(energy);
  request.pair_gradients = true;
  request.inputs = trial_inputs();
  auto dimer =
      metatrain::padding_dimer(info_.atomic_types.front(), pair_requests_, dtype_, device_);
  dimer.cell = torch::eye(3, dimer.cell.options()) * (4.0 + 4.0 * info_.cutoff);
  dimer.periodic = torch::ones_like(dimer.periodic);
  bool gives = !pair_requests_.empty();
  try {
    if (gives) evaluate({dimer}, request);
  } catch (const std::exception&) {  // what cannot run the dimer will say so where it is asked
    gives = false;
  }
  return pair_gradients_[energy] = gives;
}

/// By trying: what two atoms in a box have together, and each of them.
bool TorchScriptBackend::shares_direct_stress(const std::string& stress) {
  const auto known = shared_stresses_.find(stress);
  if (known != shared_stresses_.end()) return known->second;
  BackendRequest request;
  request.direct_stress = stress;
  request.inputs = trial_inputs();
  const auto type = info_.atomic_types.front();
  SystemTensors dimer = metatrain::padding_dimer(type, pair_requests_, dtype_, device_);
  dimer.cell = torch::eye(3, dimer.cell.options()) * (10.0 + 2.0 * info_.cutoff);
  dimer.periodic.fill_(true);
  bool shared = false;
  try {
    const auto of_owned = [&] { return evaluate({dimer}, request).direct_stress.to(torch::kCPU); };
    const auto whole = of_owned();
    dimer.owned = 1;
    const auto first = of_owned();
    // the other atom first: the vectors of the pairs turn round
    dimer.positions = dimer.positions.flip(0);
    for (PairTensors& pairs : dimer.pairs) pairs.vectors = -pairs.vectors;
    const auto second = of_owned();
    const double scale = whole.abs().max().item<double>();
    const double error = (first + second - whole).abs().max().item<double>();
    // of a stress that is zero nothing can be told
    shared = scale > 0.0 && error < 1e-4 * scale;
  } catch (const std::exception&) {  // one that is known of whole structures only says so
  }
  return shared_stresses_[stress] = shared;
}

BackendResult TorchScriptBackend::forward(const std::vector<SystemTensors>& systems,
                                          const BackendRequest& request) {
  if (request.pair_gradients &&
      (request.member_position_gradients || request.member_strain_gradients)) {
    return with_members_apart(systems, request);
  }
  // it is gradients that the padding spoils
  if (!dimer_ || !wants_gradient(request)) return evaluate(systems, request);
  std::vector<SystemTensors> all = {*dimer_};
  all.insert(all.end(), systems.begin(), systems.end());
  return metatrain::without_dimer(evaluate(std::move(all), request), request);
}

/// Gradients of pair vectors have leaves of their own: the members have another forward pass.
BackendResult TorchScriptBackend::with_members_apart(const std::vector<SystemTensors>& systems,
                                                     const BackendRequest& request) {
  BackendRequest rest = request;
  rest.committee.clear();
  rest.member_position_gradients = rest.member_strain_gradients = false;
  BackendRequest of_members = request;
  for (auto output : {&BackendRequest::energy, &BackendRequest::direct_forces,
                      &BackendRequest::direct_stress, &BackendRequest::uncertainty}) {
    (of_members.*output).clear();
  }
  of_members.energy_per_atom = false;
  of_members.position_gradient = of_members.strain_gradient = of_members.pair_gradients = false;
  BackendResult result = forward(systems, rest);
  BackendResult members = forward(systems, of_members);
  result.committee = members.committee;
  result.member_position_gradients = std::move(members.member_position_gradients);
  result.member_strain_gradients = std::move(members.member_strain_gradients);
  result.gradient_seconds += members.gradient_seconds;
  return result;
}

BackendResult TorchScriptBackend::evaluate(std::vector<SystemTensors> systems,
                                           const BackendRequest& request) {
  const bool gradient = wants_gradient(request);
  const torch::AutoGradMode grad_mode(gradient);
  const c10::DeviceGuard guard(device_);  // the engine's own, but in gives_pair_gradients()
  const Leaves leaves = grow_leaves(systems, request);
  const auto wait = [&] {
    if (request.timed) wait_for(device_);
  };
  BackendResult result = run_module(systems, request);
  wait();
  if (gradient) {
    const Stopwatch watch(result.gradient_seconds);
    if (!request.pair_gradients) {
      if (result.committee.defined()) {
        differentiate_members(result.committee, leaves, request, result);
      }
      differentiate(result.energy, leaves, request, result);
    } else if (!differentiate_pairs(result.energy, leaves, systems, request, result)) {
      throw ModelError("the energy '" + request.energy + "' of the model '" + info_.path +
                       "' depends on the positions or on the cell, not on pair vectors alone: its "
                       "virial cannot be shared out among the atoms");
    }
    wait();
  }
  for (torch::Tensor* tensor : {&result.energy, &result.direct_forces, &result.direct_stress,
                                &result.uncertainty, &result.committee}) {
    if (tensor->defined()) *tensor = tensor->detach();
  }
  return result;
}

/// What the model returns, by name.
c10::impl::GenericDict TorchScriptBackend::call(const std::vector<mta::System>& systems,
                                                const mta::ModelEvaluationOptions& options,
                                                const BackendRequest& request) {
  if (needs_wrapper(request)) {
    return module_.forward({systems, options, request.check_consistency}).toGenericDict();
  }
  return network_
      ->forward({}, {{"systems", systems},
                     {"outputs", options->outputs},
                     {"selected_atoms", options->get_selected_atoms()}})
      .toGenericDict();
}

BackendResult TorchScriptBackend::run_module(const std::vector<SystemTensors>& systems,
                                             const BackendRequest& request) {
  // The default executor re-specialises whenever the number of pairs changes, which stalls the
  // first steps for seconds and is slower afterwards too.
  const torch::jit::GraphOptimizerEnabledGuard no_profiling(false);
  std::vector<mta::System> inputs;
  for (const auto& system : systems) {
    inputs.push_back(make_system(system, request));
  }
  const BatchOnDevice& batch = batch_of(systems);
  const auto options = make_options(batch, request);
  const auto outputs = call(inputs, options, request);

  const auto count = static_cast<std::int64_t>(systems.size());
  BackendResult result;
  if (!request.energy.empty()) {
    const auto block = only_block(outputs, request.energy);
    result.energy = request.energy_per_atom ? per_atom(block, batch, 1).reshape({-1})
                                            : per_structure(block, count).reshape({-1});
  }
  if (!request.direct_forces.empty()) {
    result.direct_forces = per_atom(only_block(outputs, request.direct_forces), batch, 3);
  }
  if (!request.direct_stress.empty()) {
    result.direct_stress =
        per_structure(only_block(outputs, request.direct_stress), count).reshape({-1, 3, 3});
  }
  if (!request.uncertainty.empty()) {
    result.uncertainty = per_atom(only_block(outputs, request.uncertainty), batch, 1).reshape({-1});
  }
  if (!request.committee.empty()) {
    const auto block = only_block(outputs, request.committee);
    const auto members = block->values().size(-1);
    result.committee = request.committee_per_atom
                           ? per_atom(block, batch, members)
                           : per_structure(block, count).reshape({count, members});
  }
  return result;
}

}  // namespace mdbridge
