// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <array>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "checks/finite_displacements.hpp"
#include "committee/disagreement.hpp"
#include "error_boundary.hpp"
#include "levels/inner_model.hpp"
#include "mdbridge/engine.hpp"
#include "mdbridge/error.hpp"
#include "mdbridge/fused_forces.hpp"
#include "mdbridge/structure.hpp"
#include "neighbours/ghost_range.hpp"
#include "neighbours/list_follower.hpp"
#include "pair.h"
#include "report.hpp"
#include "settings.hpp"
#include "thread_scope.hpp"
#include "uncertainty.hpp"
#include "units.hpp"

namespace mdbridge_lammps {

/// `pair_style mdbridge`: the forces of an exported model, under verlet, minimize and rRESPA.
///
/// This is LAMMPS's interface to the engine and little more. Under `run_style respa` with inner and
/// outer levels the inner forces are the direct ones, or those of an inner model, and the outer
/// ones the difference to the conservative ones. With a middle level, the forces of an inner model
/// are corrected by the direct ones there, and these outside. Nothing is evaluated twice.
class PairMDBridge : public LAMMPS_NS::Pair {
 public:
  explicit PairMDBridge(LAMMPS_NS::LAMMPS* lmp);
  ~PairMDBridge() override;

  // pair_mdbridge_setup.cpp: from the input file, or a restart file, to an engine and a run
  void settings(int count, char** words) override;
  void coeff(int count, char** words) override;
  void init_style() override;
  double init_one(int i, int j) override;
  void setup() override;
  void write_restart(std::FILE* file) override;
  void read_restart(std::FILE* file) override;
  void write_restart_settings(std::FILE* file) override;
  void read_restart_settings(std::FILE* file) override;

  // pair_mdbridge.cpp: one force call
  void compute(int eflag, int vflag) override;
  // levels/respa.cpp: the levels of rRESPA
  void compute_inner() override;
  void compute_middle() override;
  void compute_outer(int eflag, int vflag) override;

  // what fix pair reads; the end of a run
  void* extract(const char* name, int& dimension) override;
  void* extract_peratom(const char* name, int& columns) override;
  void finish() override;
  double memory_usage() override;
  // sums over the ghosts of an atom, where they are needed before LAMMPS makes them
  int pack_reverse_comm(int count, int first, double* buffer) override;
  void unpack_reverse_comm(int count, int* atoms, double* buffer) override;

  // for compute mdbridge/atom
  /// What the models say of the atoms where they are now.
  struct Inspection {
    /// Of the (outer) model: direct forces without their net force, in Å and eV, by site of
    /// follower().
    mdbridge::Evaluation outer;
    /// The inner forces, in the same way; empty unless wanted.
    std::vector<double> inner_forces;
  };
  /// Collective.
  Inspection inspect(mdbridge::Wanted wanted, bool inner_forces);
  /// How far the forces of the (outer) model on each own atom scatter over the rotated copies that
  /// they are averages of: the norm of the standard deviation, in eV and Å, by site. Of the forces
  /// that drive the run, direct ones with their net force. Collective.
  std::vector<double> force_spread();
  /// What the members of a committee of models differ by, or those of the ensemble of one: of the
  /// forces of the kind that `forces` says. Collective.
  Disagreement disagreement(bool forces);
  /// Throws mdbridge::Error unless there are members, and forces of them if these are wanted.
  void require_members(bool forces) const;
  const ListFollower& follower() const { return follower_; }
  const Units& units() const { return units_; }

 private:
  /// How a run takes its forces: all at once, or the inner ones in the inner level of rRESPA and
  /// corrections in those above it.
  enum class Level { single, several };

  /// A model is loaded and the pair style starts anew. Collective.
  void load(const Settings& settings);
  /// A model file, where this or LAMMPS_POTENTIALS has it.
  std::shared_ptr<mdbridge::Model> open(const std::string& path, const Settings& settings,
                                        int device_rank) const;
  std::shared_ptr<mdbridge::Engine> engine_of(std::shared_ptr<mdbridge::Model> model,
                                              mdbridge::EngineOptions options) const;
  /// Of a model, for restart files.
  struct ModelFile {
    std::string path;         // absolute
    std::string fingerprint;  // on rank 0
  };
  ModelFile file_of(const mdbridge::ModelInfo& info) const;
  /// On rank 0: the file is not the one that the restart file was written with. `what`: "model".
  void warn_of_other_model(const ModelFile& file, const std::string& fingerprint,
                           const std::string& what);
  /// Throws mdbridge::Error if there is no model, because that of the restart file is absent.
  void require_engine() const;
  /// From the names after `pair_coeff * *`. Collective.
  void use_elements(const std::vector<std::string>& names);
  /// LAMMPS's arrays by pair of types.
  void allocate();
  /// Tell LAMMPS which neighbour list to build.
  void request_list();
  /// Let an atom have as many neighbours as it may have within the range of the list.
  void allow_neighbours();
  /// A run begins, or another model: there is no neighbour list and nothing is evaluated yet.
  void forget_list();
  /// Once for each model.
  void log_model();
  /// Of elements that do not fit the masses of their types; once.
  void warn_of_masses();

