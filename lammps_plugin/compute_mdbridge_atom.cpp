// SPDX-License-Identifier: GPL-2.0-only
#include "compute_mdbridge_atom.hpp"

#include <algorithm>
#include <map>

#include "atom.h"
#include "comm.h"
#include "force.h"
#include "mdbridge/error.hpp"
#include "memory.h"
#include "pair_mdbridge.hpp"
#include "update.h"
#include "words.hpp"

namespace mdbridge_lammps {

using mdbridge::Error;

ComputeMDBridgeAtom::ComputeMDBridgeAtom(LAMMPS_NS::LAMMPS* lmp, int count, char** words)
    : Compute(lmp, count, words), boundary_(lmp) {
  boundary_.agree(
      [&] { parse(std::vector<std::string>(words + std::min(count, 3), words + count)); });
  peratom_flag = 1;
  int columns = 0;
  for (const Quantity quantity : quantities_) columns += columns_of(quantity);
  size_peratom_cols = columns == 1 ? 0 : columns;
  // conservative forces on ghosts go back to their owners
  comm_reverse = columns;
}

ComputeMDBridgeAtom::~ComputeMDBridgeAtom() { memory->destroy(values_); }

void ComputeMDBridgeAtom::parse(const std::vector<std::string>& words) {
  static const std::map<std::string, Quantity> known = {
      {"conservative", Quantity::conservative},
      {"direct", Quantity::direct},
      {"inner", Quantity::inner},
      {"correction", Quantity::correction},
      {"spread", Quantity::spread},
      {"uncertainty", Quantity::uncertainty},
      {"forces_std", Quantity::forces_std},
  };
  std::vector<std::string> names;
  for (const auto& [name, quantity] : known) names.push_back(name);
  if (words.empty()) {
    throw Error("compute mdbridge/atom expects one or more of " + join(names, ", "));
  }
  for (const auto& word : words) {
    const auto found = known.find(word);
    if (found == known.end()) {
      throw Error("compute mdbridge/atom: unknown quantity '" + word + "', did you mean '" +
                  nearest(word, names) + "'? The quantities are " + join(names, ", "));
    }
    quantities_.push_back(found->second);
  }
}

int ComputeMDBridgeAtom::columns_of(Quantity quantity) {
  return quantity == Quantity::uncertainty || quantity == Quantity::spread ? 1 : 3;
}

bool ComputeMDBridgeAtom::wants(Quantity quantity) const {
  return std::find(quantities_.begin(), quantities_.end(), quantity) != quantities_.end();
}

void ComputeMDBridgeAtom::init() {
  find_pair();
  boundary_.agree([&] {
    if (wants_members()) pair_->require_members(true);
  });
}

/// The pair style may be another one since the last run.
void ComputeMDBridgeAtom::find_pair() {
  pair_ = dynamic_cast<PairMDBridge*>(force->pair_match("mdbridge", 1, 0));
  boundary_.agree([&] {
    if (pair_ == nullptr) {
      throw Error("compute mdbridge/atom needs pair_style mdbridge, once (alone or in a hybrid)");
    }
  });
}

void ComputeMDBridgeAtom::compute_peratom() {
  invoked_peratom = update->ntimestep;
  find_pair();
  const int columns = std::max(1, size_peratom_cols);
  // displace_atoms forgets the number of ghosts, which inspect() looks at all the same
  if (atom->nmax > rows_) {
    memory->destroy(values_);
    rows_ = atom->nmax;
    memory->create(values_, rows_, columns, "mdbridge/atom:values");
  }
  for (int i = 0; i < rows_; ++i) std::fill_n(values_[i], columns, 0.0);
  fill();
  if (comm->nprocs > 1) comm->reverse_comm(this);
  for (int i = 0; i < atom->nlocal; ++i) {
    if ((atom->mask[i] & groupbit) == 0) std::fill_n(values_[i], columns, 0.0);
  }
  array_atom = values_;
  // one column is contiguous: it serves as the vector too
  vector_atom = rows_ > 0 ? values_[0] : nullptr;
}

void ComputeMDBridgeAtom::fill() {
  mdbridge::Wanted wanted;
  const bool correction = wants(Quantity::correction);
  wanted.conservative_forces = wants(Quantity::conservative) || correction;
  wanted.direct_forces = wants(Quantity::direct);
  wanted.uncertainty = wants(Quantity::uncertainty);
  const bool inner = correction || wants(Quantity::inner);
  PairMDBridge::Inspection found;
  if (wanted.conservative_forces || wanted.direct_forces || wanted.uncertainty || inner) {
    found = pair_->inspect(wanted, inner);
  }
  const mdbridge::Evaluation& evaluation = found.outer;
  const Units& units = pair_->units();
  int column = 0;
  for (const Quantity quantity : quantities_) {
    if (quantity == Quantity::uncertainty) {
      write(column++, evaluation.uncertainty, 1, units.energy);
      continue;
    }
    if (quantity == Quantity::spread) {
      write(column++, pair_->force_spread(), 1, units.force());
      continue;
    }
    if (quantity == Quantity::forces_std) {
      write(column, pair_->disagreement(true).forces_std, 3, units.force());
      column += 3;
      continue;
    }
    if (quantity == Quantity::conservative || quantity == Quantity::correction) {
      write(column, evaluation.conservative_forces, 3, units.force());
    }
    if (quantity == Quantity::direct) write(column, evaluation.direct_forces, 3, units.force());
    if (quantity == Quantity::inner || quantity == Quantity::correction) {
      const double sign = quantity == Quantity::correction ? -1.0 : 1.0;
      write(column, found.inner_forces, 3, sign * units.force());
    }
    column += 3;
  }
}

/// Add the values of the sites to those of their atoms.
void ComputeMDBridgeAtom::write(int column, const std::vector<double>& values, int width,
                                double scale) {
  const auto& atoms = pair_->follower().atoms();
  for (std::size_t n = 0; n < values.size(); ++n) {
    values_[atoms[n / width]][column + n % width] += scale * values[n];
  }
}

int ComputeMDBridgeAtom::pack_reverse_comm(int count, int first, double* buffer) {
  double* next = buffer;
  for (int i = first; i < first + count; ++i) next = std::copy_n(values_[i], comm_reverse, next);
  return static_cast<int>(next - buffer);
}

void ComputeMDBridgeAtom::unpack_reverse_comm(int count, int* atoms, double* buffer) {
  for (int n = 0; n < count; ++n) {
    for (int k = 0; k < comm_reverse; ++k) values_[atoms[n]][k] += *buffer++;
  }
}

double ComputeMDBridgeAtom::memory_usage() {
  return static_cast<double>(rows_) * std::max(1, size_peratom_cols) * sizeof(double);
}

}  // namespace mdbridge_lammps
