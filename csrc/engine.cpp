#include "engine.hpp"

#include <torch/torch.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <utility>

#include "backend.hpp"
#include "direct_forces.hpp"
#include "error.hpp"
#include "matrix3.hpp"

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

/// A copy of host data on the model's device, in the given type.
template <typename T>
torch::Tensor to_tensor(const T* data, std::vector<std::int64_t> shape, torch::Dtype host_type,
                        torch::Dtype type, torch::Device device) {
  return torch::from_blob(const_cast<T*>(data), shape, host_type)
      .to(device, type, /*non_blocking=*/false, /*copy=*/true);
}

/// The tensors of one structure, and the leaves that gradients are taken with respect to.
struct Packed {
  BackendStructure structure;
  torch::Tensor positions;
  torch::Tensor strain;
};

void pack_pairs(const Structure& structure, const Pairs& pairs, const Backend& backend,
                SelectedPairs& selected, BackendStructure& out) {
  for (const auto& request : backend.pair_requests()) {
    pairs.select(structure, request.cutoff, request.full, selected);
    out.pairs.push_back({to_tensor(selected.labels.data(), {selected.size(), 5}, torch::kInt32,
                                   torch::kInt32, backend.device()),
                         to_tensor(selected.vectors.data(), {selected.size(), 3}, torch::kFloat64,
                                   backend.dtype(), backend.device())});
  }
}

Packed pack(const Structure& structure, const Backend& backend, const Wanted& wanted) {
  Packed packed;
  const auto device = backend.device();
  const auto dtype = backend.dtype();
  const std::int64_t count = structure.size();
  packed.positions =
      to_tensor(structure.positions.data(), {count, 3}, torch::kFloat64, dtype, device);
  auto cell = to_tensor(structure.cell.data(), {3, 3}, torch::kFloat64, dtype, device);
  auto& out = packed.structure;
  out.types = to_tensor(structure.types.data(), {count}, torch::kInt32, torch::kInt32, device);
  out.periodic = to_tensor(structure.periodic.data(), {3}, torch::kBool, torch::kBool, device);
  out.owned = structure.owned_size();
  out.positions = packed.positions;
  out.cell = cell;
  if (wanted.gradient()) packed.positions.requires_grad_(true);
  if (wanted.conservative_virial) {
    packed.strain = torch::eye(3, torch::TensorOptions().dtype(dtype).device(device));
    packed.strain.requires_grad_(true);
    out.positions = packed.positions.matmul(packed.strain);
    out.cell = cell.matmul(packed.strain);
  }
  return packed;
}

struct Gradients {
  std::vector<torch::Tensor> positions;
  std::vector<torch::Tensor> strains;
};

Gradients differentiate(const torch::Tensor& energy, const std::vector<Packed>& packed,
                        const Wanted& wanted) {
  Gradients gradients;
  if (!wanted.gradient()) return gradients;
  const auto count = packed.size();
  // a structure without pairs has a constant energy, which is in no graph at all
  if (!energy.requires_grad()) {
    for (const auto& one : packed) {
      gradients.positions.push_back(torch::zeros_like(one.positions));
      if (wanted.conservative_virial) gradients.strains.push_back(torch::zeros_like(one.strain));
    }
    return gradients;
  }
  std::vector<torch::Tensor> leaves;
  for (const auto& one : packed) leaves.push_back(one.positions);
  if (wanted.conservative_virial) {
    for (const auto& one : packed) leaves.push_back(one.strain);
  }
  auto all = torch::autograd::grad({energy.sum()}, leaves, /*grad_outputs=*/{},
                                   /*retain_graph=*/false, /*create_graph=*/false,
                                   /*allow_unused=*/true);
  for (std::size_t k = 0; k < all.size(); ++k) {
    if (!all[k].defined()) all[k] = torch::zeros_like(leaves[k]);
    (k < count ? gradients.positions : gradients.strains).push_back(all[k]);
  }
  return gradients;
}

std::vector<double> to_host(const torch::Tensor& tensor, double factor = 1.0) {
  const auto host = tensor.detach().to(torch::kCPU, torch::kFloat64).contiguous();
  const double* data = host.data_ptr<double>();
  std::vector<double> values(data, data + host.numel());
  if (factor != 1.0) {
    for (double& value : values) value *= factor;
  }
  return values;
}

std::array<double, 9> to_symmetric(const torch::Tensor& tensor, double factor) {
  const auto values = to_host(tensor, factor);
  std::array<double, 9> matrix{};
  std::copy(values.begin(), values.end(), matrix.begin());
  return matrix3::symmetrized(matrix);
}

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

