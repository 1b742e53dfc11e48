"""ASE: a calculator on the engine, and dynamics with multiple time steps.

>>> atoms.calc = MDBridgeCalculator("model.pt")
>>> dynamics = MultipleTimeStep(atoms, timestep=2.0 * units.fs, inner_steps=4)
>>> dynamics.run(1000)
"""

from md_bridge.ase.calculator import MDBridgeCalculator, ParameterError
from md_bridge.ase.multiple_time_step import MultipleTimeStep, MultipleTimeStepLangevin

__all__ = [
    "MDBridgeCalculator",
    "MultipleTimeStep",
    "MultipleTimeStepLangevin",
    "ParameterError",
]
