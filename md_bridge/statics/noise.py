"""How exactly forces are computed: below that there is no minimum to find, and no derivative."""

from __future__ import annotations

from ase import Atoms

from md_bridge.forces import force_noise
from md_bridge.statics.evaluator import Evaluator

__all__ = ["SAFETY", "noise_floor"]

SAFETY = 3.0
"""Forces below so many times their noise say nothing of where a minimum is."""


def noise_floor(evaluator: Evaluator, atoms: Atoms) -> float:
    """The rounding of the forces of an atom, see :func:`md_bridge.forces.force_noise`.

    :param evaluator: of the forces
    :param atoms: at least one, Å
    :returns: root mean square over atoms of the length of the deviation from the mean, eV/Å
    :raises md_bridge.engine.EngineError: the model fails
    """
    return force_noise(lambda copies: [found.forces for found in evaluator(copies)], atoms)
