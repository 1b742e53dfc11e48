// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "folding.hpp"
#include "lmptype.h"
#include "mdbridge/model.hpp"
#include "mdbridge/pairs.hpp"
#include "mdbridge/structure.hpp"
#include "motion.hpp"
#include "pointers.h"

namespace LAMMPS_NS {
class NeighList;
}

namespace mdbridge_lammps {

/// What a model needs of the neighbour list, and how LAMMPS measures.
struct ListNeeds {
  /// Atomic number by LAMMPS type (index 0 unused); 0: a type that the model does not see.
  std::vector<int> elements;
  /// Of the model, in Å.
  double cutoff = 0.0;
  /// How many cutoffs far an atom feels others.
  int layers = 1;
  /// Beyond cutoff and skin, in LAMMPS units: see motion_margin().
  double margin = 0.0;
  /// LAMMPS's units of length in one Å.
  double length = 1.0;
  /// How far an atom feels others, in Å, if that is less than so many cutoffs (of two models the
  /// cutoff of one and the layers of the other); 0: it is not.
  double range = 0.0;

  /// How far the list must reach without the skin, in LAMMPS units.
  double list_range() const { return cutoff * length + margin; }
  /// How far the ghosts must reach without the skin, in LAMMPS units: an atom feels others up to
  /// the interaction range, which message passing makes longer than the cutoff of the pair list.
  double ghost_range() const {
    return (range > 0.0 ? range * length : layers * (cutoff * length)) + margin;
  }
  /// Let a list of these needs serve this model too.
  void extend(const mdbridge::ModelInfo& info);
};

/// How many cutoffs far an atom of this model feels others; at least one.
int message_passing_layers(const mdbridge::ModelInfo& info);

/// What rRESPA needs beyond the cutoff, in LAMMPS units, where an Å is `length` of them: it looks
/// at its neighbour list once per outer step, before the inner ones move the atoms, and the list
/// must hold what comes near during them. Zero for other integrators.
double motion_margin(const LAMMPS_NS::LAMMPS& lammps, double length);

/// Follows the atoms and the neighbour list of LAMMPS: one structure and its candidate pairs, which
/// change their order only when LAMMPS has built a new list.
///
/// Sites are what Folding makes of the atoms of this rank. Nothing here is collective, and whatever
/// goes wrong is thrown as mdbridge::Error.
class ListFollower : protected LAMMPS_NS::Pointers {
 public:
  explicit ListFollower(LAMMPS_NS::LAMMPS* lmp) : Pointers(lmp), folding_(lmp) {}

  /// A run begins with these needs. The list of the last one is forgotten.
  void begin(ListNeeds needs);
  /// There is no list any more, as before the first run: has_list() is false until follow().
  void forget();
  /// The next follow() takes the list anew, whatever LAMMPS's counters say of it.
  void expire() { stale_ = true; }

  /// Whether the next follow() takes the list; the same on all ranks.
  bool is_about_to_take() const { return stale_ || list_is_new(); }
  /// How far, in LAMMPS units, the farthest atom of this rank has moved since LAMMPS built the
  /// list; infinite where that is not known.
  double motion_since_build(const LAMMPS_NS::NeighList& list) const;

  /// Bring the structure up to date, and the pairs too if LAMMPS has built its list since the last
  /// call: then returns true. `pairs` must be the same object at each call, unless expire() or
  /// begin() came between. `moved`: motion_since_build() of all ranks, for a call that takes the
  /// list; the less it is, the fewer pairs are kept.
  ///
  /// Throws mdbridge::Error if a pair within the cutoff may be missing, because atoms or box have
  /// moved too far since the list was built. Of several ranks each sees the motion of its own atoms
  /// only: see require_valid_list().
  bool follow(LAMMPS_NS::NeighList& list, mdbridge::Pairs& pairs,
              double moved = std::numeric_limits<double>::infinity());
  /// How much closer than where the list was taken any pair can have come while it is valid, in Å.
  double slack() const;
  /// The same for the atoms of all ranks, after follow() on each. Whatever is thrown is thrown on
  /// all of them. Collective.
  void require_valid_list() const;

  bool has_list() const { return list_step_ >= 0; }
  /// Throws mdbridge::Error if the atoms are not those of the list, nor is there a newer list:
  /// commands between runs (delete_atoms, create_atoms) change the atoms only.
  void require_atoms_of_list() const;

  const ListNeeds& needs() const { return needs_; }
  /// The sites of this rank where they were at the last follow(), in Å, its owned atoms first.
  const mdbridge::Structure& structure() const { return structures_.front(); }
  /// The same, as a batch of one.
  const std::vector<mdbridge::Structure>& structures() const { return structures_; }
  /// LAMMPS index of each site.
  const std::vector<int>& atoms() const { return folding_.atoms(); }
  /// How many of the sites, the leading ones, are atoms that this rank owns.
  std::size_t owned() const { return static_cast<std::size_t>(folding_.owned()); }
  /// LAMMPS's ID of the atom at each site.
  const std::vector<std::int64_t>& ids() const { return ids_; }
  /// "atom ID 7 (element O, type 2)".
  std::string name_of(std::size_t site) const;

 private:
  bool list_is_new() const;
  void take(LAMMPS_NS::NeighList& list, mdbridge::Pairs& pairs);
  void build_now(LAMMPS_NS::NeighList& list);
  void fill_structure();
  void fill_cell();
  /// Where the atoms of this rank were when LAMMPS built its list.
  void remember_positions(const LAMMPS_NS::NeighList& list);
  /// Which pairs of the list may come within the cutoff while it is in use, in LAMMPS units.
  double range_to_keep() const;
  /// How much any two atoms may have approached each other before the list was taken.
  double approach_before() const;
  /// Of the list when it was built, in Å.
  double range() const { return needs_.cutoff + beyond_cutoff() / needs_.length; }
  double beyond_cutoff() const;
  std::array<double, 3> corner() const;
  Motion own_motion() const;
  void require_reach(double reach) const;

  ListNeeds needs_;
  Folding folding_;
  std::vector<mdbridge::Structure> structures_{1};  // one, as FusedForces wants it
  std::vector<std::int64_t> ids_;

  // the list that the sites and the pairs were made from
  bool stale_ = true;
  LAMMPS_NS::bigint list_step_ = -1;    // Neighbor::lastcall; -1: no list
  LAMMPS_NS::bigint list_builds_ = -1;  // Neighbor::ncalls: two builds may fall on one step
  LAMMPS_NS::bigint list_atoms_ = -1;   // of all ranks
  int list_local_ = -1;                 // of this rank
  double moved_before_ = std::numeric_limits<double>::infinity();
  mdbridge::Structure list_structure_;   // where the sites were; foreign ones when they were taken
  std::array<double, 3> list_corner_{};  // of the box, in Å
};

}  // namespace mdbridge_lammps
