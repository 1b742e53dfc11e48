#include "mdbridge/engine.hpp"

#include <c10/core/DeviceGuard.h>

#include <algorithm>
#include <new>
#include <utility>

#include "backend.hpp"
#include "devices/resident.hpp"
#include "devices/transfer.hpp"
#include "geometry/centring.hpp"
#include "geometry/orientations.hpp"
#include "mdbridge/elements.hpp"
#include "mdbridge/error.hpp"
#include "mdbridge/net_force.hpp"
#include "mdbridge/stopwatch.hpp"
#include "mdbridge/threads.hpp"
#include "packing.hpp"
#include "quantities.hpp"
#include "request.hpp"
#include "text.hpp"

namespace mdbridge {

namespace {

// How many atoms of several structures go through the model together, unless the user says. A CPU
// is busy with 256: more only need more memory. A GPU needs some thousand to be busy; the number is
// a guess that fits the memory of any of them.
constexpr std::int64_t atoms_that_pay_on_cpu = 256;
constexpr std::int64_t atoms_that_pay_on_gpu = 2048;

/// Do `work` for structure `s` of a batch of `count`; its errors say which structure they are
/// about.
void naming_structure(std::size_t s, std::size_t count, const auto& work) {
  const auto text = [&](const Error& error) {
    return "structure " + std::to_string(s) + " of a batch of " + std::to_string(count) +
           " (counted from 0): " + error.what();
  };
  if (count == 1) return work();
  try {
    work();
  } catch (const NonFiniteError& error) {
    throw NonFiniteError(text(error), error.atom());
  } catch (const ModelError& error) {
    throw ModelError(text(error));
  } catch (const Error& error) {
    throw Error(text(error));
  }
}

/// Remove from the direct forces what no potential could give: a net force, and without any
/// periodicity a net torque.
void remove_net(const Structure& structure, double* forces) {
  remove_net_force(forces, structure.size());
  if (!structure.is_periodic()) {
    remove_net_torque(structure.positions.data(), forces, structure.size());
  }
}

// How torch says that a device, or the host, has no memory left. There is an exception of its own
// on CUDA only, and not if TorchScript has wrapped it in a trace of the model's code.
constexpr const char* device_is_full = "out of memory";
constexpr const char* host_is_full = "can't allocate memory";

bool says_memory_is_full(const std::exception& error) {
  if (dynamic_cast<const std::bad_alloc*>(&error) != nullptr) return true;
  const auto* torch_error = dynamic_cast<const c10::Error*>(&error);
  const std::string what = torch_error ? torch_error->what_without_backtrace() : error.what();
  return what.find(device_is_full) != std::string::npos ||
         what.find(host_is_full) != std::string::npos;
}

/// The sentence for an exception of torch.
std::string describe_failure(const ModelInfo& info, const std::string& what) {
  for (const char* words : {device_is_full, host_is_full}) {
    const auto found = what.find(words);
    if (found == std::string::npos) continue;
    const auto start = what.rfind('\n', found);
    const std::string line = what.substr(start == std::string::npos ? 0 : start + 1);
    // the memory of the host can run out, too, where the model is on a GPU
    const std::string device = words == host_is_full ? "cpu" : info.device;
    return "out of memory on " + device + " while evaluating the model '" + info.path +
           "': use a smaller system, more memory or more processes (" +
           line.substr(0, line.find('\n')) + ")";
  }
  return "the model '" + info.path + "' failed: " + what;
}

/// Do `work`; what the model's runtime throws becomes a sentence.
auto run_in_words(const ModelInfo& info, const auto& work) {
  try {
    return work();
  } catch (const Error&) {
    throw;
  } catch (const c10::Error& error) {
    throw Error(describe_failure(info, error.what_without_backtrace()));
  } catch (const std::bad_alloc&) {
    throw Error(describe_failure(info, host_is_full));
  } catch (const std::exception& error) {
    throw Error(describe_failure(info, error.what()));
  }
}

/// The copies that have a weight in what is wanted; those that are there for direct forces alone
/// last, so that no gradient is taken for them.
std::vector<Orientation> orientations_for(std::vector<Orientation> orientations,
                                          const Wanted& wanted) {
  const bool direct = wants_direct(wanted);
  const bool energy = wants_energy(wanted) || !direct;
  for (auto& [rotation, weights] : orientations) {
    if (!energy) weights.energy = 0.0;
    if (!direct) weights.direct = 0.0;
  }
  std::erase_if(orientations, [](const Orientation& each) {
    return each.weights.energy == 0.0 && each.weights.direct == 0.0;
  });
  std::stable_partition(orientations.begin(), orientations.end(),
                        [](const Orientation& each) { return each.weights.energy != 0.0; });
  return orientations;
}

}  // namespace

/// What the structures of a batch became for the model, kept from call to call.
struct Engine::Inputs {
  /// On the CPU, where the model works with the host's memory: kept for that memory.
  struct Shared {
    std::vector<SelectedPairs> selected;  // by request
    Centring centring;
  };
  std::vector<Shared> shared;  // by place in the batch
  /// On another device.
  Residents residents;
  /// Atoms that go through the model together: fewer than asked for once that was too many.
  std::int64_t atoms_together = 0;
  /// The copies of each structure.
  std::vector<Orientation> orientations;
};

/// One evaluation of a batch of structures, each with at least one atom.
class Engine::Run {
 public:
  /// `request`: what `wanted` means for the model.
  Run(Engine& engine, const std::vector<StructureAndPairs>& batch, const Wanted& wanted,
      const BackendRequest& request)
      : engine_(engine), batch_(batch), wanted_(wanted), request_(request) {}

