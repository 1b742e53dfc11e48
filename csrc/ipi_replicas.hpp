#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "mts.hpp"
#include "visibility.hpp"

namespace mdbridge::ipi {

/// Several systems that move side by side (the beads of a ring polymer, the replicas of a parallel
/// simulation) and whose host does not say which of them it is asking about.
///
/// Recognises each by its positions, so that it keeps its own pair list and its own last
/// evaluation. A wrong guess costs a rebuilt list or a repeated evaluation, never a wrong force.
class MDBRIDGE_API Replicas {
 public:
  /// `skin` in Å, as for FusedForces.
  Replicas(std::shared_ptr<Engine> engine, double skin, FusedOptions options);

  /// The forces object of the replica (or the batch of replicas) that has moved to these
  /// structures.
  FusedForces& follow(const std::vector<Structure>& structures);

  std::size_t size() const { return replicas_.size(); }
  /// Sums over the replicas.
  FusedForces::Counts counts() const;
  std::int64_t pair_list_builds() const;
  /// The stride that the replica used last has learned; 0 while unknown.
  std::int64_t learned_stride() const;

 private:
  struct Replica {
    std::vector<Structure> last;
    double last_step;  // how far its atoms moved between the last two calls at most, Å
    std::int64_t last_use;
    FusedForces forces;
  };

  std::shared_ptr<Engine> engine_;
  double skin_;
  FusedOptions options_;
  std::deque<Replica> replicas_;
  std::int64_t calls_ = 0;
};

}  // namespace mdbridge::ipi
