// SPDX-License-Identifier: GPL-2.0-only
//
// Of PairMDBridge: the levels of rRESPA.
#include <algorithm>
#include <cmath>
#include <memory>
#include <utility>

#include "checks/force_agreement.hpp"
#include "comm.h"
#include "compute_mdbridge_atom.hpp"
#include "force.h"
#include "library.h"
#include "mdbridge/stopwatch.hpp"
#include "modify.h"
#include "pair_mdbridge.hpp"
#include "requirements.hpp"
#include "update.h"

namespace mdbridge_lammps {

using mdbridge::Evaluation;
using mdbridge::ForceKind;
using mdbridge::Stopwatch;
namespace utils = LAMMPS_NS::utils;

namespace {

/// How many steps of the innermost level, or of the one below the outermost, make an outer one.
/// Levels for bonds may lie further in than the inner pair level: this is a first guess, and the
/// calls that follow correct it.
std::int64_t steps_of_outer(LAMMPS_NS::LAMMPS* lmp, bool innermost) {
  const auto* levels = static_cast<const int*>(lammps_extract_global(lmp, "respa_levels"));
  const auto* steps = static_cast<const double*>(lammps_extract_global(lmp, "respa_dt"));
  if (levels == nullptr || steps == nullptr || *levels < 2) return 0;
  const double step = steps[innermost ? 0 : *levels - 2];
  return step > 0.0 ? std::llround(steps[*levels - 1] / step) : 0;
}

/// Whether a compute asks for the energies of the atoms.
bool atomic_energies_computed(LAMMPS_NS::Modify& modify) {
  const auto& computes = modify.get_compute_list();
  return std::any_of(computes.begin(), computes.end(),
                     [](const LAMMPS_NS::Compute* compute) { return compute->peatomflag != 0; });
}

// The forms of the virials of atoms, by bits of LAMMPS's Compute::pressatomflag.
constexpr int halved_form = 1;
constexpr int centroid_form = 2;

/// Whether a compute asks for the virials of the atoms in this form.
bool atomic_virials_computed(LAMMPS_NS::Modify& modify, int form) {
  const auto& computes = modify.get_compute_list();
  return std::any_of(computes.begin(), computes.end(), [form](const LAMMPS_NS::Compute* compute) {
    return (compute->pressatomflag & form) != 0;
  });
}

/// Whether a compute mdbridge/atom has the uncertainty.
bool uncertainty_computed(LAMMPS_NS::Modify& modify) {
  const auto& computes = modify.get_compute_list();
  return std::any_of(computes.begin(), computes.end(), [](LAMMPS_NS::Compute* compute) {
    const auto* ours = dynamic_cast<const ComputeMDBridgeAtom*>(compute);
    return ours != nullptr && ours->wants_uncertainty();
  });
}

}  // namespace

void PairMDBridge::compute_inner() {
  const Stopwatch watch(time_.total);
  // the set-up calls the outer level right after the inner one, at the same positions
  const bool in_setup = update->setupflag != 0;
  if (in_setup) start_respa();
  level_ = Level::several;
  measure_motion();
  check_once();
  std::vector<double> forces;
  in_step([&] {
    update_structure();
    forces = fused_->inner(follower_.structures(), /*outer_follows=*/in_setup)
                 .front()
                 .forces(inner_.kind());
  });
  require_valid_list();
  warn_of_redundancy();
  boundary_.or_abort([&] { add_forces(std::move(forces), inner_.kind(), 1.0); });
}

void PairMDBridge::compute_middle() {
  const Stopwatch watch(time_.total);
  const bool in_setup = update->setupflag != 0;
  if (in_setup) start_middle_level();
  measure_motion();
  std::vector<double> direct_forces;
  std::vector<double> inner_forces;
  in_step([&] {
    update_structure();
    const auto& structures = follower_.structures();
    direct_forces = middle_->inner(structures, /*outer_follows=*/in_setup).front().direct_forces;
    inner_forces = fused_->inner(structures).front().forces(inner_.kind());
  });
  require_valid_list();
  boundary_.or_abort([&] {
    add_forces(std::move(direct_forces), ForceKind::direct, 1.0);
    add_forces(std::move(inner_forces), inner_.kind(), -1.0);
  });
}

void PairMDBridge::compute_outer(int eflag, int vflag) {
  const Stopwatch watch(time_.total);
  ev_init(eflag, vflag);
  level_ = Level::several;
  measure_motion();
  // of the level below
  const ForceKind kind = middle_ ? ForceKind::direct : inner_.kind();
  const Evaluation* evaluation = nullptr;
  std::vector<double> lower_forces;
  in_step([&] {
    update_structure();
    require_atomic_virials();
    outer_level().want_virial(vflag_global != 0);
    evaluation = &outer_level().outer(follower_.structures()).front();
    lower_forces = outer_level().inner(follower_.structures()).front().forces(kind);
  });
  require_valid_list();
  if (update->setupflag != 0) {
    compare_forces(*evaluation, lower_forces, kind, inner_.own() && !middle_);
    if (middle_) {
      const Evaluation& inner = fused_->inner(follower_.structures()).front();
      compare_forces(*evaluation, inner.forces(inner_.kind()), inner_.kind(), true);
    }
  }
  boundary_.or_abort([&] {
    add_forces(evaluation->conservative_forces, 1.0);
    add_forces(std::move(lower_forces), kind, -1.0);
    tally(*evaluation);
    if (evaluation->has.conservative_virial) {
      tally_virial(evaluation->conservative_virial);
    } else {
      refuse_virial();
    }
    if (eflag_atom != 0) tally_atoms(evaluation->atomic_energies);
    tally_atomic_virials(*evaluation);
    refuse_atomic_energies();
  });
  warn_of_uncertainty(evaluation->uncertainty);
  warn_of_disagreement();
}

void PairMDBridge::start_respa() {
  boundary_.agree([&] {
    require_levels(*lmp);
    require_both_forces(*engine_, inner_, settings_);
  });
  fused_ = inner_.with(engine_, fused_options());
  fused_->expect_stride(steps_of_outer(lmp, /*innermost=*/true));
  follower_.expire();  // the new object has no pairs yet
  const double outer_step = update->dt / force->femtosecond;
  if (comm->me == 0 && outer_step > 4.0 + 1e-9) {
    utils::logmesg(lmp,
                   "Pair style mdbridge: the outer time step is {:.4g} fs. Above 4 fs it resonates "
                   "with bonds to hydrogen; watch the drift of etotal.\n",
                   outer_step);
  }
}

void PairMDBridge::start_middle_level() {
  boundary_.agree([&] { require_middle_level(*engine_, inner_, *fused_); });
  middle_ = std::make_unique<mdbridge::FusedForces>(engine_, 0.0, fused_options());
  middle_->expect_stride(steps_of_outer(lmp, /*innermost=*/false));
  middle_->pairs() = fused_->pairs();
}

mdbridge::FusedOptions PairMDBridge::fused_options() const {
  mdbridge::FusedOptions options;
  options.outer_uncertainty =
      committee_ == engine_ && (uncertainty_.wanted() || uncertainty_computed(*modify));
  options.outer_committee_forces = members_are_at_hand();
  options.outer_atomic_energies = atomic_energies_computed(*modify);
  options.outer_halved_atomic_virials = atomic_virials_computed(*modify, halved_form);
  options.outer_atomic_virials = atomic_virials_computed(*modify, centroid_form);
  return options;
}

void PairMDBridge::compare_forces(const Evaluation& evaluation, std::vector<double> lower_forces,
                                  ForceKind kind, bool inner_model) {
  mdbridge::ForceAgreement agreement;
  boundary_.or_abort([&] {
    if (kind == ForceKind::conservative) {
      lower_forces = sum_over_ghosts(lower_forces);
    } else {
      remove_net_over_ranks(lower_forces);
      lower_forces.resize(3 * follower_.owned());
    }
    agreement =
        force_agreement(world, sum_over_ghosts(evaluation.conservative_forces), lower_forces);
  });
  bool& compared = (inner_model ? inner_compared_ : direct_compared_);
  if (!compared && comm->me == 0) {
    utils::logmesg(lmp, "Pair style mdbridge: " + agreement.describe(inner_model) + "\n");
  }
  // once, but again if it says nothing yet
  compared = compared || !agreement.at_rest();
  boundary_.agree([&] {
    require_agreement(agreement, settings_.max_correction, inner_model, middle_ != nullptr);
  });
}

}  // namespace mdbridge_lammps