/// Remove from the direct forces what no potential could give: a net force, and without any
/// periodicity a net torque.
void remove_net(const Structure& structure, std::vector<double>& forces) {
  remove_net_force(forces.data(), structure.size());
  if (!structure.is_periodic()) {
    remove_net_torque(structure.positions.data(), forces.data(), structure.size());
  }
}

std::vector<Evaluation> unpack(const std::vector<Configuration>& batch,
                               const BackendRequest& request, const BackendResult& result,
                               const Gradients& gradients, const Wanted& wanted,
                               bool remove_net_force) {
  std::vector<Evaluation> evaluations(batch.size());
  std::int64_t start = 0;
  for (std::size_t s = 0; s < batch.size(); ++s) {
    const Structure& structure = *batch[s].structure;
    Evaluation& out = evaluations[s];
    const std::int64_t end = start + structure.size();
    const auto row = static_cast<std::int64_t>(s);
    if (request.energy_per_atom) {
      auto energies = to_host(result.energy.slice(0, start, end));
      for (const double energy : energies) out.energy += energy;
      if (wanted.atomic_energies) out.atomic_energies = std::move(energies);
    } else if (result.energy.defined()) {
      out.energy = result.energy.select(0, row).detach().to(torch::kFloat64).item<double>();
    }
    if (wanted.conservative_forces) {
      out.conservative_forces = to_host(gradients.positions[s], -1.0);
    }
    if (wanted.conservative_virial) {
      out.conservative_virial = to_symmetric(gradients.strains[s], -1.0);
    }
    if (wanted.direct_forces) {
      out.direct_forces = to_host(result.direct_forces.slice(0, start, end));
    }
    if (wanted.direct_virial) {
      out.direct_virial = to_symmetric(result.direct_stress.select(0, row), -structure.volume());
    }
    if (wanted.uncertainty) out.uncertainty = to_host(result.uncertainty.slice(0, start, end));
    check_finite(out, structure);
    if (wanted.direct_forces && remove_net_force) remove_net(structure, out.direct_forces);
    start = end;
  }
  return evaluations;
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

Engine::Engine(std::shared_ptr<Model> model, EngineOptions options)
    : model_(std::move(model)), options_(std::move(options)) {}

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
    structure.validate();
    require_types(structure.types);
    if (wanted.direct_virial && !structure.is_fully_periodic()) {
      throw Error("a direct stress is defined for fully periodic structures only");
    }
    if (structure.size() == 0) continue;
    occupied.push_back(batch[s]);
    places.push_back(s);
  }
  std::vector<Evaluation> evaluations(batch.size());
  if (occupied.empty()) return evaluations;
  auto found = evaluate_occupied(occupied, wanted);
  for (std::size_t s = 0; s < found.size(); ++s) evaluations[places[s]] = std::move(found[s]);
  return evaluations;
}

std::vector<Evaluation> Engine::evaluate_occupied(const std::vector<Configuration>& batch,
                                                  const Wanted& wanted) {
  try {
    return run_model(batch, wanted);
  } catch (const Error&) {
    throw;
  } catch (const c10::OutOfMemoryError& error) {
    throw Error("out of memory on " + info().device + " while evaluating the model '" +
                info().path + "': " + error.what_without_backtrace());
  } catch (const c10::Error& error) {
    throw Error("the model '" + info().path + "' failed: " + error.what_without_backtrace());
  } catch (const std::bad_alloc&) {
    throw Error("out of memory while evaluating the model '" + info().path + "'");
  } catch (const std::exception& error) {
    throw Error("the model '" + info().path + "' failed: " + error.what());
  }
}

std::vector<Evaluation> Engine::run_model(const std::vector<Configuration>& batch,
                                          const Wanted& wanted) {
  Backend& backend = model_->backend();
  const torch::AutoGradMode grad_mode(wanted.gradient());
  std::vector<Packed> packed;
  std::vector<BackendStructure> structures;
  for (const auto& one : batch) {
    {
      const Stopwatch watch(timings_.pairs);
      one.pairs->update(*one.structure, info().cutoff);
    }
    const Stopwatch watch(timings_.packing);
    packed.push_back(pack(*one.structure, backend, wanted));
    pack_pairs(*one.structure, *one.pairs, backend, selected_, packed.back().structure);
    structures.push_back(packed.back().structure);
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
  ++timings_.evaluations;
  return unpack(batch, request, result, gradients, wanted, options_.remove_net_force);
}

}  // namespace mdbridge
