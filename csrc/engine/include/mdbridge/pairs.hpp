#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "mdbridge/structure.hpp"
#include "mdbridge/visibility.hpp"

namespace mdbridge {

/// The pairs of one structure that lie within one cutoff, ready to be handed to a model.
struct SelectedPairs {
  /// 5 integers a pair: first atom i, second atom j, and the cell shift (a, b, c) of j.
  std::vector<std::int32_t> labels;
  /// 3 numbers a pair: r_j - r_i + shift @ cell, in Å.
  std::vector<double> vectors;

  std::int64_t size() const { return static_cast<std::int64_t>(labels.size()) / 5; }
};

/// The pairs that a list chooses from. They never change (a list that is built anew has others), so
/// that what was made of them is good as long as they are there.
struct PairCandidates {
  /// As SelectedPairs::labels, both i->j and j->i.
  std::vector<std::int32_t> labels;
  /// That a structure must have for these labels.
  std::int64_t atoms = 0;
};

/// How far a list that held all pairs up to `range` (Å) when it was made for `built` reaches now:
/// no pair outside of it can be closer. Same atoms, in the same order.
///
/// The motion is split into the affine part of the cell, F = h0^-1 h, and the rest u, from which a
/// common translation may be taken off. A pair that was longer than `range` is now longer than
/// sigma_min(F) range - |u_i| - |u_j|, with sigma_min(F) >= 1 - |F - 1| and the two largest |u|.
MDBRIDGE_API double list_reach(const Structure& built, const Structure& now, double range);

/// Verlet pair list of one moving structure.
///
/// It holds every pair within the cutoff plus a skin (both i->j and j->i), and is rebuilt only when
/// a pair that is not in it may have come within the cutoff. A changing cell is allowed for. Keep
/// one object for each structure that is followed (one for each replica, say).
class MDBRIDGE_API Pairs {
 public:
  /// `skin` in Å; zero rebuilds at every step. Throws Error if it is negative or not finite.
  explicit Pairs(double skin = 1.0);

  /// Make the list valid for `structure` and pairs up to `cutoff` (Å), rebuilding it if need be.
  /// Returns true if it was rebuilt. Does nothing for lists that a host provides. Throws Error if
  /// no list can be built (a cutoff that is not a positive length, say).
  bool update(const Structure& structure, double cutoff);

  /// From now on lists reach at least so far (Å), whatever update() is asked for: models of
  /// different cutoffs take turns with one list.
  void reach_at_least(double cutoff) { least_cutoff_ = cutoff; }

  /// Take the candidate pairs from the host, which then answers for their being complete: 5
  /// integers a pair as in SelectedPairs::labels, both i->j and j->i. The list stays until the next
  /// call: from now on the object does not build any itself. Throws Error if an index is negative.
  void provide(std::vector<std::int32_t> labels);

  /// The candidates that lie within `cutoff` now, in the order of their first atoms, as some
  /// networks need them. A half list (`full` false) holds each pair once. Throws Error if a
  /// candidate names an atom that `structure` does not have. (`out` is filled anew, but keeps its
  /// memory.)
  void select(const Structure& structure, double cutoff, bool full, SelectedPairs& out) const;

  double skin() const { return skin_; }
  std::int64_t candidates() const {
    return static_cast<std::int64_t>(candidates_->labels.size()) / 5;
  }
  /// The candidates themselves; of a copy of this object the same ones.
  const std::shared_ptr<const PairCandidates>& shared_candidates() const { return candidates_; }
  /// How often the list was built, and how often it was found to be still valid.
  std::int64_t builds() const { return builds_; }
  std::int64_t reuses() const { return reuses_; }

 private:
  bool still_valid(const Structure& structure, double cutoff) const;
  void build(const Structure& structure, double cutoff);

  double skin_;
  double least_cutoff_ = 0.0;
  bool provided_ = false;
  std::shared_ptr<const PairCandidates> candidates_ = std::make_shared<PairCandidates>();
  std::int64_t builds_ = 0;
  std::int64_t reuses_ = 0;

  // what the list was built for
  double built_cutoff_ = -1.0;
  Structure built_;
};

}  // namespace mdbridge
