// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "mdbridge/engine.hpp"
#include "mdbridge/fused_forces.hpp"
#include "neighbours/list_follower.hpp"
#include "settings.hpp"

namespace mdbridge_lammps {

/// The model of the inner forces, and which of its forces these are.
///
/// It is one of its own (keyword `inner`), or else the outer model, whose direct forces are then
/// the inner ones.
class InnerModel {
 public:
  InnerModel() = default;
  /// The direct forces of the outer model.
  explicit InnerModel(std::shared_ptr<mdbridge::Engine> outer) : engine_(std::move(outer)) {}
  /// A model of its own. Throws mdbridge::ModelError if it does not have the forces that the
  /// settings ask for.
  InnerModel(std::shared_ptr<mdbridge::Engine> engine, const Settings& settings);

  const mdbridge::Engine& engine() const { return *engine_; }
  mdbridge::Engine& engine() { return *engine_; }
  /// Whether it is a model of its own.
  bool own() const { return own_; }
  mdbridge::ForceKind kind() const { return kind_; }
  /// What an evaluation must give for the inner forces.
  mdbridge::Wanted wanted() const;

  /// The forces of multiple time stepping with this model inside and another one outside.
  std::unique_ptr<mdbridge::FusedForces> with(std::shared_ptr<mdbridge::Engine> outer,
                                              mdbridge::FusedOptions options = {}) const;
  /// Let a list that serves an outer model with these needs serve this one too.
  void extend(ListNeeds& needs) const;

 private:
  std::shared_ptr<mdbridge::Engine> engine_;
  bool own_ = false;
  mdbridge::ForceKind kind_ = mdbridge::ForceKind::direct;
};

/// The options of an engine for the outer model, and for the inner one with these inputs
/// (mdbridge::Model::inputs), by the keywords.
mdbridge::EngineOptions outer_options(const Settings& settings);
mdbridge::EngineOptions inner_options(const Settings& settings,
                                      const std::map<std::string, bool>& inputs);

}  // namespace mdbridge_lammps
