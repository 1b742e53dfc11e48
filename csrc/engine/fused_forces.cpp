#include "mdbridge/fused_forces.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <type_traits>
#include <utility>

#include "mdbridge/error.hpp"

namespace mdbridge {

namespace {

/// Whether one forward pass gives what both would.
bool same(const Engine& a, const Engine& b) {
  return a.model() == b.model() && a.options() == b.options();
}

/// How many pairs lie between an owned atom and each atom, at most `most`; else a large number.
std::vector<int> hops_from_owned(const Structure& structure,
                                 const std::vector<std::int32_t>& labels, int most) {
  std::vector<int> hops(structure.size(), std::numeric_limits<int>::max());
  std::fill_n(hops.begin(), structure.owned_size(), 0);
  for (int hop = 1; hop <= most; ++hop) {
    bool found = false;
    for (std::size_t p = 0; p < labels.size(); p += 5) {
      if (hops[labels[p]] == hop - 1 && hops[labels[p + 1]] > hop) {
        hops[labels[p + 1]] = hop;
        found = true;
      }
    }
    if (!found) break;
  }
  return hops;
}

/// The rows (`width` numbers each) of some atoms as those of `whole` atoms; of each member, if
/// there are several.
void spread_rows(std::vector<double>& rows, const std::vector<std::int32_t>& atoms,
                 std::size_t whole, std::size_t width) {
  if (rows.empty()) return;
  const std::size_t members = rows.size() / (width * atoms.size());
  std::vector<double> all(members * width * whole, 0.0);
  for (std::size_t m = 0; m < members; ++m) {
    for (std::size_t a = 0; a < atoms.size(); ++a) {
      std::copy_n(rows.begin() + width * (m * atoms.size() + a), width,
                  all.begin() + width * (m * whole + atoms[a]));
    }
  }
  rows = std::move(all);
}

}  // namespace

bool StrideLearner::inner() {
  ++since_outer_;
  return started_ && stride_ > 0 && since_outer_ == stride_;
}

void StrideLearner::outer() {
  if (started_ && since_outer_ > 0) stride_ = since_outer_;
  started_ = true;
  since_outer_ = 0;
}

Part::Part(const Structure& whole, const Pairs& pairs, const ModelInfo& model, double slack)
    : whole_(whole.types.size()) {
  SelectedPairs candidates;
  pairs.select(whole, model.cutoff + slack, /*full=*/true, candidates);
  // with L message-passing layers an atom feels a pair if one of its ends is at most L - 1 pairs
  // away
  const double layers =
      model.cutoff > 0.0 ? std::ceil(model.interaction_range / model.cutoff - 1e-6) : 1.0;
  const int most = static_cast<int>(std::clamp(layers, 1.0, static_cast<double>(whole_) + 1.0));
  const std::vector<int> hops = hops_from_owned(whole, candidates.labels, most);
  std::vector<std::int32_t> place(whole_, -1);
  for (std::size_t a = 0; a < whole_; ++a) {
    if (hops[a] > most) continue;
    place[a] = static_cast<std::int32_t>(atoms_.size());
    atoms_.push_back(static_cast<std::int32_t>(a));
  }
  std::vector<std::int32_t> labels;
  for (std::size_t p = 0; p < candidates.labels.size(); p += 5) {
    const std::int32_t* label = &candidates.labels[p];
    if (std::min(hops[label[0]], hops[label[1]]) >= most) continue;
    labels.insert(labels.end(), {place[label[0]], place[label[1]], label[2], label[3], label[4]});
  }
  pairs_.provide(std::move(labels));
}

const Structure& Part::of(const Structure& whole) {
  if (atoms_.size() == whole_) return whole;
  structure_.types.resize(atoms_.size());
  structure_.positions.resize(3 * atoms_.size());
  for (std::size_t a = 0; a < atoms_.size(); ++a) {
    structure_.types[a] = whole.types[atoms_[a]];
    std::copy_n(&whole.positions[3 * atoms_[a]], 3, &structure_.positions[3 * a]);
  }
  structure_.cell = whole.cell;
  structure_.periodic = whole.periodic;
  structure_.owned = whole.owned_size();
  return structure_;
}

Evaluation Part::spread(Evaluation evaluation) const {
  if (atoms_.size() == whole_) return evaluation;
  for_each_quantity([&](const auto& quantity) {
    constexpr Form form = std::remove_cvref_t<decltype(quantity)>::form;
    if constexpr (form == Form::atom_vectors || form == Form::atom_vector_deviations ||
                  form == Form::member_vectors) {
      spread_rows(evaluation.*quantity.value, atoms_, whole_, 3);
    } else if constexpr (form == Form::atom_tensors) {
      spread_rows(evaluation.*quantity.value, atoms_, whole_, 9);
    } else if constexpr (form == Form::atom_scalars) {
      spread_rows(evaluation.*quantity.value, atoms_, whole_, 1);
    }
  });
  return evaluation;
}

FusedForces::FusedForces(std::shared_ptr<Engine> engine, double skin, FusedOptions options)
    : FusedForces(engine, engine, skin, options) {}

FusedForces::FusedForces(std::shared_ptr<Engine> inner, std::shared_ptr<Engine> outer, double skin,
                         FusedOptions options)
    : inner_(std::move(inner)),
      outer_(std::move(outer)),
      one_model_(same(*inner_, *outer_)),
      skin_(skin),
      options_(options),
      gives_virial_(outer_->can_give({.energy = false, .conservative_virial = true})) {
  if (one_model_) inner_ = outer_;
}

const std::vector<Evaluation>& FusedForces::inner(const std::vector<Structure>& structures,
                                                  bool outer_follows) {
  // a repeated question is not another inner step (a host may ask for both kinds when it sets up)
  if (has_inner_ && at_last_positions(structures)) return inner_evaluations();
  const bool predicted = learner_.inner();
  // two models gain nothing from being evaluated together
  evaluate(structures, true, one_model_ && (outer_follows || predicted));
  return inner_evaluations();
}

const std::vector<Evaluation>& FusedForces::outer(const std::vector<Structure>& structures) {
  learner_.outer();
  const bool here = at_last_positions(structures);
  if (here && has_outer_ && (has_inner_ || !options_.fuse) && !lacks_virial()) {
    ++counts_.reused;
    return last_outer_;
  }
  evaluate(structures, options_.fuse && !(here && has_inner_), true);
  return last_outer_;
}

void FusedForces::want_inner(Wanted& wanted) const {
  const bool direct = options_.inner_forces == ForceKind::direct;
  (direct ? wanted.direct_forces : wanted.conservative_forces) = true;
  if (options_.inner_virial) (direct ? wanted.direct_virial : wanted.conservative_virial) = true;
  const bool energy = options_.energy_with_inner && !options_.inner_forces_alone;
  if (energy) wanted.energy = true;
  if (!options_.deviations) return;
  if (direct && inner_->direct_copies() > 1) wanted.direct_forces_rot_std = true;
  if (!direct && inner_->copies() > 1) wanted.conservative_forces_rot_std = true;
  if (energy && inner_->copies() > 1) wanted.energy_rot_std = true;
}

void FusedForces::want_outer(Wanted& wanted) const {
  wanted.energy = true;
  wanted.conservative_forces = true;
  if (virial_wanted_ && gives_virial_) wanted.conservative_virial = true;
  // that somebody may ask for them is no reason to fail
  wanted.atomic_energies = options_.outer_atomic_energies && outer_->gives_atomic_energies();
  const bool of_pairs = (options_.outer_atomic_virials || options_.outer_halved_atomic_virials) &&
                        outer_->gives_atomic_virials();
  wanted.atomic_virials = of_pairs && options_.outer_atomic_virials;
  wanted.halved_atomic_virials = of_pairs && options_.outer_halved_atomic_virials;
  wanted.uncertainty = options_.uncertainty || options_.outer_uncertainty;
  wanted.committee = options_.committee;
  wanted.committee_forces = options_.outer_committee_forces;
  wanted.energy_rot_std = wanted.conservative_forces_rot_std =
      options_.deviations && outer_->copies() > 1;
}

Pairs& FusedForces::pairs(std::size_t index) {
  while (pairs_.size() <= index) {
    pairs_.emplace_back(skin_);
    pairs_.back().reach_at_least(std::max(inner_->info().cutoff, outer_->info().cutoff));
  }
  return pairs_[index];
}

void FusedForces::narrow_inner(const Structure& structure, double slack, std::size_t index) {
  if (one_model_) return;
  if (parts_.size() <= index) parts_.resize(index + 1);
  parts_[index].emplace(structure, pairs(index), inner_->info(), slack);
}

std::int64_t FusedForces::pair_list_builds() const {
  std::int64_t sum = 0;
  for (const Pairs& pairs : pairs_) sum += pairs.builds();
  return sum;
}

bool FusedForces::at_last_positions(const std::vector<Structure>& structures) const {
  // what another random rotation gave is no answer here
  if (structures.size() != last_structures_.size() ||
      inner_->rotation_counter() != last_counters_[0] ||
      outer_->rotation_counter() != last_counters_[1]) {
    return false;
  }
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

/// Whether the last outer evaluation was made when nobody asked for a virial, as somebody does now.
bool FusedForces::lacks_virial() const {
  return virial_wanted_ && gives_virial_ &&
         std::any_of(last_outer_.begin(), last_outer_.end(),
                     [](const Evaluation& outer) { return !outer.has.conservative_virial; });
}

/// Evaluate the inner forces, the outer ones or both; inner ones that are known here stay.
void FusedForces::evaluate(const std::vector<Structure>& structures, bool inner, bool outer) {
  const bool keep_inner = has_inner_ && !inner && at_last_positions(structures);
  // nothing of the last evaluation may be served again if this one throws
  has_inner_ = false;
  has_outer_ = false;
  if (!structures.empty()) pairs(structures.size() - 1);
  if (one_model_) {
    evaluate_together(structures, inner, outer, keep_inner);
  } else {
    Wanted wanted{.energy = false};
    want_outer(wanted);
    if (inner) last_inner_ = run_inner(structures);
    if (inner) ++counts_.inner_only;
    if (outer) last_outer_ = run_outer(structures, wanted);
    if (outer) ++counts_.outer_only;
  }
  last_structures_ = structures;  // into the memory of the last ones
  last_counters_[0] = inner_->rotation_counter();
  last_counters_[1] = outer_->rotation_counter();
  has_inner_ = inner || keep_inner;
  has_outer_ = outer;
}

/// One model: in one forward pass.
void FusedForces::evaluate_together(const std::vector<Structure>& structures, bool inner,
                                    bool outer, bool keep_inner) {
  Wanted wanted{.energy = false};
  if (inner) {
    want_inner(wanted);
    wanted.uncertainty = options_.uncertainty && !options_.inner_forces_alone;
    wanted.committee = options_.committee && !options_.inner_forces_alone;
  }
  if (outer) want_outer(wanted);
  // conservative inner forces are those of the outer evaluation, which takes their place
  if (keep_inner && options_.inner_forces == ForceKind::conservative) want_inner(wanted);
  const std::vector<Evaluation> before = std::move(last_outer_);
  last_outer_ = run_outer(structures, wanted);
  ++(inner && outer ? counts_.both : inner ? counts_.inner_only : counts_.outer_only);
  if (!keep_inner || options_.inner_forces == ForceKind::conservative) return;
  for (std::size_t s = 0; s < last_outer_.size(); ++s) {
    last_outer_[s].direct_forces = before[s].direct_forces;
    last_outer_[s].direct_virial = before[s].direct_virial;
    last_outer_[s].direct_forces_rot_std = before[s].direct_forces_rot_std;
    last_outer_[s].has.direct_forces_rot_std = before[s].has.direct_forces_rot_std;
    last_outer_[s].has.direct_forces = before[s].has.direct_forces;
    last_outer_[s].has.direct_virial = before[s].has.direct_virial;
  }
}

std::vector<Evaluation> FusedForces::run_inner(const std::vector<Structure>& structures) {
  Wanted wanted{.energy = false};
  want_inner(wanted);
  parts_.resize(structures.size());
  std::vector<StructureAndPairs> batch;
  for (std::size_t s = 0; s < structures.size(); ++s) {
    auto& part = parts_[s];
    if (part) {
      batch.push_back({&part->of(structures[s]), &part->pairs()});
    } else {
      batch.push_back({&structures[s], &pairs_[s]});
    }
  }
  std::vector<Evaluation> evaluations;
  try {
    evaluations = inner_->evaluate(batch, wanted);
  } catch (const NonFiniteError& error) {
    const bool of_part = structures.size() == 1 && parts_.front();
    throw NonFiniteError(std::string("inner forces: ") + error.what(),
                         of_part ? parts_.front()->place(error.atom()) : error.atom());
  }
  for (std::size_t s = 0; s < structures.size(); ++s) {
    if (parts_[s]) evaluations[s] = parts_[s]->spread(std::move(evaluations[s]));
  }
  return evaluations;
}

std::vector<Evaluation> FusedForces::run_outer(const std::vector<Structure>& structures,
                                               const Wanted& wanted) {
  std::vector<StructureAndPairs> batch;
  for (std::size_t s = 0; s < structures.size(); ++s) batch.push_back({&structures[s], &pairs_[s]});
  return outer_->evaluate(batch, wanted);
}

}  // namespace mdbridge
