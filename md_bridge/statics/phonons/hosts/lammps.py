"""Force constants by LAMMPS: ``dynamical_matrix`` with ``pair_style mdbridge``."""

from __future__ import annotations

import os
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.data import atomic_masses, atomic_numbers, chemical_symbols
from numpy.typing import NDArray

from md_bridge.lammps import environment, lmp_command
from md_bridge.lammps.keywords import pair_style_keywords, quoted
from md_bridge.model_names import absolute_model, is_python_model
from md_bridge.model_options import ModelOptions
from md_bridge.processes import Program, RunError, watch
from md_bridge.statics.phonons.hosts import OnRow
from md_bridge.statics.phonons.hosts.cells import check_request, triangular, turned_back
from md_bridge.statics.rows import Row

__all__ = ["dynamical_matrix", "force_constants", "pair_commands"]

Array = NDArray[np.float64]

_DATA, _MATRIX, _INPUT, _LOG = "supercell.data", "dynamical_matrix.bin", "in.lammps", "log"


def force_constants(
    model: str | os.PathLike[str],
    options: ModelOptions,
    row: Row,
    supercell: Atoms,
    displacement: float,
    on_row: OnRow | None = None,
) -> Array:
    """Φ of a supercell, from a run of LAMMPS with ``pair_style mdbridge``.

    LAMMPS has no room for a cell in any orientation: see
    :func:`md_bridge.statics.phonons.hosts.cells.triangular`. Where the crystal has to be turned,
    its Φ is turned back, and it is that of the turned crystal where the model is not symmetric.

    :param model: path of the model
    :param options: how it is loaded; its ``symmetrize`` gives way to the row's
    :param row: whose forces are differentiated, ``conservative``
    :param supercell: N atoms, periodic in all directions, Å
    :param displacement: of the central differences, Å
    :param on_row: told of the progress
    :returns: [3N, 3N], eV/Å²
    :raises StaticsError: the supercell or the displacement cannot be
    :raises RunError: LAMMPS fails, as it does with direct forces; the message has what it printed
    """
    return dynamical_matrix(
        supercell,
        pair_commands(model, options, row, _elements(supercell)),
        displacement,
        threads=options.threads or None,
        on_row=on_row,
    )


def pair_commands(
    model: str | os.PathLike[str], options: ModelOptions, row: Row, elements: list[str]
) -> str:
    """The two lines of a LAMMPS input that a row's forces are.

    :param model: path of the model
    :param options: how it is loaded; its ``symmetrize`` gives way to the row's
    :param row: with forces that are ``conservative`` or ``direct``
    :param elements: of the atom types
    """
    keywords = pair_style_keywords(
        replace(options.without_inner().absolute(), symmetrize=row.symmetrize, direct_symmetrize="")
    )
    forces = " forces direct" if row.forces == "direct" else ""
    return (
        f"pair_style mdbridge {quoted(absolute_model(model))}{forces}{keywords}\n"
        f"pair_coeff * * {' '.join(elements)}"
    )


def dynamical_matrix(
    supercell: Atoms,
    pair: str,
    displacement: float,
    *,
    threads: int | None = None,
    on_row: OnRow | None = None,
) -> Array:
    """Φ of a supercell with any pair style, from LAMMPS's ``dynamical_matrix``.

    Its file has D_{jβ,iα} = Φ_{iα,jβ} / √(m_i m_j): a row for each displaced coordinate.

    :param supercell: N atoms, periodic in all directions, Å
    :param pair: commands that choose the pair style and its coefficients, in units metal; atom
        types are the elements in the order of their symbols
    :param displacement: of the central differences, Å
    :param threads: of a pair style that has some; None leaves the choice to it
    :param on_row: told of the progress
    :returns: [3N, 3N], eV/Å²
    :raises StaticsError: the supercell or the displacement cannot be
    :raises RunError: LAMMPS fails; the message has what it printed
    """
    check_request(supercell, displacement)
    atoms, rotation = triangular(supercell)
    elements, size = _elements(atoms), 3 * len(atoms)
    with tempfile.TemporaryDirectory(prefix="md-bridge-") as name:
        folder = Path(name)
        (folder / _DATA).write_text(_data(atoms, elements), encoding="utf-8")
        (folder / _INPUT).write_text(_input(pair, displacement), encoding="utf-8")
        program = Program(
            "LAMMPS",
            lmp_command(
                ["-in", _INPUT, "-log", "none"],
                models=[word for word in pair.split() if is_python_model(word)],
            ),
            folder / _LOG,
            environment=environment(threads),
            folder=folder,
        )
        file = folder / _MATRIX

        def rows() -> int:
            return file.stat().st_size // (8 * size) if file.exists() else 0

        watch(program, rows, lambda done: on_row(done, size) if on_row else None)
        matrix = np.fromfile(file) if file.exists() else np.empty(0)
        if matrix.size != size**2:
            raise RunError(
                program.told(
                    f"wrote {matrix.size} numbers of a dynamical matrix, expected {size**2}"
                )
            )
    roots = np.repeat(np.sqrt(atomic_masses[atoms.numbers]), 3)
    return turned_back(matrix.reshape(size, size).T * np.outer(roots, roots), rotation)


def _elements(atoms: Atoms) -> list[str]:
    return sorted({chemical_symbols[number] for number in atoms.numbers})


def _input(pair: str, displacement: float) -> str:
    return f"""units metal
atom_style atomic
atom_modify map array sort 0 0
boundary p p p
box tilt large
read_data {_DATA}
{pair}
dynamical_matrix all regular {displacement:.17g} binary yes file {_MATRIX}
"""


def _data(atoms: Atoms, elements: list[str]) -> str:
    """A data file of LAMMPS, with all digits.

    :param atoms: in a lower triangular cell
    :param elements: of the atom types
    """
    cell = atoms.cell.array
    lines = ["supercell", "", f"{len(atoms)} atoms", f"{len(elements)} atom types", ""]
    for axis, length in zip("xyz", np.diag(cell), strict=True):
        lines.append(f"0 {length:.17g} {axis}lo {axis}hi")
    if np.any(np.tril(cell, -1)):
        lines.append(f"{cell[1, 0]:.17g} {cell[2, 0]:.17g} {cell[2, 1]:.17g} xy xz yz")
    lines += ["", "Masses", ""]
    for number, symbol in enumerate(elements, 1):
        lines.append(f"{number} {atomic_masses[atomic_numbers[symbol]]:.17g}")
    lines += ["", "Atoms # atomic", ""]
    for tag, (symbol, position) in enumerate(zip(atoms.symbols, atoms.positions, strict=True), 1):
        x, y, z = (f"{coordinate:.17g}" for coordinate in position)
        lines.append(f"{tag} {elements.index(symbol) + 1} {x} {y} {z}")
    return "\n".join([*lines, ""])
