// SPDX-License-Identifier: GPL-2.0-only
#include "uncertainty.hpp"

#include <algorithm>

#include "fmt/format.h"
#include "mdbridge/elements.hpp"
#include "mdbridge/error.hpp"

namespace mdbridge_lammps {

bool Uncertainty::wanted() const {
  const bool by_fix = flag_given_ ? flag_ != 0 : fix_reads_;
  return threshold_ > 0.0 || by_fix;
}

std::string Uncertainty::warning(MPI_Comm world, std::int64_t step,
                                 const mdbridge::Structure& structure,
                                 const std::vector<std::int64_t>& ids,
                                 const std::vector<double>& values) const {
  if (!(threshold_ > 0.0)) return "";
  return warning_above(world, step, structure, ids, values,
                       {threshold_, "energy uncertainty", "eV"});
}

std::string warning_above(MPI_Comm world, std::int64_t step, const mdbridge::Structure& structure,
                          const std::vector<std::int64_t>& ids, const std::vector<double>& values,
                          const Watched& watched) {
  const double threshold = watched.threshold;
  int me = 0;
  MPI_Comm_rank(world, &me);
  const auto owned = std::min(static_cast<std::size_t>(structure.owned_size()), values.size());
  const auto end = values.begin() + static_cast<std::ptrdiff_t>(owned);
  const auto largest = std::max_element(values.begin(), end);
  struct {
    double value;
    int rank;
  } mine = {owned > 0 ? *largest : 0.0, me}, worst = mine;
  MPI_Allreduce(&mine, &worst, 1, MPI_DOUBLE_INT, MPI_MAXLOC, world);
  if (!(worst.value > threshold)) return "";
  long long above =
      std::count_if(values.begin(), end, [&](double value) { return value > threshold; });
  MPI_Allreduce(MPI_IN_PLACE, &above, 1, MPI_LONG_LONG, MPI_SUM, world);
  long long id_and_element[2] = {0, 0};
  if (me == worst.rank) {
    const auto site = static_cast<std::size_t>(largest - values.begin());
    id_and_element[0] = ids[site];
    id_and_element[1] = structure.types[site];
  }
  MPI_Bcast(id_and_element, 2, MPI_LONG_LONG, worst.rank, world);
  if (me != 0) return "";
  return fmt::format(
      "in step {} the {} of {} atom{} is above {} {}; the largest is {:.4g} {}, on atom ID {} ({})",
      step, watched.what, above, above == 1 ? "" : "s", threshold, watched.unit, worst.value,
      watched.unit, id_and_element[0],
      mdbridge::chemical_symbol(static_cast<int>(id_and_element[1])));
}

int* Uncertainty::flag() {
  flag_given_ = true;
  return &flag_;
}

void Uncertainty::store(std::int64_t step, const std::vector<double>& values,
                        const std::vector<int>& atoms, std::size_t owned, std::size_t count,
                        double scale) {
  if (!fix_reads_) return;
  stored_step_ = wanted() ? step : never;
  stored_.assign(std::max<std::size_t>(1, count), 0.0);
  for (std::size_t s = 0; s < std::min(owned, values.size()); ++s) {
    stored_[atoms[s]] = scale * values[s];
  }
}

void Uncertainty::require_stored(std::int64_t step) const {
  if (stored_step_ == step) return;
  throw mdbridge::Error(
      "fix pair: the uncertainty was not evaluated in this step. It needs run_style verlet, and "
      "'uncertainty 1' in every fix pair or 'uncertainty 0' in every one");
}

double* Uncertainty::stored(std::size_t count) {
  // asked for before the first run too, when there is nothing yet but a place for it
  if (stored_.size() < std::max<std::size_t>(1, count)) {
    stored_.resize(std::max<std::size_t>(1, count), 0.0);
  }
  return stored_.data();
}

}  // namespace mdbridge_lammps
