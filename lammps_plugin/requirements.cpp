// SPDX-License-Identifier: GPL-2.0-only
#include "requirements.hpp"

#include <cmath>
#include <string>

#include "atom.h"
#include "comm.h"
#include "domain.h"
#include "error.h"
#include "force.h"
#include "group.h"
#include "mdbridge/error.hpp"
#include "neighbor.h"
#include "update.h"

namespace mdbridge_lammps {

using LAMMPS_NS::LAMMPS;
using LAMMPS_NS::Neighbor;
using mdbridge::Engine;
using mdbridge::Error;
using mdbridge::Wanted;
namespace utils = LAMMPS_NS::utils;

namespace {

const std::string no_pressure =
    ". There is no pressure in this run, and LAMMPS stops where one is read (\"Virial was not "
    "tallied\"): leave press out of thermo_style";

void require_shareable(const LAMMPS& lammps, const mdbridge::ModelInfo& info, int layers) {
  if (lammps.force->newton_pair == 0) {
    throw Error("several MPI ranks need newton on, found newton off for pairs");
  }
  if (!std::isfinite(info.interaction_range)) {
    throw Error("the model '" + info.path +
                "' states an infinite interaction range (long-range interactions), which cannot be "
                "shared out among MPI ranks: run it on one rank, with more threads");
  }
  const int style = lammps.neighbor->style;
  // multi, and multi/old, which not every release has
  if (layers > 1 && style != Neighbor::NSQ && style != Neighbor::BIN) {
    throw Error(
        "on several MPI ranks a model with message passing needs the neighbours of ghosts, which "
        "neighbor style multi cannot list: use neighbor style bin");
  }
}

/// Minimisers that follow the forces and search along no line need no energy.
bool searches_lines(const LAMMPS& lammps) {
  const char* style = lammps.update->minimize_style;
  return !utils::strmatch(style, "^fire") && !utils::strmatch(style, "^quickmin");
}

void require_minimizable(const LAMMPS& lammps, const Settings& settings) {
  if (settings.forces == Settings::Forces::direct && searches_lines(lammps)) {
    throw Error(
        "minimize with min_style " + std::string(lammps.update->minimize_style) +
        " needs forces that are the gradient of the energy: give pair_style mdbridge without "
        "'forces direct', or take min_style fire");
  }
  if (settings.symmetrize == "random") {
    throw Error(
        "minimize needs one energy for all steps, but 'symmetrize random' takes another rotation "
        "in each: use a fixed set such as 'symmetrize octahedral'");
  }
}

}  // namespace

void require_outputs(const Engine& engine, const Settings& settings) {
  Wanted wanted;
  wanted.conservative_forces = settings.forces == Settings::Forces::conservative;
  wanted.direct_forces = settings.forces == Settings::Forces::direct;
  wanted.uncertainty = settings.uncertainty_threshold > 0.0;
  if (settings.force_uncertainty_threshold > 0.0) {
    (wanted.direct_forces ? wanted.committee_direct_forces : wanted.committee_forces) = true;
  }
  engine.require(wanted);
}

void require_supported_input(const LAMMPS& lammps, const mdbridge::ModelInfo& info,
                             const Settings& settings, int layers) {
  if (lammps.atom->tag_enable == 0) {
    throw Error("expected atoms with IDs, found atom_modify id no");
  }
  if (const int group = lammps.neighbor->includegroup; group != 0) {
    throw Error("the model needs the neighbours of all atoms, but neigh_modify include " +
                std::string(lammps.group->names[group]) +
                " lists those of one group only: use neigh_modify include all");
  }
  if (lammps.comm->nprocs > 1) require_shareable(lammps, info, layers);
  const bool minimizing = lammps.update->whichflag == 2;
  if (minimizing) require_minimizable(lammps, settings);
}

void require_complete_pairs(const LAMMPS& lammps) {
  const LAMMPS_NS::Atom& atom = *lammps.atom;
  const LAMMPS_NS::Force& force = *lammps.force;
  if (atom.molecular == LAMMPS_NS::Atom::ATOMIC || atom.nbonds == 0) return;
  for (int k = 1; k <= 3; ++k) {
    if (force.special_lj[k] != 0.0 || force.special_coul[k] != 0.0) continue;
    const std::string message =
        "special_bonds leave bonded neighbours out of the neighbour list, but the model needs all "
        "pairs: use special_bonds lj/coul 1 1 1, or an atom_style without bonds";
    if (!utils::strmatch(force.pair_style, "^hybrid")) throw Error(message);
    if (lammps.comm->me == 0) lammps.error->warning(FLERR, "Pair style mdbridge: " + message);
    return;
  }
}

void require_differentiable(const Settings& settings) {
  if (settings.forces == Settings::Forces::conservative) return;
  throw Error(
      "a command that differentiates forces outside of a run, such as dynamical_matrix or "
      "third_order, needs forces that are the gradient of the energy: give pair_style mdbridge "
      "without 'forces direct'");
}

void require_levels(const LAMMPS& lammps) {
  if (!utils::strmatch(lammps.force->pair_style, "^hybrid/scaled")) return;
  throw Error(
      "run_style respa with inner and outer levels cannot be used with pair_style hybrid/scaled: "
      "LAMMPS scales the forces of the outer level and not those of the inner one. Use pair_style "
      "hybrid/overlay, or give each sub-style a level (run_style respa ... hybrid)");
}

void require_both_forces(const Engine& outer, const InnerModel& inner, const Settings& settings) {
  if (settings.forces == Settings::Forces::direct) {
    throw Error(
        "run_style respa with inner and outer levels uses direct forces in the inner level and "
        "corrects them by conservative ones in the outer level: leave out 'forces direct' (or "
        "use run_style verlet for direct forces alone)");
  }
  Wanted both;
  both.conservative_forces = true;
  both.direct_forces = !inner.own();
  outer.require(both);
}

void require_middle_level(const Engine& outer, const InnerModel& inner,
                          const mdbridge::FusedForces& fused) {
  if (!inner.own() || fused.one_model()) {
    throw Error(
        "run_style respa with a middle level needs a model of its own for the inner level (keyword "
        "inner): the direct forces of the model '" +
        outer.info().path +
        "' are the middle level then. Without another model they are the inner level: use "
        "run_style respa 2 M inner 1 3.0 4.0 outer 2");
  }
  Wanted direct{.energy = false, .direct_forces = true};
  try {
    outer.require(direct);
  } catch (const mdbridge::ModelError& error) {
    throw Error(std::string(error.what()) +
                ". They are the middle level of run_style respa: use an inner and an outer level "
                "alone (run_style respa 2 M inner 1 3.0 4.0 outer 2)");
  }
}

std::string problem_of_virial(const Engine& engine) {
  if (engine.can_give({.energy = false, .conservative_virial = true})) return "";
  return "the model '" + engine.info().path + "' gives no stress" + no_pressure;
}

std::string problem_of_direct_virial(const LAMMPS& lammps, const Engine& engine) {
  const std::string remedy =
      no_pressure +
      ", or take it from the energy of the model, at the cost of a gradient, with the keyword "
      "'virial conservative'";
  if (lammps.domain->nonperiodic != 0 || lammps.domain->dimension == 2) {
    return "a direct stress is defined for a box of three dimensions that is periodic in x, y and "
           "z only" +
           remedy;
  }
  if (!engine.can_give({.energy = false, .direct_virial = true})) {
    return "the model '" + engine.info().path + "' cannot give a direct stress" + remedy;
  }
  if (lammps.comm->nprocs > 1 && !engine.shares_direct_virial()) {
    return "a direct stress cannot be put together from several MPI ranks, as the model '" +
           engine.info().path + "' gives that of whole structures and no shares of atoms" + remedy;
  }
  return "";
}

void require_uncertainty(const Engine& engine, const Settings& settings) {
  if (settings.first_drives()) {
    throw Error(
        "fix pair reads the uncertainty in force calls, in which 'committee/driver first' leaves "
        "the other members out: use compute mdbridge/atom uncertainty");
  }
  Wanted wanted;
  wanted.uncertainty = true;
  engine.require(wanted);
}

}  // namespace mdbridge_lammps
