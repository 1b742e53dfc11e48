// SPDX-License-Identifier: GPL-2.0-only
#include "committee/disagreement.hpp"

#include <cmath>

namespace mdbridge_lammps {

std::vector<double> Disagreement::norms() const {
  std::vector<double> norms;
  for (std::size_t i = 0; i < forces_std.size(); i += 3) {
    norms.push_back(std::hypot(forces_std[i], forces_std[i + 1], forces_std[i + 2]));
  }
  return norms;
}

std::vector<double> deviations(const std::vector<std::vector<double>>& rows) {
  if (rows.empty()) return {};
  const auto count = static_cast<double>(rows.size());
  std::vector<double> found(rows.front().size(), 0.0);
  for (std::size_t i = 0; i < found.size() && rows.size() > 1; ++i) {
    double mean = 0.0;
    for (const auto& row : rows) mean += row[i] / count;
    double squares = 0.0;
    for (const auto& row : rows) squares += (row[i] - mean) * (row[i] - mean);
    found[i] = std::sqrt(squares / (count - 1.0));
  }
  return found;
}

}  // namespace mdbridge_lammps
