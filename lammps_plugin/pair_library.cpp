// SPDX-License-Identifier: GPL-2.0-only
#include "pair_library.hpp"

#include <cstring>

#include "committee/compute_mdbridge_committee.hpp"
#include "compute_mdbridge_atom.hpp"
#include "pair_mdbridge.hpp"

extern "C" __attribute__((visibility("default"))) LAMMPS_NS::Pair* mdbridge_create_pair(
    LAMMPS_NS::LAMMPS* lammps) {
  return new mdbridge_lammps::PairMDBridge(lammps);
}

extern "C" __attribute__((visibility("default"))) LAMMPS_NS::Compute* mdbridge_create_compute(
    LAMMPS_NS::LAMMPS* lammps, int count, char** words) {
  // ID, group, style
  if (count > 2 && std::strcmp(words[2], mdbridge_lammps::committee_style) == 0) {
    return new mdbridge_lammps::ComputeMDBridgeCommittee(lammps, count, words);
  }
  return new mdbridge_lammps::ComputeMDBridgeAtom(lammps, count, words);
}
