"""A structure relaxed by LAMMPS: ``minimize`` with pair style ``mdbridge``, and ``fix box/relax``.

LAMMPS wants the first cell vector along x and the second in the xy plane, so a structure is turned
before and turned back after. A model that depends on the orientation sees another one by that than
ASE shows it, unless the cell is like that at the start.
"""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.constraints import FixAtoms
from ase.io.lammpsdata import write_lammps_data
from ase.stress import full_3x3_to_voigt_6_stress
from numpy.typing import NDArray

from md_bridge.errors import ArgumentError
from md_bridge.forces import FORCES
from md_bridge.lammps import environment, lmp_command
from md_bridge.model_names import ModelName
from md_bridge.model_options import ModelOptions
from md_bridge.processes import LineCounter, Program, RunError, watch
from md_bridge.statics.errors import StaticsError
from md_bridge.statics.relaxing.lammps_input import DATA, DUMP, minimize_input
from md_bridge.statics.relaxing.lammps_path import (
    Frame,
    is_row,
    read_frames,
    read_minimizations,
)
from md_bridge.statics.relaxing.moving import explosion
from md_bridge.statics.relaxing.results import Relaxation
from md_bridge.statics.relaxing.settings import RelaxSettings, free_strains
from md_bridge.statics.rows import Row
from md_bridge.structures import standard_orientation

__all__ = [
    "NoLammpsError",
    "relax_with_lammps",
    "require_lammps_can",
    "require_lammps_can_hold",
]

Array = NDArray[np.float64]

_INPUT = "in.lammps"
_LOG = "log.lammps"
_SCREEN = "screen.txt"

_VACUUM = 10.0
"""Å around what is open in a direction, which LAMMPS gives a box there, too."""


class NoLammpsError(RunError):
    """There is no LAMMPS, or none that begins."""


def require_lammps_can(row: Row, settings: RelaxSettings) -> None:
    """Refuse what LAMMPS has no means for.

    :param row: with its forces
    :param settings: how the structure is to be relaxed
    :raises ArgumentError: about forces, optimizer, cell or space group
    """
    if row.forces not in FORCES:
        raise ArgumentError(
            "forces",
            f"{row.forces} is a way of the host ase alone: LAMMPS minimises with conservative "
            "forces, or with direct ones at a fixed cell",
        )
    if row.forces == "direct" and settings.moves_cell:
        raise ArgumentError(
            "cell",
            f"{settings.cell} with direct forces needs the host ase: fix box/relax of LAMMPS works "
            "with minimisers that search along lines in the energy (min_style cg), which direct "
            "forces mislead, and not with fire. Keep the cell fixed, or take conservative forces",
        )
    if settings.optimizer not in ("auto", "fire"):
        raise ArgumentError(
            "optimizer",
            f"{settings.optimizer} is one of the host ase; LAMMPS has cg for conservative forces "
            "and fire (auto chooses)",
        )
    if settings.optimizer == "fire" and settings.moves_cell:
        raise ArgumentError(
            "optimizer",
            "fire cannot relax a cell in LAMMPS, whose fix box/relax does not support it: leave "
            "the optimizer auto (min_style cg), or take the host ase",
        )
    if settings.space_group != "free":
        raise ArgumentError(
            "space_group",
            f"{settings.space_group} needs the host ase: LAMMPS knows no space groups",
        )


def require_lammps_can_hold(start: Atoms, settings: RelaxSettings) -> None:
    """Refuse a structure that LAMMPS would relax in another way than ASE.

    :param start: with its constraints
    :param settings: how it is to be relaxed
    :raises StaticsError: about its constraints, or the plane of a slab
    """
    others = [each for each in start.constraints if not isinstance(each, FixAtoms)]
    if others:
        raise StaticsError(
            f"its constraint {type(others[0]).__name__} needs the host ase: with LAMMPS FixAtoms "
            "alone holds"
        )
    if settings.cell == "slab":
        _require_c_across(start)


