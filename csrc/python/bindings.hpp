#pragma once

#include <pybind11/pybind11.h>

/// Each adds its part to the module; in this order, for later ones name the types of earlier ones.

/// Structure, Pairs, the groups of rotations, net force and torque.
void bind_structure(pybind11::module_& module);
/// ModelInfo, Model, Wanted, Evaluation.
void bind_model(pybind11::module_& module);
/// EngineOptions, Engine, Timings, FusedForces.
void bind_engine(pybind11::module_& module);
/// IpiSession, IpiClient, IPI_UNITS.
void bind_ipi(pybind11::module_& module);
