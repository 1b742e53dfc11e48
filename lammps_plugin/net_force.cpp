// SPDX-License-Identifier: GPL-2.0-only
#include "net_force.hpp"

#include <algorithm>
#include <cstdint>

#include "direct_forces.hpp"

namespace mdbridge_lammps {

void remove_net_force(MPI_Comm world, std::vector<double>& forces) {
  double mine[4] = {0.0, 0.0, 0.0, static_cast<double>(forces.size() / 3)};
  for (std::size_t i = 0; i < forces.size(); ++i) mine[i % 3] += forces[i];
  double sum[4];
  MPI_Allreduce(mine, sum, 4, MPI_DOUBLE, MPI_SUM, world);
  for (std::size_t i = 0; i < forces.size(); ++i) forces[i] -= sum[i % 3] / sum[3];
}

void remove_net_torque(MPI_Comm world, const std::vector<double>& positions,
                       std::vector<double>& forces) {
  int ranks = 1;
  int me = 0;
  MPI_Comm_size(world, &ranks);
  MPI_Comm_rank(world, &me);
  const int count = static_cast<int>(forces.size());
  std::vector<int> counts(ranks);
  MPI_Allgather(&count, 1, MPI_INT, counts.data(), 1, MPI_INT, world);
  std::vector<int> starts(ranks, 0);
  for (int r = 1; r < ranks; ++r) starts[r] = starts[r - 1] + counts[r - 1];
  std::vector<double> all_positions(starts.back() + counts.back());
  std::vector<double> all_forces(all_positions.size());
  MPI_Allgatherv(positions.data(), count, MPI_DOUBLE, all_positions.data(), counts.data(),
                 starts.data(), MPI_DOUBLE, world);
  MPI_Allgatherv(forces.data(), count, MPI_DOUBLE, all_forces.data(), counts.data(), starts.data(),
                 MPI_DOUBLE, world);
  mdbridge::remove_net_torque(all_positions.data(), all_forces.data(),
                              static_cast<std::int64_t>(all_forces.size() / 3));
  std::copy_n(all_forces.begin() + starts[me], count, forces.begin());
}

}  // namespace mdbridge_lammps
