#include "external/backend_external.hpp"

#include <torch/torch.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <type_traits>
#include <utility>

#include "mdbridge/error.hpp"

namespace mdbridge {

namespace {

constexpr const char* energy_name = "energy";
constexpr const char* direct_forces_name = "non_conservative_force";
constexpr const char* direct_stress_name = "non_conservative_stress";
constexpr const char* uncertainty_name = "energy_uncertainty";
constexpr const char* committee_name = "energy_ensemble";

std::map<std::string, std::string> outputs_of(const Wanted& abilities) {
  std::map<std::string, std::string> outputs;
  if (abilities.energy) outputs[energy_name] = "eV";
  if (abilities.direct_forces) outputs[direct_forces_name] = "eV/A";
  if (abilities.direct_virial) outputs[direct_stress_name] = "eV/A^3";
  if (abilities.uncertainty) outputs[uncertainty_name] = "eV";
  if (abilities.committee) outputs[committee_name] = "eV";
  return outputs;
}

Wanted wanted_for(const BackendRequest& request) {
  Wanted wanted;
  wanted.energy = !request.energy.empty();
  wanted.atomic_energies = request.energy_per_atom;
  wanted.conservative_forces = request.position_gradient;
  wanted.conservative_virial = request.strain_gradient;
  wanted.direct_forces = !request.direct_forces.empty();
  wanted.direct_virial = !request.direct_stress.empty();
  wanted.uncertainty = !request.uncertainty.empty();
  wanted.committee = !request.committee.empty();
  return wanted;
}

/// A copy of these numbers.
torch::Tensor tensor_of(const double* data, at::IntArrayRef shape, double factor = 1.0) {
  return torch::from_blob(const_cast<double*>(data), shape, torch::kFloat64) * factor;
}

torch::Tensor tensor_of(const std::vector<double>& values, at::IntArrayRef shape,
                        double factor = 1.0) {
  return tensor_of(values.data(), shape, factor);
}

/// What one structure adds to the results of a call, which are put together at the end.
struct Rows {
  std::vector<torch::Tensor> energy, direct_forces, direct_stress, uncertainty, committee;

  void add(const Evaluation& found, const Structure& structure, const Wanted& wanted,
           BackendResult& result) {
    const std::int64_t atoms = structure.size();
    if (wanted.atomic_energies) {
      energy.push_back(tensor_of(found.atomic_energies, {atoms}));
    } else if (wanted.energy) {
      energy.push_back(tensor_of(&found.energy, {1}));
    }
    if (wanted.conservative_forces) {
      result.position_gradients.push_back(tensor_of(found.conservative_forces, {atoms, 3}, -1.0));
    }
    if (wanted.conservative_virial) {
      result.strain_gradients.push_back(tensor_of(found.conservative_virial.data(), {3, 3}, -1.0));
    }
    if (wanted.direct_forces) direct_forces.push_back(tensor_of(found.direct_forces, {atoms, 3}));
    if (wanted.direct_virial) {
      direct_stress.push_back(
          tensor_of(found.direct_virial.data(), {1, 3, 3}, -1.0 / structure.volume()));
    }
    if (wanted.uncertainty) uncertainty.push_back(tensor_of(found.uncertainty, {atoms}));
    if (wanted.committee) {
      committee.push_back(
          tensor_of(found.committee, {1, static_cast<std::int64_t>(found.committee.size())}));
    }
  }

