// SPDX-License-Identifier: GPL-2.0-only
//
// FiniteDifferenceCheck alone, on one rank or several: springs whose derivatives are known.
#include <mpi.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <sstream>
#include <string>
#include <vector>

#include "checks/finite_difference_check.hpp"
#include "expect.hpp"

namespace mdbridge_lammps::test {
namespace {

using mdbridge::Evaluation;
using mdbridge::Structure;

constexpr double pressure = 0.05;        // eV/Å^3: the energy has a term pressure * volume
constexpr std::size_t shared_atoms = 3;  // that ranks other than 0 know too

/// Six atoms of argon in a periodic cell, whose images are not seen.
Structure cluster() {
  Structure structure;
  structure.types.assign(6, 18);
  structure.positions = {0.1, 0.0, 0.2, 1.3, 0.1, 0.0, 0.2, 1.1, 0.3,
                         0.0, 0.2, 1.4, 1.2, 1.5, 0.1, 1.0, 0.3, 1.7};
  structure.cell = {5.0, 0.0, 0.0, 0.5, 6.0, 0.0, 0.3, -0.4, 7.0};
  structure.periodic = {true, true, true};
  return structure;
}

double determinant(const std::array<double, 9>& h) {
  return h[0] * (h[4] * h[8] - h[5] * h[7]) - h[1] * (h[3] * h[8] - h[5] * h[6]) +
         h[2] * (h[3] * h[7] - h[4] * h[6]);
}

/// Springs of length 1 Å and 2 eV/Å^2 between the first `atoms` atoms. What is known of them:
/// energy, forces and virial.
Evaluation springs(const Structure& structure, std::size_t atoms) {
  Evaluation result;
  result.conservative_forces.assign(3 * atoms, 0.0);
  for (std::size_t i = 0; i < atoms; ++i) {
    for (std::size_t j = i + 1; j < atoms; ++j) {
      double d[3];
      for (int k = 0; k < 3; ++k) {
        d[k] = structure.positions[3 * j + k] - structure.positions[3 * i + k];
      }
      const double r = std::sqrt(d[0] * d[0] + d[1] * d[1] + d[2] * d[2]);
      const double slope = 2.0 * (r - 1.0);
      result.energy += (r - 1.0) * (r - 1.0);
      for (int k = 0; k < 3; ++k) {
        result.conservative_forces[3 * i + k] += slope * d[k] / r;
        result.conservative_forces[3 * j + k] -= slope * d[k] / r;
        for (int l = 0; l < 3; ++l)
          result.conservative_virial[3 * k + l] -= slope * d[k] * d[l] / r;
      }
    }
  }
  return result;
}

/// One rank's part of springs and volume: rank 0 has all but the springs between the shared atoms,
/// the others have those, divided among them. The parts add up to all of it on any number of ranks.
struct Part {
  int rank = 0;
  int ranks = 1;

  Part() {
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &ranks);
  }

  std::size_t atoms() const { return rank == 0 ? cluster().types.size() : shared_atoms; }

  Structure structure() const {
    Structure mine = cluster();
    mine.types.resize(atoms());
    mine.positions.resize(3 * atoms());
    return mine;
  }

  /// The other way round, so that IDs are not places.
  std::vector<std::int64_t> ids() const {
    std::vector<std::int64_t> all = {16, 15, 14, 13, 12, 11};
    all.resize(atoms());
    return all;
  }

  Evaluation evaluate(const Structure& mine) const {
    const Evaluation shared = springs(mine, shared_atoms);
    const double share = ranks == 1 ? 0.0 : rank == 0 ? -1.0 : 1.0 / (ranks - 1);
    Evaluation result;
    result.conservative_forces.assign(3 * atoms(), 0.0);
    if (rank == 0) {
      result = springs(mine, atoms());
      const double work = pressure * determinant(mine.cell);
      result.energy += work;
      for (int k = 0; k < 3; ++k) result.conservative_virial[4 * k] -= work;
    }
    result.energy += share * shared.energy;
    for (std::size_t i = 0; i < 3 * shared_atoms; ++i) {
      result.conservative_forces[i] += share * shared.conservative_forces[i];
    }
    for (int k = 0; k < 9; ++k) {
      result.conservative_virial[k] += share * shared.conservative_virial[k];
    }
    return result;
  }

