// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <cstdint>
#include <vector>

namespace mdbridge_lammps {

/// Pairs of 5 integers (sites i and j, counted from 0, and the shift S of j) with the reversed
/// (j, i, -S) of each, once each and in ascending order.
std::vector<std::int32_t> closed_under_reversal(const std::vector<std::int32_t>& pairs);

}  // namespace mdbridge_lammps
