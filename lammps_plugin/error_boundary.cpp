// SPDX-License-Identifier: GPL-2.0-only
#include "error_boundary.hpp"

#include "comm.h"
#include "error.h"

namespace mdbridge_lammps {

namespace {

std::string sentence(const std::string& message) { return "Pair style mdbridge: " + message; }

}  // namespace

std::string ErrorBoundary::shared(std::string message) {
  const int mine = message.empty() ? comm->nprocs : comm->me;
  int first = mine;
  MPI_Allreduce(&mine, &first, 1, MPI_INT, MPI_MIN, world);
  if (first == comm->nprocs) return "";
  int size = static_cast<int>(message.size());
  MPI_Bcast(&size, 1, MPI_INT, first, world);
  message.resize(size);
  MPI_Bcast(message.data(), size, MPI_CHAR, first, world);
  return message;
}

void ErrorBoundary::stop_if_any(const std::string& message) {
  const std::string of_all = shared(message);
  if (!of_all.empty()) error->all(FLERR, sentence(of_all));
}

void ErrorBoundary::stop(const std::string& message) {
  // on one rank `all` leaves LAMMPS in order (Python can catch it), `one` aborts
  if (comm->nprocs == 1) error->all(FLERR, sentence(message));
  error->one(FLERR, sentence(message));
}

}  // namespace mdbridge_lammps
