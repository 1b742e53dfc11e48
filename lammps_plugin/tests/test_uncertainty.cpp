// SPDX-License-Identifier: GPL-2.0-only
//
// Uncertainty alone, on one rank or several.
#include <mpi.h>

#include <string>
#include <vector>

#include "expect.hpp"
#include "mdbridge/error.hpp"
#include "uncertainty.hpp"

namespace mdbridge_lammps::test {
namespace {

void test_who_wants_it(Expectations& expect) {
  Uncertainty uncertainty;
  expect.that(!uncertainty.wanted(), "nobody wants it at first");
  uncertainty.set_threshold(0.1);
  expect.that(uncertainty.wanted(), "the keyword wants it");
  uncertainty.set_threshold(0.0);
  uncertainty.expect_fix();
  expect.that(uncertainty.wanted() && uncertainty.fix_reads(), "a fix pair wants it in each step");
  int* flag = uncertainty.flag();
  expect.that(!uncertainty.wanted(), "a fix pair with a flag does not, unless the flag is up");
  *flag = 1;
  expect.that(uncertainty.wanted(), "the flag is up");
  uncertainty.forget_fix();
  expect.that(!uncertainty.wanted() && !uncertainty.fix_reads(), "the fix is gone");
}

/// Each rank has two atoms of its own, with 0.1 and 0.2 eV times its number counted from 1, and one
/// of its surroundings.
void test_warning(Expectations& expect, int rank, int ranks) {
  mdbridge::Structure structure;
  structure.types = {1, 8, 18};
  structure.positions.assign(9, 0.0);
  structure.owned = 2;
  const std::vector<std::int64_t> ids = {10 * rank + 1, 10 * rank + 2, 10 * rank + 3};
  const std::vector<double> values = {0.1 * (rank + 1), 0.2 * (rank + 1), 99.0};
  const auto warning = [&](double threshold) {
    Uncertainty uncertainty;
    uncertainty.set_threshold(threshold);
    return uncertainty.warning(MPI_COMM_WORLD, 7, structure, ids, values);
  };
  expect.equal(warning(0.0), "", "no threshold, no warning");
  expect.equal(warning(0.2 * ranks + 0.05), "", "nothing to warn of");
  const std::string worst = std::to_string(10 * (ranks - 1) + 2) + " (O)";
  const std::string all = warning(0.05);
  const std::string one = warning(0.2 * ranks - 0.05);
  if (rank != 0) {
    expect.equal(all, "", "one rank warns for all");
    return;
  }
  const std::string value = ranks == 1 ? "0.2" : "0.4";
  expect.equal(all,
               "in step 7 the energy uncertainty of " + std::to_string(2 * ranks) +
                   " atoms is above 0.05 eV; the largest is " + value + " eV, on atom ID " + worst,
               "the warning counts the atoms of all ranks, without their surroundings");
  expect.contains(one, "of 1 atom is above", "the singular");
  expect.contains(one, "on atom ID " + worst, "the atom of another rank is named");
}

void test_values_for_fix_pair(Expectations& expect) {
  using mdbridge::Error;
  Uncertainty uncertainty;
  const std::vector<int> atoms = {2, 0, 5};  // the last one is of the surroundings
  const std::vector<double> values = {0.3, 0.1, 0.9};
  uncertainty.store(4, values, atoms, 2, 3, 10.0);
  expect.throws<Error>([&] { uncertainty.require_stored(4); }, "not evaluated in this step",
                       "nothing is stored for nobody");
  uncertainty.expect_fix();
  const double* before = uncertainty.stored(3);
  expect.that(before[0] == 0.0 && before[2] == 0.0, "there is a place for it before the first run");
  uncertainty.store(5, values, atoms, 2, 3, 10.0);
  uncertainty.require_stored(5);
  const double* stored = uncertainty.stored(3);
  expect.close(stored[0], 1.0, 1e-12, "by atom, in LAMMPS units");
  expect.close(stored[1], 0.0, 1e-12, "an atom without a site has none");
  expect.close(stored[2], 3.0, 1e-12, "by atom, in LAMMPS units");
  expect.throws<Error>([&] { uncertainty.require_stored(6); }, "not evaluated in this step",
                       "values of another step do not serve");
  uncertainty.forget_values();
  expect.throws<Error>([&] { uncertainty.require_stored(5); }, "not evaluated in this step",
                       "forgotten values do not serve");
  uncertainty.flag();
  uncertainty.store(7, {}, atoms, 2, 3, 10.0);
  expect.throws<Error>([&] { uncertainty.require_stored(7); }, "not evaluated in this step",
                       "a step that nobody asked for has no values");
}

}  // namespace
}  // namespace mdbridge_lammps::test

int main(int count, char** words) {
  using namespace mdbridge_lammps::test;
  MPI_Init(&count, &words);
  int rank = 0;
  int ranks = 1;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &ranks);
  Expectations expect(rank);
  test_who_wants_it(expect);
  test_warning(expect, rank, ranks);
  test_values_for_fix_pair(expect);
  MPI_Finalize();
  return expect.failed() == 0 ? 0 : 1;
}
