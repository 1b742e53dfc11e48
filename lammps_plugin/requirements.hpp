// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include "levels/inner_model.hpp"
#include "mdbridge/engine.hpp"
#include "mdbridge/fused_forces.hpp"
#include "settings.hpp"

namespace LAMMPS_NS {
class LAMMPS;
}

namespace mdbridge_lammps {

// What the pair style requires of the model, the input and the run. All throw mdbridge::Error with
// a sentence for the user. Something else to refuse goes here.

/// At pair_style: the model, and each of a committee, has the outputs that the settings ask for.
void require_outputs(const mdbridge::Engine& engine, const Settings& settings);

/// Before a run: atoms, box, ranks, neighbour style and kind of run are such that the forces can be
/// right. `layers`: of message passing.
void require_supported_input(const LAMMPS_NS::LAMMPS& lammps, const mdbridge::ModelInfo& info,
                             const Settings& settings, int layers);

/// Before a run: bonded neighbours that LAMMPS leaves out of the list would be missing from the
/// model's input. In a hybrid that may be meant: a warning on rank 0.
void require_complete_pairs(const LAMMPS_NS::LAMMPS& lammps);

/// Where a command differentiates the forces (dynamical_matrix): they are a gradient.
void require_differentiable(const Settings& settings);

/// Before a run with inner and outer levels: LAMMPS combines the levels of all styles rightly.
void require_levels(const LAMMPS_NS::LAMMPS& lammps);

/// Before a run with inner and outer levels: the forces of both are there. `inner` has been asked
/// for its own.
void require_both_forces(const mdbridge::Engine& outer, const InnerModel& inner,
                         const Settings& settings);

/// Before a run with a middle level too: there are forces for it, which are not those of the inner
/// level.
void require_middle_level(const mdbridge::Engine& outer, const InnerModel& inner,
                          const mdbridge::FusedForces& fused);

/// Why there is no virial of the conservative forces, and what to do then; empty: there is one.
std::string problem_of_virial(const mdbridge::Engine& engine);
/// Why there is no virial of the direct stress, and what to do then; empty: there is one.
std::string problem_of_direct_virial(const LAMMPS_NS::LAMMPS& lammps,
                                     const mdbridge::Engine& engine);

/// When `fix pair` asks for the uncertainty.
void require_uncertainty(const mdbridge::Engine& engine, const Settings& settings);

}  // namespace mdbridge_lammps
