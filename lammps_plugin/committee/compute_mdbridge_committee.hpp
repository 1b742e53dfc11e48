// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <array>
#include <string>
#include <vector>

#include "compute.h"
#include "error_boundary.hpp"

namespace mdbridge_lammps {

class PairMDBridge;

/// `compute ID group mdbridge/committee [forces yes|no]`: how far the members of a committee, or of
/// the model's ensemble, are apart, in a few numbers: for thermo output and fix halt.
class ComputeMDBridgeCommittee : public LAMMPS_NS::Compute {
 public:
  ComputeMDBridgeCommittee(LAMMPS_NS::LAMMPS* lmp, int count, char** words);

  void init() override;
  double compute_scalar() override;
  void compute_vector() override;
  bool wants_forces() const { return forces_; }

 private:
  void parse(const std::vector<std::string>& words);
  void find_pair();
  void fill_forces(const std::vector<double>& norms);

  ErrorBoundary boundary_;
  bool forces_ = true;
  std::array<double, 6> values_{};
  PairMDBridge* pair_ = nullptr;
};

}  // namespace mdbridge_lammps