  /// Hand over what the model says of each copy, turned back: not checked, net forces in.
  void each_copy(const Visitor& visit);

 private:
  /// One structure of the batch, as it is or rotated.
  struct Copy {
    std::size_t original;
    std::optional<Rotation> rotation;
    Weights weights;
    torch::Tensor matrix{};  // the rotation, where the model is
  };

  std::vector<Copy> make_copies() const;
  void update_pairs(std::size_t s);
  std::vector<SystemTensors> share(std::vector<Copy>& copies);
  std::vector<SystemTensors> upload(std::vector<Copy>& copies);
  std::size_t count_together(std::span<const Copy> copies) const;
  bool divide_further(std::span<const Copy> copies);
  std::vector<Evaluation> forward(const std::vector<SystemTensors>& originals,
                                  std::span<const Copy> copies);

  Engine& engine_;
  const std::vector<StructureAndPairs>& batch_;
  const Wanted& wanted_;
  const BackendRequest& request_;
};

Engine::Engine(std::shared_ptr<Model> model, EngineOptions options)
    : model_(std::move(model)), options_(std::move(options)), inputs_(std::make_unique<Inputs>()) {
  if (options_.seed && options_.symmetrize != "random") {
    throw Error("a seed has no effect without symmetrize random, found symmetrize " +
                options_.symmetrize + ": leave the seed out");
  }
  if (options_.atoms_per_forward < 0) {
    throw Error("atoms_per_forward must be a number of atoms, or 0 (choose), found " +
                std::to_string(options_.atoms_per_forward));
  }
  if (options_.atoms_per_forward == 0) {
    options_.atoms_per_forward =
        model_->backend().device().is_cpu() ? atoms_that_pay_on_cpu : atoms_that_pay_on_gpu;
  }
  inputs_for(*model_, options_);  // throws if they do not fit
  inputs_->atoms_together = options_.atoms_per_forward;
  if (options_.direct_symmetrize == options_.symmetrize) options_.direct_symmetrize.clear();
  inputs_->orientations = orientations_of(options_.symmetrize, options_.direct_symmetrize);
  const auto count = [&](double Weights::* weight) {
    return std::count_if(inputs_->orientations.begin(), inputs_->orientations.end(),
                         [&](const Orientation& o) { return o.weights.*weight != 0.0; });
  };
  copies_ = count(&Weights::energy);
  direct_copies_ = count(&Weights::direct);
}

Engine::~Engine() = default;

void Engine::require(const Wanted& wanted) const { make_request(*model_, options_, wanted); }

bool Engine::gives_atomic_energies() const {
  const std::string name = model_->find_output("energy", options_.variant);
  return !name.empty() && model_->backend().has_per_atom(name);
}

bool Engine::gives_atomic_virials() const {
  return can_give({.energy = false, .atomic_virials = true});
}

bool Engine::shares_direct_virial() const {
  const std::string variant = resolve_variant(options_.direct_variant, options_.variant);
  const std::string name = model_->find_output("non_conservative_stress", variant);
  const auto turn = model_->take_turn();
  return !name.empty() && model_->backend().shares_direct_stress(name);
}

bool Engine::can_give(const Wanted& wanted) const {
  try {
    require(wanted);
  } catch (const Error&) {
    return false;
  }
  return true;
}

void Engine::require_types(const std::vector<std::int32_t>& types) const {
  const auto& known = info().atomic_types;
  for (std::size_t i = 0; i < types.size(); ++i) {
    if (std::binary_search(known.begin(), known.end(), types[i])) continue;
    std::vector<std::string> elements;
    for (const auto type : known) elements.push_back(chemical_symbol(type));
    throw ModelError("the model '" + info().path + "' does not know the element " +
                     chemical_symbol(types[i]) + " (atomic number " + std::to_string(types[i]) +
                     ") of atom " + std::to_string(i) + " (counted from 0); it knows " +
                     join(elements));
  }
}

Evaluation Engine::evaluate(const Structure& structure, Pairs& pairs, const Wanted& wanted) {
  return std::move(evaluate({{&structure, &pairs}}, wanted).front());
}

std::vector<Evaluation> Engine::evaluate(const std::vector<StructureAndPairs>& batch,
                                         const Wanted& asked) {
  const Wanted wanted = with_averages(asked);
  std::vector<Average> averages(batch.size(), Average(wanted));
  each_copy(batch, wanted, [&](std::size_t s, Evaluation copy, const Weights& weights) {
    averages[s].add(std::move(copy), weights);
  });
  const Stopwatch watch(timings_.unpacking);
  std::vector<Evaluation> evaluations(batch.size());
  for (std::size_t s = 0; s < batch.size(); ++s) {
    Evaluation& evaluation = evaluations[s];
    const Structure& structure = *batch[s].structure;
    if (structure.size() > 0) evaluation = std::move(averages[s]).result();
    evaluation.has = wanted;
    naming_structure(s, batch.size(), [&] { check_finite(evaluation, structure); });
    if (!options_.remove_net_force || structure.size() == 0) continue;
    if (wanted.direct_forces) remove_net(structure, evaluation.direct_forces.data());
    auto& of_members = evaluation.committee_direct_forces;
    for (std::size_t i = 0; i < of_members.size(); i += 3 * structure.types.size()) {
      remove_net(structure, &of_members[i]);
    }
  }
  return evaluations;
}

void Engine::visit_copies(const Structure& structure, Pairs& pairs, const Wanted& wanted,
                          const CopyVisitor& visit) {
  each_copy(
      {{&structure, &pairs}}, wanted,
      [&](std::size_t, const Evaluation& copy, const Weights& weights) { visit(copy, weights); });
  if (structure.size() > 0) return;
  // a process without atoms takes part in sums over processes
  for (const Orientation& orientation : orientations_for(inputs_->orientations, wanted)) {
    visit({}, orientation.weights);
  }
}

void Engine::each_copy(const std::vector<StructureAndPairs>& batch, const Wanted& wanted,
                       const Visitor& visit) {
  survive_forks();
  // torch's own operators look where their tensors are, those of a network's extension need not
  const c10::DeviceGuard guard(model_->backend().device());
  const auto turn = model_->take_turn();
  const BackendRequest request = make_request(*model_, options_, wanted);
  // a batch may hold structures without atoms (a process that owns none): nothing to ask the model
  std::vector<StructureAndPairs> occupied;
  std::vector<std::size_t> places;
  for (std::size_t s = 0; s < batch.size(); ++s) {
    const Structure& structure = *batch[s].structure;
    naming_structure(s, batch.size(), [&] {
      structure.validate();
      require_types(structure.types);
      if (wanted.direct_virial && !structure.is_fully_periodic()) {
        throw Error("a direct stress is defined for fully periodic structures only");
      }
    });
    if (structure.size() == 0) continue;
    occupied.push_back(batch[s]);
    places.push_back(s);
  }
  if (occupied.empty()) return;
  const WatchedEvaluation watched;
  run_in_words(info(), [&] {
    Run(*this, occupied, wanted, request)
        .each_copy([&](std::size_t i, Evaluation copy, const Weights& weights) {
          visit(places[i], std::move(copy), weights);
        });
  });
}

void Engine::Run::each_copy(const Visitor& visit) {
  auto copies = make_copies();
  const bool on_cpu = engine_.model_->backend().device().is_cpu();
  const auto originals = on_cpu ? share(copies) : upload(copies);
  for (std::span<const Copy> left = copies; !left.empty();) {
    const auto together = left.first(count_together(left));
    std::vector<Evaluation> found;
    try {
      found = forward(originals, together);
    } catch (const std::exception& error) {
      if (!says_memory_is_full(error) || !divide_further(together)) throw;
      continue;
    }
    left = left.subspan(together.size());
    const Stopwatch watch(engine_.timings_.unpacking);
    for (std::size_t c = 0; c < found.size(); ++c) {
      const Copy& copy = together[c];
      if (copy.rotation) turn_back(found[c], *copy.rotation);
      visit(copy.original, std::move(found[c]), copy.weights);
    }
  }
  ++engine_.timings_.evaluations;
  engine_.timings_.copies += static_cast<std::int64_t>(copies.size());
}

void Engine::Run::update_pairs(std::size_t s) {
  if (engine_.model_->backend().pair_requests().empty()) return;
  const Stopwatch watch(engine_.timings_.pairs);
  batch_[s].pairs->update(*batch_[s].structure, engine_.info().cutoff);
}

/// Hand everything to a model on the CPU, in the host's memory.
std::vector<SystemTensors> Engine::Run::share(std::vector<Copy>& copies) {
  const auto& requests = engine_.model_->backend().pair_requests();
  auto& shared = engine_.inputs_->shared;
  std::vector<SystemTensors> originals;
  if (shared.size() < batch_.size()) shared.resize(batch_.size());
  for (std::size_t s = 0; s < batch_.size(); ++s) {
    update_pairs(s);
    const Stopwatch watch(engine_.timings_.packing);
    const Structure& structure = *batch_[s].structure;
    auto& [selected, centring] = shared[s];
    centring.update(structure);
    selected.resize(requests.size());
    for (std::size_t n = 0; n < requests.size(); ++n) {
      batch_[s].pairs->select(structure, requests[n].cutoff, requests[n].full, selected[n]);
      centring.correct(selected[n].labels);
    }
    originals.push_back(to_tensors(structure, centring.positions(), selected));
  }
  for (Copy& copy : copies) {
    if (!copy.rotation) continue;
    copy.matrix = torch::from_blob(copy.rotation->data(), {3, 3}, torch::kFloat64);
  }
  return originals;
}

/// Hand to a model on another device what is not there from the steps before.
std::vector<SystemTensors> Engine::Run::upload(std::vector<Copy>& copies) {
  Backend& backend = engine_.model_->backend();
  Upload upload;
  std::vector<std::pair<std::shared_ptr<Resident>, Resident::Place>> structures;
  for (std::size_t s = 0; s < batch_.size(); ++s) {
    update_pairs(s);
    const Stopwatch watch(engine_.timings_.packing);
    const Structure& structure = *batch_[s].structure;
    auto resident = engine_.inputs_->residents.of(structure, *batch_[s].pairs, backend);
    const auto place = resident->add_step(structure, upload);
    structures.emplace_back(std::move(resident), place);
  }
  const Stopwatch watch(engine_.timings_.packing);
  std::vector<std::int64_t> places;
  for (const Copy& copy : copies) {
    places.push_back(copy.rotation ? upload.add(*copy.rotation) : -1);
  }
  upload.send(backend.device());
  for (std::size_t c = 0; c < copies.size(); ++c) {
    if (copies[c].rotation) copies[c].matrix = upload.at(places[c], {3, 3});
  }
  std::vector<SystemTensors> originals;
  for (const auto& [resident, place] : structures) {
    originals.push_back(resident->tensors(place, upload));
  }
  return originals;
}

std::vector<Engine::Run::Copy> Engine::Run::make_copies() const {
  const EngineOptions& options = engine_.options_;
  std::vector<Copy> copies;
  for (auto [rotation, weights] : orientations_for(engine_.inputs_->orientations, wanted_)) {
    for (std::size_t s = 0; s < batch_.size(); ++s) {
      if (options.symmetrize == "random") {
        const auto counter = engine_.rotation_counter_
                                 ? *engine_.rotation_counter_
                                 : counter_from_positions(*batch_[s].structure);
        rotation = random_rotation(options.seed.value_or(0), counter);
      }
      copies.push_back({s, rotation, weights});
    }
  }
  return copies;
}

/// How many of these copies, from the first on, go through the model together: as many as the limit
/// allows, but at least one, and none that needs a gradient with one that does not.
std::size_t Engine::Run::count_together(std::span<const Copy> copies) const {
  std::size_t count = 0;
  std::int64_t atoms = 0;
  for (const Copy& copy : copies) {
    atoms += batch_[copy.original].structure->size();
    if (count > 0 && atoms > engine_.inputs_->atoms_together) break;
    if ((copy.weights.energy == 0.0) != (copies.front().weights.energy == 0.0)) break;
    ++count;
  }
  return count;
}

/// These copies were too much for the memory: from now on at most half as many atoms go together.
/// Returns whether fewer are possible.
bool Engine::Run::divide_further(std::span<const Copy> copies) {
  if (copies.size() == 1) return false;
  std::int64_t atoms = 0;
  for (const Copy& copy : copies) atoms += batch_[copy.original].structure->size();
  engine_.inputs_->atoms_together = atoms / 2;
  return true;
}

/// One forward pass, and the way back if a gradient is wanted.
std::vector<Evaluation> Engine::Run::forward(const std::vector<SystemTensors>& originals,
                                             std::span<const Copy> copies) {
  Backend& backend = engine_.model_->backend();
  Timings& timings = engine_.timings_;
  const bool energy = copies.front().weights.energy != 0.0;
  const bool direct = std::any_of(copies.begin(), copies.end(),
                                  [](const Copy& copy) { return copy.weights.direct != 0.0; });
  const BackendRequest request = part_of(request_, energy, direct);
  std::vector<SystemTensors> systems;
  std::vector<double> volumes;
  {
    const Stopwatch watch(timings.packing);
    for (const Copy& copy : copies) {
      systems.push_back(pack(originals[copy.original], copy.matrix, backend.dtype()));
      volumes.push_back(batch_[copy.original].structure->volume());
    }
  }
  BackendResult result;
  {
    const Stopwatch watch(timings.forward);
    result = backend.forward(systems, request);
  }
  timings.forward -= result.gradient_seconds + result.pair_seconds;
  timings.backward += result.gradient_seconds;
  timings.pairs += result.pair_seconds;
  const Stopwatch watch(timings.unpacking);
  return unpack(systems, volumes, request, result, part_of(wanted_, energy, direct));
}

}  // namespace mdbridge
