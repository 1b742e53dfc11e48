// SPDX-License-Identifier: GPL-2.0-only
#include "net_force_over_ranks.hpp"

#include <algorithm>
#include <cstdint>

#include "gather.hpp"
#include "mdbridge/net_force.hpp"

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
  const Gathered all_positions = gather_everywhere(world, positions);
  Gathered all_forces = gather_everywhere(world, forces);
  mdbridge::remove_net_torque(all_positions.values.data(), all_forces.values.data(),
                              static_cast<std::int64_t>(all_forces.values.size() / 3));
  std::copy_n(all_forces.values.begin() + static_cast<std::ptrdiff_t>(all_forces.start),
              forces.size(), forces.begin());
}

}  // namespace mdbridge_lammps
