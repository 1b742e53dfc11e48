// SPDX-License-Identifier: GPL-2.0-only
//
// The keyword `check`: forces and virial against finite differences of the energy.
#include <algorithm>
#include <array>
#include <cmath>
#include <map>

#include "atom.h"
#include "comm.h"
#include "gather.hpp"
#include "mdbridge/elements.hpp"
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

/// One line of the table.
std::string row(const std::string& name, double exact, double numeric) {
  return fmt::format("{:<30}{:>16.8f}{:>16.8f}{:>12.1e}\n", name, exact, numeric,
                     std::abs(numeric - exact));
}

}  // namespace

/// An atom whose force is checked; its force is the sum over the ranks that know the atom.
struct PairMDBridge::Checked {
  LAMMPS_NS::tagint tag;
  int element;
  std::array<double, 3> force;

  double squared_force() const {
    return force[0] * force[0] + force[1] * force[1] + force[2] * force[2];
  }
};

/// The atoms with the largest forces; the same on all ranks.
std::vector<PairMDBridge::Checked> PairMDBridge::most_pushed(
    const std::vector<double>& forces) const {
  constexpr int width = 5;
  std::vector<double> mine;
  for (std::size_t s = 0; s < folding_.atoms().size(); ++s) {
    const int i = folding_.atoms()[s];
    mine.insert(mine.end(),
                {static_cast<double>(atom->tag[i]), static_cast<double>(elements_[atom->type[i]]),
                 forces[3 * s], forces[3 * s + 1], forces[3 * s + 2]});
  }
  const std::vector<double> all = gather_everywhere(world, mine).values;
  std::map<LAMMPS_NS::tagint, Checked> by_tag;
  for (std::size_t n = 0; n < all.size(); n += width) {
    const auto tag = static_cast<LAMMPS_NS::tagint>(all[n]);
    Checked& found =
        by_tag.try_emplace(tag, Checked{tag, static_cast<int>(all[n + 1]), {}}).first->second;
    for (int k = 0; k < 3; ++k) found.force[k] += all[n + 2 + k];
  }
  std::vector<Checked> order;
  for (const auto& [tag, found] : by_tag) order.push_back(found);
  const auto count = std::min<std::size_t>(checked_atoms, order.size());
  std::partial_sort(
      order.begin(), order.begin() + count, order.end(),
      [](const Checked& a, const Checked& b) { return a.squared_force() > b.squared_force(); });
  order.resize(count);
  return order;
}

/// Of all ranks' atoms.
double PairMDBridge::energy_of(const Structure& structure) {
  Wanted wanted;
  wanted.atomic_energies = true;  // their sum is in double precision
  double mine = 0.0;
  in_step([&] { mine = engine_->evaluate(structure, current_pairs(), wanted).energy; });
  double sum = 0.0;
  MPI_Allreduce(&mine, &sum, 1, MPI_DOUBLE, MPI_SUM, world);
  return sum;
}

/// The energy after one atom has moved, on all ranks that know it.
double PairMDBridge::energy_with_moved(LAMMPS_NS::tagint tag, int direction, double displacement) {
  Structure moved = structures_.front();
  for (std::size_t s = 0; s < folding_.atoms().size(); ++s) {
    if (atom->tag[folding_.atoms()[s]] == tag) moved.positions[3 * s + direction] += displacement;
  }
  return energy_of(moved);
}

void PairMDBridge::check_once(bool respa) {
  if (!settings_.check || checked_) return;
  const Steps steps = steps_for(engine_->info().dtype);
  Wanted wanted;
  wanted.conservative_forces = true;
  wanted.conservative_virial = true;
  Evaluation analytic;
  in_step([&] {
    update_structure(respa);
    analytic = engine_->evaluate(structures_.front(), current_pairs(), wanted);
  });

  std::string table = "Pair style mdbridge: check against finite differences of the energy\n";
  table += fmt::format("  {:<28}{:>16}{:>16}{:>12}\n", "force (eV/Angstrom)", "analytic",
                       "difference", "deviation");
  double worst = 0.0;
  for (const Checked& checked : most_pushed(analytic.conservative_forces)) {
    for (int k = 0; k < 3; ++k) {
      const double forward = energy_with_moved(checked.tag, k, steps.displacement);
      const double backward = energy_with_moved(checked.tag, k, -steps.displacement);
      const double numeric = (backward - forward) / (2.0 * steps.displacement);
      worst = std::max(worst, std::abs(numeric - checked.force[k]));
      table += row(fmt::format("  atom ID {} ({}), {}", checked.tag,
                               mdbridge::chemical_symbol(checked.element), "xyz"[k]),
                   checked.force[k], numeric);
    }
  }
  std::array<double, 9> virial{};
  MPI_Allreduce(analytic.conservative_virial.data(), virial.data(), 9, MPI_DOUBLE, MPI_SUM, world);
  const Structure structure = structures_.front();
  double worst_virial = 0.0;
  for (int a = 0; a < 3; ++a) {
    for (int b = a; b < 3; ++b) {
      const double forward = energy_of(strained(structure, a, b, steps.strain));
      const double backward = energy_of(strained(structure, a, b, -steps.strain));
      const double numeric = (backward - forward) / (2.0 * steps.strain);
      const double exact = virial[3 * a + b];
      worst_virial = std::max(worst_virial, std::abs(numeric - exact));
      table += row(fmt::format("  virial (eV) {}{}", "xyz"[a], "xyz"[b]), exact, numeric);
    }
  }
  table += fmt::format("  largest deviation: force {:.1e} eV/Angstrom, virial {:.1e} eV\n", worst,
                       worst_virial);
  if (comm->me == 0) utils::logmesg(lmp, table);
  checked_ = true;
}

}  // namespace mdbridge_lammps
