"""In ASE, by the calculator of this package; and by metatomic alone."""

from __future__ import annotations

import numpy as np

from md_bridge.ase import MDBridgeCalculator
from md_bridge.certify.single_points.point import Point, PointTask
from md_bridge.export.checks.runner import Predictor

__all__ = ["point_by_metatomic", "point_in_ase"]


def point_in_ase(task: PointTask) -> Point:
    """Evaluate in ASE.

    :param task: what to evaluate
    :raises EngineError: the model fails
    """
    atoms = task.atoms.copy()
    atoms.calc = MDBridgeCalculator(
        task.model, forces=task.forces, **task.options.engine_keywords()
    )
    virial = None
    if task.with_virial:
        virial = -atoms.get_volume() * atoms.get_stress(voigt=False)
    return Point(float(atoms.get_potential_energy()), np.array(atoms.get_forces()), virial)


def point_by_metatomic(runner: Predictor, task: PointTask) -> Point:
    """Evaluate without the engine of this package.

    :param runner: the model
    :param task: what to evaluate; conservative forces
    """
    (found,) = runner.evaluate([task.atoms], direct=False)
    assert found.forces is not None
    assert found.stress is not None
    return Point(found.energy, found.forces, -task.atoms.get_volume() * found.stress)
