#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <list>
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
/// about, all of them, before any moves. Beads of a restart may be closer to each other than a
/// step, and one system may move farther than what is taken for a step at first. Either shows in
/// time: several systems that were taken for one come back, by turns, to where each of them was;
/// one that was taken for many never does. A wrong guess costs a rebuilt list or a repeated
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
  /// Sums over the replicas, and over those that have been given up.
  FusedForces::Counts counts() const;
  std::int64_t pair_list_builds() const;
  /// The stride that the replica used last has learned; 0 while unknown.
  std::int64_t learned_stride() const;

 private:
  using Place = std::vector<Structure>;

  struct Replica {
    Place last;
    FusedForces forces;
    std::int64_t last_use = 0;
    std::int64_t born = 0;           // the call that brought it
    double last_step = 0.0;          // rms displacement of its atoms between the last two calls, Å
    bool twin = false;               // starts where another one does
    bool asked[2] = {false, false};  // for which kinds of forces, where it is now
    // While it may still turn out to be several systems: where it was before, the oldest first; how
    // often it moved; and the turn in which it came back to an old place at its last move.
    std::deque<Place> trail{};
    int moves = 0;
    std::size_t turn = 0;
  };

  Replica* nearest(ForceKind kind, const Place& place, double& distance);
  Replica* come_back(const Place& place, double& distance);
  Replica& add(const Place& place, bool twin);
  void move(Replica& replica, const Place& place, double distance);
  void split(Replica& replica, std::size_t systems, double step);
  void take_newcomers_for_one(Replica& newest);
  void forget_unused();
  void renew(Replica& replica);
  void retire(const FusedForces& forces);

  std::shared_ptr<Engine> inner_;
  std::shared_ptr<Engine> outer_;
  double skin_;
  FusedOptions options_;
  std::list<Replica> replicas_;
  std::int64_t calls_ = 0;
  std::int64_t last_move_ = 0;  // the call in which a known replica moved
  bool nothing_moved_ = true;
  FusedForces::Counts retired_counts_;
  std::int64_t retired_builds_ = 0;
};

}  // namespace mdbridge::ipi
