// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <array>
#include <cstdint>
#include <utility>
#include <vector>

#include "image_lattice.hpp"
#include "pointers.h"

namespace LAMMPS_NS {
class NeighList;
}

namespace mdbridge_lammps {

/// Which of a rank's atoms the model sees (its sites), and how ghosts fold onto them.
///
/// LAMMPS surrounds the atoms of a rank by explicit copies, its ghosts. The model gets each atom
/// once: a ghost of an own atom becomes that atom and a cell shift, and of all ghosts of a foreign
/// atom one stays. On one rank 81 atoms are 81 sites, however small the box.
class Folding : protected LAMMPS_NS::Pointers {
 public:
  /// Numbers of lattice vectors.
  using Shift = std::array<std::int32_t, 3>;

  explicit Folding(LAMMPS_NS::LAMMPS* lmp) : Pointers(lmp) {}

  /// Fold the atoms and the pairs of a neighbour list that has just been built.
  ///
  /// `elements`: atomic number by LAMMPS type (index 0 unused); 0 for types that the model does not
  /// see, as it does not see atoms that are excluded from all others. `layers`: how many cutoffs
  /// far an owned atom feels; what lies beyond is left out, as are pairs longer than `range`, which
  /// the list of a hybrid has for the sake of other styles. Throws mdbridge::Error if a ghost lies
  /// further than `tolerance` from all periodic images of its owner (both in LAMMPS units).
  void rebuild(const LAMMPS_NS::NeighList& list, const std::vector<int>& elements, int layers,
               double range, double tolerance);

  /// LAMMPS index of each site; the sites of owned atoms come first, in the order of the atoms.
  const std::vector<int>& atoms() const { return atoms_; }
  int owned() const { return owned_; }
  /// Lattice vectors to subtract from the position of a site's atom: a foreign atom is put where
  /// its owner has it, inside the box. Models in single precision then see the same numbers
  /// whatever the number of ranks.
  const Shift& origin(std::size_t site) const { return origins_[site]; }
  /// Ghosts that are other images of a site's atom, own or foreign.
  const std::vector<Image>& images() const { return images_; }
  /// Candidate pairs, both i->j and j->i, as mdbridge::Pairs::provide wants them: 5 integers a
  /// pair, two sites and the shift of the second one. To be taken once after each rebuild(); they
  /// are handed over, not copied, and leave none behind.
  std::vector<std::int32_t> take_pairs() { return std::exchange(pairs_, {}); }

 private:
  /// Where an atom or ghost is folded to.
  struct Fold {
    std::int32_t site = -1;
    Shift shift{};
  };

  void find_sites(const std::vector<int>& elements);
  std::array<double, 3> fraction(const double* vector) const;
  Shift shift_between(int owner, int ghost) const;
  Shift shift_into_box(int ghost) const;
  void add_pairs_of(int atom, const LAMMPS_NS::NeighList& list);
  void drop_beyond(int layers);

  std::vector<int> atoms_;
  std::vector<Shift> origins_;
  int owned_ = 0;
  double range_squared_ = 0.0;
  double tolerance_ = 0.0;
  std::vector<Fold> folds_;  // by LAMMPS index
  std::vector<Image> images_;
  std::vector<std::int32_t> pairs_;
};

}  // namespace mdbridge_lammps
