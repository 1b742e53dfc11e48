// SPDX-License-Identifier: GPL-2.0-only
//
// The keyword `check`: forces and virial against finite differences of the energy.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "atom.h"
#include "comm.h"
#include "error.hpp"
#include "model.hpp"
#include "pair_mdbridge.hpp"

namespace mdbridge_lammps {

using mdbridge::Evaluation;
using mdbridge::Structure;
using mdbridge::Wanted;
namespace utils = LAMMPS_NS::utils;

namespace {

constexpr int checked_atoms = 4;

/// Steps at which rounding and truncation are of about one size.
struct Steps {
  double displacement;  // Å
  double strain;
};

Steps steps_for(const std::string& dtype) {
  return dtype == "float64" ? Steps{1e-4, 1e-5} : Steps{2e-2, 2e-3};
}

Structure strained(const Structure& structure, int row, int column, double strain) {
  Structure moved = structure;
  const auto shear = [&](double* vector) {
    // symmetric strain: half in each of the two off-diagonal places
    const double a = vector[row];
    const double b = vector[column];
    const double share = row == column ? strain : 0.5 * strain;
    vector[column] += share * a;
    if (row != column) vector[row] += share * b;
  };
  for (std::size_t i = 0; i < moved.positions.size(); i += 3) shear(&moved.positions[i]);
  for (int a = 0; a < 3; ++a) shear(&moved.cell[3 * a]);
  return moved;
}

/// Indices of the atoms with the largest forces.
std::vector<int> most_pushed(const std::vector<double>& forces) {
  std::vector<int> order(forces.size() / 3);
  std::iota(order.begin(), order.end(), 0);
  const auto size = [&](int i) {
    return std::hypot(forces[3 * i], forces[3 * i + 1], forces[3 * i + 2]);
  };
  const auto count = std::min<std::size_t>(checked_atoms, order.size());
  std::partial_sort(order.begin(), order.begin() + count, order.end(),
                    [&](int a, int b) { return size(a) > size(b); });
  order.resize(count);
  return order;
}

}  // namespace

double PairMDBridge::energy_of(const Structure& structure) {
  Wanted wanted;
  wanted.atomic_energies = true;  // their sum is in double precision
  return engine_->evaluate(structure, current_pairs(), wanted).energy;
}

void PairMDBridge::check_once() {
  if (!settings_.check || checked_) return;
  checked_ = true;
  if (comm->nprocs > 1) {
    throw mdbridge::Error(
        "the keyword 'check' needs a run on one MPI rank: run it once without "
        "mpirun, then leave it out");
  }
  const Structure& structure = structures_.front();
  const Steps steps = steps_for(engine_->info().dtype);
  Wanted wanted;
  wanted.conservative_forces = true;
  wanted.conservative_virial = true;
  const Evaluation analytic = evaluate(wanted);

  std::string table = "Pair style mdbridge: check against finite differences of the energy\n";
  table += fmt::format("  {:<28}{:>16}{:>16}{:>12}\n", "force (eV/Angstrom)", "analytic",
                       "difference", "deviation");
  double worst = 0.0;
  for (const int site : most_pushed(analytic.conservative_forces)) {
    for (int k = 0; k < 3; ++k) {
      Structure moved = structure;
      moved.positions[3 * site + k] += steps.displacement;
      const double forward = energy_of(moved);
      moved.positions[3 * site + k] -= 2.0 * steps.displacement;
      const double numeric = (energy_of(moved) - forward) / (2.0 * steps.displacement);
      const double exact = analytic.conservative_forces[3 * site + k];
      worst = std::max(worst, std::abs(numeric - exact));
      const int i = folding_.atoms()[site];
      const std::string name =
          fmt::format("  atom ID {} ({}), {}", atom->tag[i],
                      mdbridge::chemical_symbol(elements_[atom->type[i]]), "xyz"[k]);
      table += fmt::format("{:<30}{:>16.8f}{:>16.8f}{:>12.1e}\n", name, exact, numeric,
                           std::abs(numeric - exact));
    }
  }
  double worst_virial = 0.0;
  for (int row = 0; row < 3; ++row) {
    for (int column = row; column < 3; ++column) {
      const double forward = energy_of(strained(structure, row, column, steps.strain));
      const double backward = energy_of(strained(structure, row, column, -steps.strain));
      const double numeric = (backward - forward) / (2.0 * steps.strain);
      const double exact = analytic.conservative_virial[3 * row + column];
      worst_virial = std::max(worst_virial, std::abs(numeric - exact));
      const std::string name = fmt::format("  virial (eV) {}{}", "xyz"[row], "xyz"[column]);
      table += fmt::format("{:<30}{:>16.8f}{:>16.8f}{:>12.1e}\n", name, exact, numeric,
                           std::abs(numeric - exact));
    }
  }
  table += fmt::format("  largest deviation: force {:.1e} eV/Angstrom, virial {:.1e} eV\n", worst,
                       worst_virial);
  utils::logmesg(lmp, table);
}

}  // namespace mdbridge_lammps
