#include "mdbridge/engine.hpp"

#include <torch/torch.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <utility>

#include "backend.hpp"
#include "mdbridge/elements.hpp"
#include "mdbridge/error.hpp"
#include "mdbridge/net_force.hpp"
#include "packing.hpp"

namespace mdbridge {

namespace {

/// Adds the time until its end to a sum.
class Stopwatch {
 public:
  explicit Stopwatch(double& sum) : sum_(sum), start_(std::chrono::steady_clock::now()) {}
  ~Stopwatch() {
    sum_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }
  Stopwatch(const Stopwatch&) = delete;
  Stopwatch& operator=(const Stopwatch&) = delete;

 private:
  double& sum_;
  std::chrono::steady_clock::time_point start_;
};

void check_forces(const std::vector<double>& forces, const char* kind, const Structure& structure) {
  for (std::size_t i = 0; i < forces.size(); ++i) {
    if (std::isfinite(forces[i])) continue;
    const auto atom = static_cast<std::int64_t>(i / 3);
    throw NonFiniteError("the model returned a " + std::string(kind) +
                             " force that is not finite on atom " + std::to_string(atom) +
                             " (counted from 0, element " + chemical_symbol(structure.types[atom]) +
                             ")",
                         atom);
  }
}

void check_numbers(const double* values, std::size_t count, const char* what) {
  for (std::size_t i = 0; i < count; ++i) {
    if (!std::isfinite(values[i])) {
      throw NonFiniteError("the model returned " + std::string(what) + " that is not finite", -1);
    }
  }
}

void check_finite(const Evaluation& evaluation, const Structure& structure) {
  check_forces(evaluation.conservative_forces, "conservative", structure);
  check_forces(evaluation.direct_forces, "direct", structure);
  check_numbers(&evaluation.energy, 1, "an energy");
  check_numbers(evaluation.conservative_virial.data(), 9, "a stress");
  check_numbers(evaluation.direct_virial.data(), 9, "a direct stress");
  check_numbers(evaluation.atomic_energies.data(), evaluation.atomic_energies.size(),
                "an atomic energy");
  check_numbers(evaluation.uncertainty.data(), evaluation.uncertainty.size(), "an uncertainty");
}

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
void remove_net(const Structure& structure, std::vector<double>& forces) {
  remove_net_force(forces.data(), structure.size());
  if (!structure.is_periodic()) {
    remove_net_torque(structure.positions.data(), forces.data(), structure.size());
  }
}

/// How many of these copies, from the first on, go through the model together: all that are not
/// rotated, and of the rotated ones as many as the limit allows, but at least one.
std::size_t count_together(const std::vector<Configuration>& batch, const auto& copies,
                           std::int64_t atoms_per_forward) {
  std::size_t count = 0;
  std::int64_t atoms = 0;
  for (const auto& copy : copies) {
    atoms += batch[copy.original].structure->size();
    if (copy.rotation && count > 0 && atoms > atoms_per_forward) break;
    ++count;
  }
  return count;
}

/// The sentence for an exception of torch. Out of memory has a type of its own on CUDA only, and
/// not if TorchScript has wrapped it in a trace of the model's code.
std::string describe_failure(const ModelInfo& info, const std::string& what) {
  for (const char* words : {"out of memory", "can't allocate memory"}) {
    const auto found = what.find(words);
    if (found == std::string::npos) continue;
    const auto start = what.rfind('\n', found);
    const std::string line = what.substr(start == std::string::npos ? 0 : start + 1);
    // the memory of the host can run out, too, where the model is on a GPU
    const std::string device = words[0] == 'c' ? "cpu" : info.device;
    return "out of memory on " + device + " while evaluating the model '" + info.path +
           "': use a smaller system, more memory or more MPI ranks (" +
           line.substr(0, line.find('\n')) + ")";
  }
  return "the model '" + info.path + "' failed: " + what;
}

/// Own variant of an output: `own` if given ("-" stands for the default one), else the common one.
std::string resolve_variant(const std::string& own, const std::string& common) {
  if (own == "-") return "";
  return own.empty() ? common : own;
}

/// The model's names for what is wanted. Throws ModelError if it lacks any of it.
BackendRequest make_request(Model& model, const EngineOptions& options, const Wanted& wanted) {
  const std::string direct = resolve_variant(options.direct_variant, options.variant);
  const std::string uncertain = resolve_variant(options.uncertainty_variant, options.variant);
  BackendRequest request;
  if (wanted.energy || wanted.gradient() || wanted.atomic_energies) {
    request.energy = model.require_output("energy", options.variant);
  }
  if (wanted.direct_forces) {
    request.direct_forces = model.require_output("non_conservative_force", direct);
  }
  if (wanted.direct_virial) {
    request.direct_stress = model.require_output("non_conservative_stress", direct);
  }
  if (wanted.uncertainty) {
    request.uncertainty = model.require_output("energy_uncertainty", uncertain);
  }
  // Added up in double precision here: float32 resolves the energy of 81 water molecules to 0.5 meV
  // only, that of one atom to 0.02 meV, and what conserves energy shows in such digits.
  request.energy_per_atom =
      !request.energy.empty() &&
      (wanted.atomic_energies || model.backend().has_per_atom(request.energy));
  request.check_consistency = options.check_consistency;
  return request;
}

}  // namespace

/// One structure of the batch, as it is or rotated.
struct Engine::Copy {
  std::size_t original;
  std::optional<Rotation> rotation;
};

Engine::Engine(std::shared_ptr<Model> model, EngineOptions options)
    : model_(std::move(model)),
      options_(std::move(options)),
      group_(rotation_group(options_.symmetrize)) {
  if (options_.seed && options_.symmetrize != "random") {
    throw Error("a seed has no effect without symmetrize random, found symmetrize " +
                options_.symmetrize + ": leave the seed out");
  }
  if (options_.atoms_per_forward < 0) {
    throw Error("atoms_per_forward must be a number of atoms, or 0 (choose), got " +
                std::to_string(options_.atoms_per_forward));
  }
  if (options_.atoms_per_forward == 0) {
    options_.atoms_per_forward = model_->backend().device().is_cpu() ? 256 : 2048;
  }
}

void Engine::require(const Wanted& wanted) const { make_request(*model_, options_, wanted); }

void Engine::require_types(const std::vector<std::int32_t>& types) const {
  const auto& known = info().atomic_types;
  for (std::size_t i = 0; i < types.size(); ++i) {
    if (std::binary_search(known.begin(), known.end(), types[i])) continue;
    std::string elements;
    for (const auto type : known) {
      elements += (elements.empty() ? "" : ", ") + chemical_symbol(type);
    }
    throw ModelError("the model '" + info().path + "' does not know the element " +
                     chemical_symbol(types[i]) + " (atomic number " + std::to_string(types[i]) +
                     ") of atom " + std::to_string(i) + " (counted from 0); it knows " + elements);
  }
}

Evaluation Engine::evaluate(const Structure& structure, Pairs& pairs, const Wanted& wanted) {
  return std::move(evaluate({{&structure, &pairs}}, wanted).front());
}

std::vector<Evaluation> Engine::evaluate(const std::vector<Configuration>& batch,
                                         const Wanted& wanted) {
  require(wanted);
  // a batch may hold structures without atoms (a process that owns none): nothing to ask the model
  std::vector<Configuration> occupied;
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
  std::vector<Evaluation> evaluations(batch.size());
  if (occupied.empty()) return evaluations;
  auto found = evaluate_occupied(occupied, wanted);
  const Stopwatch watch(timings_.unpacking);
  for (std::size_t i = 0; i < found.size(); ++i) {
    const std::size_t s = places[i];
    naming_structure(s, batch.size(), [&] { check_finite(found[i], *batch[s].structure); });
    if (wanted.direct_forces && options_.remove_net_force) {
      remove_net(*batch[s].structure, found[i].direct_forces);
    }
    evaluations[s] = std::move(found[i]);
  }
  return evaluations;
}

std::vector<Evaluation> Engine::evaluate_occupied(const std::vector<Configuration>& batch,
                                                  const Wanted& wanted) {
  try {
    return run_model(batch, wanted);
  } catch (const Error&) {
    throw;
  } catch (const c10::Error& error) {
    throw Error(describe_failure(info(), error.what_without_backtrace()));
  } catch (const std::bad_alloc&) {
    throw Error(describe_failure(info(), "can't allocate memory"));
  } catch (const std::exception& error) {
    throw Error(describe_failure(info(), error.what()));
  }
}

std::vector<Evaluation> Engine::run_model(const std::vector<Configuration>& batch,
                                          const Wanted& wanted) {
  const auto originals = prepare(batch);
  const auto copies = make_copies(batch);
  std::vector<Evaluation> evaluations(batch.size());
  for (std::span<const Copy> left = copies; !left.empty();) {
    const auto together = left.first(count_together(batch, left, options_.atoms_per_forward));
    left = left.subspan(together.size());
    auto found = forward(batch, originals, together, wanted);
    const Stopwatch watch(timings_.unpacking);
    for (std::size_t c = 0; c < found.size(); ++c) {
      Evaluation& sum = evaluations[together[c].original];
      if (together[c].rotation) {
        add_rotated_back(found[c], *together[c].rotation, sum);
      } else {
        sum = std::move(found[c]);
      }
    }
  }
  ++timings_.evaluations;
  if (!group_.empty()) {
    const Stopwatch watch(timings_.unpacking);
    for (Evaluation& evaluation : evaluations) divide(evaluation, group_.size());
  }
  return evaluations;
}

/// Bring the pair lists up to date and hand everything to the device.
std::vector<BackendStructure> Engine::prepare(const std::vector<Configuration>& batch) {
  Backend& backend = model_->backend();
  const auto& requests = backend.pair_requests();
  std::vector<BackendStructure> originals;
  selected_.resize(batch.size());
  for (std::size_t s = 0; s < batch.size(); ++s) {
    const Structure& structure = *batch[s].structure;
    {
      const Stopwatch watch(timings_.pairs);
      batch[s].pairs->update(structure, info().cutoff);
    }
    const Stopwatch watch(timings_.packing);
    selected_[s].resize(requests.size());
    for (std::size_t n = 0; n < requests.size(); ++n) {
      batch[s].pairs->select(structure, requests[n].cutoff, requests[n].full, selected_[s][n]);
    }
    originals.push_back(to_tensors(structure, selected_[s], backend));
  }
  return originals;
}

std::vector<Engine::Copy> Engine::make_copies(const std::vector<Configuration>& batch) const {
  std::vector<Copy> copies;
  for (std::size_t s = 0; s < batch.size(); ++s) {
    if (options_.symmetrize == "none") {
      copies.push_back({s, std::nullopt});
    } else if (options_.symmetrize == "random") {
      const auto draw = draw_ ? *draw_ : draw_from_positions(*batch[s].structure);
      copies.push_back({s, random_rotation(options_.seed.value_or(0), draw)});
    } else {
      for (const Rotation& rotation : group_) copies.push_back({s, rotation});
    }
  }
  return copies;
}

/// One forward pass, and the way back if a gradient is wanted.
std::vector<Evaluation> Engine::forward(const std::vector<Configuration>& batch,
                                        const std::vector<BackendStructure>& originals,
                                        std::span<const Copy> copies, const Wanted& wanted) {
  Backend& backend = model_->backend();
  const torch::AutoGradMode grad_mode(wanted.gradient());
  std::vector<Packed> packed;
  std::vector<BackendStructure> structures;
  std::vector<double> volumes;
  {
    const Stopwatch watch(timings_.packing);
    for (const Copy& copy : copies) {
      packed.push_back(pack(originals[copy.original], copy.rotation, backend.dtype(), wanted));
      structures.push_back(packed.back().structure);
      volumes.push_back(batch[copy.original].structure->volume());
    }
  }
  const auto request = make_request(*model_, options_, wanted);
  BackendResult result;
  {
    const Stopwatch watch(timings_.forward);
    result = backend.forward(structures, request);
  }
  Gradients gradients;
  {
    const Stopwatch watch(timings_.backward);
    gradients = differentiate(result.energy, packed, wanted);
  }
  const Stopwatch watch(timings_.unpacking);
  return unpack(packed, volumes, request, result, gradients, wanted);
}

}  // namespace mdbridge
