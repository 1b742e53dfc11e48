// SPDX-License-Identifier: GPL-2.0-only
//
// Pairs and their reversed ones, against sorting by comparison.
#include <mpi.h>

#include <algorithm>
#include <array>
#include <random>
#include <string>
#include <vector>

#include "expect.hpp"
#include "neighbours/reversal.hpp"

namespace mdbridge_lammps::test {
namespace {

using Pairs = std::vector<std::int32_t>;

/// What closed_under_reversal() must give.
Pairs by_comparison(const Pairs& pairs) {
  std::vector<std::array<std::int32_t, 5>> labels;
  for (std::size_t p = 0; p < pairs.size(); p += 5) {
    const std::int32_t* q = &pairs[p];
    labels.push_back({q[0], q[1], q[2], q[3], q[4]});
    labels.push_back({q[1], q[0], -q[2], -q[3], -q[4]});
  }
  std::sort(labels.begin(), labels.end());
  labels.erase(std::unique(labels.begin(), labels.end()), labels.end());
  Pairs closed;
  for (const auto& label : labels) closed.insert(closed.end(), label.begin(), label.end());
  return closed;
}

/// Pairs of so many sites with shifts up to these, in no order, some of them repeated.
Pairs random_pairs(int count, int sites, const std::array<int, 3>& shifts, unsigned seed) {
  std::mt19937 random(seed);
  const auto between = [&](int first, int last) {
    return std::uniform_int_distribution<int>(first, last)(random);
  };
  Pairs pairs;
  for (int p = 0; p < count; ++p) {
    if (p > 0 && p % 5 == 0) {
      const int again = 5 * between(0, p - 1);
      for (int k = 0; k < 5; ++k) pairs.push_back(pairs[again + k]);
      continue;
    }
    pairs.insert(pairs.end(), {between(0, sites - 1), between(0, sites - 1)});
    for (const int most : shifts) pairs.push_back(between(-most, most));
  }
  return pairs;
}

void test_against_comparison(Expectations& expect) {
  const struct {
    const char* what;
    int sites;
    std::array<int, 3> shifts;
  } cases[] = {
      {"one site and its images", 1, {1, 2, 1}},
      {"no images", 300, {0, 0, 0}},
      {"images in one direction", 2000, {0, 0, 3}},
      {"the usual", 5000, {1, 1, 1}},
      {"far images", 100, {700, 3, 90000}},
      {"many sites", 2000000000, {0, 1, 0}},
      {"what needs 64 bits", 1 << 20, {127, 127, 127}},
      {"what needs more than 64 bits", 1 << 20, {127, 2000000000, 127}},
      {"the largest shifts", 3, {2147483647, 0, 2147483647}},
  };
  unsigned seed = 0;
  for (const auto& [what, sites, shifts] : cases) {
    const Pairs pairs = random_pairs(3000, sites, shifts, ++seed);
    expect.that(closed_under_reversal(pairs) == by_comparison(pairs), what);
  }
}

void test_small(Expectations& expect) {
  expect.that(closed_under_reversal({}).empty(), "nothing makes nothing");
  const Pairs pairs = {0, 1, 0, -1, 2};
  expect.that(closed_under_reversal(pairs) == Pairs{0, 1, 0, -1, 2, 1, 0, 0, 1, -2}, "one pair");
  const Pairs of_itself = {3, 3, 1, 0, 0, 3, 3, -1, 0, 0};
  expect.that(closed_under_reversal(of_itself) == Pairs{3, 3, -1, 0, 0, 3, 3, 1, 0, 0},
              "an atom and its images");
}

}  // namespace
}  // namespace mdbridge_lammps::test

int main(int count, char** words) {
  using namespace mdbridge_lammps::test;
  MPI_Init(&count, &words);
  Expectations expect(0);
  test_small(expect);
  test_against_comparison(expect);
  MPI_Finalize();
  return expect.failed() == 0 ? 0 : 1;
}