def relax_with_lammps(
    model: str | os.PathLike[str],
    options: ModelOptions,
    row: Row,
    start: Atoms,
    settings: RelaxSettings,
    folder: Path,
    *,
    keep_frames: bool = False,
    on_step: Callable[[int], None] | None = None,
) -> Relaxation:
    """Relax a structure by the stock LAMMPS.

    ``min_style cg`` for conservative forces, with ``fix box/relax`` for a cell that moves; ``fire``
    for direct ones, or where it is asked for. The result is turned into the frame of the start;
    where the cell moved, by so much that the start is only strained, not turned, as ASE does it.

    :param model: path of the model
    :param options: how it is loaded; its ``symmetrize`` gives way to the row's
    :param row: forces, and the set to average over
    :param start: N atoms, Å; it stays as it is
    :param settings: cell, pressure, tolerance and number of steps
    :param folder: gets the input, the data file, the log and the path
    :param keep_frames: whether the result has the path
    :param on_step: called with the number of steps made
    :returns: the work is known at a fixed cell alone
    :raises ArgumentError: LAMMPS cannot do that
    :raises StaticsError: the cell cannot be relaxed like that, or atoms are held otherwise than by
        FixAtoms
    :raises NoLammpsError: LAMMPS is not installed, or does not begin
    :raises RunError: it fails before the first step
    """
    require_lammps_can(row, settings)
    require_lammps_can_hold(start, settings)
    placed = _placed(start, settings)
    folder.mkdir(parents=True, exist_ok=True)
    for name in (_LOG, _SCREEN, DUMP):
        (folder / name).unlink(missing_ok=True)
    elements = sorted(set(start.get_chemical_symbols()))
    with (folder / DATA).open("w", encoding="utf-8") as stream:
        write_lammps_data(
            stream,
            placed.atoms,
            specorder=elements,
            force_skew=settings.cell in ("full", "slab"),
            masses=True,
            units="metal",
        )
    text = minimize_input(model, options, row, start, settings)
    (folder / _INPUT).write_text(text, encoding="utf-8")
    failure = _run(folder, model, options.threads, on_step or (lambda _: None))
    frames = read_frames(folder / _LOG, folder / DUMP, len(start), settings.moves_cell)
    if not frames:
        why = _error_of(folder / _SCREEN) or "LAMMPS wrote no structure"
        raise RunError(f"{why} (see {folder / _SCREEN})") from failure
    path = [placed.turned_back(frame) for frame in frames]
    return _result(row, start, settings, path, folder, failure, keep_frames)


@dataclass(frozen=True)
class _Placed:
    """A start as LAMMPS wants it, and the way back."""

    atoms: Atoms
    """In a box, turned: vectors a along x and b in the xy plane."""
    turn: Array
    """[3, 3]: rows of vectors v of the start are v @ turn.T there."""
    shift: Array
    """[3], Å: that the start was moved by before it was turned."""
    sign: float
    """-1 where the vectors of the start are left-handed, and so all three were inverted."""

    def turned_back(self, frame: Frame) -> Frame:
        """What LAMMPS says, in the frame of the start, which it is strained against, not turned.

        With rows as vectors cell = cell₀ D, and D = S R with a symmetric strain S: R is taken off.

        :param frame: as LAMMPS has it
        """
        deformation = np.linalg.solve(self.atoms.cell.array, frame.cell)
        left, _, right = np.linalg.svd(deformation)  # D = (U s Uᵀ) (U V)
        back = (left @ right).T @ self.turn
        stress = None if frame.stress is None else back.T @ frame.stress @ back
        return Frame(
            step=frame.step,
            energy=frame.energy,
            cell=self.sign * frame.cell @ back,
            positions=frame.positions @ back - self.shift,
            forces=frame.forces @ back,
            stress=stress,
        )


def _placed(start: Atoms, settings: RelaxSettings) -> _Placed:
    """The start in a box that LAMMPS can have."""
    if settings.moves_cell:
        free_strains(start, settings.cell)
    boxed = start.copy()
    boxed.set_constraint()
    for name in ("momenta", "initial_magmoms", "initial_charges", "tags"):
        boxed.arrays.pop(name, None)
    open_ones = np.flatnonzero(~start.pbc)
    if len(open_ones):
        vectors = boxed.cell.array.copy()
        vectors[open_ones] = 0.0
        boxed.set_cell(vectors)
        boxed.center(vacuum=_VACUUM, axis=tuple(open_ones.tolist()))
    sign = -1.0 if boxed.cell.handedness < 0 else 1.0
    boxed.set_cell(sign * boxed.cell.array)
    _, turn = boxed.cell.standard_form()
    return _Placed(
        atoms=standard_orientation(boxed),
        turn=np.asarray(turn),
        shift=boxed.positions[0] - start.positions[0],
        sign=sign,
    )


def _require_c_across(slab: Atoms) -> None:
    """LAMMPS relaxes the plane of the first two vectors alone."""
    across = np.flatnonzero(~slab.pbc)
    if len(across) and across[0] != 2:
        raise StaticsError(
            f"the slab is open along {'abc'[across[0]]}, and LAMMPS relaxes the plane of a and b: "
            "permute the cell vectors so that c is across the slab, or take the host ase"
        )


