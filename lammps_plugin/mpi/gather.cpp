// SPDX-License-Identifier: GPL-2.0-only
#include "gather.hpp"

namespace mdbridge_lammps {

Gathered gather_everywhere(MPI_Comm world, const std::vector<double>& mine) {
  int ranks = 1;
  int me = 0;
  MPI_Comm_size(world, &ranks);
  MPI_Comm_rank(world, &me);
  const int count = static_cast<int>(mine.size());
  std::vector<int> counts(ranks);
  MPI_Allgather(&count, 1, MPI_INT, counts.data(), 1, MPI_INT, world);
  std::vector<int> starts(ranks, 0);
  for (int r = 1; r < ranks; ++r) starts[r] = starts[r - 1] + counts[r - 1];
  Gathered all;
  all.start = static_cast<std::size_t>(starts[me]);
  all.values.resize(starts.back() + counts.back());
  MPI_Allgatherv(mine.data(), count, MPI_DOUBLE, all.values.data(), counts.data(), starts.data(),
                 MPI_DOUBLE, world);
  return all;
}

}  // namespace mdbridge_lammps
