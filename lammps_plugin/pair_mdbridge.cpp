// SPDX-License-Identifier: GPL-2.0-only
#include "pair_mdbridge.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "atom.h"
#include "comm.h"
#include "compute.h"
#include "domain.h"
#include "error.h"
#include "force.h"
#include "library.h"
#include "mdbridge/elements.hpp"
#include "mdbridge/error.hpp"
#include "modify.h"
#include "neigh_list.h"
#include "neighbor.h"
#include "net_force_over_ranks.hpp"
#include "update.h"

namespace mdbridge_lammps {

using mdbridge::Error;
using mdbridge::Evaluation;
using mdbridge::Structure;
using mdbridge::Wanted;
namespace utils = LAMMPS_NS::utils;

namespace {

/// Adds the wall time until its end to a sum.
class Stopwatch {
 public:
  explicit Stopwatch(double& sum) : sum_(sum), start_(LAMMPS_NS::platform::walltime()) {}
  ~Stopwatch() { sum_ += LAMMPS_NS::platform::walltime() - start_; }
  Stopwatch(const Stopwatch&) = delete;
  Stopwatch& operator=(const Stopwatch&) = delete;

 private:
  double& sum_;
  double start_;
};

}  // namespace

void PairMDBridge::setup() { list_is_stale_ = true; }

void PairMDBridge::compute(int eflag, int vflag) {
  const Stopwatch watch(own_time_.total);
  ev_init(eflag, vflag);
  check_once(/*respa=*/false);
  Wanted asked;
  Evaluation evaluation;
  in_step([&] {
    update_structure(/*respa=*/false);
    asked = wanted();
    evaluation = engine_->evaluate(structures_.front(), current_pairs(), asked);
  });
  boundary_.alone([&] {
    add_forces(evaluation.conservative_forces, 1.0);
    if (asked.direct_forces) add_direct_forces(evaluation.direct_forces, 1.0);
    tally(evaluation,
          asked.direct_virial ? evaluation.direct_virial : evaluation.conservative_virial);
    tally_atoms(evaluation.atomic_energies);
    store_uncertainty(evaluation.uncertainty);
  });
  warn_of_uncertainty(evaluation.uncertainty);
}

/// What a single evaluation must give in this step.
Wanted PairMDBridge::wanted() const {
  if (vflag_atom != 0) {
    throw Error(
        "the per-atom virial that compute stress/atom or heat/flux asks for is not defined by the "
        "model: use the total pressure (compute pressure)");
  }
  Wanted wanted;
  wanted.energy = eflag_either != 0;
  wanted.atomic_energies = eflag_atom != 0;
  wanted.direct_forces = settings_.forces == Settings::Forces::direct;
  wanted.conservative_forces = !wanted.direct_forces;
  wanted.uncertainty = uncertainty_wanted();
  if (vflag_global != 0) {
    wanted.direct_virial = wanted.direct_forces && settings_.virial == Settings::Virial::direct;
    wanted.conservative_virial = !wanted.direct_virial;
  }
  if (wanted.direct_virial) require_direct_virial();
  return wanted;
}

void PairMDBridge::require_direct_virial() const {
  const std::string remedy =
      ". The pressure was asked for in step " + std::to_string(update->ntimestep) +
      " (thermo output asks for it unless thermo_style custom leaves press out): leave it out, or "
      "take it from the energy of the model, at the cost of a gradient, with the keyword 'virial "
      "conservative'";
  if (domain->nonperiodic != 0) {
    throw Error("a direct stress is defined for a box that is periodic in x, y and z only" +
                remedy);
  }
  if (comm->nprocs > 1) {
    throw Error("a direct stress cannot be put together from several MPI ranks" + remedy);
  }
  Wanted wanted;
  wanted.energy = false;
  wanted.direct_virial = true;
  try {
    engine_->require(wanted);
  } catch (const mdbridge::ModelError& error) {
    throw Error(error.what() + remedy);
  }
}

void PairMDBridge::compute_inner() {
  const Stopwatch watch(own_time_.total);
  // the set-up calls the outer level right after the inner one, at the same positions
  const bool in_setup = update->setupflag != 0;
  if (in_setup) start_respa();
  check_once(/*respa=*/true);
  std::vector<double> forces;
  in_step([&] {
    update_structure(/*respa=*/true);
    forces = fused_->direct(structures_, /*outer_follows=*/in_setup).front().direct_forces;
  });
  boundary_.alone([&] { add_direct_forces(std::move(forces), 1.0); });
}

void PairMDBridge::compute_middle() {
  boundary_.together([] {
    throw Error(
        "run_style respa with a middle level is not supported: the direct forces of the model are "
        "the inner level and the conservative correction is the outer one");
  });
}

void PairMDBridge::compute_outer(int eflag, int vflag) {
  const Stopwatch watch(own_time_.total);
  ev_init(eflag, vflag);
  const Evaluation* evaluation = nullptr;
  in_step([&] {
    update_structure(/*respa=*/true);
    wanted();  // refuses what no model can give
    evaluation = &fused_->conservative(structures_).front();
  });
  boundary_.alone([&] {
    add_forces(evaluation->conservative_forces, 1.0);
    add_direct_forces(evaluation->direct_forces, -1.0);
    tally(*evaluation, evaluation->conservative_virial);
    if (eflag_atom != 0) tally_atoms(evaluation->atomic_energies);
  });
  warn_of_uncertainty(evaluation->uncertainty);
}

/// Before the first step of a run with inner and outer levels.
void PairMDBridge::start_respa() {
  boundary_.together([&] {
    if (settings_.forces == Settings::Forces::direct) {
      throw Error(
          "run_style respa with inner and outer levels uses direct forces in the inner level and "
          "corrects them by conservative ones in the outer level: leave out 'forces direct' (or "
          "use run_style verlet for direct forces alone)");
    }
    Wanted both;
    both.conservative_forces = true;
    both.direct_forces = true;
    engine_->require(both);
  });
  mdbridge::FusedOptions options;
  options.conservative_uncertainty = uncertainty_wanted() || uncertainty_computed();
  options.conservative_atomic_energies = atomic_energies_computed();
  fused_ = std::make_unique<mdbridge::FusedForces>(engine_, 0.0, options);
  fused_->expect_stride(inner_steps());
  list_is_stale_ = true;
  const double outer_step = update->dt / force->femtosecond;
  if (comm->me == 0 && outer_step > 4.0 + 1e-9) {
    utils::logmesg(lmp,
                   "Pair style mdbridge: the outer time step is {:.4g} fs. Above 4 fs it resonates "
                   "with bonds to hydrogen; watch the drift of etotal.\n",
                   outer_step);
  }
}

/// How many innermost steps make an outer one. Levels for bonds may lie further in than the inner
/// pair level: this is a first guess, and the calls that follow correct it.
std::int64_t PairMDBridge::inner_steps() const {
  const auto* levels = static_cast<const int*>(lammps_extract_global(lmp, "respa_levels"));
  const auto* steps = static_cast<const double*>(lammps_extract_global(lmp, "respa_dt"));
  if (levels == nullptr || steps == nullptr || !(steps[0] > 0.0)) return 0;
  return std::llround(steps[*levels - 1] / steps[0]);
}

/// Whether a compute asks for the energies of the atoms.
bool PairMDBridge::atomic_energies_computed() const {
  const auto& computes = modify->get_compute_list();
  return std::any_of(computes.begin(), computes.end(),
                     [](const LAMMPS_NS::Compute* compute) { return compute->peatomflag != 0; });
}

mdbridge::Pairs& PairMDBridge::current_pairs() {
  return list_for_respa_ ? fused_->pairs() : pairs_;
}

Evaluation PairMDBridge::inspect(const Wanted& wanted) {
  const Stopwatch watch(own_time_.total);
  Evaluation evaluation;
  in_step([&] {
    if (list_step_ < 0) {
      throw Error(
          "compute mdbridge/atom needs a neighbour list, and there is none before the first run, "
          "nor "
          "after a command that begins anew (write_data): use it after a run (run 0 is enough)");
    }
    require_atoms_of_list();
    update_structure(list_for_respa_);
    // at an outer step all of it is there already
    evaluation = list_for_respa_ ? fused_->conservative(structures_).front()
                                 : engine_->evaluate(structures_.front(), pairs_, wanted);
  });
  remove_net_over_ranks(evaluation.direct_forces);
  return evaluation;
}

/// Commands between runs (delete_atoms, create_atoms) change the atoms but not the neighbour list.
void PairMDBridge::require_atoms_of_list() const {
  const bool new_list = neighbor->lastcall != list_step_ || neighbor->ncalls != list_calls_;
  if (new_list || (atom->nlocal == list_local_ && atom->natoms == list_atoms_)) return;
  throw Error(
      "atoms were added or deleted since the last run: use compute mdbridge/atom after the next "
      "run "
      "(run 0 is enough)");
}

std::string PairMDBridge::describe(const mdbridge::NonFiniteError& error) const {
  std::string what = error.what();
  if (error.atom() >= 0 && error.atom() < structures_.front().size()) {
    const int i = folding_.atoms()[error.atom()];
    what = "the model returned a force that is not finite on atom ID " +
           std::to_string(atom->tag[i]) + " (element " +
           mdbridge::chemical_symbol(elements_[atom->type[i]]) + ", type " +
           std::to_string(atom->type[i]) + ")";
  }
  return "in step " + std::to_string(update->ntimestep) + " " + what +
         ". The structure has probably left what the model was trained on: look at the last "
         "frames, try a smaller timestep";
}

// ---- from LAMMPS to the engine

void PairMDBridge::forget_list() {
  fused_.reset();
  list_for_respa_ = false;
  list_is_stale_ = true;
  list_step_ = -1;
  fix_pair_.step = -1;
}

/// Bring the structure (and, if LAMMPS has a new neighbour list, the pairs) up to date.
void PairMDBridge::update_structure(bool respa) {
  if (list_is_stale_ || list_for_respa_ != respa || neighbor->lastcall != list_step_ ||
      neighbor->ncalls != list_calls_) {
    rebuild_list(respa);
  }
  fill_structure();
  // all ranks, all levels of rRESPA and a restarted run agree on the step
  engine_->set_rotation_counter(static_cast<std::uint64_t>(update->ntimestep));
  if (list_is_new_) {
    list_structure_ = structures_.front();
    list_is_new_ = false;
  } else {
    require_valid_list();
  }
}

void PairMDBridge::fill_structure() {
  Structure& structure = structures_.front();
  const double to_angstrom = 1.0 / units_.length;
  const double* h = domain->h;  // Voigt order of LAMMPS: xx, yy, zz, yz, xz, xy
  const double rows[3][3] = {{h[0], 0.0, 0.0}, {h[5], h[1], 0.0}, {h[4], h[3], h[2]}};
  for (int a = 0; a < 3; ++a) {
    structure.periodic[a] = domain->periodicity[a] != 0;
    for (int k = 0; k < 3; ++k) {
      structure.cell[3 * a + k] = structure.periodic[a] ? rows[a][k] * to_angstrom : 0.0;
    }
  }
  const auto& atoms = folding_.atoms();
  const std::size_t owned = folding_.owned();
  for (std::size_t s = 0; s < atoms.size(); ++s) {
    double* position = &structure.positions[3 * s];
    for (int k = 0; k < 3; ++k) position[k] = atom->x[atoms[s]][k] * to_angstrom;
    structure.types[s] = elements_[atom->type[atoms[s]]];
    if (s < owned) continue;
    const auto& origin = folding_.origin(s);
    for (int a = 0; a < 3; ++a) {
      for (int k = 0; k < 3; ++k) position[k] -= origin[a] * structure.cell[3 * a + k];
    }
  }
}

void PairMDBridge::rebuild_list(bool respa) {
  if (list->occasional != 0) neighbor->build_one(list);
  folding_.rebuild(*list, elements_, message_passing_layers());
  Structure& structure = structures_.front();
  const std::size_t count = folding_.atoms().size();
  structure.types.resize(count);
  structure.positions.resize(3 * count);
  structure.owned = folding_.owned();
  (respa ? fused_->pairs() : pairs_).provide(folding_.take_pairs());
  list_is_new_ = true;
  list_is_stale_ = false;
  list_for_respa_ = respa;
  list_step_ = neighbor->lastcall;
  list_calls_ = neighbor->ncalls;
  list_local_ = atom->nlocal;
  list_atoms_ = atom->natoms;
}

void PairMDBridge::require_valid_list() const {
  const double cutoff = engine_->info().cutoff;
  const double beyond = (neighbor->skin + list_margin_) / units_.length;
  const double reach = mdbridge::list_reach(list_structure_, structures_.front(), cutoff + beyond);
  if (reach >= cutoff) return;
  throw Error("in step " + std::to_string(update->ntimestep) +
              " atoms (or the box) have moved so far since the neighbour list was built that pairs "
              "beyond " +
              fmt::format("{:.3g}", reach) + " Angstrom may be missing, but the cutoff is " +
              fmt::format("{:.3g}", cutoff) +
              " Angstrom: forces could be wrong. Use a larger skin (neighbor 3.0 bin), "
              "neigh_modify every 1 delay 0 check yes, or a smaller (outer) timestep");
}

// ---- from the engine to LAMMPS

void PairMDBridge::add_forces(const std::vector<double>& forces, double factor) {
  const auto& atoms = folding_.atoms();
  const double scale = factor * units_.force();
  for (std::size_t s = 0; 3 * s < forces.size(); ++s) {
    double* f = atom->f[atoms[s]];
    for (int k = 0; k < 3; ++k) f[k] += scale * forces[3 * s + k];
  }
}

void PairMDBridge::add_direct_forces(std::vector<double> forces, double factor) {
  remove_net_over_ranks(forces);
  add_forces(forces, factor);
}

/// Direct forces are those of the owned atoms, the leading sites; their sum is over all ranks.
void PairMDBridge::remove_net_over_ranks(std::vector<double>& forces) {
  // on one rank the engine has done it
  if (comm->nprocs == 1 || !settings_.remove_net_force) return;
  const Stopwatch watch(own_time_.communication);
  forces.resize(3 * static_cast<std::size_t>(folding_.owned()));  // foreign sites have none
  remove_net_force(world, forces);
  const Structure& structure = structures_.front();
  if (structure.is_periodic()) return;
  const auto start = structure.positions.begin();
  remove_net_torque(world, std::vector<double>(start, start + forces.size()), forces);
}

void PairMDBridge::tally(const Evaluation& evaluation, const std::array<double, 9>& virial_ev) {
  if (eflag_global != 0) eng_vdwl += units_.energy * evaluation.energy;
  if (vflag_global == 0) return;
  constexpr int voigt[6] = {0, 4, 8, 1, 2, 5};  // xx, yy, zz, xy, xz, yz of a row-major matrix
  for (int k = 0; k < 6; ++k) virial[k] += units_.energy * virial_ev[voigt[k]];
}

void PairMDBridge::tally_atoms(const std::vector<double>& energies) {
  for (std::size_t s = 0; s < energies.size(); ++s) {
    eatom[folding_.atoms()[s]] += units_.energy * energies[s];
  }
}

double PairMDBridge::memory_usage() {
  return Pair::memory_usage() +
         static_cast<double>(structures_.front().positions.capacity() * 2 * sizeof(double) +
                             5 * pairs_.candidates() * sizeof(std::int32_t));
}

}  // namespace mdbridge_lammps
