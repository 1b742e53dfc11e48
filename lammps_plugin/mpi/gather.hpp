// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <mpi.h>

#include <cstddef>
#include <vector>

namespace mdbridge_lammps {

/// Numbers of all ranks, in the order of the ranks.
struct Gathered {
  std::vector<double> values;
  /// Where those of this rank begin.
  std::size_t start = 0;
};

/// Give every rank the numbers of all ranks. Collective.
Gathered gather_everywhere(MPI_Comm world, const std::vector<double>& mine);

}  // namespace mdbridge_lammps
