// SPDX-License-Identifier: GPL-2.0-only
//
// Of PairMDBridge: one force call, and what LAMMPS asks for besides.
#include "pair_mdbridge.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "atom.h"
#include "checks/finite_difference_check.hpp"
#include "comm.h"
#include "domain.h"
#include "error.h"
#include "force.h"
#include "mdbridge/stopwatch.hpp"
#include "mpi/net_force_over_ranks.hpp"
#include "requirements.hpp"
#include "update.h"

namespace mdbridge_lammps {

using mdbridge::Error;
using mdbridge::Evaluation;
using mdbridge::ForceKind;
using mdbridge::Stopwatch;
using mdbridge::Structure;
using mdbridge::Wanted;
using mdbridge::Weights;
namespace utils = LAMMPS_NS::utils;

// ---- a force call

void PairMDBridge::compute(int eflag, int vflag) {
  const Stopwatch watch(time_.total);
  ev_init(eflag, vflag);
  level_ = Level::single;
  note_idle_inner_model();
  measure_motion();
  check_once();
  Wanted asked;
  Evaluation evaluation;
  in_step([&] {
    update_structure();
    asked = wanted();
    evaluation = engine_->evaluate(follower_.structure(), fused_->pairs(), asked);
  });
  require_valid_list();
  warn_of_redundancy();
  if (FiniteDisplacements::under_way(*update)) check_displacements();
  boundary_.or_abort([&] {
    add_forces(evaluation.conservative_forces, 1.0);
    if (asked.direct_forces) add_forces(evaluation.direct_forces, ForceKind::direct, 1.0);
    if (asked.direct_virial || asked.conservative_virial) {
      tally_virial(asked.direct_virial ? evaluation.direct_virial : evaluation.conservative_virial);
    } else {
      refuse_virial();
    }
    tally(evaluation);
    tally_atoms(evaluation.atomic_energies);
    tally_atomic_virials(evaluation);
    refuse_atomic_energies();
    uncertainty_.store(update->ntimestep, evaluation.uncertainty, follower_.atoms(),
                       follower_.owned(), atom->nlocal, units_.energy);
    keep_members(evaluation);
  });
  warn_of_uncertainty(evaluation.uncertainty);
  warn_of_disagreement();
}

/// A virial of single atoms is there where the energy is a function of pair vectors. Else an atom
/// is known to the engine once, whatever images of it others see, and the gradient with respect to
/// its position is the sum over all of them: it does not say which force acts over which distance,
/// so the virial W = -dE/d(strain) of all atoms cannot be shared out among them. That takes one
/// strain per atom as an input of the model, with images as atoms of their own.
void PairMDBridge::require_atomic_virials() const {
  if (vflag_atom == 0 && cvflag_atom == 0) return;
  const bool direct = settings_.forces == Settings::Forces::direct;
  if (!direct && engine_->gives_atomic_virials()) return;
  throw Error(
      "the per-atom virial that compute stress/atom or heat/flux asks for is not defined by the "
      "model: use the total pressure (compute pressure)");
}

Wanted PairMDBridge::wanted() const {
  require_atomic_virials();
  Wanted wanted;
  wanted.halved_atomic_virials = vflag_atom != 0;
  wanted.atomic_virials = cvflag_atom != 0;
  wanted.energy = eflag_either != 0;
  wanted.atomic_energies = eflag_atom != 0 && engine_->gives_atomic_energies();
  wanted.direct_forces = settings_.forces == Settings::Forces::direct;
  wanted.conservative_forces = !wanted.direct_forces;
  wanted.uncertainty = uncertainty_.wanted();
  if (members_are_at_hand()) {
    (wanted.direct_forces ? wanted.committee_direct_forces : wanted.committee_forces) = true;
  }
  if (vflag_global != 0) {
    wanted.direct_virial = wanted.direct_forces && settings_.virial == Settings::Virial::direct;
    wanted.conservative_virial = !wanted.direct_virial;
  }
  if (wanted.direct_virial && !problem_of_direct_virial(*lmp, *engine_).empty()) {
    wanted.direct_virial = false;
  }
  if (wanted.conservative_virial && !problem_of_virial(*engine_).empty()) {
    wanted.conservative_virial = false;
  }
  return wanted;
}

void PairMDBridge::note_idle_inner_model() {
  if (!inner_.own() || idle_inner_noted_) return;
  idle_inner_noted_ = true;
  if (comm->me != 0) return;
  utils::logmesg(lmp,
                 "Pair style mdbridge: without inner and outer levels (run_style respa 2 M inner 1 "
                 "3.0 4.0 outer 2) the outer model {} alone drives; the inner one is not used.\n",
                 engine_->info().path);
}

std::vector<double> PairMDBridge::sum_over_ghosts(const std::vector<double>& forces) {
  std::vector<double> own(forces.begin(),
                          forces.begin() + static_cast<std::ptrdiff_t>(3 * follower_.owned()));
  if (comm->nprocs == 1) return own;
  const auto& atoms = follower_.atoms();
  summed_.assign(3 * static_cast<std::size_t>(atom->nlocal + atom->nghost), 0.0);
  for (std::size_t s = 0; 3 * s < forces.size(); ++s) {
    std::copy_n(&forces[3 * s], 3, &summed_[3 * static_cast<std::size_t>(atoms[s])]);
  }
  comm->reverse_comm(this);
  for (std::size_t s = 0; s < follower_.owned(); ++s) {
    std::copy_n(&summed_[3 * static_cast<std::size_t>(atoms[s])], 3, &own[3 * s]);
  }
  return own;
}

int PairMDBridge::pack_reverse_comm(int count, int first, double* buffer) {
  std::copy_n(&summed_[3 * static_cast<std::size_t>(first)], 3 * count, buffer);
  return 3 * count;
}

void PairMDBridge::unpack_reverse_comm(int count, int* atoms, double* buffer) {
  for (int n = 0; n < count; ++n) {
    for (int k = 0; k < 3; ++k) {
      summed_[3 * static_cast<std::size_t>(atoms[n]) + k] += buffer[3 * n + k];
    }
  }
}

void PairMDBridge::check_displacements() {
  boundary_.agree([&] { require_differentiable(settings_); });
  if (engine_->info().dtype != "float32") return;
  const std::string warning = displacements_.warning(world, follower_.structure());
  if (!warning.empty() && comm->me == 0) error->warning(FLERR, "Pair style mdbridge: " + warning);
}

void PairMDBridge::require_valid_list() {
  if (comm->nprocs == 1) return;  // update_structure() has seen all atoms
  const Stopwatch watch(time_.communication);
  boundary_.agree([&] { follower_.require_valid_list(); });
}

void PairMDBridge::warn_of_redundancy() {
  if (comm->nprocs == 1 || redundancy_known_) return;
  redundancy_known_ = true;
  const auto redundancy = redundancy_of(world, follower_.structure().size(), follower_.owned());
  const double range = follower_.needs().ghost_range() / units_.length;
  const std::string warning = warning_of(redundancy, range);
  if (warning.empty() || redundancy_told_) return;
  redundancy_told_ = true;
  if (comm->me == 0) error->warning(FLERR, "Pair style mdbridge: " + warning);
}

void PairMDBridge::measure_motion() {
  if (list == nullptr || !follower_.is_about_to_take()) return;
  moved_ = follower_.motion_since_build(*list);
  if (comm->nprocs == 1) return;
  const Stopwatch watch(time_.communication);
  MPI_Allreduce(MPI_IN_PLACE, &moved_, 1, MPI_DOUBLE, MPI_MAX, world);
}

void PairMDBridge::update_structure() {
  if (follower_.follow(*list, fused_->pairs(), moved_)) {
    fused_->narrow_inner(follower_.structure(), follower_.slack());
    if (middle_) middle_->pairs() = fused_->pairs();
  }
  // all ranks, all levels of rRESPA and a restarted run agree on the step
  const auto step = static_cast<std::uint64_t>(update->ntimestep);
  engine_->set_rotation_counter(step);
  committee_->set_rotation_counter(step);
  inner_.engine().set_rotation_counter(step);
  // set before the first level is called, wherever a pressure will be asked for
  if (level_ == Level::several)
    outer_level().want_virial(update->vflag_global == update->ntimestep);
}

std::string PairMDBridge::describe(const mdbridge::NonFiniteError& error) const {
  std::string what = error.what();
  if (error.atom() >= 0 && error.atom() < follower_.structure().size()) {
    const bool inside = what.rfind("inner forces", 0) == 0;
    what = "the " + std::string(inside ? "inner " : "") +
           "model returned a force that is not finite on " + follower_.name_of(error.atom());
  }
  return "in step " + std::to_string(update->ntimestep) + " " + what +
         ". The structure has probably left what the model was trained on: look at the last "
         "frames, try a smaller timestep";
}

void PairMDBridge::begin_inspection() {
  in_step([&] {
    if (!follower_.has_list()) {
      throw Error(
          "compute mdbridge/atom needs a neighbour list, and there is none before the first run, "
          "nor after a command that begins anew (write_data): use it after a run (run 0 is "
          "enough)");
    }
    follower_.require_atoms_of_list();
  });
  // displace_atoms, and fix deform after a step, move atoms and leave their ghosts behind
  comm->forward_comm();
  measure_motion();
}

PairMDBridge::Inspection PairMDBridge::inspect(Wanted wanted, bool inner_forces) {
  const Stopwatch watch(time_.total);
  if (inner_forces && !inner_.own()) wanted.direct_forces = true;
  Inspection found;
  begin_inspection();
  in_step([&] {
    update_structure();
    const auto& structures = follower_.structures();
    // of a committee that does not drive
    const bool apart = wanted.uncertainty && committee_ != engine_;
    if (apart) wanted.uncertainty = false;
    // at an outer step all of it is there already, but for the direct forces of two models
    if (level_ == Level::several) found.outer = outer_level().outer(structures).front();
    if (level_ == Level::single || (wanted.direct_forces && !found.outer.has.direct_forces)) {
      found.outer = engine_->evaluate(structures.front(), fused_->pairs(), wanted);
    }
    if (apart) {
      found.outer.uncertainty = committee_
                                    ->evaluate(structures.front(), fused_->pairs(),
                                               {.energy = false, .uncertainty = true})
                                    .uncertainty;
    }
    if (!inner_forces) return;
    found.inner_forces = inner_.own() ? fused_->inner(structures).front().forces(inner_.kind())
                                      : found.outer.direct_forces;
  });
  require_valid_list();
  boundary_.or_abort([&] {
    remove_net_over_ranks(found.outer.direct_forces);
    if (inner_.kind() == ForceKind::direct) remove_net_over_ranks(found.inner_forces);
  });
  return found;
}

/// The force of a copy on an atom is a sum over ranks, so it has to be whole before it is squared.
std::vector<double> PairMDBridge::force_spread() {
  const Stopwatch watch(time_.total);
  const bool direct = settings_.forces == Settings::Forces::direct;
  begin_inspection();
  in_step([&] {
    update_structure();
    engine_->require(
        {.energy = false, .conservative_forces_rot_std = !direct, .direct_forces_rot_std = direct});
  });
  require_valid_list();
  // sums about the first copy: what all of them agree on loses no digits
  std::vector<double> first;
  std::vector<double> shifts(3 * follower_.owned(), 0.0);
  std::vector<double> squares(3 * follower_.owned(), 0.0);
  const auto add = [&](const Evaluation& copy, const Weights& weights) {
    const double weight = direct ? weights.direct : weights.energy;
    std::vector<double> forces =
        direct ? copy.direct_forces : sum_over_ghosts(copy.conservative_forces);
    forces.resize(shifts.size());  // of foreign sites there are no direct ones
    if (first.empty()) first = forces;
    for (std::size_t i = 0; i < forces.size(); ++i) {
      const double difference = forces[i] - first[i];
      shifts[i] += weight * difference;
      squares[i] += weight * difference * difference;
    }
  };
  boundary_.or_abort([&] {
    const ThreadScope scope(threads_);
    engine_->visit_copies(
        follower_.structure(), fused_->pairs(),
        {.energy = false, .conservative_forces = !direct, .direct_forces = direct}, add);
  });
  std::vector<double> spread(follower_.owned(), 0.0);
  for (std::size_t i = 0; i < squares.size(); ++i) {
    spread[i / 3] += std::max(squares[i] - shifts[i] * shifts[i], 0.0);
  }
  for (double& value : spread) value = std::sqrt(value);
  return spread;
}

void PairMDBridge::check_once() {
  if (!settings_.check || checked_) return;
  Wanted wanted;
  wanted.conservative_forces = true;
  wanted.conservative_virial = true;
  Evaluation analytic;
  in_step([&] {
    update_structure();
    analytic = engine_->evaluate(follower_.structure(), fused_->pairs(), wanted);
  });
  const FiniteDifferenceCheck check(
      world, follower_.structure(), follower_.ids(), engine_->info().dtype,
      [this](const Structure& structure) { return energy_of(structure); });
  const std::string table = check.table(analytic);
  if (comm->me == 0) utils::logmesg(lmp, table);
  checked_ = true;
}

double PairMDBridge::energy_of(const Structure& structure) {
  double mine = 0.0;
  in_step([&] { mine = engine_->evaluate(structure, fused_->pairs(), Wanted{}).energy; });
  double sum = 0.0;
  MPI_Allreduce(&mine, &sum, 1, MPI_DOUBLE, MPI_SUM, world);
  return sum;
}

// ---- from the engine to LAMMPS

void PairMDBridge::add_forces(const std::vector<double>& forces, double factor) {
  const auto& atoms = follower_.atoms();
  const double scale = factor * units_.force();
  for (std::size_t s = 0; 3 * s < forces.size(); ++s) {
    double* f = atom->f[atoms[s]];
    for (int k = 0; k < domain->dimension; ++k) f[k] += scale * forces[3 * s + k];
  }
}

void PairMDBridge::add_forces(std::vector<double> forces, ForceKind kind, double factor) {
  if (kind == ForceKind::direct) remove_net_over_ranks(forces);
  add_forces(forces, factor);
}

/// Direct forces are those of the owned atoms, the leading sites; their sum is over all ranks.
void PairMDBridge::remove_net_over_ranks(std::vector<double>& forces) {
  // on one rank the engine has done it
  if (comm->nprocs == 1 || !settings_.remove_net_force) return;
  const Stopwatch watch(time_.communication);
  forces.resize(3 * follower_.owned());  // foreign sites have none
  remove_net_force(world, forces);
  const Structure& structure = follower_.structure();
  if (structure.is_periodic()) return;
  const auto start = structure.positions.begin();
  remove_net_torque(world, std::vector<double>(start, start + forces.size()), forces);
}

void PairMDBridge::tally(const Evaluation& evaluation) {
  if (eflag_global != 0) eng_vdwl += units_.energy * evaluation.energy;
}

void PairMDBridge::tally_virial(const std::array<double, 9>& virial_ev) {
  if (vflag_global == 0) return;
  constexpr int voigt[6] = {0, 4, 8, 1, 2, 5};  // xx, yy, zz, xy, xz, yz of a row-major matrix
  for (int k = 0; k < 6; ++k) virial[k] += units_.energy * virial_ev[voigt[k]];
}

void PairMDBridge::tally_atoms(const std::vector<double>& energies) {
  for (std::size_t s = 0; s < energies.size(); ++s) {
    eatom[follower_.atoms()[s]] += units_.energy * energies[s];
  }
}

/// Of atoms and ghosts: LAMMPS adds those of ghosts to their owners.
void PairMDBridge::tally_atomic_virials(const Evaluation& evaluation) {
  const auto& atoms = follower_.atoms();
  constexpr int order[9] = {0, 4, 8, 1, 2, 5, 3, 6, 7};  // xx yy zz xy xz yz yx zx zy
  // an outer level has them in each of its steps, LAMMPS its arrays in those that ask for them
  const auto& halved = evaluation.halved_atomic_virials;
  for (std::size_t s = 0; vflag_atom != 0 && 9 * s < halved.size(); ++s) {
    for (int k = 0; k < 6; ++k) vatom[atoms[s]][k] += units_.energy * halved[9 * s + order[k]];
  }
  const auto& whole = evaluation.atomic_virials;
  for (std::size_t s = 0; cvflag_atom != 0 && 9 * s < whole.size(); ++s) {
    for (int k = 0; k < 9; ++k) cvatom[atoms[s]][k] += units_.energy * whole[9 * s + order[k]];
  }
}

/// Where the model has none. A compute that asks for them need only be there to count as wanted in
/// the set-up, so this is no error yet: LAMMPS makes one of it as soon as somebody reads them.
void PairMDBridge::refuse_atomic_energies() {
  if (eflag_atom != 0 && !engine_->gives_atomic_energies()) update->eflag_atom = -1;
}

/// Where there is none of the direct forces. LAMMPS asks for it in the set-up and whenever there is
/// output, whoever reads it or not, so this is no error yet: LAMMPS makes one of it ("Virial was
/// not tallied on needed timestep") as soon as somebody does.
void PairMDBridge::refuse_virial() {
  if (vflag_global == 0) return;
  update->vflag_global = -1;
  if (virial_refused_) return;
  virial_refused_ = true;
  if (comm->me != 0) return;
  const bool direct =
      settings_.forces == Settings::Forces::direct && settings_.virial == Settings::Virial::direct;
  error->warning(FLERR, "Pair style mdbridge: " + (direct ? problem_of_direct_virial(*lmp, *engine_)
                                                          : problem_of_virial(*engine_)));
}

void PairMDBridge::warn_of_uncertainty(const std::vector<double>& uncertainty) {
  const std::string warning = uncertainty_.warning(world, update->ntimestep, follower_.structure(),
                                                   follower_.ids(), uncertainty);
  if (!warning.empty()) error->warning(FLERR, "Pair style mdbridge: " + warning);
}

/// For `fix pair mdbridge uncertainty 0|1`: of the atoms of this rank, in energy units.
void* PairMDBridge::extract_peratom(const char* name, int& columns) {
  if (std::strcmp(name, "uncertainty") != 0) return nullptr;
  boundary_.agree([&] {
    require_engine();
    if (!uncertainty_.fix_reads()) require_uncertainty(*engine_, settings_);
  });
  uncertainty_.expect_fix();
  boundary_.agree([&] {
    if (update->whichflag != 0) uncertainty_.require_stored(update->ntimestep);
  });
  columns = 0;
  return uncertainty_.stored(atom->nlocal);
}

/// The flag by which `fix pair ... uncertainty 1` asks for the value of the coming step.
void* PairMDBridge::extract(const char* name, int& dimension) {
  if (std::strcmp(name, "uncertainty_flag") != 0) return nullptr;
  dimension = 0;
  return uncertainty_.flag();
}

void PairMDBridge::finish() {
  if (!settings_.timing) return;
  const auto redundancy = redundancy_of(world, follower_.structure().size(), follower_.owned());
  const std::string table =
      timing_table(world, time_, redundancy, *engine_, inner_, *fused_, middle_.get());
  if (comm->me == 0) utils::logmesg(lmp, table);
}

double PairMDBridge::memory_usage() {
  const std::int64_t lists = middle_ ? 2 : 1;
  return Pair::memory_usage() +
         static_cast<double>(follower_.structure().positions.capacity() * 2 * sizeof(double) +
                             5 * lists * fused_->pairs().candidates() * sizeof(std::int32_t));
}

}  // namespace mdbridge_lammps
