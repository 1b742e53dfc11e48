// SPDX-License-Identifier: GPL-2.0-only
//
// Of PairMDBridge: what the members of a committee say, several models or the ensemble of one.
#include <algorithm>
#include <cstddef>
#include <utility>

#include "comm.h"
#include "committee/compute_mdbridge_committee.hpp"
#include "compute_mdbridge_atom.hpp"
#include "domain.h"
#include "error.h"
#include "mdbridge/stopwatch.hpp"
#include "modify.h"
#include "pair_mdbridge.hpp"
#include "update.h"

namespace mdbridge_lammps {

using mdbridge::Evaluation;
using mdbridge::ModelInfo;
using mdbridge::Stopwatch;
using mdbridge::Wanted;

namespace {

/// Whether a compute reads the forces of the members.
bool members_computed(LAMMPS_NS::Modify& modify) {
  const auto& computes = modify.get_compute_list();
  return std::any_of(computes.begin(), computes.end(), [](LAMMPS_NS::Compute* compute) {
    const auto* of_atoms = dynamic_cast<const ComputeMDBridgeAtom*>(compute);
    const auto* of_all = dynamic_cast<const ComputeMDBridgeCommittee*>(compute);
    return (of_atoms != nullptr && of_atoms->wants_members()) ||
           (of_all != nullptr && of_all->wants_forces());
  });
}

bool has_all(const Wanted& has, const Wanted& wanted) {
  return (has.committee || !wanted.committee) &&
         (has.committee_forces || !wanted.committee_forces) &&
         (has.committee_direct_forces || !wanted.committee_direct_forces);
}

bool same_place(const mdbridge::Structure& a, const mdbridge::Structure& b) {
  return a.positions == b.positions && a.cell == b.cell && a.types == b.types;
}

}  // namespace

std::vector<const ModelInfo*> PairMDBridge::outer_infos() const {
  std::vector<const ModelInfo*> infos;
  for (const auto& member : committee_->model()->members()) infos.push_back(&member->info());
  if (infos.empty()) infos.push_back(&engine_->info());
  return infos;
}

Wanted PairMDBridge::members_wanted(bool forces) const {
  const bool direct = settings_.forces == Settings::Forces::direct;
  return {.energy = false,
          .committee = true,
          .committee_forces = forces && !direct,
          .committee_direct_forces = forces && direct};
}

void PairMDBridge::require_members(bool forces) const {
  require_engine();
  committee_->require(members_wanted(forces));
}

/// Those of a committee of files are there in any case, those of an ensemble cost a gradient each.
bool PairMDBridge::members_are_at_hand() const {
  if (committee_ != engine_) return false;
  return settings_.force_uncertainty_threshold > 0.0 ||
         (!settings_.committee.empty() && members_computed(*modify));
}

void PairMDBridge::keep_members(const Evaluation& evaluation) {
  last_members_ = {};
  if (!evaluation.has.committee) return;
  last_members_.committee = evaluation.committee;
  last_members_.committee_forces = evaluation.committee_forces;
  last_members_.committee_direct_forces = evaluation.committee_direct_forces;
  last_members_.has = evaluation.has;
  last_members_at_ = follower_.structure();
  last_members_step_ = update->ntimestep;
}

/// What the last force call has found, or another compute, or else another evaluation.
Evaluation PairMDBridge::evaluate_members(const Wanted& wanted) {
  if (level_ == Level::several && members_are_at_hand()) {
    const Evaluation& outer = outer_level().outer(follower_.structures()).front();
    if (has_all(outer.has, wanted)) return outer;
  }
  const bool known = has_all(last_members_.has, wanted) &&
                     last_members_step_ == update->ntimestep &&
                     same_place(last_members_at_, follower_.structure());
  if (!known) {
    keep_members(committee_->evaluate(follower_.structure(), fused_->pairs(), wanted));
  }
  return last_members_;
}

Disagreement PairMDBridge::disagreement(bool forces) {
  const Stopwatch watch(time_.total);
  begin_inspection();
  return disagreement_here(forces);
}

/// The force of a member on an atom is a sum over ranks, so it has to be whole before it is
/// compared with those of others.
Disagreement PairMDBridge::disagreement_here(bool forces) {
  const Wanted wanted = members_wanted(forces);
  Evaluation found;
  in_step([&] {
    update_structure();
    found = evaluate_members(wanted);
  });
  require_valid_list();
  Disagreement result;
  boundary_.or_abort([&] {
    // a rank without atoms has no energies either
    int members = static_cast<int>(found.committee.size());
    MPI_Allreduce(MPI_IN_PLACE, &members, 1, MPI_INT, MPI_MAX, world);
    found.committee.resize(members, 0.0);
    MPI_Allreduce(MPI_IN_PLACE, found.committee.data(), members, MPI_DOUBLE, MPI_SUM, world);
    if (members == 0) return;  // there are no atoms at all
    std::vector<std::vector<double>> energies;
    for (const double energy : found.committee) energies.push_back({energy});
    result.energy_std = deviations(energies).front();
    if (!forces) return;
    const bool direct = wanted.committee_direct_forces;
    const auto& all = direct ? found.committee_direct_forces : found.committee_forces;
    const std::size_t size = follower_.structure().positions.size();
    std::vector<std::vector<double>> whole;
    for (int m = 0; m < members; ++m) {
      const auto start = all.begin() + static_cast<std::ptrdiff_t>(m * size);
      std::vector<double> of_member(start, start + static_cast<std::ptrdiff_t>(size));
      if (direct) {
        remove_net_over_ranks(of_member);
        of_member.resize(3 * follower_.owned());  // foreign sites have none
      } else {
        of_member = sum_over_ghosts(of_member);
      }
      whole.push_back(std::move(of_member));
    }
    result.forces_std = deviations(whole);
    // forces along z are left out of a layer
    for (std::size_t i = 2; domain->dimension == 2 && i < result.forces_std.size(); i += 3) {
      result.forces_std[i] = 0.0;
    }
  });
  return result;
}

void PairMDBridge::warn_of_disagreement() {
  const double threshold = settings_.force_uncertainty_threshold;
  if (!(threshold > 0.0)) return;
  const std::string warning = warning_above(world, update->ntimestep, follower_.structure(),
                                            follower_.ids(), disagreement_here(true).norms(),
                                            {threshold, "force uncertainty", "eV/Angstrom"});
  if (!warning.empty()) error->warning(FLERR, "Pair style mdbridge: " + warning);
}

}  // namespace mdbridge_lammps
