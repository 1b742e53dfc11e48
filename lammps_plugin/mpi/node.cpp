// SPDX-License-Identifier: GPL-2.0-only
#include "node.hpp"

#include <sched.h>

#include <algorithm>
#include <vector>

#include "mdbridge/threads.hpp"

namespace mdbridge_lammps {

Node::Node(MPI_Comm world) {
  MPI_Comm node;
  MPI_Comm_split_type(world, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &node);
  MPI_Comm_rank(node, &rank);
  int ranks = 1;
  MPI_Comm_size(node, &ranks);

  cpu_set_t set;
  CPU_ZERO(&set);
  const bool known = sched_getaffinity(0, sizeof(set), &set) == 0;
  std::vector<int> mine(CPU_SETSIZE, 0);
  for (int core = 0; known && core < CPU_SETSIZE; ++core)
    mine[core] = CPU_ISSET(core, &set) ? 1 : 0;
  std::vector<int> users(CPU_SETSIZE, 0);
  MPI_Allreduce(mine.data(), users.data(), CPU_SETSIZE, MPI_INT, MPI_SUM, node);
  MPI_Comm_free(&node);

  double share = 0.0;
  for (int core = 0; core < CPU_SETSIZE; ++core) {
    if (mine[core] == 1) share += 1.0 / users[core];
  }
  if (!known) share = static_cast<double>(mdbridge::available_cores()) / ranks;
  cores = std::max(1, static_cast<int>(share + 1e-6));
}

}  // namespace mdbridge_lammps
