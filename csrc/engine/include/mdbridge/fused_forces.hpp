#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "mdbridge/engine.hpp"
#include "mdbridge/visibility.hpp"

namespace mdbridge {

/// Learns how many inner evaluations lie between two outer ones, and so when the next inner one is
/// the last. A prediction only saves time: whoever uses it must be right when it is wrong.
class MDBRIDGE_API StrideLearner {
 public:
  /// Call once per inner evaluation, before it; returns true if an outer one is expected right
  /// after it, at the same positions.
  bool inner();
  /// Call once per outer evaluation.
  void outer();
  /// The host says how many inner evaluations there will be per outer one: no need to learn.
  void expect(std::int64_t stride) { stride_ = stride; }

  /// Inner evaluations per outer one; 0 while unknown.
  std::int64_t stride() const { return stride_; }

 private:
  std::int64_t stride_ = 0;
  std::int64_t since_outer_ = 0;
  // the inner evaluations before the first outer one are a set-up, not a stride
  bool started_ = false;
};

/// What FusedForces evaluates.
struct FusedOptions {
  /// Which forces of the inner model are the inner ones. The outer ones are conservative.
  ForceKind inner_forces = ForceKind::direct;
  /// Outer evaluations give the inner forces too. Switch it off where nobody asks for inner ones,
  /// or the model has none.
  bool fuse = true;
  /// Inner evaluations give the energy (of the inner model) too.
  bool energy_with_inner = false;
  /// Inner evaluations give forces and virial alone, whatever else is wanted of the model: where
  /// the energy is averaged over copies that the inner forces do without.
  bool inner_forces_alone = false;
  /// Inner forces come with the virial of their kind.
  bool inner_virial = false;
  /// Every evaluation of the outer model gives the uncertainty (but for inner_forces_alone).
  bool uncertainty = false;
  /// The same of the energies of the committee.
  bool committee = false;
  /// Every evaluation of a model that is averaged over copies gives the standard deviations over
  /// them, of energy and forces.
  bool deviations = false;
  /// Outer evaluations give the uncertainty, or the energy of each atom (where the model has it:
  /// that somebody may ask is no reason to fail).
  bool outer_uncertainty = false;
  bool outer_atomic_energies = false;
  /// The same of the shares of each atom in the conservative virial, in either form.
  bool outer_atomic_virials = false;
  bool outer_halved_atomic_virials = false;
  /// Outer evaluations give the conservative forces of the members of the committee.
  bool outer_committee_forces = false;
};

/// Some atoms of a structure with pairs of their own: what a model needs to see of a structure that
/// was put together for one of a longer range.
class MDBRIDGE_API Part {
 public:
  /// The atoms that the owned ones of `whole` can feel in a model with this information, while no
  /// pair comes closer by more than `slack` (Å), and their pairs of those in `pairs`.
  Part(const Structure& whole, const Pairs& pairs, const ModelInfo& model, double slack);

  /// These atoms where they are in `whole`, which has its atoms in the order of the one given to
  /// the constructor; good until the next call.
  const Structure& of(const Structure& whole);
  Pairs& pairs() { return pairs_; }
  /// Of an atom of the part, its place in the whole; -1: -1.
  std::int64_t place(std::int64_t atom) const { return atom < 0 ? atom : atoms_[atom]; }
  /// What was evaluated for the part as an evaluation of the whole: zero for all other atoms.
  Evaluation spread(Evaluation evaluation) const;

 private:
  std::vector<std::int32_t> atoms_;  // places in the whole, ascending; the owned ones are first
  std::size_t whole_;                // atoms
  Structure structure_;
  Pairs pairs_{0.0};
};

/// The forces of a multiple-time-step integrator: cheap ones in the inner loop, conservative ones
/// at the outer step. Nothing is evaluated twice at the same positions.
///
/// Both may come from one model, whose inner forces are the direct ones: where both are needed at
/// the same positions, they are evaluated in one forward pass. Or the inner ones come from a model
/// of their own, as an outer step of M inner ones then costs M evaluations of it and one of the
/// outer model.
///
/// Follows one structure, or a batch of them that moves together. Between runs a host may change
/// what the positions do not show (exclusions, the model's pairs): a new run needs a new object.
class MDBRIDGE_API FusedForces {
 public:
  /// One model. `skin` in Å, of the pair lists that this object keeps, one for each structure.
  FusedForces(std::shared_ptr<Engine> engine, double skin, FusedOptions options = {});
  /// Two models, which share these pair lists. Engines with the same model and options are one.
  FusedForces(std::shared_ptr<Engine> inner, std::shared_ptr<Engine> outer, double skin,
              FusedOptions options = {});

