// SPDX-License-Identifier: GPL-2.0-only
//
// The uncertainty of the atomic energies: a warning, `fix pair`, and who else wants it.
#include <algorithm>
#include <cstring>

#include "atom.h"
#include "comm.h"
#include "compute_mdbridge_atom.hpp"
#include "error.h"
#include "mdbridge/elements.hpp"
#include "modify.h"
#include "pair_mdbridge.hpp"
#include "update.h"

namespace mdbridge_lammps {

/// Whether the evaluation of this step should give it.
bool PairMDBridge::uncertainty_wanted() const {
  const bool by_fix = fix_pair_.triggered ? fix_pair_.trigger != 0 : fix_pair_.used;
  return settings_.uncertainty_threshold > 0.0 || by_fix;
}

/// Whether a compute mdbridge/atom has the uncertainty.
bool PairMDBridge::uncertainty_computed() const {
  const auto& computes = modify->get_compute_list();
  return std::any_of(computes.begin(), computes.end(), [](LAMMPS_NS::Compute* compute) {
    const auto* ours = dynamic_cast<const ComputeMDBridgeAtom*>(compute);
    return ours != nullptr && ours->wants_uncertainty();
  });
}

/// One warning for the atoms of all ranks. Collective.
void PairMDBridge::warn_of_uncertainty(const std::vector<double>& uncertainty) {
  const double threshold = settings_.uncertainty_threshold;
  if (!(threshold > 0.0)) return;
  const auto owned = std::min(static_cast<std::size_t>(folding_.owned()), uncertainty.size());
  const auto end = uncertainty.begin() + static_cast<std::ptrdiff_t>(owned);
  const auto largest = std::max_element(uncertainty.begin(), end);
  struct {
    double value;
    int rank;
  } mine = {owned > 0 ? *largest : 0.0, comm->me}, worst = mine;
  MPI_Allreduce(&mine, &worst, 1, MPI_DOUBLE_INT, MPI_MAXLOC, world);
  if (!(worst.value > threshold)) return;
  long long above =
      std::count_if(uncertainty.begin(), end, [&](double value) { return value > threshold; });
  MPI_Allreduce(MPI_IN_PLACE, &above, 1, MPI_LONG_LONG, MPI_SUM, world);
  long long id_and_element[2] = {0, 0};
  if (comm->me == worst.rank) {
    const int i = folding_.atoms()[largest - uncertainty.begin()];
    id_and_element[0] = atom->tag[i];
    id_and_element[1] = elements_[atom->type[i]];
  }
  MPI_Bcast(id_and_element, 2, MPI_LONG_LONG, worst.rank, world);
  if (comm->me != 0) return;
  error->warning(FLERR,
                 "Pair style mdbridge: in step {} the energy uncertainty of {} atom{} is above {} "
                 "eV; the largest is {:.4g} eV, on atom ID {} ({})",
                 update->ntimestep, above, above == 1 ? "" : "s", threshold, worst.value,
                 id_and_element[0], mdbridge::chemical_symbol(static_cast<int>(id_and_element[1])));
}

/// For `fix pair mdbridge uncertainty 0|1`: of the atoms of this rank, in energy units.
void PairMDBridge::store_uncertainty(const std::vector<double>& uncertainty) {
  if (!fix_pair_.used) return;
  fix_pair_.step = uncertainty_wanted() ? update->ntimestep : -1;
  fix_pair_.values.assign(std::max(1, atom->nlocal), 0.0);
  const auto owned = static_cast<std::size_t>(folding_.owned());
  for (std::size_t s = 0; s < std::min(owned, uncertainty.size()); ++s) {
    fix_pair_.values[folding_.atoms()[s]] = units_.energy * uncertainty[s];
  }
}

void* PairMDBridge::extract_peratom(const char* name, int& columns) {
  if (std::strcmp(name, "uncertainty") != 0) return nullptr;
  if (!fix_pair_.used) {
    boundary_.together([&] {
      mdbridge::Wanted wanted;
      wanted.uncertainty = true;
      engine_->require(wanted);
    });
    fix_pair_.used = true;
  }
  // zeros would pass for values
  boundary_.together([&] {
    if (update->whichflag == 0 || fix_pair_.step == update->ntimestep) return;
    throw mdbridge::Error(
        "fix pair: the uncertainty was not evaluated in this step. It needs run_style verlet, and "
        "'uncertainty 1' in every fix pair or 'uncertainty 0' in every one");
  });
  columns = 0;
  // asked for before the first run too, when there is nothing yet but a place for it
  const auto count = static_cast<std::size_t>(std::max(1, atom->nlocal));
  if (fix_pair_.values.size() < count) fix_pair_.values.resize(count, 0.0);
  return fix_pair_.values.data();
}

/// The flag by which `fix pair ... uncertainty 1` asks for the value of the coming step.
void* PairMDBridge::extract(const char* name, int& dimension) {
  if (std::strcmp(name, "uncertainty_flag") != 0) return nullptr;
  dimension = 0;
  fix_pair_.triggered = true;
  return &fix_pair_.trigger;
}

}  // namespace mdbridge_lammps
