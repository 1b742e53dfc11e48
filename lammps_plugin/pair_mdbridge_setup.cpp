// SPDX-License-Identifier: GPL-2.0-only
#include <algorithm>
#include <cmath>

#include "atom.h"
#include "comm.h"
#include "domain.h"
#include "error.h"
#include "force.h"
#include "mdbridge/elements.hpp"
#include "mdbridge/error.hpp"
#include "mdbridge/model.hpp"
#include "mdbridge/threads.hpp"
#include "memory.h"
#include "modify.h"
#include "neighbor.h"
#include "node.hpp"
#include "pair_mdbridge.hpp"
#include "update.h"
#include "words.hpp"

namespace mdbridge_lammps {

using mdbridge::Error;
namespace utils = LAMMPS_NS::utils;

namespace {

// Fast enough for hydrogen at several thousand kelvin.
constexpr double fastest_atom = 0.1;  // Å/fs

}  // namespace

PairMDBridge::PairMDBridge(LAMMPS_NS::LAMMPS* lmp) : Pair(lmp), boundary_(lmp), folding_(lmp) {
  one_coeff = 1;
  manybody_flag = 1;
  single_enable = 0;
  restartinfo = 1;
  respa_enable = 1;
  no_virial_fdotr_compute = 1;
  centroidstressflag = LAMMPS_NS::CENTROID_NOTAVAIL;
}

PairMDBridge::~PairMDBridge() {
  if (allocated == 0) return;
  memory->destroy(setflag);
  memory->destroy(cutsq);
}

void PairMDBridge::settings(int count, char** words) {
  const std::vector<std::string> arguments(words, words + count);
  boundary_.together([&] { load(Settings::parse(arguments)); });
}

void PairMDBridge::load(const Settings& settings) {
  units_ = Units::of(update->unit_style);
  const Node node(world);
  mdbridge::set_threads(mdbridge::choose_threads_for(settings.threads, node.cores));
  // a potential may also lie in LAMMPS_POTENTIALS, as for every other pair style
  const std::string found = utils::get_potential_file_path(settings.model);
  auto model = mdbridge::Model::load(found.empty() ? settings.model : found,
                                     {settings.device, settings.extensions, node.rank});
  mdbridge::EngineOptions options;
  options.variant = settings.variant;
  options.direct_variant = settings.direct_variant;
  options.uncertainty_variant = settings.uncertainty_variant;
  options.symmetrize = settings.symmetrize;
  if (settings.seed > 0) options.seed = settings.seed;
  // over several ranks the sum is over all of them: see add_direct_forces()
  options.remove_net_force = settings.remove_net_force && comm->nprocs == 1;
  engine_ = std::make_shared<mdbridge::Engine>(std::move(model), options);
  forget_list();
  settings_ = settings;
  settings_logged_ = false;
  checked_ = false;
  require_outputs();
}

void PairMDBridge::require_outputs() const {
  mdbridge::Wanted wanted;
  wanted.conservative_forces = settings_.forces == Settings::Forces::conservative;
  wanted.direct_forces = settings_.forces == Settings::Forces::direct;
  wanted.uncertainty = settings_.uncertainty_threshold > 0.0;
  engine_->require(wanted);
}

void PairMDBridge::allocate() {
  allocated = 1;
  const int size = atom->ntypes + 1;
  memory->create(setflag, size, size, "pair:setflag");
  memory->create(cutsq, size, size, "pair:cutsq");
}

void PairMDBridge::coeff(int count, char** words) {
  use_elements(std::vector<std::string>(words + std::min(count, 2), words + count));
}

void PairMDBridge::use_elements(const std::vector<std::string>& names) {
  boundary_.together([&] { set_elements(names); });
  if (allocated == 0) allocate();
  for (int i = 1; i <= atom->ntypes; ++i) {
    for (int j = 1; j <= atom->ntypes; ++j) {
      setflag[i][j] = elements_[i] > 0 && elements_[j] > 0 ? 1 : 0;
    }
  }
}

void PairMDBridge::set_elements(const std::vector<std::string>& names) {
  const int types = atom->ntypes;
  if (static_cast<int>(names.size()) != types) {
    throw Error("pair_coeff expects one element for each of the " + std::to_string(types) +
                " atom types (pair_coeff * * O H ...), found " + std::to_string(names.size()));
  }
  const bool hybrid = utils::strmatch(force->pair_style, "^hybrid");
  const auto& known = engine_->info().atomic_types;
  std::vector<std::string> known_names;
  for (const int number : known) known_names.push_back(mdbridge::chemical_symbol(number));
  elements_.assign(types + 1, 0);
  for (int type = 1; type <= types; ++type) {
    const std::string& name = names[type - 1];
    if (name == "NULL" && hybrid) continue;
    const std::string where =
        "pair_coeff: element '" + name + "' of atom type " + std::to_string(type);
    if (name == "NULL") throw Error(where + " is allowed with pair_style hybrid only");
    const int number = mdbridge::atomic_number(name);
    if (number == 0) {
      throw Error(where + " is not a chemical symbol; the model '" + engine_->info().path +
                  "' knows " + join(known_names, ", "));
    }
    if (!std::binary_search(known.begin(), known.end(), number)) {
      throw Error(where + " is not in the model '" + engine_->info().path + "', which knows " +
                  join(known_names, ", "));
    }
    elements_[type] = number;
  }
}

void PairMDBridge::init_style() {
  boundary_.together([&] {
    units_ = Units::of(update->unit_style);
    require_supported_input();
    require_complete_pairs();
  });
  if (modify->get_fix_by_style("^pair$").empty()) fix_pair_.used = fix_pair_.triggered = false;
  request_list();
  list_margin_ = motion_margin();
  if (comm->nprocs > 1) widen_ghost_range();
  forget_list();
  engine_->reset_timings();
  own_time_ = {};
  log_settings();
}

void PairMDBridge::request_list() {
  using namespace LAMMPS_NS;
  const bool respa = utils::strmatch(update->integrate_style, "^respa");
  if (comm->nprocs > 1 && message_passing_layers() > 1) {
    neighbor->add_request(this, NeighConst::REQ_FULL | NeighConst::REQ_GHOST);
  } else if (respa && utils::strmatch(force->pair_style, "^hybrid")) {
    // LAMMPS would derive the lists of other styles for inner and outer levels from a list of ours
    // that it keeps up to date, and has no code for that: rebuild_list() does it instead
    neighbor->add_request(this, NeighConst::REQ_FULL | NeighConst::REQ_OCCASIONAL);
  } else {
    neighbor->add_request(this, NeighConst::REQ_FULL);
  }
}

void PairMDBridge::require_supported_input() const {
  if (atom->tag_enable == 0) {
    throw Error("expected atoms with IDs, found atom_modify id no");
  }
  if (domain->dimension != 3) {
    throw Error("expected dimension 3, found dimension " + std::to_string(domain->dimension));
  }
  if (comm->nprocs > 1 && force->newton_pair == 0) {
    throw Error("several MPI ranks need newton on, found newton off for pairs");
  }
  if (comm->nprocs > 1 && !std::isfinite(engine_->info().interaction_range)) {
    throw Error("the model '" + engine_->info().path +
                "' states an infinite interaction range (long-range interactions), which cannot be "
                "shared out among MPI ranks: run it on one rank, with more threads");
  }
  using LAMMPS_NS::Neighbor;
  // multi, and multi/old, which not every release has
  const bool multi = neighbor->style != Neighbor::NSQ && neighbor->style != Neighbor::BIN;
  if (comm->nprocs > 1 && message_passing_layers() > 1 && multi) {
    throw Error(
        "on several MPI ranks a model with message passing needs the neighbours of ghosts, which "
        "neighbor style multi cannot list: use neighbor style bin");
  }
  const bool minimizing = update->whichflag == 2;
  if (minimizing && settings_.forces == Settings::Forces::direct) {
    throw Error(
        "minimize needs forces that are the gradient of the energy: give pair_style "
        "mdbridge without 'forces direct'");
  }
  if (minimizing && settings_.symmetrize == "random") {
    throw Error(
        "minimize needs one energy for all steps, but 'symmetrize random' takes another rotation "
        "in each: use a fixed set such as 'symmetrize octahedral'");
  }
}

/// Bonded neighbours that LAMMPS leaves out of the list would be missing from the model's input.
void PairMDBridge::require_complete_pairs() const {
  if (atom->molecular == LAMMPS_NS::Atom::ATOMIC || atom->nbonds == 0) return;
  for (int k = 1; k <= 3; ++k) {
    if (force->special_lj[k] != 0.0 || force->special_coul[k] != 0.0) continue;
    const std::string message =
        "special_bonds leave bonded neighbours out of the neighbour list, but the model needs all "
        "pairs: use special_bonds lj/coul 1 1 1, or an atom_style without bonds";
    if (!utils::strmatch(force->pair_style, "^hybrid")) throw Error(message);
    if (comm->me == 0) error->warning(FLERR, "Pair style mdbridge: " + message);
    return;
  }
}

/// rRESPA looks at its neighbour list once per outer step, before the inner ones move the atoms:
/// the list must hold what comes near during them.
double PairMDBridge::motion_margin() const {
  if (!utils::strmatch(update->integrate_style, "^respa")) return 0.0;
  const double outer_step = update->dt / force->femtosecond;
  return 2.0 * outer_step * fastest_atom * units_.length;
}

/// How many cutoffs far an atom feels others.
int PairMDBridge::message_passing_layers() const {
  const auto& info = engine_->info();
  if (!(info.cutoff > 0.0)) return 1;
  return std::max(1, static_cast<int>(std::ceil(info.interaction_range / info.cutoff - 1e-6)));
}

/// An atom feels others up to the interaction range, which message passing makes longer than the
/// cutoff of the pair list.
void PairMDBridge::widen_ghost_range() {
  const double range = message_passing_layers() * (engine_->info().cutoff * units_.length) +
                       list_margin_ + neighbor->skin;
  comm->cutghostuser = std::max(comm->cutghostuser, range);
}

double PairMDBridge::init_one(int i, int j) {
  if (setflag[i][j] == 0) error->all(FLERR, "Pair style mdbridge: all pair coeffs are not set");
  return engine_->info().cutoff * units_.length + list_margin_;
}

}  // namespace mdbridge_lammps
