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

/// What the evaluations of FusedForces give besides the forces that were asked for.
struct FusedOptions {
  /// Conservative evaluations give the direct forces too. Switch it off where nobody asks for
  /// direct ones, or the model has none.
  bool fuse = true;
  /// Evaluations for direct forces give the energy too.
  bool energy_with_direct = false;
  /// Direct forces come with the virial of the direct stress.
  bool direct_virial = false;
  /// Every evaluation gives the uncertainty.
  bool uncertainty = false;
  /// Every evaluation gives the energies of the committee.
  bool committee = false;
  /// Conservative evaluations give the uncertainty, or the energy of each atom (where the model has
  /// it: that somebody may ask is no reason to fail).
  bool conservative_uncertainty = false;
  bool conservative_atomic_energies = false;
};

/// The forces of a multiple-time-step integrator: direct ones in the inner loop, conservative ones
/// at the outer step, evaluated together in one forward pass where both are needed at the same
/// positions.
///
/// Follows one structure, or a batch of them that moves together. Between runs a host may change
/// what the positions do not show (exclusions, the model's pairs): a new run needs a new object.
class MDBRIDGE_API FusedForces {
 public:
  /// `skin` in Å, of the pair lists that this object keeps, one for each structure.
  FusedForces(std::shared_ptr<Engine> engine, double skin, FusedOptions options = {});

  /// Both of the following return a reference to results in this object, one for each structure and
  /// good until the next call. They throw what Engine::evaluate throws.
  ///
  /// Direct forces at these structures. `outer_follows` says that a request for the conservative
  /// ones at the same positions is certain (a set-up, say); otherwise the learned stride decides.
  const std::vector<Evaluation>& direct(const std::vector<Structure>& structures,
                                        bool outer_follows = false);
  /// Conservative energy, forces and virial at these structures, *and* (unless FusedOptions say
  /// otherwise) their direct forces; free if the last evaluation was at exactly these positions.
  const std::vector<Evaluation>& conservative(const std::vector<Structure>& structures);
  /// The host knows how many direct evaluations lie between two conservative ones.
  void expect_stride(std::int64_t stride) { learner_.expect(stride); }

  /// The pair list of the structure at this place in the batch, made if there is none yet. The
  /// reference is good until one further on is made: by this function, or by a larger batch.
  Pairs& pairs(std::size_t index = 0);
  const StrideLearner& learner() const { return learner_; }
  /// How often the pair lists were built, summed over the structures.
  std::int64_t pair_list_builds() const;

  /// How many evaluations of each kind were made, and how many conservative requests found their
  /// answer ready.
  struct Counts {
    std::int64_t direct_only = 0;
    std::int64_t conservative_only = 0;
    std::int64_t both = 0;
    std::int64_t reused = 0;
  };
  const Counts& counts() const { return counts_; }

 private:
  bool at_last_positions(const std::vector<Structure>& structures) const;
  void want_conservative(Wanted& wanted) const;
  void evaluate(const std::vector<Structure>& structures, const Wanted& wanted);

  std::shared_ptr<Engine> engine_;
  double skin_;
  FusedOptions options_;
  std::vector<Pairs> pairs_;
  StrideLearner learner_;
  Counts counts_;
  // the last evaluation: where, what, and which kinds it has
  std::vector<Structure> last_structures_;
  std::optional<std::uint64_t> last_counter_;
  std::vector<Evaluation> last_;
  bool has_direct_ = false;
  bool has_conservative_ = false;
};

}  // namespace mdbridge
