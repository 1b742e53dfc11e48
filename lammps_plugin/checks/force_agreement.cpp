// SPDX-License-Identifier: GPL-2.0-only
#include "force_agreement.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "fmt/format.h"
#include "mdbridge/error.hpp"

namespace mdbridge_lammps {

namespace {

// eV/Å, of a component. What is smaller does not drive the motion of atoms with kT in them, and
// direct forces that are good elsewhere may be off by a large part of it.
constexpr double small_force = 0.3;
constexpr double no_force = 0.005;

}  // namespace

ForceAgreement ForceAgreement::of(MPI_Comm world, const std::vector<double>& conservative,
                                  const std::vector<double>& inner) {
  double sums[3] = {0.0, 0.0, static_cast<double>(inner.size())};
  for (std::size_t k = 0; k < inner.size(); ++k) {
    const double difference = conservative[k] - inner[k];
    sums[0] += conservative[k] * conservative[k];
    sums[1] += difference * difference;
  }
  MPI_Allreduce(MPI_IN_PLACE, sums, 3, MPI_DOUBLE, MPI_SUM, world);
  const double count = std::max(sums[2], 1.0);
  return {std::sqrt(sums[0] / count), std::sqrt(sums[1] / count)};
}

bool ForceAgreement::at_rest() const { return conservative < no_force; }

std::string ForceAgreement::describe(bool two_models) const {
  const std::string part =
      at_rest() ? "" : fmt::format(" ({:.3g} %)", 100.0 * correction / conservative);
  return fmt::format(
      "Pair style mdbridge: {} forces differ from the conservative ones by {:.3g}, these are "
      "{:.3g} eV/Angstrom{} (root mean squares)\n",
      two_models ? "the inner model's" : "direct", correction, conservative, part);
}

void ForceAgreement::require(double largest, bool two_models) const {
  if (correction <= largest * std::max(conservative, small_force)) return;
  throw mdbridge::Error(fmt::format(
      "the {} differ from the conservative ones by {:.3g} eV/Angstrom, but these are only {:.3g} "
      "(root mean squares; largest correction allowed: {:.3g} times the conservative forces). They "
      "do not belong to one potential energy surface: use run_style verlet, choose {}, or allow "
      "for it by the keyword max_correction",
      two_models ? "forces of the inner model" : "direct forces of the model", correction,
      conservative, largest,
      two_models ? "another inner model (keyword inner)"
                 : "other direct forces (keyword variant/direct)"));
}

}  // namespace mdbridge_lammps
