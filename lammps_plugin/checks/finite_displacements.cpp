// SPDX-License-Identifier: GPL-2.0-only
#include "finite_displacements.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "fmt/format.h"
#include "update.h"

namespace mdbridge_lammps {

namespace {

// Å. Forces in single precision are good to some 1e-5 eV/Å, so that this gives force constants to
// some 1e-3 eV/Å².
constexpr double smallest = 0.005;
constexpr const char* recommended = "0.01";

}  // namespace

bool FiniteDisplacements::under_way(const LAMMPS_NS::Update& update) {
  return update.whichflag == 0;
}

void FiniteDisplacements::begin() {
  undisplaced_ = {};
  warned_ = false;
}

std::string FiniteDisplacements::warning(MPI_Comm world, const mdbridge::Structure& structure) {
  if (warned_) return "";
  double largest = 0.0;
  if (undisplaced_.positions.size() == structure.positions.size()) {
    for (std::size_t k = 0; k < structure.positions.size(); ++k) {
      largest = std::max(largest, std::abs(structure.positions[k] - undisplaced_.positions[k]));
    }
  } else {
    undisplaced_ = structure;
  }
  MPI_Allreduce(MPI_IN_PLACE, &largest, 1, MPI_DOUBLE, MPI_MAX, world);
  if (largest == 0.0) return "";  // not displaced yet
  warned_ = true;
  if (largest > 0.999 * smallest) return "";
  return fmt::format(
      "forces are differentiated by displacing atoms by {:.2g} Angstrom, but those of a model in "
      "single precision have rounding errors that drown the differences: displace by about {} "
      "Angstrom, or export the model in double precision (md-bridge export --dtype float64)",
      largest, recommended);
}

}  // namespace mdbridge_lammps
