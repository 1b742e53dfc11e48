// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <mpi.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "mdbridge/evaluation.hpp"
#include "mdbridge/structure.hpp"

namespace mdbridge_lammps {

/// The keyword `check`: forces and virial against central differences of the energy.
///
/// It looks at the three force components of the four atoms that are pushed most, of all ranks, and
/// at the six strains of the cell. All ranks make one together and call it together.
class FiniteDifferenceCheck {
 public:
  /// Energy in eV, of all ranks' atoms, when those of this rank are at this structure. Collective.
  using Energy = std::function<double(const mdbridge::Structure&)>;

  /// `structure` holds the atoms that this rank knows, and `ids` names them: an atom that several
  /// ranks know has one ID and moves on all of them. `dtype` of the model, "float32" or "float64",
  /// chooses the steps.
  FiniteDifferenceCheck(MPI_Comm world, const mdbridge::Structure& structure,
                        const std::vector<std::int64_t>& ids, const std::string& dtype,
                        Energy energy);

  /// The table for the log, the same on all ranks, several lines. `analytic`: this rank's
  /// conservative forces and virial at the structure; both are summed over the ranks.
  std::string table(const mdbridge::Evaluation& analytic) const;

 private:
  struct Atom;

  std::vector<Atom> most_pushed(const std::vector<double>& forces) const;
  mdbridge::Structure with_moved(std::int64_t id, int direction, double displacement) const;
  mdbridge::Structure strained(int row, int column, double strain) const;
  /// Minus the derivative of the energy with respect to what `change(step)` changes.
  double difference(const std::function<mdbridge::Structure(double)>& change, double step) const;
  double add_force_rows(const mdbridge::Evaluation& analytic, std::string& table) const;
  double add_virial_rows(const mdbridge::Evaluation& analytic, std::string& table) const;

  MPI_Comm world_;
  mdbridge::Structure structure_;
  std::vector<std::int64_t> ids_;
  double displacement_;  // Å
  double strain_;
  Energy energy_;
};

}  // namespace mdbridge_lammps