  void put_into(BackendResult& result) const {
    const auto put = [](const std::vector<torch::Tensor>& rows, torch::Tensor& all) {
      if (!rows.empty()) all = torch::cat(rows);
    };
    put(energy, result.energy);
    put(direct_forces, result.direct_forces);
    put(direct_stress, result.direct_stress);
    put(uncertainty, result.uncertainty);
    put(committee, result.committee);
  }
};

}  // namespace

ExternalBackend::ExternalBackend(std::unique_ptr<ExternalModel> model)
    : model_(std::move(model)), info_(model_->info()), abilities_(model_->abilities()) {
  info_.outputs = outputs_of(abilities_);
  if (info_.outputs.empty()) {
    throw ModelError("the model '" + info_.path + "' gives neither an energy nor forces");
  }
  std::sort(info_.atomic_types.begin(), info_.atomic_types.end());
}

bool ExternalBackend::has_per_atom(const std::string& output) const {
  return output == energy_name && abilities_.atomic_energies;
}

/// The energy is in double precision as the model gives it, and energies of atoms may cost.
bool ExternalBackend::adds_up_atoms(const std::string& /*energy*/) const { return false; }

std::string ExternalBackend::lacks_gradient(const std::string& /*energy*/, bool of_strain) const {
  if (!abilities_.conservative_forces) {
    return abilities_.direct_forces
               ? "its forces are predicted directly, and are not the gradient of its energy: use "
                 "direct forces"
               : "its calculator gives no forces";
  }
  return of_strain && !abilities_.conservative_virial ? "its calculator gives no stress" : "";
}

bool ExternalBackend::gives_pair_gradients(const std::string& /*energy*/) { return false; }

bool ExternalBackend::shares_direct_stress(const std::string& /*stress*/) { return false; }

Structure ExternalBackend::whole(const SystemTensors& system) const {
  Structure structure;
  const std::int64_t atoms = system.types.size(0);
  if (system.owned != atoms) {
    throw ModelError("the model '" + info_.path + "' sees whole structures only, and of the " +
                     std::to_string(atoms) + " atoms of this one " +
                     std::to_string(atoms - system.owned) +
                     " belong to other processes: run it in one process");
  }
  const auto* types = system.types.data_ptr<std::int32_t>();
  structure.types.assign(types, types + atoms);
  const auto positions = system.positions.contiguous();
  structure.positions.assign(positions.data_ptr<double>(),
                             positions.data_ptr<double>() + 3 * atoms);
  const auto cell = system.cell.contiguous();
  std::copy_n(cell.data_ptr<double>(), 9, structure.cell.begin());
  std::copy_n(system.periodic.data_ptr<bool>(), 3, structure.periodic.begin());
  return structure;
}

/// Throw ModelError unless all that is wanted has the size of the structure.
void ExternalBackend::check(const Evaluation& evaluation, const Structure& structure,
                            const Wanted& wanted) const {
  const auto atoms = static_cast<std::size_t>(structure.size());
  for_each_quantity([&](const auto& quantity) {
    if (!(wanted.*quantity.wanted)) return;
    constexpr Form form = std::remove_cvref_t<decltype(quantity)>::form;
    std::size_t found = 0, expected = 0;
    if constexpr (form == Form::atom_scalars || form == Form::atom_vectors) {
      found = (evaluation.*quantity.value).size();
      expected = form == Form::atom_vectors ? 3 * atoms : atoms;
    }
    if (found == expected) return;
    throw ModelError("the model '" + info_.path + "' returned " + std::to_string(found) +
                     " numbers for the " + quantity.name + " of " + std::to_string(atoms) +
                     " atoms: expected " + std::to_string(expected));
  });
}

BackendResult ExternalBackend::forward(const std::vector<SystemTensors>& systems,
                                       const BackendRequest& request) {
  std::vector<Structure> structures;
  for (const SystemTensors& system : systems) structures.push_back(whole(system));
  const Wanted wanted = wanted_for(request);
  const std::vector<Evaluation> found = model_->evaluate(structures, wanted, request.inputs);
  if (found.size() != structures.size()) {
    throw ModelError("the model '" + info_.path + "' returned " + std::to_string(found.size()) +
                     " results for " + std::to_string(structures.size()) + " structures");
  }
  BackendResult result;
  Rows rows;
  for (std::size_t s = 0; s < found.size(); ++s) {
    check(found[s], structures[s], wanted);
    rows.add(found[s], structures[s], wanted, result);
  }
  rows.put_into(result);
  return result;
}

}  // namespace mdbridge
