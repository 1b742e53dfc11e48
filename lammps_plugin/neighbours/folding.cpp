// SPDX-License-Identifier: GPL-2.0-only
#include "folding.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <unordered_map>

#include "atom.h"
#include "domain.h"
#include "exclusions.hpp"
#include "mdbridge/error.hpp"
#include "neigh_list.h"
#include "periodicity.hpp"
#include "reversal.hpp"

namespace mdbridge_lammps {

void Folding::rebuild(const LAMMPS_NS::NeighList& list, const std::vector<int>& elements,
                      int layers, double range, double tolerance) {
  range_squared_ = range * range;
  tolerance_ = tolerance;
  find_sites(elements);
  pairs_.clear();
  const bool foreign_sites = static_cast<int>(atoms_.size()) > owned_;
  // rows of ghosts are there only if they were asked for (several ranks, message passing)
  const int rows = foreign_sites ? list.inum + list.gnum : list.inum;
  std::size_t count = 0;
  for (int row = 0; row < rows; ++row) count += list.numneigh[list.ilist[row]];
  pairs_.reserve(5 * count);
  for (int row = 0; row < rows; ++row) add_pairs_of(list.ilist[row], list);
  if (foreign_sites) {
    // the rows of ghosts at the edge are incomplete, and several ghosts of one atom repeat a pair
    pairs_ = closed_under_reversal(pairs_);
    drop_beyond(layers);
  }
}

void Folding::find_sites(const std::vector<int>& elements) {
  const int local = atom->nlocal;
  const int all = local + atom->nghost;
  atoms_.clear();
  origins_.clear();
  folds_.assign(all, Fold{});
  images_.clear();
  const Exclusions exclusions(lmp);
  const auto visible = [&](int index) {
    return elements[atom->type[index]] > 0 && !exclusions.from_all(index);
  };
  std::unordered_map<LAMMPS_NS::tagint, std::int32_t> site_of;
  site_of.reserve(local);
  const auto add_site = [&](int index, const Shift& origin) {
    folds_[index] = {static_cast<std::int32_t>(atoms_.size()), origin};
    site_of[atom->tag[index]] = folds_[index].site;
    atoms_.push_back(index);
    origins_.push_back(origin);
  };
  for (int i = 0; i < local; ++i) {
    if (visible(i)) add_site(i, Shift{});
  }
  owned_ = static_cast<int>(atoms_.size());
  for (int i = local; i < all; ++i) {
    if (!visible(i)) continue;
    const auto found = site_of.find(atom->tag[i]);
    if (found == site_of.end()) {
      add_site(i, shift_into_box(i));
      continue;
    }
    const std::int32_t site = found->second;
    Shift shift = shift_between(atoms_[site], i);
    images_.push_back({i, atoms_[site], shift});
    for (int k = 0; k < 3; ++k) shift[k] += origins_[site][k];
    folds_[i] = {site, shift};
  }
}

/// A vector in units of the lattice vectors.
std::array<double, 3> Folding::fraction(const double* v) const {
  // Voigt order of LAMMPS: xx, yy, zz, yz, xz, xy
  const double* h = domain->h_inv;
  return {h[0] * v[0] + h[5] * v[1] + h[4] * v[2], h[1] * v[1] + h[3] * v[2], h[2] * v[2]};
}

Folding::Shift Folding::shift_between(int owner, int ghost) const {
  double d[3];
  for (int k = 0; k < 3; ++k) d[k] = atom->x[ghost][k] - atom->x[owner][k];
  const auto cells = fraction(d);
  // Voigt order of LAMMPS: xx, yy, zz, yz, xz, xy
  const double* h = domain->h;
  const double lengths[3] = {h[0], std::hypot(h[5], h[1]), std::hypot(h[4], h[3], h[2])};
  Shift shift{};
  for (int k = 0; k < 3; ++k) {
    const double rounded = has_images(*domain, k) ? std::round(cells[k]) : 0.0;
    if (lengths[k] * std::abs(cells[k] - rounded) > tolerance_) {
      throw mdbridge::Error("a ghost of atom ID " + std::to_string(atom->tag[owner]) +
                            " is not a periodic image of it: check that no two atoms have the "
                            "same ID (reset_atoms id)");
    }
    shift[k] = static_cast<std::int32_t>(rounded);
  }
  return shift;
}

Folding::Shift Folding::shift_into_box(int ghost) const {
  double d[3];
  for (int k = 0; k < 3; ++k) d[k] = atom->x[ghost][k] - domain->boxlo[k];
  const auto cells = fraction(d);
  Shift shift{};
  for (int k = 0; k < 3; ++k) {
    if (has_images(*domain, k)) shift[k] = static_cast<std::int32_t>(std::floor(cells[k]));
  }
  return shift;
}

void Folding::add_pairs_of(int i, const LAMMPS_NS::NeighList& list) {
  const Fold& from = folds_[i];
  if (from.site < 0) return;
  const int* neighbours = list.firstneigh[i];
  const double* x = atom->x[i];
  for (int n = 0; n < list.numneigh[i]; ++n) {
    const int j = neighbours[n] & NEIGHMASK;
    const Fold& to = folds_[j];
    if (to.site < 0) continue;
    const double d[3] = {atom->x[j][0] - x[0], atom->x[j][1] - x[1], atom->x[j][2] - x[2]};
    if (d[0] * d[0] + d[1] * d[1] + d[2] * d[2] > range_squared_) continue;
    pairs_.push_back(from.site);
    pairs_.push_back(to.site);
    for (int k = 0; k < 3; ++k) pairs_.push_back(to.shift[k] - from.shift[k]);
  }
}

/// Leave out pairs and foreign sites that no owned atom can feel: with L message-passing layers the
/// energy of an atom depends on a pair if one of its ends is at most L - 1 neighbours away.
void Folding::drop_beyond(int layers) {
  constexpr int far = std::numeric_limits<int>::max();
  std::vector<int> distance(atoms_.size(), far);
  std::fill(distance.begin(), distance.begin() + owned_, 0);
  for (int layer = 1; layer < layers; ++layer) {
    for (std::size_t p = 0; p < pairs_.size(); p += 5) {
      if (distance[pairs_[p]] == layer - 1 && distance[pairs_[p + 1]] == far) {
        distance[pairs_[p + 1]] = layer;
      }
    }
  }
  std::vector<std::int32_t> new_site(atoms_.size(), -1);
  std::vector<int> kept_atoms(atoms_.begin(), atoms_.begin() + owned_);
  std::vector<Shift> kept_origins(owned_);
  for (int s = 0; s < owned_; ++s) new_site[s] = s;
  std::vector<std::int32_t> kept_pairs;
  for (std::size_t p = 0; p < pairs_.size(); p += 5) {
    if (distance[pairs_[p]] == far && distance[pairs_[p + 1]] == far) continue;
    for (int end = 0; end < 2; ++end) {
      const std::int32_t site = pairs_[p + end];
      if (new_site[site] < 0) {
        new_site[site] = static_cast<std::int32_t>(kept_atoms.size());
        kept_atoms.push_back(atoms_[site]);
        kept_origins.push_back(origins_[site]);
      }
      kept_pairs.push_back(new_site[site]);
    }
    kept_pairs.insert(kept_pairs.end(), pairs_.begin() + p + 2, pairs_.begin() + p + 5);
  }
  pairs_ = std::move(kept_pairs);
  atoms_ = std::move(kept_atoms);
  origins_ = std::move(kept_origins);
}

}  // namespace mdbridge_lammps
