// SPDX-License-Identifier: GPL-2.0-only
#include "node.hpp"

#include <sched.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <vector>

#include "mdbridge/threads.hpp"

namespace mdbridge_lammps {

namespace {

/// Of the ranks that share the memory of this one.
MPI_Comm node_of(MPI_Comm world) {
  MPI_Comm node;
  MPI_Comm_split_type(world, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &node);
  return node;
}

}  // namespace

Node::Node(MPI_Comm world) {
  MPI_Comm node = node_of(world);
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

int most_ranks_on_a_device(MPI_Comm world, const std::string& device) {
  // a launcher that gives each rank a GPU of its own lets it see no other, which is then the first
  std::string seen = device;
  for (const char* name : {"CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES",
                           "ZE_AFFINITY_MASK"}) {
    const char* value = std::getenv(name);
    seen += std::string("\n") + (value == nullptr ? "" : value);
  }
  MPI_Comm node = node_of(world);
  int ranks = 1;
  MPI_Comm_size(node, &ranks);
  const std::uint64_t mine = std::hash<std::string>{}(seen);
  std::vector<std::uint64_t> all(ranks);
  MPI_Allgather(&mine, 1, MPI_UINT64_T, all.data(), 1, MPI_UINT64_T, node);
  MPI_Comm_free(&node);
  int most = device == "cpu" ? 0 : static_cast<int>(std::count(all.begin(), all.end(), mine));
  MPI_Allreduce(MPI_IN_PLACE, &most, 1, MPI_INT, MPI_MAX, world);
  return most;
}

}  // namespace mdbridge_lammps
