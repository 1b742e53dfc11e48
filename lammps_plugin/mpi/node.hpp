// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <mpi.h>

#include <string>

namespace mdbridge_lammps {

/// This rank among those that share its node.
struct Node {
  /// Its number among them, counted from 0.
  int rank = 0;
  /// Its share of the cores: a core that several ranks may run on is divided between them, so that
  /// neither unbound ranks nor ranks that are bound to cores of their own get too many threads.
  int cores = 1;

  /// Collective.
  explicit Node(MPI_Comm world);
};

/// How many ranks of one node compute on the same device, at most over all nodes and devices; 0 if
/// all compute on CPUs. `device`: this rank's, as torch names it among those that it may use.
/// Collective.
int most_ranks_on_a_device(MPI_Comm world, const std::string& device);

}  // namespace mdbridge_lammps
