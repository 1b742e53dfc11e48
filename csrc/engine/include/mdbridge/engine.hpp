#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "mdbridge/evaluation.hpp"
#include "mdbridge/model.hpp"
#include "mdbridge/pairs.hpp"
#include "mdbridge/rotations.hpp"
#include "mdbridge/structure.hpp"
#include "mdbridge/visibility.hpp"

/// Units everywhere: eV, Å, eV/Å, and atomic numbers.
namespace mdbridge {

/// How the engine treats the model's results.
struct EngineOptions {
  /// Variant ("energy/VARIANT") of the outputs; empty: the default one. The direct outputs and the
  /// uncertainty follow `variant` unless they are given one of their own ("-" means the default
  /// one).
  std::string variant;
  std::string direct_variant;
  std::string uncertainty_variant;
  /// Remove the net force (and torque) from the direct forces. A host that shares the atoms out
  /// among processes switches this off and does it over all of them.
  bool remove_net_force = true;
  /// Let metatomic verify the inputs and outputs of every call: slow, for debugging.
  bool check_consistency = false;
  /// Average over rotated copies of each structure: one of symmetrization_names(), or a grid as
  /// rotation_grid_names() have them. Energies, forces and virials are rotated back and averaged
  /// with the weights of the set; so are the uncertainties, atom by atom.
  std::string symmetrize = "none";
  /// Of the direct forces and virial alone, where that is another set than the energy's, and a
  /// fixed one or "none": the inner forces of multiple time stepping, say, which need not be
  /// averaged where the outer ones are. Where both are evaluated the direct ones come from those
  /// copies that both sets have. Empty: as `symmetrize`.
  std::string direct_symmetrize;
  /// Of "random", and refused with anything else; none given: 0.
  std::optional<std::uint64_t> seed;
  /// Structures of a batch, and rotated copies, go through the model together up to so many atoms,
  /// which bounds the memory; a structure is never divided. 0: as many as pay on the device, 256 on
  /// a CPU and 2048 on a GPU. (Where that is too much for the memory, the engine goes on with
  /// less.)
  std::int64_t atoms_per_forward = 0;
  /// Wait for the device at the end of each part of an evaluation, so that Timings says where the
  /// time went. Costs some.
  bool true_timings = false;
  /// Total charge (in elementary charges) and spin multiplicity of each structure, for models that
  /// ask for them, and refused with others; none given: what the model has for this case, if it
  /// has.
  std::optional<double> charge;
  std::optional<double> spin_multiplicity;

  bool operator==(const EngineOptions&) const = default;
};

/// Where the time went, in seconds, since the last reset. In `pairs` is, too, what a compiled
/// network has to order them. On a GPU the work is only ordered in `forward` and `backward`, and
/// waited for in `unpacking`, unless the engine has true_timings.
struct Timings {
  double pairs = 0.0;
  double packing = 0.0;
  double forward = 0.0;
  double backward = 0.0;
  double unpacking = 0.0;
  std::int64_t evaluations = 0;
  /// Structures, and rotated copies of them, that went through the model in these.
  std::int64_t copies = 0;

  double total() const { return pairs + packing + forward + backward + unpacking; }
};

/// A structure and its pair list, for batches. Neither may be null.
struct StructureAndPairs {
  const Structure* structure;
  Pairs* pairs;
};

/// Evaluates a model. Not thread-safe: one engine per thread; engines that share a model
/// take turns by themselves.
class MDBRIDGE_API Engine {
 public:
  /// Throws Error if the options contradict each other, ModelError if the model needs more of them.
  explicit Engine(std::shared_ptr<Model> model, EngineOptions options = {});
  ~Engine();

  /// Evaluate one structure. Throws ModelError if the model cannot give what is wanted or lacks an
  /// element, NonFiniteError if a result is not finite, Error for everything else (out of memory).
  Evaluation evaluate(const Structure& structure, Pairs& pairs, const Wanted& wanted);
  /// Evaluate several structures in as few forward passes as EngineOptions::atoms_per_forward
  /// allows; same results as one by one. The errors of a batch of several say which structure they
  /// are about.
  std::vector<Evaluation> evaluate(const std::vector<StructureAndPairs>& batch,
                                   const Wanted& wanted);

  /// What each rotated copy of a structure says of it, turned back, one after the other in the same
  /// order wherever the set is the same; net forces in. For sums over copies that a host has to
  /// make over several processes. Without a set there is one copy, of weights 1.
  using CopyVisitor = std::function<void(const Evaluation& turned_back, const Weights& weights)>;
  void visit_copies(const Structure& structure, Pairs& pairs, const Wanted& wanted,
                    const CopyVisitor& visit);

  /// Throw ModelError, naming what is missing, if the model cannot give `wanted`; Error if that are
  /// deviations over copies and there are none.
  void require(const Wanted& wanted) const;
  /// Whether require() passes.
  bool can_give(const Wanted& wanted) const;
  /// Whether the model gives the energy of each atom, or of whole structures only.
  bool gives_atomic_energies() const;
  /// Whether the energy is one of pair vectors, so that the virial can be shared out among atoms.
  bool gives_atomic_virials() const;
  /// Whether the direct virial of a structure with ghosts is the share of its owned atoms, so that
  /// the shares of all processes add up to the whole; else it is defined for whole structures only.
  bool shares_direct_virial() const;
  /// Throw ModelError, naming the element, unless the model knows all of these atomic numbers.
  void require_types(const std::vector<std::int32_t>& types) const;

  /// Which random rotation the evaluations from now on use, with symmetrize "random" (no effect
  /// otherwise). Hosts that count steps give the number of the step: all processes of a run, and a
  /// restarted one, then use the same rotation, as do both terms of a multiple-time-step
  /// correction. Without a counter it follows from each structure's positions, so that a structure
  /// has one energy.
  void set_rotation_counter(std::uint64_t counter) { rotation_counter_ = counter; }
  const std::optional<std::uint64_t>& rotation_counter() const { return rotation_counter_; }
  /// How many copies of a structure the energy is averaged over; 1 without symmetrisation.
  std::size_t copies() const { return copies_; }
  /// The same of the direct forces.
  std::size_t direct_copies() const { return direct_copies_; }
  /// Whether these are other copies, so that an evaluation of direct forces alone is another one.
  bool averages_direct_apart() const { return !options_.direct_symmetrize.empty(); }

  const std::shared_ptr<Model>& model() const { return model_; }
  const ModelInfo& info() const { return model_->info(); }
  const EngineOptions& options() const { return options_; }
  const Timings& timings() const { return timings_; }
  void reset_timings() { timings_ = {}; }

 private:
  class Run;
  struct Inputs;
  using Visitor =
      std::function<void(std::size_t structure, Evaluation turned_back, const Weights& weights)>;

  void each_copy(const std::vector<StructureAndPairs>& batch, const Wanted& wanted,
                 const Visitor& visit);

  std::shared_ptr<Model> model_;
  EngineOptions options_;
  std::size_t copies_ = 1;
  std::size_t direct_copies_ = 1;
  std::optional<std::uint64_t> rotation_counter_;
  Timings timings_;
  std::unique_ptr<Inputs> inputs_;
};

}  // namespace mdbridge
