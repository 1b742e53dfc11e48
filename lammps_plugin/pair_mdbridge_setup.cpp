// SPDX-License-Identifier: GPL-2.0-only
//
// Of PairMDBridge: from the input file, or a restart file, to an engine and a run.
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <numbers>
#include <utility>

#include "atom.h"
#include "checks/atom_masses.hpp"
#include "comm.h"
#include "domain.h"
#include "error.h"
#include "force.h"
#include "mdbridge/checks/force_agreement.hpp"
#include "mdbridge/elements.hpp"
#include "mdbridge/external/model.hpp"
#include "mdbridge/model.hpp"
#include "mdbridge/threads.hpp"
#include "memory.h"
#include "model_fingerprint.hpp"
#include "modify.h"
#include "mpi/node.hpp"
#include "neighbor.h"
#include "pair_mdbridge.hpp"
#include "requirements.hpp"
#include "restart_words.hpp"
#include "universe.h"
#include "update.h"

namespace mdbridge_lammps {

using mdbridge::Error;
namespace utils = LAMMPS_NS::utils;

PairMDBridge::PairMDBridge(LAMMPS_NS::LAMMPS* lmp)
    : Pair(lmp), boundary_(lmp), follower_(lmp), ghosts_(lmp) {
  one_coeff = 1;      // one line pair_coeff * * for all types
  manybody_flag = 1;  // no sum over pairs: LAMMPS refuses what needs one
  single_enable = 0;  // for the same reason, no energy of a single pair
  restartinfo = 1;    // settings and elements go into restart files
  respa_enable = 1;   // compute_inner() and compute_outer() are there
  comm_reverse = 3;   // a force: see sum_over_ghosts()
  // the engine gives the virial: sum(r f) over atoms and ghosts is wrong, for ghosts that are
  // folded onto their owners have no forces of their own
  no_virial_fdotr_compute = 1;
  centroidstressflag = LAMMPS_NS::CENTROID_NOTAVAIL;  // until there is a model: see load()
}

PairMDBridge::~PairMDBridge() {
  if (allocated == 0) return;
  memory->destroy(setflag);
  memory->destroy(cutsq);
}

void PairMDBridge::settings(int count, char** words) {
  const std::vector<std::string> arguments(words, words + count);
  boundary_.agree([&] { load(Settings::parse(arguments)); });
}

void PairMDBridge::load(const Settings& settings) {
  units_ = Units::of(update->unit_style);
  const Node node(world);
  threads_ = mdbridge::choose_threads_for(settings.threads, node.cores);
  const ThreadScope scope(threads_);
  std::vector<std::shared_ptr<mdbridge::Model>> members = {
      open(settings.model, settings, node.rank)};
  for (const auto& path : settings.committee) members.push_back(open(path, settings, node.rank));
  const auto model = members.size() > 1 ? mdbridge::Model::committee(members) : members.front();
  auto committee = engine_of(model, outer_options(settings));
  auto outer =
      settings.first_drives() ? engine_of(members.front(), outer_options(settings)) : committee;
  InnerModel inner(outer);
  if (!settings.inner.empty()) {
    auto own = open(settings.inner, settings, node.rank);
    const auto options = inner_options(settings, own->inputs());
    inner = InnerModel(engine_of(std::move(own), options), settings);
  }
  if (inner.own()) mdbridge::require_teacher_variant(inner.engine(), *outer);
  inner_ = std::move(inner);
  engine_ = std::move(outer);
  committee_ = std::move(committee);
  forget_list();
  centroidstressflag =
      settings.forces == Settings::Forces::conservative && engine_->gives_atomic_virials()
          ? LAMMPS_NS::CENTROID_AVAIL
          : LAMMPS_NS::CENTROID_NOTAVAIL;
  settings_ = settings;
  uncertainty_.set_threshold(settings.uncertainty_threshold);
  file_ = file_of(members.front()->info());
  member_files_.clear();
  for (std::size_t m = 1; m < members.size(); ++m) {
    member_files_.push_back(file_of(members[m]->info()));
  }
  inner_file_ = inner_.own() ? file_of(inner_.engine().info()) : ModelFile{};
  model_logged_ = false;
  idle_inner_noted_ = false;
  checked_ = false;
  redundancy_told_ = false;
  virial_refused_ = false;
  direct_compared_ = false;
  inner_compared_ = false;
  require_outputs(*committee_, settings_);
}

std::shared_ptr<mdbridge::Model> PairMDBridge::open(const std::string& path,
                                                    const Settings& settings,
                                                    int device_rank) const {
  if (path.rfind("python:", 0) == 0 && !mdbridge::opens_external_model(path)) {
    throw Error("the model '" + path +
                "' is evaluated by Python, and there is none in this program: run the input with "
                "`md-bridge lammps --model " +
                path + " -in FILE`, on one rank");
  }
  // a potential may also lie in LAMMPS_POTENTIALS, as for every other pair style
  const std::string found = utils::get_potential_file_path(path);
  return mdbridge::Model::load(found.empty() ? path : found,
                               {settings.device, settings.extensions, device_rank});
}

std::shared_ptr<mdbridge::Engine> PairMDBridge::engine_of(std::shared_ptr<mdbridge::Model> model,
                                                          mdbridge::EngineOptions options) const {
  // over several ranks the sum is over all of them: see remove_net_over_ranks()
  options.remove_net_force = options.remove_net_force && comm->nprocs == 1;
  return std::make_shared<mdbridge::Engine>(std::move(model), options);
}

PairMDBridge::ModelFile PairMDBridge::file_of(const mdbridge::ModelInfo& info) const {
  const std::string& path = info.path;
  if (mdbridge::opens_external_model(path)) return {path, ""};
  return {std::filesystem::absolute(path).string(), comm->me == 0 ? fingerprint_of(path) : ""};
}

void PairMDBridge::coeff(int count, char** words) {
  use_elements(std::vector<std::string>(words + std::min(count, 2), words + count));
}

void PairMDBridge::use_elements(const std::vector<std::string>& names) {
  boundary_.agree([&] {
    require_engine();
    const bool hybrid = utils::strmatch(force->pair_style, "^hybrid");
    for (const mdbridge::ModelInfo* info : outer_infos()) {
      elements_ = parse_elements(names, atom->ntypes, hybrid, *info);
    }
    parse_elements(names, atom->ntypes, hybrid, inner_.engine().info());
  });
  if (allocated == 0) allocate();
  for (int i = 1; i <= atom->ntypes; ++i) {
    for (int j = 1; j <= atom->ntypes; ++j) {
      setflag[i][j] = elements_[i] > 0 && elements_[j] > 0 ? 1 : 0;
    }
  }
}

void PairMDBridge::allocate() {
  allocated = 1;
  const int size = atom->ntypes + 1;
  memory->create(setflag, size, size, "pair:setflag");
  memory->create(cutsq, size, size, "pair:cutsq");
}

void PairMDBridge::init_style() {
  boundary_.agree([&] { require_engine(); });
  auto infos = outer_infos();
  const auto& first = *infos.front();
  boundary_.agree([&] {
    units_ = Units::of(update->unit_style);
    for (const auto* info : infos) {
      require_supported_input(*lmp, *info, settings_, message_passing_layers(*info));
    }
    const auto& inner_info = inner_.engine().info();
    require_supported_input(*lmp, inner_info, settings_, message_passing_layers(inner_info));
    require_complete_pairs(*lmp);
  });
  if (modify->get_fix_by_style("^pair$").empty()) uncertainty_.forget_fix();
  ListNeeds needs = {.elements = elements_,
                     .cutoff = first.cutoff,
                     .layers = message_passing_layers(first),
                     .margin = motion_margin(*lmp, units_.length),
                     .length = units_.length};
  for (std::size_t m = 1; m < infos.size(); ++m) needs.extend(*infos[m]);
  inner_.extend(needs);
  follower_.begin(needs);
  forget_list();
  displacements_.begin();
  request_list();
  allow_neighbours();
  ghosts_.reach(comm->nprocs > 1 ? follower_.needs().ghost_range() + neighbor->skin : 0.0);
  engine_->reset_timings();
  committee_->reset_timings();
  inner_.engine().reset_timings();
  time_ = {};
  redundancy_known_ = false;
  log_model();
  warn_of_masses();
}

void PairMDBridge::request_list() {
  using namespace LAMMPS_NS;
  const bool respa = utils::strmatch(update->integrate_style, "^respa");
  if (comm->nprocs > 1 && follower_.needs().layers > 1) {
    neighbor->add_request(this, NeighConst::REQ_FULL | NeighConst::REQ_GHOST);
  } else if (respa && utils::strmatch(force->pair_style, "^hybrid")) {
    // LAMMPS would derive the lists of other styles for inner and outer levels from a list of ours
    // that it keeps up to date, and has no code for that: ListFollower does it instead
    neighbor->add_request(this, NeighConst::REQ_FULL | NeighConst::REQ_OCCASIONAL);
  } else {
    neighbor->add_request(this, NeighConst::REQ_FULL);
  }
}

/// LAMMPS stops with "Neighbor list overflow, boost neigh_modify one" where an atom has more than
/// 2,000 neighbours, which long cutoffs in dense matter do have: 17 Å in water. What more takes is
/// memory for pages of ten atoms' neighbours, which is nothing beside a model.
void PairMDBridge::allow_neighbours() {
  // more than any matter under moderate pressure has (diamond: 0.18); in atoms per Å^3
  constexpr double densest = 0.5;
  const double range = follower_.needs().list_range() + neighbor->skin;
  const double sphere = 4.0 / 3.0 * std::numbers::pi * std::pow(range, 3);
  // matter of other densities than that, and unevenly spread
  const double depth = domain->dimension == 2 ? range : domain->zprd;
  const double mean = static_cast<double>(atom->natoms) / (domain->xprd * domain->yprd * depth);
  const double most = sphere * std::max(densest / std::pow(units_.length, 3), 2.0 * mean);
  neighbor->oneatom = std::max(neighbor->oneatom, static_cast<int>(std::min(most, 1e7)));
  neighbor->pgsize = std::max(neighbor->pgsize, 10 * neighbor->oneatom);  // as LAMMPS requires
}

double PairMDBridge::init_one(int i, int j) {
  if (setflag[i][j] == 0) error->all(FLERR, "Pair style mdbridge: all pair coeffs are not set");
  return follower_.needs().list_range();
}

/// LAMMPS has built its list before this, and counts its builds anew in each set-up: by step and
/// count, two runs that begin at the same step have the same list, whatever commands between them
/// have done to the atoms.
void PairMDBridge::setup() { follower_.expire(); }

void PairMDBridge::forget_list() {
  follower_.forget();
  fused_ = inner_.with(engine_);
  middle_.reset();
  level_ = Level::single;
  uncertainty_.forget_values();
  last_members_ = {};
}

void PairMDBridge::log_model() {
  if (model_logged_) return;
  model_logged_ = true;
  const int sharing = most_ranks_on_a_device(world, engine_->info().device);
  if (comm->me != 0) return;
  utils::logmesg(lmp, describe_model(*engine_, settings_, threads_));
  if (!settings_.committee.empty()) {
    utils::logmesg(lmp, describe_committee(outer_infos(), settings_));
  }
  if (inner_.own()) utils::logmesg(lmp, describe_inner(inner_));
  for (const auto& warning :
       warnings_of(*engine_, settings_, threads_, universe->nworlds, sharing)) {
    error->warning(FLERR, "Pair style mdbridge: " + warning);
  }
}

void PairMDBridge::warn_of_masses() {
  const auto warnings = warnings_of_masses(*atom, elements_, units_.mass);
  if (warnings == mass_warnings_) return;
  mass_warnings_ = warnings;
  if (comm->me != 0) return;
  for (const auto& warning : warnings) error->warning(FLERR, "Pair style mdbridge: " + warning);
}

// ---- restart files

void PairMDBridge::write_restart_settings(std::FILE* file) {
  std::vector<std::string> words = settings_.arguments();
  if (inner_.own()) words.push_back(inner_file_.path);
  words.push_back(file_.path);
  // of both or of none, so that they can be told apart
  if (!file_.fingerprint.empty()) words.push_back(file_.fingerprint);
  if (!file_.fingerprint.empty() && !inner_file_.fingerprint.empty()) {
    words.push_back(inner_file_.fingerprint);
  }
  for (std::size_t m = 0; m < member_files_.size(); ++m) {
    const auto& [path, fingerprint] = member_files_[m];
    words.push_back(RestartMember{settings_.committee[m], path, fingerprint}.word());
  }
  write_words(file, words);
}

void PairMDBridge::read_restart_settings(std::FILE* file) {
  std::vector<std::string> words;
  boundary_.agree([&] {
    if (comm->me == 0) words = read_words(file);
    if (comm->me == 0 && words.size() < 2) throw Error("the restart file names no model");
  });
  words = words_of_rank_0(world, words);
  std::vector<RestartMember> members;
  for (auto member = RestartMember::of(words.back()); member;
       member = RestartMember::of(words.back())) {
    members.insert(members.begin(), *member);
    words.pop_back();
  }
  // files of the first versions have none
  std::vector<std::string> fingerprints;  // of the model, of an inner one
  while (is_fingerprint(words.back())) {
    fingerprints.insert(fingerprints.begin(), words.back());
    words.pop_back();
  }
  fingerprints.resize(2);
  Settings settings;
  std::string problem = boundary_.problem_of([&] {
    const std::string written_at = words.back();
    words.pop_back();
    // the arguments are the model and pairs of words: one more is where the inner model was
    std::string inner_written_at;
    if (words.size() % 2 == 0) {
      inner_written_at = words.back();
      words.pop_back();
    }
    if (!members.empty()) words.emplace_back("committee");
    for (const auto& member : members) words.push_back(find_model(member.name, member.path));
    settings = Settings::parse(words);
    settings.model = find_model(settings.model, written_at);
    if (!settings.inner.empty()) settings.inner = find_model(settings.inner, inner_written_at);
  });
  if (problem.empty()) problem = boundary_.problem_of([&] { load(settings); });
  if (problem.empty()) {
    warn_of_other_model(file_, fingerprints[0], "model");
    warn_of_other_model(inner_file_, fingerprints[1], "inner model");
    for (std::size_t m = 0; m < members.size(); ++m) {
      warn_of_other_model(member_files_[m], members[m].fingerprint, "model");
    }
    return;
  }
  // what the restart file holds besides can be read, converted and run with another pair style
  engine_.reset();
  if (comm->me == 0) error->warning(FLERR, "Pair style mdbridge: " + problem);
}

void PairMDBridge::warn_of_other_model(const ModelFile& file, const std::string& fingerprint,
                                       const std::string& what) {
  if (comm->me != 0 || fingerprint.empty() || fingerprint == file.fingerprint) return;
  error->warning(FLERR,
                 "Pair style mdbridge: the " + what + " file '" + file.path +
                     "' is not the one that the restart file was written with, though it has the "
                     "same name: energy and forces may be others");
}

void PairMDBridge::require_engine() const {
  if (engine_) return;
  throw Error(
      "the model of the restart file could not be loaded (see the warning above): give pair_style "
      "and pair_coeff after read_restart");
}

void PairMDBridge::write_restart(std::FILE* file) {
  write_restart_settings(file);
  std::vector<std::string> names;
  for (int type = 1; type <= atom->ntypes; ++type) {
    names.push_back(mdbridge::chemical_symbol(elements_[type]));
  }
  write_words(file, names);
}

void PairMDBridge::read_restart(std::FILE* file) {
  read_restart_settings(file);
  std::vector<std::string> names;
  boundary_.agree([&] {
    if (comm->me == 0) names = read_words(file);
  });
  names = words_of_rank_0(world, names);
  if (engine_) use_elements(names);
}

}  // namespace mdbridge_lammps
