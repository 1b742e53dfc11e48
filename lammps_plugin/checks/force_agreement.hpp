// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <mpi.h>

#include <vector>

#include "mdbridge/checks/force_agreement.hpp"

namespace mdbridge_lammps {

/// Of the forces on the own atoms of all ranks, in eV/Å. Collective.
mdbridge::ForceAgreement force_agreement(MPI_Comm world, const std::vector<double>& conservative,
                                         const std::vector<double>& inner);

/// Throws mdbridge::Error, in the words of the input file, if the correction is larger than `limit`
/// times the conservative forces. `inner_model`: of the forces of a model of its own.
/// `three_levels`: of these there is one for the direct forces.
void require_agreement(const mdbridge::ForceAgreement& agreement, double limit, bool inner_model,
                       bool three_levels);

}  // namespace mdbridge_lammps
