// SPDX-License-Identifier: GPL-2.0-only
#include "list_follower.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <utility>

#include "atom.h"
#include "comm.h"
#include "domain.h"
#include "fmt/format.h"
#include "force.h"
#include "mdbridge/elements.hpp"
#include "mdbridge/error.hpp"
#include "neigh_list.h"
#include "neighbor.h"
#include "periodicity.hpp"
#include "update.h"

namespace mdbridge_lammps {

using mdbridge::Error;
using mdbridge::Structure;

namespace {

// Fast enough for hydrogen at several thousand kelvin.
constexpr double fastest_atom = 0.1;  // Å/fs

// More than a strain for finite differences moves an image, and less than two atoms are apart.
constexpr double namesake_tolerance = 1e-3;  // Å

// More than rounding, and nothing beside the motion of an atom.
constexpr double image_tolerance = 1e-6;  // Å

/// Where the own atoms were when LAMMPS built this list; nullptr if it is not known.
double** held_positions(LAMMPS_NS::Neighbor& neighbor, const LAMMPS_NS::NeighList& list,
                        const LAMMPS_NS::Atom& atom) {
  // atoms that have come since are not among them
  if (neighbor.dist_check == 0 || list.inum != atom.nlocal) return nullptr;
  return neighbor.get_xhold();
}

}  // namespace

void ListNeeds::extend(const mdbridge::ModelInfo& info) {
  const int more_layers = message_passing_layers(info);
  range = std::max(range > 0.0 ? range : layers * cutoff, more_layers * info.cutoff);
  cutoff = std::max(cutoff, info.cutoff);
  layers = std::max(layers, more_layers);
}

int message_passing_layers(const mdbridge::ModelInfo& info) {
  if (!(info.cutoff > 0.0)) return 1;
  return std::max(1, static_cast<int>(std::ceil(info.interaction_range / info.cutoff - 1e-6)));
}

double motion_margin(const LAMMPS_NS::LAMMPS& lammps, double length) {
  const LAMMPS_NS::Update& update = *lammps.update;
  if (!LAMMPS_NS::utils::strmatch(update.integrate_style, "^respa")) return 0.0;
  const double outer_step = update.dt / lammps.force->femtosecond;
  return 2.0 * outer_step * fastest_atom * length;
}

void ListFollower::begin(ListNeeds needs) {
  needs_ = std::move(needs);
  forget();
}

void ListFollower::forget() {
  stale_ = true;
  list_step_ = -1;
}

bool ListFollower::follow(LAMMPS_NS::NeighList& list, mdbridge::Pairs& pairs, double moved) {
  const bool taking = is_about_to_take();
  if (taking) {
    moved_before_ = moved;
    take(list, pairs);
  }
  fill_structure();
  if (taking) remember_positions(list);
  if (comm->nprocs > 1) {
    require_reach(own_motion().reach(range()));
  } else {
    require_reach(mdbridge::list_reach(list_structure_, structure(), range()));
  }
  return taking;
}

/// Counted from where it was built, no pair comes closer than `beyond_cutoff()` while the list is
/// valid; those that it was taken from may have been farther apart by what they had moved until
/// then. One percent for a box that changes.
double ListFollower::slack() const {
  return 0.01 * needs_.cutoff + (beyond_cutoff() + approach_before()) / needs_.length;
}

double ListFollower::motion_since_build(const LAMMPS_NS::NeighList& list) const {
  double** built = held_positions(*neighbor, list, *atom);
  if (built == nullptr) return std::numeric_limits<double>::infinity();
  double squared = 0.0;
  for (int i = 0; i < atom->nlocal; ++i) {
    const double d[3] = {atom->x[i][0] - built[i][0], atom->x[i][1] - built[i][1],
                         atom->x[i][2] - built[i][2]};
    squared = std::max(squared, d[0] * d[0] + d[1] * d[1] + d[2] * d[2]);
  }
  return std::sqrt(squared);
}

/// No more than require_valid_list() allows, whatever is known of the motion.
double ListFollower::approach_before() const {
  return std::min(2.0 * moved_before_, beyond_cutoff());
}

void ListFollower::require_valid_list() const {
  if (comm->nprocs == 1) return;
  require_reach(motion_of_all(world, own_motion(), range(), needs_.cutoff).reach(range()));
}

bool ListFollower::list_is_new() const {
  return neighbor->lastcall != list_step_ || neighbor->ncalls != list_builds_;
}

void ListFollower::take(LAMMPS_NS::NeighList& list, mdbridge::Pairs& pairs) {
  if (list.occasional != 0) build_now(list);
  folding_.rebuild(list, needs_.elements, needs_.layers, range_to_keep(),
                   namesake_tolerance * needs_.length);
  const auto& sites = atoms();
  Structure& structure = structures_.front();
  structure.types.resize(sites.size());
  structure.positions.resize(3 * sites.size());
  structure.owned = folding_.owned();
  ids_.resize(sites.size());
  for (std::size_t s = 0; s < sites.size(); ++s) ids_[s] = atom->tag[sites[s]];
  pairs.provide(folding_.take_pairs());
  stale_ = false;
  list_step_ = neighbor->lastcall;
  list_builds_ = neighbor->ncalls;
  list_local_ = atom->nlocal;
  list_atoms_ = atom->natoms;
}

/// In the step of the last build LAMMPS neither builds a list of this kind again nor looks which
/// bins are neighbours, by comparing with these steps; but a run may begin in that step with other
/// atoms, ghosts and bins.
void ListFollower::build_now(LAMMPS_NS::NeighList& list) {
  const LAMMPS_NS::bigint built = neighbor->lastcall;
  const LAMMPS_NS::bigint bins_set_up = neighbor->last_setup_bins;
  neighbor->lastcall = std::numeric_limits<LAMMPS_NS::bigint>::max();
  neighbor->last_setup_bins = neighbor->lastcall;
  neighbor->build_one(&list);
  neighbor->lastcall = built;
  neighbor->last_setup_bins = bins_set_up;
}

void ListFollower::fill_structure() {
  fill_cell();
  Structure& structure = structures_.front();
  const double to_angstrom = 1.0 / needs_.length;
  const auto& sites = atoms();
  for (std::size_t s = 0; s < sites.size(); ++s) {
    double* position = &structure.positions[3 * s];
    for (int k = 0; k < 3; ++k) position[k] = atom->x[sites[s]][k] * to_angstrom;
    structure.types[s] = needs_.elements[atom->type[sites[s]]];
    if (s < owned()) continue;
    const auto& origin = folding_.origin(s);
    for (int a = 0; a < 3; ++a) {
      for (int k = 0; k < 3; ++k) position[k] -= origin[a] * structure.cell[3 * a + k];
    }
  }
}

void ListFollower::fill_cell() {
  Structure& structure = structures_.front();
  const double to_angstrom = 1.0 / needs_.length;
  const double* h = domain->h;  // Voigt order of LAMMPS: xx, yy, zz, yz, xz, xy
  std::array<double, 9> box = {h[0], 0.0, 0.0, h[5], h[1], 0.0, h[4], h[3], h[2]};
  for (int k = 0; k < 9; ++k) {
    structure.periodic[k / 3] = has_images(*domain, k / 3);
    if (!structure.periodic[k / 3]) box[k] = 0.0;
  }
  structure.cell =
      lattice_of_images(box, folding_.images(), *atom, image_tolerance * needs_.length);
  for (double& component : structure.cell) component *= to_angstrom;
}

double ListFollower::beyond_cutoff() const { return neighbor->skin + needs_.margin; }

std::array<double, 3> ListFollower::corner() const {
  std::array<double, 3> corner{};
  for (int k = 0; k < 3; ++k) {
    if (structure().periodic[k]) corner[k] = domain->boxlo[k] / needs_.length;
  }
  return corner;
}

/// The first look at a list may come after it was built: rRESPA takes an inner step in between, and
/// a list may be older than this object. LAMMPS keeps the positions that it was built for, unless
/// `neigh_modify check no` says that nobody needs them.
void ListFollower::remember_positions(const LAMMPS_NS::NeighList& list) {
  list_structure_ = structure();
  list_corner_ = corner();
  double** built = held_positions(*neighbor, list, *atom);
  if (built == nullptr) return;
  const double to_angstrom = 1.0 / needs_.length;
  for (std::size_t s = 0; s < owned(); ++s) {
    const double* x = built[atoms()[s]];
    for (int k = 0; k < 3; ++k) list_structure_.positions[3 * s + k] = x[k] * to_angstrom;
  }
}

double ListFollower::range_to_keep() const {
  const double range = needs_.cutoff * needs_.length + beyond_cutoff();
  // one percent for a box that changes
  return 1.01 * range + approach_before();
}

Motion ListFollower::own_motion() const {
  return motion_between({list_structure_, list_corner_}, {structure(), corner()}, owned());
}

void ListFollower::require_reach(double reach) const {
  constexpr double rounding = 1e-9;
  if (reach >= needs_.cutoff - rounding) return;
  throw Error(
      "in step " + std::to_string(update->ntimestep) +
      " atoms (or the box) have moved so far since the neighbour list was built that pairs "
      "beyond " +
      fmt::format("{:.3g}", reach) + " Angstrom may be missing, but the cutoff is " +
      fmt::format("{:.3g}", needs_.cutoff) +
      " Angstrom: forces could be wrong. If temperature or energy have risen in the last "
      "steps, the run is blowing up: look at the model, the start and the (outer) timestep. "
      "Else use a larger skin (neighbor 3.0 bin), neigh_modify every 1 delay 0 check yes");
}

void ListFollower::require_atoms_of_list() const {
  if (list_is_new()) return;
  bool same = atom->nlocal == list_local_ && atom->natoms == list_atoms_;
  for (std::size_t s = 0; same && s < owned(); ++s) same = atom->tag[atoms()[s]] == ids_[s];
  if (same) return;
  throw Error(
      "atoms were added or deleted, or have gone to other ranks, since the last run: use compute "
      "mdbridge/atom after the next run (run 0 is enough)");
}

std::string ListFollower::name_of(std::size_t site) const {
  const int type = atom->type[atoms()[site]];
  return fmt::format("atom ID {} (element {}, type {})", ids_[site],
                     mdbridge::chemical_symbol(needs_.elements[type]), type);
}

}  // namespace mdbridge_lammps
