#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "mdbridge/fused_forces.hpp"
#include "mdbridge/visibility.hpp"

namespace mdbridge::ipi {

/// Several systems that move side by side (the beads of a ring polymer, the replicas of a parallel
/// simulation) and whose host does not say which of them it is asking about.
///
/// Recognises each by its positions, so that it keeps its own pair list and its own last
/// evaluation: a system is the one that it is nearest to, or a new one if that is farther than a
/// step. Beads of a new ring polymer start from one structure; they are told apart by being asked
/// about, all of them, before any moves. A wrong guess costs a rebuilt list or a repeated
/// evaluation, never a wrong force.
class MDBRIDGE_API Replicas {
 public:
  /// As for FusedForces.
  Replicas(std::shared_ptr<Engine> inner, std::shared_ptr<Engine> outer, double skin,
           FusedOptions options);

  /// The forces object of the replica (or the batch of replicas) that has moved to these
  /// structures, where this kind of forces will be asked for.
  FusedForces& follow(ForceKind kind, const std::vector<Structure>& structures);

  std::size_t size() const { return replicas_.size(); }
  /// Sums over the replicas.
  FusedForces::Counts counts() const;
  std::int64_t pair_list_builds() const;
  /// The stride that the replica used last has learned; 0 while unknown.
  std::int64_t learned_stride() const;

 private:
  struct Replica {
    std::vector<Structure> last;
    FusedForces forces;
    double last_step = 0.0;  // rms displacement of its atoms between the last two calls, Å
    std::int64_t last_use = 0;
    bool asked[2] = {false, false};  // for which kinds of forces, where it is now
  };

  Replica* nearest(ForceKind kind, const std::vector<Structure>& structures, double& distance);
  Replica& add(const std::vector<Structure>& structures);

  std::shared_ptr<Engine> inner_;
  std::shared_ptr<Engine> outer_;
  double skin_;
  FusedOptions options_;
  std::deque<Replica> replicas_;
  std::int64_t calls_ = 0;
  bool nothing_moved_ = true;
};

}  // namespace mdbridge::ipi
