// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <array>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "error_boundary.hpp"
#include "folding.hpp"
#include "mdbridge/engine.hpp"
#include "mdbridge/error.hpp"
#include "mdbridge/fused_forces.hpp"
#include "mdbridge/structure.hpp"
#include "pair.h"
#include "settings.hpp"
#include "units.hpp"

namespace mdbridge_lammps {

/// `pair_style mdbridge`: the forces of an exported model, under verlet, minimize and rRESPA.
///
/// Under `run_style respa` with inner and outer levels the inner forces are the direct ones and the
/// outer ones the difference to the conservative ones, evaluated together where both are needed.
class PairMDBridge : public LAMMPS_NS::Pair {
 public:
  explicit PairMDBridge(LAMMPS_NS::LAMMPS* lmp);
  ~PairMDBridge() override;

  // pair_mdbridge_setup.cpp: from the input file to an engine
  void settings(int count, char** words) override;
  void coeff(int count, char** words) override;
  void init_style() override;
  double init_one(int i, int j) override;

  // pair_mdbridge.cpp: from LAMMPS arrays to a structure, and from an evaluation back
  void setup() override;
  void compute(int eflag, int vflag) override;
  void compute_inner() override;
  void compute_middle() override;
  void compute_outer(int eflag, int vflag) override;
  double memory_usage() override;
  /// What the model says of the atoms where they are now; direct forces without their net force.
  mdbridge::Evaluation inspect(const mdbridge::Wanted& wanted);
  const Folding& folding() const { return folding_; }
  const Units& units() const { return units_; }

  // pair_mdbridge_restart.cpp: settings and elements in restart files
  void write_restart(std::FILE* file) override;
  void read_restart(std::FILE* file) override;
  void write_restart_settings(std::FILE* file) override;
  void read_restart_settings(std::FILE* file) override;

  // pair_mdbridge_uncertainty.cpp: uncertainty of the atomic energies
  void* extract(const char* name, int& dimension) override;
  void* extract_peratom(const char* name, int& columns) override;

  // pair_mdbridge_report.cpp: what goes into the log
  void finish() override;

 private:
  void log_settings();
  void warn_of_partitions() const;
  std::string symmetrization() const;

  void load(const Settings& settings);
  void allocate();
  void use_elements(const std::vector<std::string>& names);
  void set_elements(const std::vector<std::string>& names);
  void request_list();
  void require_supported_input() const;
  void require_complete_pairs() const;
  void require_outputs() const;
  double motion_margin() const;
  int message_passing_layers() const;
  void widen_ghost_range();

  void forget_list();
  void update_structure(bool respa);
  void rebuild_list(bool respa);
  void fill_structure();
  void require_valid_list() const;
  void require_atoms_of_list() const;
  mdbridge::Pairs& current_pairs();
  /// Work that may fail on one rank only: all ranks know of it before any of them goes on.
  template <typename Work>
  void in_step(Work&& work) {
    const auto describing = [&] {
      try {
        work();
      } catch (const mdbridge::NonFiniteError& error) {
        throw mdbridge::Error(describe(error));
      }
    };
    boundary_.together(describing, &own_time_.communication);
  }
  mdbridge::Wanted wanted() const;
  void require_direct_virial() const;
  void start_respa();
  std::int64_t inner_steps() const;
  bool atomic_energies_computed() const;
  void add_forces(const std::vector<double>& forces, double factor);
  void add_direct_forces(std::vector<double> forces, double factor);
  void remove_net_over_ranks(std::vector<double>& forces);
  void tally(const mdbridge::Evaluation& evaluation, const std::array<double, 9>& virial_ev);
  void tally_atoms(const std::vector<double>& energies);
  std::string describe(const mdbridge::NonFiniteError& error) const;

  // pair_mdbridge_uncertainty.cpp
  bool uncertainty_wanted() const;
  bool uncertainty_computed() const;
  void warn_of_uncertainty(const std::vector<double>& uncertainty);
  void store_uncertainty(const std::vector<double>& uncertainty);

  // pair_mdbridge_check.cpp: the keyword `check`
  void check_once(bool respa);
  struct Checked;
  std::vector<Checked> most_pushed(const std::vector<double>& forces) const;
  double energy_of(const mdbridge::Structure& structure);
  double energy_with_moved(LAMMPS_NS::tagint tag, int direction, double displacement);

  ErrorBoundary boundary_;
  Settings settings_;
  Units units_;
  std::shared_ptr<mdbridge::Engine> engine_;
  std::vector<int>
      elements_;  // atomic number by LAMMPS type; 0: a type that the model does not see
  bool settings_logged_ = false;
  bool checked_ = false;

  Folding folding_;
  std::vector<mdbridge::Structure> structures_{1};  // one, as FusedForces wants it
  mdbridge::Pairs pairs_{0.0};
  std::unique_ptr<mdbridge::FusedForces> fused_;  // keeps the pairs itself; rRESPA inner/outer only

  struct FixPair {
    bool used = false;
    bool triggered = false;  // by its flag; else in every step
    int trigger = 0;
    LAMMPS_NS::bigint step = -1;  // of the values
    std::vector<double> values;
  } fix_pair_;

  // of the current run
  struct OwnTime {
    double total = 0.0;
    double communication = 0.0;
  } own_time_;

  // the list that structures_ and the pairs were made from
  bool list_is_stale_ = true;
  bool list_for_respa_ = false;
  LAMMPS_NS::bigint list_step_ = -1;
  LAMMPS_NS::bigint list_calls_ = -1;
  LAMMPS_NS::bigint list_atoms_ = -1;  // of all ranks
  int list_local_ = -1;                // of this rank
  double list_margin_ = 0.0;           // beyond cutoff and skin, in LAMMPS units
  bool list_is_new_ = true;
  mdbridge::Structure list_structure_;  // what it was made for
};

}  // namespace mdbridge_lammps
