// SPDX-License-Identifier: GPL-2.0-only
//
// The uncertainty of the atomic energies: a warning, `fix pair`, and who else wants it.
#include <algorithm>
#include <cstring>

#include "atom.h"
#include "compute_mdbridge_atom.hpp"
#include "error.h"
#include "model.hpp"
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

void PairMDBridge::warn_of_uncertainty(const std::vector<double>& uncertainty) {
  const double threshold = settings_.uncertainty_threshold;
  if (!(threshold > 0.0) || uncertainty.empty()) return;
  const auto above = std::count_if(uncertainty.begin(), uncertainty.end(),
                                   [&](double value) { return value > threshold; });
  if (above == 0) return;
  const auto largest = std::max_element(uncertainty.begin(), uncertainty.end());
  const int i = folding_.atoms()[largest - uncertainty.begin()];
  error->warning(FLERR,
                 "Pair style mdbridge: in step {} the energy uncertainty of {} atom{} is above {} "
                 "eV; the largest is {:.4g} eV, on atom ID {} ({})",
                 update->ntimestep, above, above == 1 ? "" : "s", threshold, *largest, atom->tag[i],
                 mdbridge::chemical_symbol(elements_[atom->type[i]]));
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
