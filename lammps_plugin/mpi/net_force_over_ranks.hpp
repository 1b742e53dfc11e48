// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <mpi.h>

#include <vector>

namespace mdbridge_lammps {

/// Subtract from the `forces` (3n) that this rank holds the mean over all ranks.
void remove_net_force(MPI_Comm world, std::vector<double>& forces);

/// Make the torque of all ranks' `forces` (3n on this rank) about their atoms' centroid zero by the
/// smallest change that leaves their sum as it is. For molecules: gathers all atoms on every rank.
void remove_net_torque(MPI_Comm world, const std::vector<double>& positions,
                       std::vector<double>& forces);

}  // namespace mdbridge_lammps
