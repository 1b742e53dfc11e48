"""ASE: a calculator on the engine, dynamics with multiple time steps, space groups of crystals.

>>> atoms.calc = MDBridgeCalculator("model.pt")
>>> dynamics = MultipleTimeStep(atoms, timestep=2.0 * units.fs, inner_steps=4)
>>> dynamics.run(1000)
"""

from md_bridge.ase.calculator import MDBridgeCalculator, ParameterError
from md_bridge.ase.committee import CommitteeCalculator
from md_bridge.ase.multiple_time_step import MultipleTimeStep, MultipleTimeStepLangevin
from md_bridge.ase.space_group import (
    SpaceGroup,
    SpaceGroupError,
    SpaceGroupType,
    find_space_group,
    project_scalars,
    project_tensor,
    project_tensors,
    project_vectors,
    space_group_type,
)
from md_bridge.ase.space_group_calculator import SpaceGroupCalculator

__all__ = [
    "CommitteeCalculator",
    "MDBridgeCalculator",
    "MultipleTimeStep",
    "MultipleTimeStepLangevin",
    "ParameterError",
    "SpaceGroup",
    "SpaceGroupCalculator",
    "SpaceGroupError",
    "SpaceGroupType",
    "find_space_group",
    "project_scalars",
    "project_tensor",
    "project_tensors",
    "project_vectors",
    "space_group_type",
]