  FiniteDifferenceCheck check(const std::string& dtype = "float64") const {
    return {MPI_COMM_WORLD, structure(), ids(), dtype, [this](const Structure& moved) {
              double sum = evaluate(moved).energy;
              MPI_Allreduce(MPI_IN_PLACE, &sum, 1, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
              return sum;
            }};
  }
};

/// The numbers at the end of the row that begins with this name.
std::array<double, 3> row(const std::string& table, const std::string& name) {
  std::array<double, 3> numbers{NAN, NAN, NAN};
  const auto at = table.find("  " + name + " ");
  if (at == std::string::npos) return numbers;
  std::istringstream rest(table.substr(at + 2 + name.size()));
  for (double& number : numbers) rest >> number;
  return numbers;
}

std::array<double, 2> largest_deviations(const std::string& table) {
  std::array<double, 2> found{NAN, NAN};
  const auto at = table.find("largest deviation: force");
  if (at == std::string::npos) return found;
  std::sscanf(table.c_str() + at, "largest deviation: force %lf eV/Angstrom, virial %lf eV",
              &found[0], &found[1]);
  return found;
}

void test_right_derivatives(Expectations& expect, const Part& part) {
  const std::string table = part.check().table(part.evaluate(part.structure()));
  const auto worst = largest_deviations(table);
  expect.close(worst[0], 0.0, 1e-6, "right forces agree with differences:\n" + table);
  expect.close(worst[1], 0.0, 1e-6, "a right virial agrees with differences:\n" + table);
  expect.equal(std::count(table.begin(), table.end(), '\n'), 2 + 4 * 3 + 6 + 1,
               "four atoms, six strains");

  const Evaluation all = springs(cluster(), 6);
  const std::int64_t ids[] = {16, 15, 14, 13, 12, 11};
  std::vector<std::size_t> order = {0, 1, 2, 3, 4, 5};
  const auto pushed = [&](std::size_t i) {
    const double* f = &all.conservative_forces[3 * i];
    return f[0] * f[0] + f[1] * f[1] + f[2] * f[2];
  };
  std::sort(order.begin(), order.end(),
            [&](std::size_t a, std::size_t b) { return pushed(a) > pushed(b); });
  std::size_t last = 0;
  for (std::size_t n = 0; n < order.size(); ++n) {
    const std::string name = "atom ID " + std::to_string(ids[order[n]]) + " (Ar), y";
    const auto at = table.find(name);
    expect.equal(at != std::string::npos, n < 4, name + " is in the table if it is among the four");
    if (n >= 4) continue;
    expect.that(at > last, "the atom that is pushed most comes first");
    last = at;
    expect.close(row(table, name)[0], all.conservative_forces[3 * order[n] + 1], 1e-7,
                 name + ": the force summed over the ranks");
  }
}

void test_a_wrong_force(Expectations& expect, const Part& part) {
  Evaluation wrong = part.evaluate(part.structure());
  // atom 12 (place 4), which rank 0 alone knows
  if (part.rank == 0) wrong.conservative_forces[3 * 4 + 2] += 3.0;
  const std::string table = part.check().table(wrong);
  expect.close(row(table, "atom ID 12 (Ar), z")[2], 3.0, 1e-3, "the wrong force is named");
  expect.close(largest_deviations(table)[0], 3.0, 0.1, "the largest deviation is that of it");
  expect.close(largest_deviations(table)[1], 0.0, 1e-6, "the virial is right all the same");
}

void test_a_wrong_virial(Expectations& expect, const Part& part) {
  Evaluation wrong = part.evaluate(part.structure());
  // half on each end of it, as a symmetric matrix
  wrong.conservative_virial[1] += 0.5 / part.ranks;
  wrong.conservative_virial[3] += 0.5 / part.ranks;
  const std::string table = part.check().table(wrong);
  expect.close(row(table, "virial (eV) xy")[2], 0.5, 1e-3, "the wrong virial is named");
  expect.close(row(table, "virial (eV) xx")[2], 0.0, 1e-6, "and no other");
  expect.close(largest_deviations(table)[0], 0.0, 1e-6, "forces are right all the same");
}

void test_steps_follow_the_precision(Expectations& expect, const Part& part) {
  for (const std::string dtype : {"float32", "float64"}) {
    const Structure rest = part.structure();
    double largest = 0.0;
    const FiniteDifferenceCheck check(
        MPI_COMM_WORLD, rest, part.ids(), dtype, [&](const Structure& moved) {
          const bool strained = moved.cell != rest.cell;
          for (std::size_t i = 0; !strained && i < rest.positions.size(); ++i) {
            largest = std::max(largest, std::abs(moved.positions[i] - rest.positions[i]));
          }
          return 0.0;
        });
    check.table(part.evaluate(rest));
    if (part.rank != 0) continue;  // knows some of the atoms only
    expect.close(largest, dtype == "float32" ? 2e-2 : 1e-4, 1e-9, "step for " + dtype);
  }
}

}  // namespace
}  // namespace mdbridge_lammps::test

int main(int count, char** words) {
  using namespace mdbridge_lammps::test;
  MPI_Init(&count, &words);
  int failed = 0;
  {
    const Part part;
    Expectations expect(part.rank);
    test_right_derivatives(expect, part);
    test_a_wrong_force(expect, part);
    test_a_wrong_virial(expect, part);
    test_steps_follow_the_precision(expect, part);
    failed = expect.failed();
  }
  MPI_Finalize();
  return failed == 0 ? 0 : 1;
}
