// SPDX-License-Identifier: GPL-2.0-only
#include "finite_difference_check.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <utility>

#include "fmt/format.h"
#include "mdbridge/elements.hpp"
#include "mpi/gather.hpp"

namespace mdbridge_lammps {

using mdbridge::Evaluation;
using mdbridge::Structure;

namespace {

constexpr int checked_atoms = 4;

/// One line of the table.
std::string row(const std::string& name, double analytic, double numeric) {
  return fmt::format("{:<30}{:>16.8f}{:>16.8f}{:>12.1e}\n", name, analytic, numeric,
                     std::abs(numeric - analytic));
}

}  // namespace

/// An atom of any rank; its force is the sum over the ranks that know the atom.
struct FiniteDifferenceCheck::Atom {
  std::int64_t id;
  int element;
  std::array<double, 3> force;

  double squared_force() const {
    return force[0] * force[0] + force[1] * force[1] + force[2] * force[2];
  }
};

FiniteDifferenceCheck::FiniteDifferenceCheck(MPI_Comm world, const Structure& structure,
                                             const std::vector<std::int64_t>& ids,
                                             const std::string& dtype, Energy energy)
    : world_(world),
      structure_(structure),
      ids_(ids),
      // where rounding and truncation are of about one size
      displacement_(dtype == "float64" ? 1e-4 : 2e-2),
      strain_(dtype == "float64" ? 1e-5 : 2e-3),
      energy_(std::move(energy)) {}

std::string FiniteDifferenceCheck::table(const Evaluation& analytic) const {
  std::string table = "Pair style mdbridge: check against finite differences of the energy\n";
  table += fmt::format("  {:<28}{:>16}{:>16}{:>12}\n", "force (eV/Angstrom)", "analytic",
                       "difference", "deviation");
  const double worst_force = add_force_rows(analytic, table);
  const double worst_virial = add_virial_rows(analytic, table);
  return table + fmt::format("  largest deviation: force {:.1e} eV/Angstrom, virial {:.1e} eV\n",
                             worst_force, worst_virial);
}

/// Returns the largest deviation.
double FiniteDifferenceCheck::add_force_rows(const Evaluation& analytic, std::string& table) const {
  double worst = 0.0;
  for (const Atom& atom : most_pushed(analytic.conservative_forces)) {
    for (int k = 0; k < 3; ++k) {
      const double numeric =
          difference([&](double step) { return with_moved(atom.id, k, step); }, displacement_);
      worst = std::max(worst, std::abs(numeric - atom.force[k]));
      table += row(fmt::format("  atom ID {} ({}), {}", atom.id,
                               mdbridge::chemical_symbol(atom.element), "xyz"[k]),
                   atom.force[k], numeric);
    }
  }
  return worst;
}

/// Returns the largest deviation.
double FiniteDifferenceCheck::add_virial_rows(const Evaluation& analytic,
                                              std::string& table) const {
  std::array<double, 9> virial{};
  MPI_Allreduce(analytic.conservative_virial.data(), virial.data(), 9, MPI_DOUBLE, MPI_SUM, world_);
  double worst = 0.0;
  for (int a = 0; a < 3; ++a) {
    for (int b = a; b < 3; ++b) {
      const double numeric = difference([&](double step) { return strained(a, b, step); }, strain_);
      const double exact = virial[3 * a + b];
      worst = std::max(worst, std::abs(numeric - exact));
      table += row(fmt::format("  virial (eV) {}{}", "xyz"[a], "xyz"[b]), exact, numeric);
    }
  }
  return worst;
}

/// The atoms with the largest forces; the same on all ranks.
std::vector<FiniteDifferenceCheck::Atom> FiniteDifferenceCheck::most_pushed(
    const std::vector<double>& forces) const {
  constexpr int width = 5;
  std::vector<double> mine;
  for (std::size_t s = 0; s < ids_.size(); ++s) {
    mine.insert(mine.end(), {static_cast<double>(ids_[s]), static_cast<double>(structure_.types[s]),
                             forces[3 * s], forces[3 * s + 1], forces[3 * s + 2]});
  }
  const std::vector<double> all = gather_everywhere(world_, mine).values;
  std::map<std::int64_t, Atom> by_id;
  for (std::size_t n = 0; n < all.size(); n += width) {
    const auto id = static_cast<std::int64_t>(all[n]);
    Atom& found = by_id.try_emplace(id, Atom{id, static_cast<int>(all[n + 1]), {}}).first->second;
    for (int k = 0; k < 3; ++k) found.force[k] += all[n + 2 + k];
  }
  std::vector<Atom> order;
  for (const auto& [id, found] : by_id) order.push_back(found);
  const auto count = std::min<std::size_t>(checked_atoms, order.size());
  std::partial_sort(
      order.begin(), order.begin() + count, order.end(),
      [](const Atom& a, const Atom& b) { return a.squared_force() > b.squared_force(); });
  order.resize(count);
  return order;
}

double FiniteDifferenceCheck::difference(const std::function<Structure(double)>& change,
                                         double step) const {
  const double forward = energy_(change(step));
  const double backward = energy_(change(-step));
  return (backward - forward) / (2.0 * step);
}

/// One atom moved, if this rank knows it.
Structure FiniteDifferenceCheck::with_moved(std::int64_t id, int direction,
                                            double displacement) const {
  Structure moved = structure_;
  for (std::size_t s = 0; s < ids_.size(); ++s) {
    if (ids_[s] == id) moved.positions[3 * s + direction] += displacement;
  }
  return moved;
}

/// Atoms and cell under a symmetric strain: half of it in each of two off-diagonal places.
Structure FiniteDifferenceCheck::strained(int row, int column, double strain) const {
  Structure moved = structure_;
  const auto shear = [&](double* vector) {
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

}  // namespace mdbridge_lammps
