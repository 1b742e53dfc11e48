// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace LAMMPS_NS {
class Atom;
}

namespace mdbridge_lammps {

/// A sentence for each atom type whose mass is far from that of its element (`elements`: atomic
/// number by LAMMPS type, 0 for none), as in a `pair_coeff` with the elements in another order than
/// the types. `unit`: of mass, LAMMPS's in one g/mol. Isotopes, deuterium and tritium too, are no
/// reason; neither are atoms with masses of their own (atom_style sphere).
std::vector<std::string> warnings_of_masses(const LAMMPS_NS::Atom& atom,
                                            const std::vector<std::int32_t>& elements, double unit);

}  // namespace mdbridge_lammps