  /// Both of the following return a reference to results in this object, one for each structure and
  /// good until the next evaluation. They throw what Engine::evaluate throws.
  ///
  /// Evaluations with the inner forces (of the kind that FusedOptions says) at these structures;
  /// free if they are known, as they are after outer(). `outer_follows` says that a request for the
  /// outer ones at the same positions is certain (a set-up, say); otherwise the learned stride
  /// decides.
  const std::vector<Evaluation>& inner(const std::vector<Structure>& structures,
                                       bool outer_follows = false);
  /// Conservative energy, forces and virial (unless want_virial() says that it is not wanted) of
  /// the outer model at these structures; free if the last evaluation gave them at exactly these
  /// positions. The inner forces of an evaluation at
  /// these positions are kept, and evaluated (unless FusedOptions say otherwise) where there was
  /// none.
  const std::vector<Evaluation>& outer(const std::vector<Structure>& structures);
  /// Whether the outer evaluations from now on give the virial, as they do at first: a gradient
  /// less where nobody asks. One that was made without it is made again if it is asked for there. A
  /// model without a stress gives none in any case: whoever needs one requires it beforehand.
  void want_virial(bool wanted) { virial_wanted_ = wanted; }
  /// The host knows how many inner evaluations lie between two outer ones.
  void expect_stride(std::int64_t stride) { learner_.expect(stride); }

  /// The pair list of the structure at this place in the batch, made if there is none yet. The
  /// reference is good until one further on is made: by this function, or by a larger batch.
  Pairs& pairs(std::size_t index = 0);
  /// For hosts that provide the pairs, each time that they have: the inner model, if it is another
  /// one, gets the part that it can feel of this structure and its pairs, while none of them comes
  /// closer by more than `slack` (Å).
  void narrow_inner(const Structure& structure, double slack, std::size_t index = 0);
  const StrideLearner& learner() const { return learner_; }
  /// How often the pair lists were built, summed over the structures.
  std::int64_t pair_list_builds() const;

  /// Whether inner and outer forces come from one model, in one forward pass.
  bool one_model() const { return one_model_; }
  ForceKind inner_kind() const { return options_.inner_forces; }

  /// How many evaluations were made for inner forces, for outer ones and for both in one pass, and
  /// how many outer requests found their answer ready.
  struct Counts {
    std::int64_t inner_only = 0;
    std::int64_t outer_only = 0;
    std::int64_t both = 0;
    std::int64_t reused = 0;
  };
  const Counts& counts() const { return counts_; }

 private:
  bool at_last_positions(const std::vector<Structure>& structures) const;
  bool lacks_virial() const;
  void want_inner(Wanted& wanted) const;
  void want_outer(Wanted& wanted) const;
  void evaluate(const std::vector<Structure>& structures, bool inner, bool outer);
  void evaluate_together(const std::vector<Structure>& structures, bool inner, bool outer,
                         bool keep_inner);
  std::vector<Evaluation> run_inner(const std::vector<Structure>& structures);
  std::vector<Evaluation> run_outer(const std::vector<Structure>& structures, const Wanted& wanted);
  const std::vector<Evaluation>& inner_evaluations() const {
    return one_model_ ? last_outer_ : last_inner_;
  }

  std::shared_ptr<Engine> inner_;
  std::shared_ptr<Engine> outer_;
  bool one_model_;
  double skin_;
  FusedOptions options_;
  bool gives_virial_;  // the outer model
  std::vector<Pairs> pairs_;
  std::vector<std::optional<Part>> parts_;  // by structure, for the inner model; none: all of it
  StrideLearner learner_;
  Counts counts_;
  // the last evaluation: where, what (of one model all of it in last_outer_), and what it has,
  // without which the first two say nothing
  std::vector<Structure> last_structures_;
  std::optional<std::uint64_t> last_counters_[2];
  std::vector<Evaluation> last_inner_;
  std::vector<Evaluation> last_outer_;
  bool has_inner_ = false;
  bool has_outer_ = false;
  bool virial_wanted_ = true;
};

}  // namespace mdbridge
