// SPDX-License-Identifier: GPL-2.0-only
#include "committee/compute_mdbridge_committee.hpp"

#include <algorithm>
#include <limits>

#include "atom.h"
#include "force.h"
#include "mdbridge/error.hpp"
#include "pair_mdbridge.hpp"
#include "update.h"
#include "words.hpp"

namespace mdbridge_lammps {

using mdbridge::Error;

namespace {

// Places in the vector.
constexpr int energy = 0, energy_per_atom = 1, largest = 2, smallest = 3, mean = 4, atom_id = 5;

}  // namespace

ComputeMDBridgeCommittee::ComputeMDBridgeCommittee(LAMMPS_NS::LAMMPS* lmp, int count, char** words)
    : Compute(lmp, count, words), boundary_(lmp) {
  boundary_.agree(
      [&] { parse(std::vector<std::string>(words + std::min(count, 3), words + count)); });
  scalar_flag = 1;
  vector_flag = 1;
  size_vector = forces_ ? static_cast<int>(values_.size()) : 2;
  extscalar = 0;
  extvector = 0;
  vector = values_.data();
}

void ComputeMDBridgeCommittee::parse(const std::vector<std::string>& words) {
  if (words.empty()) return;
  const std::string usage =
      "compute mdbridge/committee expects 'forces yes' or 'forces no' at the most, found '" +
      join(words, " ") + "'";
  if (words.size() != 2 || words[0] != "forces") throw Error(usage);
  if (words[1] != "yes" && words[1] != "no") throw Error(usage);
  forces_ = words[1] == "yes";
}

void ComputeMDBridgeCommittee::init() { find_pair(); }

/// The pair style may be another one since the last run.
void ComputeMDBridgeCommittee::find_pair() {
  pair_ = dynamic_cast<PairMDBridge*>(force->pair_match("mdbridge", 1, 0));
  boundary_.agree([&] {
    if (pair_ == nullptr) {
      throw Error(
          "compute mdbridge/committee needs pair_style mdbridge, once (alone or in a hybrid)");
    }
    pair_->require_members(forces_);
  });
}

double ComputeMDBridgeCommittee::compute_scalar() {
  invoked_scalar = update->ntimestep;
  if ((invoked_flag & INVOKED_VECTOR) == 0) {
    compute_vector();
    invoked_flag |= INVOKED_VECTOR;
  }
  scalar = values_[forces_ ? largest : energy];
  return scalar;
}

void ComputeMDBridgeCommittee::compute_vector() {
  invoked_vector = update->ntimestep;
  find_pair();
  const Disagreement found = pair_->disagreement(forces_);
  double atoms = static_cast<double>(pair_->follower().owned());
  MPI_Allreduce(MPI_IN_PLACE, &atoms, 1, MPI_DOUBLE, MPI_SUM, world);
  values_[energy] = found.energy_std * pair_->units().energy;
  values_[energy_per_atom] = atoms > 0.0 ? values_[energy] / atoms : 0.0;
  if (forces_) fill_forces(found.norms());
}

/// Of the atoms of the group, of all ranks.
void ComputeMDBridgeCommittee::fill_forces(const std::vector<double>& norms) {
  const auto& sites = pair_->follower().atoms();
  const double infinity = std::numeric_limits<double>::infinity();
  double least = infinity;
  double sums[2] = {0.0, 0.0};  // of the norms, of atoms
  long long worst_id = 0;
  int me = 0;
  MPI_Comm_rank(world, &me);
  struct {
    double value;
    int rank;
  } most = {-infinity, me};
  for (std::size_t s = 0; s < norms.size(); ++s) {
    if ((atom->mask[sites[s]] & groupbit) == 0) continue;
    sums[0] += norms[s];
    sums[1] += 1.0;
    least = std::min(least, norms[s]);
    if (norms[s] <= most.value) continue;
    most.value = norms[s];
    worst_id = static_cast<long long>(atom->tag[sites[s]]);
  }
  MPI_Allreduce(MPI_IN_PLACE, sums, 2, MPI_DOUBLE, MPI_SUM, world);
  MPI_Allreduce(MPI_IN_PLACE, &least, 1, MPI_DOUBLE, MPI_MIN, world);
  MPI_Allreduce(MPI_IN_PLACE, &most, 1, MPI_DOUBLE_INT, MPI_MAXLOC, world);
  MPI_Bcast(&worst_id, 1, MPI_LONG_LONG, most.rank, world);
  const bool none = sums[1] == 0.0;
  const double scale = pair_->units().force();
  values_[largest] = none ? 0.0 : scale * most.value;
  values_[smallest] = none ? 0.0 : scale * least;
  values_[mean] = none ? 0.0 : scale * sums[0] / sums[1];
  values_[atom_id] = none ? 0.0 : static_cast<double>(worst_id);
}

}  // namespace mdbridge_lammps
