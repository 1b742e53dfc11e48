#pragma once

#include <array>
#include <string>
#include <tuple>
#include <vector>

#include "mdbridge/visibility.hpp"

namespace mdbridge {

/// What a model gives: minus the gradient of its energy, or forces that it predicts.
enum class ForceKind { conservative, direct };

/// "conservative" or "direct".
MDBRIDGE_API const char* to_string(ForceKind kind);
/// The kind of this name; throws Error, naming both, if there is none.
MDBRIDGE_API ForceKind parse_force_kind(const std::string& name);

/// What the caller needs. The engine runs the cheapest forward pass that gives it: no gradients
/// unless a conservative quantity is wanted, and one pass for both kinds of forces.
struct Wanted {
  bool energy = true;
  /// Minus the gradient of the energy with respect to the positions.
  bool conservative_forces = false;
  /// Minus the gradient of the energy with respect to a strain.
  bool conservative_virial = false;
  /// The forces that the model predicts directly.
  bool direct_forces = false;
  /// The virial from the stress that the model predicts directly; fully periodic structures only.
  bool direct_virial = false;
  bool atomic_energies = false;
  bool uncertainty = false;
  /// The energies that the members of a committee give.
  bool committee = false;
  /// Minus the gradients of these, with respect to the positions and to a strain, and the forces
  /// that the members predict directly. The energies of the members come with them.
  bool committee_forces = false;
  bool committee_virials = false;
  bool committee_direct_forces = false;

  /// The share of each atom in the conservative virial, and the same in the form that gives half
  /// of a pair to each of its atoms; of energies of pair vectors only.
  bool atomic_virials = false;
  bool halved_atomic_virials = false;

  /// Standard deviations over the rotated copies that an average is over, and with them the
  /// averages themselves.
  bool energy_rot_std = false;
  bool conservative_forces_rot_std = false;
  bool conservative_virial_rot_std = false;
  bool direct_forces_rot_std = false;
  bool direct_virial_rot_std = false;

  bool of_pairs() const { return atomic_virials || halved_atomic_virials; }
  bool gradient() const { return conservative_forces || conservative_virial || of_pairs(); }
  bool of_members() const {
    return committee_forces || committee_virials || committee_direct_forces;
  }
};

/// Results for one structure; what was not wanted is empty or zero. For structures with ghosts the
/// energy, the direct forces and the direct virial are those of the owned atoms, conservative
/// forces cover all atoms.
struct Evaluation {
  /// Potential energy, eV. Also known wherever another quantity needed it.
  double energy = 0.0;
  /// 3N, eV/Å.
  std::vector<double> conservative_forces;
  /// W = -dE/d(strain), symmetric 3x3, eV. The stress is -W / volume.
  std::array<double, 9> conservative_virial{};
  /// 3N, eV/Å, with the net force (and, without any periodicity, the net torque) removed.
  std::vector<double> direct_forces;
  /// -V times the direct stress, symmetric 3x3, eV.
  std::array<double, 9> direct_virial{};
  /// N, eV; zero for atoms that are not owned.
  std::vector<double> atomic_energies;
  /// N, eV; zero for atoms that are not owned.
  std::vector<double> uncertainty;
  /// One energy for each of the M members of the committee, eV: of the owned atoms.
  std::vector<double> committee;
  /// 3N for each member, one member after the other, as conservative_forces and direct_forces: of
  /// all atoms, and of the owned ones with each member's net force removed.
  std::vector<double> committee_forces;
  std::vector<double> committee_direct_forces;
  /// 9 for each member, one after the other, as conservative_virial.
  std::vector<double> committee_virials;
  /// 9N, eV, of all atoms: -r_ij (x) dE_i/dr_ij of each directed pair, all of it with atom j. E_i
  /// sits at r_i then, and the sum over W_j v_j is the potential part of the heat flux (Fan et al.,
  /// PRB 92, 094301 (2015)). Not symmetric; the sum over atoms is the virial.
  std::vector<double> atomic_virials;
  /// 9N, eV, symmetric: half of each pair with each of its atoms.
  std::vector<double> halved_atomic_virials;
  /// How far the rotated copies scatter about their mean, component by component, each copy turned
  /// back and counted with its weight: √⟨(z − ⟨z⟩)²⟩, in the units of the averages. Of direct
  /// forces with their net force in.
  double energy_rot_std = 0.0;
  std::vector<double> conservative_forces_rot_std;
  std::array<double, 9> conservative_virial_rot_std{};
  std::vector<double> direct_forces_rot_std;
  std::array<double, 9> direct_virial_rot_std{};
  /// Which of these were asked for, and so are here.
  Wanted has{.energy = false};

