// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "mdbridge/checks/force_agreement.hpp"
#include "mdbridge/evaluation.hpp"
#include "mdbridge/model.hpp"

namespace mdbridge_lammps {

/// What the user wrote after `pair_style mdbridge`.
struct Settings {
  enum class Forces { conservative, direct };
  /// Where the pressure of a run with direct forces comes from.
  enum class Virial { direct, conservative };
  /// What drives a run with a committee: the mean of its members, or `model` alone.
  enum class Driver { mean, first };

  std::string model;
  Forces forces = Forces::conservative;
  Virial virial = Virial::direct;
  std::string device = "auto";
  /// Empty: the model's default outputs.
  std::string variant;
  /// Of the direct forces and stress, and of the uncertainty; empty: as `variant`.
  std::string direct_variant;
  std::string uncertainty_variant;
  /// Directory of compiled TorchScript extensions; empty: none.
  std::string extensions;
  /// Of the whole system, for models that ask for them.
  std::optional<double> charge;
  std::optional<double> spin_multiplicity;
  /// 0: choose.
  int threads = 0;
  /// Remove the net force from the direct forces.
  bool remove_net_force = true;
  /// Average over rotated copies: one of mdbridge::symmetrization_names().
  std::string symmetrize = "none";
  /// The same of the direct forces alone; empty: as `symmetrize`.
  std::string direct_symmetrize;
  /// Of `symmetrize random`; 0: none given.
  std::int64_t seed = 0;
  /// With inner and outer levels: the largest root mean square of conservative minus direct forces
  /// at the start of a run, in terms of that of the conservative ones.
  double max_correction = mdbridge::ForceAgreement::largest;
  /// Compare forces and virial with finite differences of the energy before the first run.
  bool check = false;
  /// Print a table of where the time went after each run.
  bool timing = false;
  /// Of the inner forces, if these come from another model; empty: the direct forces of `model`.
  std::string inner;
  /// Which forces of the inner model; none given: direct ones if it has them.
  std::optional<mdbridge::ForceKind> inner_forces;
  /// As `variant` and `symmetrize`, of the inner model.
  std::string inner_variant;
  std::string inner_symmetrize = "none";
  /// Models that make a committee together with `model`; empty: none.
  std::vector<std::string> committee;
  Driver committee_driver = Driver::mean;
  /// Warn when an atom's energy uncertainty (eV) is larger, or that of the force on it (eV/Å); 0:
  /// never.
  double uncertainty_threshold = 0.0;
  double force_uncertainty_threshold = 0.0;

  /// Whether the members of the committee but for the first are left out of the forces.
  bool first_drives() const { return !committee.empty() && committee_driver == Driver::first; }

  /// Read the arguments of `pair_style mdbridge`. Throws mdbridge::Error, with a sentence that
  /// names the argument at fault, for anything unknown, missing or given twice.
  static Settings parse(const std::vector<std::string>& arguments);
  /// The arguments that parse() turns into these settings (for restart files), but for the models
  /// of a committee, which restart files hold as words of their own (RestartMember).
  std::vector<std::string> arguments() const;
};

/// Atomic number by LAMMPS type (index 0 unused) from the elements after `pair_coeff * *`, one for
/// each of the `types`; 0 for NULL, which is allowed in a `hybrid` only. Throws mdbridge::Error,
/// with a sentence that names the element at fault, for any that is unknown to the model or to
/// chemistry.
std::vector<std::int32_t> parse_elements(const std::vector<std::string>& names, int types,
                                         bool hybrid, const mdbridge::ModelInfo& model);

}  // namespace mdbridge_lammps
