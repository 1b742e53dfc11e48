// SPDX-License-Identifier: GPL-2.0-only
#include "levels/inner_model.hpp"

#include <utility>

#include "mdbridge/error.hpp"

namespace mdbridge_lammps {

using mdbridge::Engine;
using mdbridge::ForceKind;
using mdbridge::Wanted;

InnerModel::InnerModel(std::shared_ptr<Engine> engine, const Settings& settings)
    : engine_(std::move(engine)), own_(true) {
  const bool direct = engine_->can_give({.energy = false, .direct_forces = true});
  const auto best = direct ? ForceKind::direct : ForceKind::conservative;
  kind_ = settings.inner_forces.value_or(best);
  engine_->require(wanted());
}

Wanted InnerModel::wanted() const {
  Wanted wanted{.energy = false};
  (kind_ == ForceKind::direct ? wanted.direct_forces : wanted.conservative_forces) = true;
  return wanted;
}

std::unique_ptr<mdbridge::FusedForces> InnerModel::with(std::shared_ptr<Engine> outer,
                                                        mdbridge::FusedOptions options) const {
  options.inner_forces = kind_;
  // no skin: LAMMPS's list, which has one, provides the pairs
  return std::make_unique<mdbridge::FusedForces>(engine_, std::move(outer), 0.0, options);
}

void InnerModel::extend(ListNeeds& needs) const {
  if (own_) needs.extend(engine_->info());
}

mdbridge::EngineOptions outer_options(const Settings& settings) {
  mdbridge::EngineOptions options;
  options.variant = settings.variant;
  options.direct_variant = settings.direct_variant;
  options.uncertainty_variant = settings.uncertainty_variant;
  options.symmetrize = settings.symmetrize;
  options.direct_symmetrize = settings.direct_symmetrize;
  if (settings.symmetrize == "random") options.seed = settings.seed;
  options.remove_net_force = settings.remove_net_force;
  options.true_timings = settings.timing;
  options.charge = settings.charge;
  options.spin_multiplicity = settings.spin_multiplicity;
  return options;
}

mdbridge::EngineOptions inner_options(const Settings& settings,
                                      const std::map<std::string, bool>& inputs) {
  mdbridge::EngineOptions options = outer_options(settings);
  options.variant = settings.inner_variant;
  options.direct_variant = "";
  options.direct_symmetrize = "";
  options.symmetrize = settings.inner_symmetrize;
  options.seed.reset();
  // those that it asks for, which need not be what the outer one asks for
  if (!inputs.contains("charge")) options.charge.reset();
  if (!inputs.contains("spin_multiplicity")) options.spin_multiplicity.reset();
  if (settings.inner_symmetrize == "random") options.seed = settings.seed;
  return options;
}

}  // namespace mdbridge_lammps
