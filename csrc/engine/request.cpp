#include "request.hpp"

#include <algorithm>
#include <optional>

#include "mdbridge/error.hpp"
#include "quantities.hpp"
#include "text.hpp"

namespace mdbridge {

namespace {

/// Throws Error if deviations over rotated copies are wanted and there is no fixed set of them.
void require_copies(const EngineOptions& options, const Wanted& wanted) {
  const auto require_set = [](bool deviations, const std::string& keyword,
                              const std::string& name) {
    if (!deviations || (name != "none" && name != "random")) return;
    throw Error(
        "a standard deviation over rotated copies needs several of them in each evaluation, and " +
        keyword + " " + name + " has one: choose a set such as " + keyword + " octahedral");
  };
  require_set(wants_deviations(part_of(wanted, true, false)), "symmetrize", options.symmetrize);
  const bool apart = !options.direct_symmetrize.empty();
  require_set(wants_deviations(part_of(wanted, false, true)),
              apart ? "direct_symmetrize" : "symmetrize",
              apart ? options.direct_symmetrize : options.symmetrize);
}

/// Throws ModelError, saying why, if a gradient of the energy is wanted and there is none.
void require_gradients(Model& model, const std::string& energy, const Wanted& wanted) {
  const auto require = [&](bool asked, bool of_strain, const std::string& what) {
    const std::string why = asked ? model.backend().lacks_gradient(energy, of_strain) : "";
    if (why.empty()) return;
    throw ModelError("the model '" + model.info().path + "' cannot give " + what + ": " + why);
  };
  require(wanted.conservative_forces, false, "conservative forces");
  require(wanted.conservative_virial, true, "a conservative stress");
}

/// Throws ModelError, saying why, if forces of the members of a committee are wanted and there are
/// none.
void require_forces_of_members(const Model& model, Backend& backend, const Wanted& wanted) {
  const auto require = [&](bool asked, bool direct) {
    const std::string why = asked ? backend.lacks_forces_of_members(direct) : "";
    if (why.empty()) return;
    throw ModelError("the model '" + model.info().path + "' cannot give " +
                     (direct ? "direct " : "") + "forces of the members of its committee: " + why);
  };
  require(wanted.committee_forces || wanted.committee_virials, false);
  require(wanted.committee_direct_forces, true);
}

/// "spin multiplicity"
std::string words_of(std::string input) {
  std::replace(input.begin(), input.end(), '_', ' ');
  return input;
}

}  // namespace

std::string resolve_variant(const std::string& own, const std::string& common) {
  if (own == "-") return "";
  return own.empty() ? common : own;
}

std::map<std::string, double> inputs_for(Model& model, const EngineOptions& options) {
  const std::map<std::string, std::optional<double>> given = {
      {"charge", options.charge}, {"spin_multiplicity", options.spin_multiplicity}};
  const auto asked = model.backend().inputs();
  std::map<std::string, double> inputs;
  for (const auto& [name, value] : given) {
    if (!value) continue;
    if (!asked.contains(name)) {
      throw Error(name + " has no effect: the model '" + model.info().path +
                  "' does not ask for it. Leave it out");
    }
    inputs[name] = *value;
  }
  for (const auto& [name, can_do_without] : asked) {
    if (can_do_without || inputs.contains(name)) continue;
    throw ModelError("the model '" + model.info().path + "' needs the " + words_of(name) +
                     " of each structure: give it (" + name + ")");
  }
  return inputs;
}

BackendRequest make_request(Model& model, const EngineOptions& options, const Wanted& asked) {
  require_copies(options, asked);
  const Wanted wanted = with_averages(asked);
  const std::string direct = resolve_variant(options.direct_variant, options.variant);
  const std::string uncertain = resolve_variant(options.uncertainty_variant, options.variant);
  const auto turn = model.take_turn();  // it may look how the model differentiates
  BackendRequest request;
  if (wanted.energy || wanted.gradient() || wanted.atomic_energies) {
    request.energy = model.require_output("energy", options.variant);
  }
  if (wanted.direct_forces || wanted.committee_direct_forces) {
    request.direct_forces = model.require_output("non_conservative_force", direct);
  }
  if (wanted.direct_virial) {
    request.direct_stress = model.require_output("non_conservative_stress", direct);
  }
  if (wanted.uncertainty) {
    request.uncertainty = model.require_output("energy_uncertainty", uncertain);
  }
  if (wanted.atomic_energies && !model.backend().has_per_atom(request.energy)) {
    throw ModelError("the model '" + model.info().path + "' gives the output '" + request.energy +
                     "' for whole structures only, not for each atom: leave out what asks for "
                     "energies of atoms");
  }
  if (wanted.committee) {
    request.committee = model.require_output("energy_ensemble", uncertain);
    request.committee_per_atom = model.backend().has_per_atom(request.committee);
    require_forces_of_members(model, model.backend(), wanted);
    request.member_position_gradients = wanted.committee_forces;
    request.member_strain_gradients = wanted.committee_virials;
    request.member_direct_forces = wanted.committee_direct_forces;
  }
  // Added up in double precision here: float32 resolves the energy of 81 water molecules to 0.5 meV
  // only, that of one atom to 0.02 meV, and what conserves energy shows in such digits.
  request.energy_per_atom =
      !request.energy.empty() && model.backend().has_per_atom(request.energy) &&
      (wanted.atomic_energies || model.backend().adds_up_atoms(request.energy));
  require_gradients(model, request.energy, wanted);
  request.position_gradient = wanted.conservative_forces;
  request.strain_gradient = wanted.conservative_virial;
  if (wanted.of_pairs() && !model.backend().gives_pair_gradients(request.energy)) {
    throw ModelError("the per-atom virial is not defined by the model '" + model.info().path +
                     "', whose energy '" + request.energy +
                     "' is no function of pair vectors alone: use the virial of the structure");
  }
  request.pair_gradients = wanted.of_pairs();
  request.check_consistency = options.check_consistency;
  request.timed = options.true_timings;
  request.inputs = inputs_for(model, options);
  return request;
}

BackendRequest part_of(BackendRequest request, bool energy, bool direct) {
  if (!energy) {
    return {.direct_forces = request.direct_forces,
            .direct_stress = request.direct_stress,
            .member_direct_forces = request.member_direct_forces,
            .check_consistency = request.check_consistency,
            .timed = request.timed,
            .inputs = request.inputs};
  }
  if (!direct) {
    request.direct_forces.clear();
    request.direct_stress.clear();
    request.member_direct_forces = false;
  }
  return request;
}

}  // namespace mdbridge
