"""Force constants by i-PI: its motion ``vibrations``, with our driver in its process."""

from __future__ import annotations

import os
import tempfile
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path
from xml.sax.saxutils import escape

import ase.io
import numpy as np
from ase import Atoms
from numpy.typing import ArrayLike, NDArray

from md_bridge.ipi import driver_path
from md_bridge.ipi.parameters import changed_options
from md_bridge.model_names import absolute_model, is_python_model
from md_bridge.model_options import ModelOptions
from md_bridge.processes import LineCounter, Program, RunError, find_program, watch
from md_bridge.statics.phonons.hosts import OnRow
from md_bridge.statics.phonons.hosts.cells import check_request, triangular, turned_back
from md_bridge.statics.rows import Row

from md_bridge import _core  # isort: skip (md_bridge.engine loads the libraries that it needs)

__all__ = ["force_constants"]

Array = NDArray[np.float64]

_INPUT, _LOG, _TEMPLATE, _PREFIX = "input.xml", "log", "supercell.xyz", "vibrations"
_NEVER = 10**9


def force_constants(
    model: str | os.PathLike[str],
    options: ModelOptions,
    row: Row,
    supercell: Atoms,
    displacement: float,
    on_row: OnRow | None = None,
) -> Array:
    """Φ of a supercell, from a run of i-PI (``<vibrations mode="fd">``).

    Its files of results have the mean of the matrix and its transpose, which hides what direct
    forces lack: Φ is taken from a checkpoint before that, which has nine digits. All masses are 1,
    with which i-PI's dynamical matrix is Φ. For the orientation see
    :func:`md_bridge.statics.phonons.hosts.lammps.force_constants`.

    :param model: path of the model
    :param options: how it is loaded; its ``symmetrize`` gives way to the row's
    :param row: whose forces are differentiated
    :param supercell: N atoms, periodic in all directions, Å
    :param displacement: of the central differences, Å
    :param on_row: told of the progress
    :returns: [3N, 3N], eV/Å²
    :raises StaticsError: the supercell or the displacement cannot be
    :raises RunError: i-PI fails; the message has what it printed
    """
    check_request(supercell, displacement)
    atoms, rotation = triangular(supercell)
    size = 3 * len(atoms)
    with tempfile.TemporaryDirectory(prefix="md-bridge-") as name:
        folder = Path(name)
        ase.io.write(folder / _TEMPLATE, atoms, format="extxyz")
        # i-PI's parameters end at a comma or a brace, which a path may have in it
        path = absolute_model(model)
        link = str(path) if is_python_model(path) else f"model{path.suffix}"
        if not is_python_model(path):
            (folder / link).symlink_to(path)
        text = _input(atoms, displacement, _parameters(link, options, row))
        (folder / _INPUT).write_text(text, encoding="utf-8")
        program = Program(
            "i-PI",
            [find_program("i-pi", "ipi"), _INPUT],
            folder / _LOG,
            environment={"OMP_NUM_THREADS": str(options.threads)} if options.threads else None,
            folder=folder,
        )
        rows = LineCounter(folder / f"{_PREFIX}.steps", lambda line: not line.startswith(b"#"))
        watch(program, rows, lambda done: on_row(min(done, size), size) if on_row else None)
        checkpoint = folder / f"{_PREFIX}.checkpoint"
        matrix = _matrix(checkpoint) if checkpoint.exists() else np.empty(0)
        if matrix.size != size**2:
            raise RunError(program.told(f"wrote {matrix.size} force constants, expected {size**2}"))
    # a row for each displaced coordinate; hartree/bohr²
    unit = _core.IPI_UNITS["electronvolt_per_angstrom"] / _core.IPI_UNITS["angstrom"]
    return turned_back(matrix.reshape(size, size).T / unit, rotation)


def _parameters(link: str, options: ModelOptions, row: Row) -> str:
    """What the driver is told: one process, one kind of forces, and no stress, which nobody asks
    for."""
    chosen = replace(
        options.without_inner().absolute(), symmetrize=row.symmetrize, direct_symmetrize=""
    )
    values = {"model": link, "template": _TEMPLATE, "forces": row.forces}
    if row.forces == "direct" or is_python_model(link):
        values["stress"] = "none"
    values |= {name: str(value) for name, value in changed_options(chosen).items()}
    return ", ".join(f"{name}: {value}" for name, value in values.items())


def _input(atoms: Atoms, displacement: float, parameters: str) -> str:
    """The input of i-PI: 3N steps, one for each coordinate, and one for its results.

    :param atoms: in a lower triangular cell, Å
    :param displacement: Å
    :param parameters: of the driver
    """
    angstrom, size = _core.IPI_UNITS["angstrom"], 3 * len(atoms)
    labels = ", ".join(atoms.get_chemical_symbols())
    return f"""<simulation verbosity="low" safe_stride="{_NEVER}">
  <output prefix="{_PREFIX}">
    <properties stride="1" filename="steps" flush="1"> [ step ] </properties>
    <checkpoint stride="{size}" filename="checkpoint" overwrite="True"/>
  </output>
  <total_steps> {size + 1} </total_steps>
  <ffdirect name="model" threaded="False">
    <pes> custom </pes> <pes_path> {escape(str(driver_path()))} </pes_path>
    <parameters> {{ {escape(parameters)} }} </parameters>
  </ffdirect>
  <system>
    <initialize nbeads="1">
      <positions mode="manual"> {_array(atoms.positions * angstrom)} </positions>
      <labels mode="manual"> [ {labels} ] </labels>
      <masses mode="manual"> {_array(np.ones(len(atoms)))} </masses>
      <cell mode="manual" units="angstrom"> {_array(atoms.cell.array.T)} </cell>
    </initialize>
    <forces> <force forcefield="model"/> </forces>
    <motion mode="vibrations">
      <fixcom> False </fixcom>
      <vibrations mode="fd">
        <pos_shift> {displacement * angstrom:.17g} </pos_shift>
        <asr> none </asr>
        <prefix> results </prefix>
      </vibrations>
    </motion>
    <ensemble> <temperature units="kelvin"> 300 </temperature> </ensemble>
  </system>
</simulation>
"""


def _array(values: ArrayLike) -> str:
    return f"[ {', '.join(f'{value:.17g}' for value in np.ravel(values))} ]"


def _matrix(checkpoint: Path) -> Array:
    """All numbers of ``<dynmat>``; none if there is none."""
    node = ElementTree.parse(checkpoint).getroot().find(".//vibrations/dynmat")
    text = "" if node is None else (node.text or "")
    numbers = text.strip().strip("[]").replace(",", " ").split()
    return np.array(numbers, dtype=np.float64)
