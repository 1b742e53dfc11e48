// SPDX-License-Identifier: GPL-2.0-only
#pragma once

// What the registration library (plugin.cpp) knows of the library with the pair style.

namespace LAMMPS_NS {
class Compute;
class LAMMPS;
class Pair;
}  // namespace LAMMPS_NS

namespace mdbridge_lammps {

inline constexpr char pair_library_name[] = "libmdbridge_lammps.so";

inline constexpr char create_pair_symbol[] = "mdbridge_create_pair";
using CreatePair = LAMMPS_NS::Pair* (*)(LAMMPS_NS::LAMMPS*);

/// Styles of computes.
inline constexpr char atom_style[] = "mdbridge/atom";
inline constexpr char committee_style[] = "mdbridge/committee";

inline constexpr char create_compute_symbol[] = "mdbridge_create_compute";
using CreateCompute = LAMMPS_NS::Compute* (*)(LAMMPS_NS::LAMMPS*, int, char**);

}  // namespace mdbridge_lammps