  /// Work that may fail on one rank only: all ranks know of it before any of them goes on. The time
  /// of agreeing counts as communication.
  template <typename Work>
  void in_step(Work&& work) {
    const auto describing = [&] {
      const ThreadScope scope(threads_);
      try {
        work();
      } catch (const mdbridge::NonFiniteError& error) {
        throw mdbridge::Error(describe(error));
      }
    };
    boundary_.agree(describing, &time_.communication);
  }
  /// Which step, and which atom in the user's words.
  std::string describe(const mdbridge::NonFiniteError& error) const;
  /// Before an evaluation that no force call asks for. Collective.
  void begin_inspection();
  /// How far atoms have moved since LAMMPS built the list that the next update_structure() takes,
  /// if it takes one. Collective, so before what may fail on one rank alone.
  void measure_motion();
  /// Bring structure and pairs up to date with LAMMPS.
  void update_structure();
  /// Refuses, where the virial of the step is to be shared out among the atoms, what cannot be.
  void require_atomic_virials() const;
  /// What a single evaluation must give in this step; refuses what no model can give.
  mdbridge::Wanted wanted() const;
  /// The neighbour list still has all pairs, as far as all ranks together know. Collective.
  void require_valid_list();
  /// Of ranks that evaluate more atoms of others than of their own; looks once in each run, and
  /// tells once. Collective.
  void warn_of_redundancy();
  /// A command differentiates the forces, outside of any run. Collective.
  void check_displacements();
  /// Before the first step of a run with inner and outer levels. Collective.
  void start_respa();
  /// The same, if there is a middle level between them. Collective.
  void start_middle_level();
  /// What the levels of rRESPA evaluate.
  mdbridge::FusedOptions fused_options() const;
  /// What the outer level evaluates, and so what is there at an outer step.
  mdbridge::FusedForces& outer_level() { return middle_ ? *middle_ : *fused_; }
  /// Once, if a run has no levels for an inner model.
  void note_idle_inner_model();
  /// Whether forces of a lower level and conservative ones belong together, where both are there.
  /// `inner_model`: these are those of the model of its own. Collective.
  void compare_forces(const mdbridge::Evaluation& evaluation, std::vector<double> lower_forces,
                      mdbridge::ForceKind kind, bool inner_model);
  /// The whole forces on the own atoms, to which other ranks have contributed. Collective.
  std::vector<double> sum_over_ghosts(const std::vector<double>& forces);
  /// The keyword `check`, at the first force call. Collective.
  void check_once();
  /// Of all ranks' atoms, in eV. Collective.
  double energy_of(const mdbridge::Structure& structure);

  // committee/members.cpp: what the members of a committee say
  /// Of all outer models, the first one first.
  std::vector<const mdbridge::ModelInfo*> outer_infos() const;
  mdbridge::Wanted members_wanted(bool forces) const;
  /// Whether force calls give the forces of the members too.
  bool members_are_at_hand() const;
  /// Of the evaluation of a force call.
  void keep_members(const mdbridge::Evaluation& evaluation);
  mdbridge::Evaluation evaluate_members(const mdbridge::Wanted& wanted);
  /// disagreement() within a force call. Collective.
  Disagreement disagreement_here(bool forces);
  /// Collective.
  void warn_of_disagreement();

  // from the engine's units and sites to LAMMPS's units and atoms; `factor` scales
  void add_forces(const std::vector<double>& forces, double factor);
  /// Direct ones without their net force. Collective.
  void add_forces(std::vector<double> forces, mdbridge::ForceKind kind, double factor);
  /// Take the net force (and torque, of molecules) of all ranks off. Collective.
  void remove_net_over_ranks(std::vector<double>& forces);
  /// Energy and virial (eV, 3x3) of the step.
  void tally(const mdbridge::Evaluation& evaluation);
  void tally_virial(const std::array<double, 9>& virial_ev);
  void refuse_virial();
  void tally_atoms(const std::vector<double>& energies);
  void tally_atomic_virials(const mdbridge::Evaluation& evaluation);
  void refuse_atomic_energies();
  /// Collective.
  void warn_of_uncertainty(const std::vector<double>& uncertainty);

  ErrorBoundary boundary_;
  Settings settings_;
  Units units_;
  std::shared_ptr<mdbridge::Engine> engine_;
  /// Of the committee: the same where its mean drives, or where there is one model.
  std::shared_ptr<mdbridge::Engine> committee_;
  InnerModel inner_;
  /// Atomic number by LAMMPS type; 0: a type that the model does not see.
  std::vector<std::int32_t> elements_;
  std::vector<std::string> mass_warnings_;  // those that were given
  int threads_ = 1;                         // for torch, whatever others of the process use
  ModelFile file_;
  std::vector<ModelFile> member_files_;  // of the committee, but for the first one
  ModelFile inner_file_;                 // empty without an inner model of its own
  bool model_logged_ = false;
  bool idle_inner_noted_ = false;
  bool checked_ = false;
  bool redundancy_known_ = false;  // in this run
  bool redundancy_told_ = false;
  bool virial_refused_ = false;   // and told
  bool direct_compared_ = false;  // with the conservative forces, and told
  bool inner_compared_ = false;
  FiniteDisplacements displacements_;

  ListFollower follower_;
  double moved_ = 0.0;  // see measure_motion()
  GhostRange ghosts_;
  /// Keeps the pair list, for single evaluations too; its forces are those of rRESPA's levels only.
  std::unique_ptr<mdbridge::FusedForces> fused_;
  /// The direct and conservative forces of the outer model, if there is a middle level; else none.
  std::unique_ptr<mdbridge::FusedForces> middle_;
  Level level_ = Level::single;  // of the last force call
  Uncertainty uncertainty_;
  mdbridge::Evaluation last_members_;  // see keep_members()
  mdbridge::Structure last_members_at_;
  std::int64_t last_members_step_ = -1;
  std::vector<double> summed_;  // of sum_over_ghosts(), by atom and ghost
  RunTime time_;
};

}  // namespace mdbridge_lammps
