// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <string>
#include <vector>

#include "compute.h"
#include "error_boundary.hpp"

namespace mdbridge_lammps {

class PairMDBridge;

/// `compute ID group mdbridge/atom conservative|direct|correction|spread|uncertainty|forces_std
/// ...`: what the model of pair style mdbridge says of each atom, whichever forces drive the run.
class ComputeMDBridgeAtom : public LAMMPS_NS::Compute {
 public:
  ComputeMDBridgeAtom(LAMMPS_NS::LAMMPS* lmp, int count, char** words);
  ~ComputeMDBridgeAtom() override;

  void init() override;
  void compute_peratom() override;
  int pack_reverse_comm(int count, int first, double* buffer) override;
  void unpack_reverse_comm(int count, int* atoms, double* buffer) override;
  double memory_usage() override;
  bool wants_uncertainty() const { return wants(Quantity::uncertainty); }
  bool wants_members() const { return wants(Quantity::forces_std); }

 private:
  enum class Quantity { conservative, direct, inner, correction, spread, uncertainty, forces_std };

  void parse(const std::vector<std::string>& words);
  void find_pair();
  bool wants(Quantity quantity) const;
  static int columns_of(Quantity quantity);
  void fill();
  void write(int column, const std::vector<double>& values, int width, double scale);

  ErrorBoundary boundary_;
  std::vector<Quantity> quantities_;
  PairMDBridge* pair_ = nullptr;
  int rows_ = 0;
  double** values_ = nullptr;
};

}  // namespace mdbridge_lammps
