// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <mpi.h>

#include <cstddef>
#include <string>
#include <vector>

#include "levels/inner_model.hpp"
#include "mdbridge/engine.hpp"
#include "mdbridge/fused_forces.hpp"
#include "settings.hpp"

namespace mdbridge_lammps {

// What the pair style says in the log: text, for rank 0 to print.

/// Model, cutoff, device, threads and kind of forces: the lines before the first run.
std::string describe_model(const mdbridge::Engine& engine, const Settings& settings, int threads);

/// What is allowed but seldom meant, a sentence each. `threads`: of each rank; `partitions`: how
/// many there are (-partition); `ranks_on_a_device`: that have to share one, at most.
std::vector<std::string> warnings_of(const mdbridge::Engine& engine, const Settings& settings,
                                     int threads, int partitions, int ranks_on_a_device);

/// The members of a committee, and what drives the run.
std::string describe_committee(const std::vector<const mdbridge::ModelInfo*>& members,
                               const Settings& settings);

/// The same of a model for the inner forces.
std::string describe_inner(const InnerModel& inner);

/// Seconds that this rank spent in the pair style during a run.
struct RunTime {
  double total = 0.0;
  /// Of them, in MPI calls: most of it is waiting for the slowest rank.
  double communication = 0.0;
};

/// How many atoms the model sees for each one that there is: an atom near others of several ranks
/// is evaluated by all of these.
struct Redundancy {
  int ranks = 1;
  double mean = 1.0;
  /// Of the rank that sees the most for each atom of its own.
  double most = 1.0;
};

/// `sites`: what the model sees on this rank, of which `owned` are its own atoms. Collective.
Redundancy redundancy_of(MPI_Comm world, std::size_t sites, std::size_t owned);

/// The sentence where most of the work is done several times; empty: it is not. `range`: how far an
/// atom feels others, in Å.
std::string warning_of(const Redundancy& redundancy, double range);

/// The table of the keyword `timing`: means over the ranks. `middle`: what evaluates the outer
/// model where there is a middle level, else nullptr. Collective.
std::string timing_table(MPI_Comm world, const RunTime& time, const Redundancy& redundancy,
                         const mdbridge::Engine& outer, const InnerModel& inner,
                         const mdbridge::FusedForces& fused, const mdbridge::FusedForces* middle);

}  // namespace mdbridge_lammps
