// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <mpi.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "mdbridge/structure.hpp"

namespace mdbridge_lammps {

/// What is warned of ("energy uncertainty"), where it is above a threshold.
struct Watched {
  double threshold;
  const char* what;
  const char* unit;
};

/// The warning for the atoms of all ranks in this step; empty if there is nothing to warn of, and
/// on ranks other than 0. `values` by site; of them the leading `structure.owned` count.
/// Collective.
std::string warning_above(MPI_Comm world, std::int64_t step, const mdbridge::Structure& structure,
                          const std::vector<std::int64_t>& ids, const std::vector<double>& values,
                          const Watched& watched);

/// Who wants the uncertainty of the atomic energies, and what becomes of it: the warning of the
/// keyword `uncertainty`, and the values that `fix pair mdbridge uncertainty 0|1` reads.
///
/// `fix pair` asks for values by a name (extract_peratom) and, with a 1 in the input, sets a flag
/// (extract) before each step in which it will read them.
class Uncertainty {
 public:
  /// The pair style has these settings from now on; `threshold` in eV, 0: never warn.
  void set_threshold(double threshold) { threshold_ = threshold; }

  /// Whether the evaluation of this step should give it.
  bool wanted() const;

  /// warning_above() the threshold, if there is one. `values` in eV, by site. Collective.
  std::string warning(MPI_Comm world, std::int64_t step, const mdbridge::Structure& structure,
                      const std::vector<std::int64_t>& ids,
                      const std::vector<double>& values) const;

  /// Whether a `fix pair` has asked for the values.
  bool fix_reads() const { return fix_reads_; }
  void expect_fix() { fix_reads_ = true; }
  /// There is no `fix pair` any more.
  void forget_fix() { fix_reads_ = flag_given_ = false; }
  /// The flag that `fix pair` sets to 1 when it will read the values of the coming step.
  int* flag();

  /// Keep the values (eV) of the `owned` leading sites for `fix pair`, times `scale`; `atoms` says
  /// which of `count` atoms each site is.
  void store(std::int64_t step, const std::vector<double>& values, const std::vector<int>& atoms,
             std::size_t owned, std::size_t count, double scale);
  /// What is stored is of no step any more.
  void forget_values() { stored_step_ = never; }
  /// Throws mdbridge::Error unless the values of this step are stored: zeros would pass for values.
  void require_stored(std::int64_t step) const;
  /// By atom, at least `count` of them. Before the first store() they are zero.
  double* stored(std::size_t count);

 private:
  static constexpr std::int64_t never = -1;

  double threshold_ = 0.0;
  bool fix_reads_ = false;
  bool flag_given_ = false;  // fix pair asks by its flag; else it reads in every step
  int flag_ = 0;
  std::int64_t stored_step_ = never;
  std::vector<double> stored_;
};

}  // namespace mdbridge_lammps
