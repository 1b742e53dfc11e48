"""How much predictions change when a structure is turned or mirrored: measured, not judged."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence

import ase
import numpy as np

from md_bridge.export.checks.result import Check
from md_bridge.export.checks.runner import Predictor
from md_bridge.symmetry.api import analyse
from md_bridge.symmetry.group.grids import o3_grid
from md_bridge.symmetry.measuring.laws import Law
from md_bridge.symmetry.results.response import Response

__all__ = ["check_rotation"]

_DEGREES = (6, 4, 2)
_SECONDS = 5.0
_ATOMS_TOGETHER = 256
_TRIAL = 4
_LAWS = {
    "energy": (Law(0, per_point=False), "meV/atom"),
    "conservative forces": (Law(1, per_point=True), "meV/Å"),
    "direct forces": (Law(1, per_point=True), "meV/Å"),
    "conservative stress": (Law(2, per_point=False), "meV/Å³"),
    "direct stress": (Law(2, per_point=False), "meV/Å³"),
}


def check_rotation(
    runner: Predictor, structures: Sequence[ase.Atoms], seconds: float = _SECONDS
) -> Check:
    """How much energy, forces and stresses change with the orientation and in a mirror.

    Unconstrained models only learn not to. This looks at one structure, and at as many orientations
    as can be had in a few seconds; ``md-bridge symmetry`` measures it thoroughly.

    :param runner: the model
    :param structures: of which the smallest is turned, one with a stress if there is any
    :param seconds: how long it may take; the coarsest quadrature is made in any case
    """
    atoms = min(structures, key=lambda each: (not each.pbc.all(), len(each)))
    function = _function(runner, atoms)
    points = _points(atoms)
    together = min(max(_ATOMS_TOGETHER // max(len(atoms), 1), 1), 16)
    degree = _affordable(function, points, seconds)
    laws = {name: law for name, (law, _) in _LAWS.items() if name in function(*_first(points))}
    found = analyse(
        function,
        points,
        law=laws,
        grid=o3_grid(degree),
        lmax=degree // 2,
        copies_per_call=together,
        quick=True,
    )
    kind = "direct" if runner.has_direct else "conservative"
    forces = found[f"{kind} forces"]
    size = math.sqrt(forces.squared_deviations.mean() + forces.B["z"][0, 1])
    errors = ", ".join(_in_words(name, response) for name, response in found.items())
    return Check(
        "rotation",
        None,
        forces.A / size if size > 0 else 0.0,
        "",
        None,
        f"rms change of the {kind} forces when the structure is turned or mirrored, relative to "
        f"their size. Of {len(o3_grid(degree))} orientations, rms of a component: {errors}. "
        "md-bridge symmetry resolves it, and says what averages (symmetrize) leave of it",
    )


_Function = Callable[..., dict[str, np.ndarray]]


def _function(runner: Predictor, atoms: ase.Atoms) -> _Function:
    """What the model says of copies, in meV and Å."""

    def predict(positions: np.ndarray, *cells: np.ndarray) -> dict[str, np.ndarray]:
        copies = []
        for place, own in enumerate(positions):
            copy = atoms.copy()
            copy.positions = own
            if cells:
                cell = np.array(copy.cell[:])
                cell[atoms.pbc] = cells[0][place]
                copy.set_cell(cell)
            copies.append(copy)
        predictions = runner.evaluate(copies)
        names = {
            "conservative forces": "forces",
            "direct forces": "direct_forces",
            "conservative stress": "stress",
            "direct stress": "direct_stress",
        }
        found = {"energy": np.array([1e3 * each.energy / len(atoms) for each in predictions])}
        for name, attribute in names.items():
            if getattr(predictions[0], attribute) is not None:
                found[name] = np.array([1e3 * getattr(each, attribute) for each in predictions])
        return found

    return predict


def _points(atoms: ase.Atoms) -> tuple[np.ndarray, ...]:
    """Positions and, where there are any, the periodic lattice vectors."""
    if not atoms.pbc.any():
        return (atoms.positions,)
    return atoms.positions, np.asarray(atoms.cell[:])[atoms.pbc]


def _first(points: tuple[np.ndarray, ...], copies: int = 1) -> list[np.ndarray]:
    return [np.stack([array] * copies) for array in points]


def _affordable(function: _Function, points: tuple[np.ndarray, ...], seconds: float) -> int:
    """The largest degree whose copies take no longer than that."""
    function(*_first(points))
    begin = time.perf_counter()
    function(*_first(points, _TRIAL))
    one = (time.perf_counter() - begin) / _TRIAL
    for degree in _DEGREES:
        if one * len(o3_grid(degree)) <= seconds:
            return degree
    return _DEGREES[-1]


def _in_words(name: str, response: Response) -> str:
    _, unit = _LAWS[name]
    return f"{name} {response.rms:.2g} {unit}"
