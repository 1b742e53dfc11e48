// SPDX-License-Identifier: GPL-2.0-only
#include "units.hpp"

#include "mdbridge/error.hpp"

namespace mdbridge_lammps {

namespace {

// LAMMPS's own factor (utils::get_conversion_factor), so that a potential converted by LAMMPS and
// one converted here agree
constexpr double kcal_per_mol_per_ev = 23.060549;
// CODATA 2018
constexpr double ev_per_hartree = 27.211386245988;
constexpr double angstrom_per_bohr = 0.529177210903;
constexpr double joule_per_ev = 1.602176634e-19;
constexpr double kilogram_per_dalton = 1.66053906660e-27;

}  // namespace

Units Units::of(const std::string& style) {
  if (style == "metal") return {1.0, 1.0, 1.0};
  if (style == "real") return {1.0, kcal_per_mol_per_ev, 1.0};
  if (style == "electron") return {1.0 / angstrom_per_bohr, 1.0 / ev_per_hartree, 1.0};
  if (style == "si") return {1e-10, joule_per_ev, kilogram_per_dalton};
  throw mdbridge::Error("expected units metal, real, electron or si, found units " + style +
                        ", which this pair style does not convert to eV and Angstrom");
}

}  // namespace mdbridge_lammps
