#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "model.hpp"
#include "pairs.hpp"
#include "structure.hpp"
#include "visibility.hpp"

namespace mdbridge {

/// What the caller needs. The engine runs the cheapest forward pass that gives it: no gradient
/// graph unless a conservative quantity is wanted, and one pass for both kinds of forces.
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

  bool gradient() const { return conservative_forces || conservative_virial; }
};

/// Results for one structure; what was not wanted is empty or zero. For structures with ghosts the
/// energy and the direct forces are those of the owned atoms, conservative forces cover all atoms.
struct Evaluation {
  /// Potential energy, eV.
  double energy = 0.0;
  /// 3N, eV/Å.
  std::vector<double> conservative_forces;
  /// W = -dE/d(strain), symmetric 3x3, eV. The stress is -W / volume.
  std::array<double, 9> conservative_virial{};
  /// 3N, eV/Å, with the net force (and, without any periodicity, the net torque) removed.
  std::vector<double> direct_forces;
  /// -V times the direct stress, symmetric 3x3, eV.
  std::array<double, 9> direct_virial{};
  /// N, eV.
  std::vector<double> atomic_energies;
  /// N, eV.
  std::vector<double> uncertainty;
};

/// How the engine treats the model's results.
struct EngineOptions {
  /// Variant ("energy/VARIANT") of the outputs; empty: the default one. The direct outputs and the
  /// uncertainty follow `variant` unless they are given one of their own ("-" means the default
  /// one).
  std::string variant;
  std::string direct_variant;
  std::string uncertainty_variant;
  /// Remove the net force (and torque) from the direct forces. A host that decomposes the domain
  /// switches this off and does it over all ranks.
  bool remove_net_force = true;
  /// Let metatomic verify the inputs and outputs of every call: slow, for debugging.
  bool check_consistency = false;
};

/// Where the time went, in seconds, since the last reset.
struct Timings {
  double pairs = 0.0;
  double packing = 0.0;
  double forward = 0.0;
  double backward = 0.0;
  double unpacking = 0.0;
  std::int64_t evaluations = 0;

  double total() const { return pairs + packing + forward + backward + unpacking; }
};

/// A structure and its pair list, for batches.
struct Configuration {
  const Structure* structure;
  Pairs* pairs;
};

/// Evaluates a model. Not thread-safe: one engine per thread; engines may share a model.
class MDBRIDGE_API Engine {
 public:
  explicit Engine(std::shared_ptr<Model> model, EngineOptions options = {});

  /// Evaluate one structure. Throws ModelError if the model cannot give what is wanted or lacks an
  /// element, NonFiniteError if a result is not finite, Error for everything else (out of memory).
  Evaluation evaluate(const Structure& structure, Pairs& pairs, const Wanted& wanted);
  /// Evaluate several structures in one forward pass; same results as one by one.
  std::vector<Evaluation> evaluate(const std::vector<Configuration>& batch, const Wanted& wanted);

  /// Throw ModelError, naming what is missing, if the model cannot give `wanted`.
  void require(const Wanted& wanted) const;
  /// Throw ModelError, naming the element, unless the model knows all of these atomic numbers.
  void require_types(const std::vector<std::int32_t>& types) const;

  const std::shared_ptr<Model>& model() const { return model_; }
  const ModelInfo& info() const { return model_->info(); }
  const EngineOptions& options() const { return options_; }
  const Timings& timings() const { return timings_; }
  void reset_timings() { timings_ = {}; }

 private:
  std::vector<Evaluation> evaluate_occupied(const std::vector<Configuration>& batch,
                                            const Wanted& wanted);
  std::vector<Evaluation> run_model(const std::vector<Configuration>& batch, const Wanted& wanted);

  std::shared_ptr<Model> model_;
  EngineOptions options_;
  Timings timings_;
  SelectedPairs selected_;
};

}  // namespace mdbridge
