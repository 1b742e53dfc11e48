#include "mdbridge/fused_forces.hpp"

#include <utility>

namespace mdbridge {

bool StrideLearner::inner() {
  ++since_outer_;
  return started_ && stride_ > 0 && since_outer_ == stride_;
}

void StrideLearner::outer() {
  if (started_ && since_outer_ > 0) stride_ = since_outer_;
  started_ = true;
  since_outer_ = 0;
}

FusedForces::FusedForces(std::shared_ptr<Engine> engine, double skin, FusedOptions options)
    : engine_(std::move(engine)), skin_(skin), options_(options) {}

const std::vector<Evaluation>& FusedForces::direct(const std::vector<Structure>& structures,
                                                   bool outer_follows) {
  // a repeated question is not another inner step (a host may ask for both kinds when it sets up)
  if (has_direct_ && at_last_positions(structures)) return last_;
  const bool predicted = learner_.inner();
  Wanted wanted;
  wanted.direct_forces = true;
  wanted.direct_virial = options_.direct_virial;
  wanted.energy = options_.energy_with_direct;
  wanted.uncertainty = options_.uncertainty;
  wanted.committee = options_.committee;
  if (outer_follows || predicted) want_conservative(wanted);
  evaluate(structures, wanted);
  return last_;
}

const std::vector<Evaluation>& FusedForces::conservative(const std::vector<Structure>& structures) {
  learner_.outer();
  const bool here = at_last_positions(structures);
  if (here && has_conservative_ && (has_direct_ || !options_.fuse)) {
    ++counts_.reused;
    return last_;
  }
  Wanted wanted;
  want_conservative(wanted);
  const bool direct_is_known = here && has_direct_;
  wanted.direct_forces = options_.fuse && !direct_is_known;
  wanted.direct_virial = wanted.direct_forces && options_.direct_virial;
  if (!direct_is_known) {
    evaluate(structures, wanted);
    return last_;
  }
  std::vector<Evaluation> before = std::move(last_);
  evaluate(structures, wanted);
  for (std::size_t s = 0; s < last_.size(); ++s) {
    last_[s].direct_forces = std::move(before[s].direct_forces);
    last_[s].direct_virial = before[s].direct_virial;
    last_[s].has.direct_forces = before[s].has.direct_forces;
    last_[s].has.direct_virial = before[s].has.direct_virial;
  }
  has_direct_ = true;
  return last_;
}

void FusedForces::want_conservative(Wanted& wanted) const {
  wanted.energy = true;
  wanted.conservative_forces = true;
  wanted.conservative_virial = true;
  wanted.atomic_energies =
      options_.conservative_atomic_energies && engine_->gives_atomic_energies();
  wanted.uncertainty = options_.uncertainty || options_.conservative_uncertainty;
  wanted.committee = options_.committee;
}

Pairs& FusedForces::pairs(std::size_t index) {
  while (pairs_.size() <= index) pairs_.emplace_back(skin_);
  return pairs_[index];
}

std::int64_t FusedForces::pair_list_builds() const {
  std::int64_t sum = 0;
  for (const Pairs& pairs : pairs_) sum += pairs.builds();
  return sum;
}

bool FusedForces::at_last_positions(const std::vector<Structure>& structures) const {
  // what another random rotation gave is no answer here
  if (structures.size() != last_structures_.size() || engine_->rotation_counter() != last_counter_)
    return false;
  for (std::size_t s = 0; s < structures.size(); ++s) {
    const Structure& now = structures[s];
    const Structure& last = last_structures_[s];
    if (now.positions != last.positions || now.cell != last.cell || now.types != last.types ||
        now.periodic != last.periodic || now.owned != last.owned) {
      return false;
    }
  }
  return true;
}

void FusedForces::evaluate(const std::vector<Structure>& structures, const Wanted& wanted) {
  // nothing of the last evaluation may be served again if this one throws
  last_structures_.clear();
  has_direct_ = false;
  has_conservative_ = false;
  if (!structures.empty()) pairs(structures.size() - 1);
  std::vector<StructureAndPairs> batch;
  for (std::size_t s = 0; s < structures.size(); ++s) batch.push_back({&structures[s], &pairs_[s]});
  last_ = engine_->evaluate(batch, wanted);
  last_structures_ = structures;
  last_counter_ = engine_->rotation_counter();
  has_direct_ = wanted.direct_forces;
  has_conservative_ = wanted.conservative_forces;
  if (has_direct_ && has_conservative_) {
    ++counts_.both;
  } else if (has_direct_) {
    ++counts_.direct_only;
  } else {
    ++counts_.conservative_only;
  }
}

}  // namespace mdbridge