def _run(
    folder: Path, model: ModelName, threads: int, on_step: Callable[[int], None]
) -> RunError | None:
    """LAMMPS to its end; the error if it fails on the way."""
    try:
        program = Program(
            "lmp",
            lmp_command(["-in", _INPUT, "-log", _LOG], models=[model]),
            folder / _SCREEN,
            environment=environment(threads or None),
            folder=folder,
        )
    except FileNotFoundError as error:
        raise NoLammpsError(str(error)) from error
    rows = LineCounter(folder / _LOG, lambda line: is_row(line.decode(errors="replace")))
    try:
        watch(program, rows, on_step)
    except RunError as error:
        if not (folder / _LOG).exists():
            raise NoLammpsError(str(error)) from error
        return error
    return None


def _result(
    row: Row,
    start: Atoms,
    settings: RelaxSettings,
    path: list[Frame],
    folder: Path,
    failure: RunError | None,
    keep_frames: bool,
) -> Relaxation:
    log = (folder / _LOG).read_text(encoding="utf-8", errors="replace")
    stopped = read_minimizations(log)
    exploded, path = _until_explosion(path)
    gradients = np.array([_gradient(frame, start, settings) for frame in path])
    pressure = settings.pressure if settings.moves_cell else 0.0
    values = np.array([frame.energy + pressure * frame.volume for frame in path])
    status, reason = "converged", ""
    best = path[-1]
    if exploded:
        status, reason = "stopped", exploded
    elif failure is not None:
        status, reason = "stopped", _error_of(folder / _SCREEN) or str(failure)
    elif not gradients[-1] < settings.fmax:
        status = "not converged"
        best = path[int(np.nanargmin(gradients))]
        reason = (
            f"after {path[-1].step} steps its largest force is {np.nanmin(gradients):.2g} eV/Å, "
            f"not below {settings.fmax:g} eV/Å; LAMMPS stopped by: {stopped.criterion}"
        )
    if status == "stopped":
        best = path[int(np.nanargmin(gradients))]
    frames = tuple(_atoms(frame, start) for frame in path)
    end = _atoms(best, start)
    end.calc = None
    return Relaxation(
        start=start.copy(),
        end=end,
        status=status,
        steps=path[-1].step,
        evaluations={row.forces: max(stopped.evaluations, len(path))},
        seconds={row.forces: stopped.seconds},
        start_energy=path[0].energy,
        energy=best.energy,
        gradient=_gradient(best, start, settings),
        largest_force=float(np.linalg.norm(best.forces, axis=1).max()),
        stress=best.stress,
        pressure=pressure,
        work=None if settings.moves_cell else _work(path),
        change=None if settings.moves_cell else float(values[-1] - values[0]),
        rise=float(values[-1] - values.min()),
        reason=reason,
        energies=values,
        gradients=gradients,
        kinds=(row.forces,) * len(path),
        frames=frames if keep_frames else (),
    )


def _until_explosion(path: list[Frame]) -> tuple[str, list[Frame]]:
    """Why the cell is one that explodes, if it is, and the path before."""
    for place, frame in enumerate(path):
        reason = explosion(frame.volume / path[0].volume)
        if reason:
            return reason, path[:place]
    return "", path


def _gradient(frame: Frame, start: Atoms, settings: RelaxSettings) -> float:
    """What is compared with fmax, as ASE's FrechetCellFilter has it for small strains."""
    largest = float(np.linalg.norm(frame.forces, axis=1).max())
    if frame.stress is None:
        return largest
    excess = frame.stress + settings.pressure * np.eye(3)
    if settings.cell == "iso":
        excess = np.trace(excess) / 3.0 * np.eye(3)
    else:
        excess = excess * free_strains(start, settings.cell)
    rows = frame.volume * np.linalg.norm(excess, axis=1) / len(start)
    return max(largest, float(rows.max()))


def _work(path: list[Frame]) -> float:
    """∫ F·dx by the trapezoidal rule, eV."""
    return float(
        sum(
            np.sum(0.5 * (a.forces + b.forces) * (b.positions - a.positions))
            for a, b in itertools.pairwise(path)
        )
    )


def _atoms(frame: Frame, start: Atoms) -> Atoms:
    """The start, moved there, with energy and forces."""
    atoms: Atoms = start.copy()
    atoms.set_constraint()
    cell = np.where(start.pbc[:, None], frame.cell, start.cell.array)
    atoms.set_cell(cell, scale_atoms=False)
    atoms.set_positions(frame.positions)
    atoms.set_constraint(start.constraints)
    stress = None if frame.stress is None else full_3x3_to_voigt_6_stress(frame.stress)
    atoms.calc = SinglePointCalculator(
        atoms, energy=frame.energy, free_energy=frame.energy, forces=frame.forces, stress=stress
    )
    return atoms


def _error_of(screen: Path) -> str:
    """The sentence that LAMMPS ended with."""
    text = screen.read_text(encoding="utf-8", errors="replace") if screen.exists() else ""
    found = re.findall(r"^ERROR[^:]*: (.*)$", text, re.MULTILINE)
    return f"LAMMPS stopped: {found[-1]}" if found else ""