  /// Those of this kind.
  const std::vector<double>& forces(ForceKind kind) const {
    return kind == ForceKind::direct ? direct_forces : conservative_forces;
  }
  const std::array<double, 9>& virial(ForceKind kind) const {
    return kind == ForceKind::direct ? direct_virial : conservative_virial;
  }
};

/// The form of a quantity, which says how it turns with the structure.
enum class Form {
  /// One number, the same for each rotated copy.
  scalar,
  /// Some numbers, the same for each rotated copy.
  scalars,
  /// A number for each atom, the same for each rotated copy.
  atom_scalars,
  /// A vector for each atom, which turns with the structure.
  atom_vectors,
  /// A 3x3 tensor for each atom, which turns with the structure on both sides.
  atom_tensors,
  /// A 3x3 tensor, which turns with the structure on both sides.
  tensor,
  /// A vector for each atom, or a 3x3 tensor, of each member of a committee, one member after the
  /// other; they turn with the structure.
  member_vectors,
  member_tensors,
  /// Standard deviations of the copies of a scalar, of a vector for each atom, of a 3x3 tensor:
  /// there is one of the average, component by component, and none of a copy.
  scalar_deviation,
  atom_vector_deviations,
  tensor_deviation,
};

/// Whether this is something that the copies have by themselves.
constexpr bool of_each_copy(Form form) { return form < Form::scalar_deviation; }

/// One of the quantities that an evaluation may give.
template <typename Value, Form form_>
struct Quantity {
  static constexpr Form form = form_;
  /// Of the members below; hosts and Python use the same one.
  const char* name;
  /// With its article, for messages.
  const char* words;
  /// One sentence with shape and unit, for documentation.
  const char* description;
  bool Wanted::* wanted;
  Value Evaluation::* value;
};

/// All of them. A new quantity is a row here (with its two members above) and the place where it
/// comes from: a name in BackendRequest, which make_request() fills in (request.cpp), an output of
/// the backends, and a line in unpack() (packing.cpp).
inline constexpr std::tuple quantities = {
    Quantity<double, Form::scalar>{"energy", "an energy", "Potential energy, eV.", &Wanted::energy,
                                   &Evaluation::energy},
    Quantity<std::vector<double>, Form::atom_vectors>{
        "conservative_forces", "a conservative force",
        "Minus the gradient of the energy with respect to the positions, [atoms, 3], eV/Å.",
        &Wanted::conservative_forces, &Evaluation::conservative_forces},
    Quantity<std::array<double, 9>, Form::tensor>{
        "conservative_virial", "a stress",
        "W = -dE/d(strain), symmetric, [3, 3], eV; the stress (positive: tension) is -W / volume.",
        &Wanted::conservative_virial, &Evaluation::conservative_virial},
    Quantity<std::vector<double>, Form::atom_vectors>{
        "direct_forces", "a direct force",
        "Forces that the model predicts directly, [atoms, 3], eV/Å, net force removed.",
        &Wanted::direct_forces, &Evaluation::direct_forces},
    Quantity<std::array<double, 9>, Form::tensor>{
        "direct_virial", "a direct stress",
        "Minus the volume times the directly predicted stress, symmetric, [3, 3], eV.",
        &Wanted::direct_virial, &Evaluation::direct_virial},
    Quantity<std::vector<double>, Form::atom_scalars>{
        "atomic_energies", "an atomic energy", "Energy of each atom, [atoms], eV.",
        &Wanted::atomic_energies, &Evaluation::atomic_energies},
    Quantity<std::vector<double>, Form::atom_scalars>{
        "uncertainty", "an uncertainty",
        "Standard deviation of the energy of each atom, as the model gives it, [atoms], eV.",
        &Wanted::uncertainty, &Evaluation::uncertainty},
    Quantity<std::vector<double>, Form::scalars>{
        "committee", "an energy of a member of the committee",
        "Energy that each member of the model's committee gives, [members], eV.",
        &Wanted::committee, &Evaluation::committee},
    Quantity<std::vector<double>, Form::member_vectors>{
        "committee_forces", "a force of a member of the committee",
        "Minus the gradient of each member's energy with respect to the positions, [members, "
        "atoms, 3], eV/Å.",
        &Wanted::committee_forces, &Evaluation::committee_forces},
    Quantity<std::vector<double>, Form::member_tensors>{
        "committee_virials", "a stress of a member of the committee",
        "W = -dE/d(strain) of each member, symmetric, [members, 3, 3], eV.",
        &Wanted::committee_virials, &Evaluation::committee_virials},
    Quantity<std::vector<double>, Form::member_vectors>{
        "committee_direct_forces", "a direct force of a member of the committee",
        "Forces that each member predicts directly, [members, atoms, 3], eV/Å, net force of each "
        "removed.",
        &Wanted::committee_direct_forces, &Evaluation::committee_direct_forces},
    Quantity<std::vector<double>, Form::atom_tensors>{
        "atomic_virials", "a virial of an atom",
        "Share of each atom in the virial, that of a pair with its neighbour, [atoms, 3, 3], eV.",
        &Wanted::atomic_virials, &Evaluation::atomic_virials},
    Quantity<std::vector<double>, Form::atom_tensors>{
        "halved_atomic_virials", "a virial of an atom",
        "Share of each atom in the virial, half of a pair with each end, [atoms, 3, 3], eV.",
        &Wanted::halved_atomic_virials, &Evaluation::halved_atomic_virials},
    Quantity<double, Form::scalar_deviation>{
        "energy_rot_std", "a standard deviation of the energy",
        "Standard deviation of the energy over the rotated copies, eV.", &Wanted::energy_rot_std,
        &Evaluation::energy_rot_std},
    Quantity<std::vector<double>, Form::atom_vector_deviations>{
        "conservative_forces_rot_std", "a standard deviation of a conservative force",
        "Standard deviation of the conservative forces over the rotated copies, [atoms, 3], eV/Å.",
        &Wanted::conservative_forces_rot_std, &Evaluation::conservative_forces_rot_std},
    Quantity<std::array<double, 9>, Form::tensor_deviation>{
        "conservative_virial_rot_std", "a standard deviation of a stress",
        "Standard deviation of the conservative virial over the rotated copies, [3, 3], eV.",
        &Wanted::conservative_virial_rot_std, &Evaluation::conservative_virial_rot_std},
    Quantity<std::vector<double>, Form::atom_vector_deviations>{
        "direct_forces_rot_std", "a standard deviation of a direct force",
        "Standard deviation of the direct forces over the rotated copies, net force in, "
        "[atoms, 3], eV/Å.",
        &Wanted::direct_forces_rot_std, &Evaluation::direct_forces_rot_std},
    Quantity<std::array<double, 9>, Form::tensor_deviation>{
        "direct_virial_rot_std", "a standard deviation of a direct stress",
        "Standard deviation of the direct virial over the rotated copies, [3, 3], eV.",
        &Wanted::direct_virial_rot_std, &Evaluation::direct_virial_rot_std},
};

/// Call `visit` with each Quantity.
template <typename Visitor>
constexpr void for_each_quantity(Visitor&& visit) {
  std::apply([&](const auto&... quantity) { (visit(quantity), ...); }, quantities);
}

}  // namespace mdbridge
