"""Thermal conductivity of a crystal from a model, with phono3py and the settings of matbench.

Example: python conductivity.py silicon.pt silicon.xyz --supercell 2,2,2 --mesh 19,19,19

Needs phono3py (pip install phono3py), which md-bridge does not bring.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
from ase import Atoms
from ase.constraints import FixSymmetry
from ase.filters import FrechetCellFilter
from ase.optimize import FIRE
from numpy.typing import NDArray
from phono3py import Phono3py
from phonopy.structure.atoms import PhonopyAtoms

from md_bridge.ase import MDBridgeCalculator
from md_bridge.engine import set_threads, structure_from_ase
from md_bridge.model_options import ModelOptions
from md_bridge.statics.evaluator import Evaluator
from md_bridge.statics.rows import Row
from md_bridge.structures import read_structure
from md_bridge.symmetry.models.precision import in_double_precision

Array = NDArray[np.float64]
Lengths = tuple[int, int, int]

IMAGINARY = -0.01
"""THz; an acoustic mode at Γ below this counts as imaginary, as in matbench-discovery."""


@dataclass(frozen=True)
class Settings:
    """Those of matbench-discovery's κ_SRME, but for supercells and mesh, which it lists by name."""

    supercell: Lengths = (2, 2, 2)
    """Of the third order."""
    phonon_supercell: Lengths | None = None
    """Of the second order; None: the same."""
    mesh: Lengths = (19, 19, 19)
    """Of wave vectors of the primitive cell."""
    displacement: float = 0.03
    """Å, to both sides."""
    fmax: float = 1e-4
    """eV/Å, of the relaxation before."""
    steps: int = 300
    """Of that relaxation."""
    symprec: float = 1e-5
    """Å."""
    temperature: float = 300.0
    """K."""
    transport: str | None = "SMM19"
    """Wigner transport (Simoncelli, Marzari and Mauri, Nature Physics 15, 809 (2019)), as phono3py
    names it; None: within bands alone."""


def relaxed(atoms: Atoms, calculator: MDBridgeCalculator, settings: Settings) -> Atoms:
    """The crystal at rest, its space group kept.

    :raises RuntimeError: not within the steps
    """
    copy = Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=True, calculator=calculator)
    copy.set_constraint(FixSymmetry(copy, symprec=settings.symprec))
    cell = FrechetCellFilter(copy, mask=[True] * 3 + [False] * 3)
    with FIRE(cell, logfile=None) as optimizer:
        if not optimizer.run(fmax=settings.fmax, steps=settings.steps):
            raise RuntimeError(
                f"the crystal is not at rest after {settings.steps} steps: expected no force above "
                f"{settings.fmax:g} eV/Å, found {np.abs(cell.get_forces()).max():.2g}"
            )
    copy.calc, copy.constraints = None, []
    return copy


def displaced(supercells: Sequence[PhonopyAtoms]) -> list[Atoms]:
    """phono3py's supercells for ASE."""
    return [Atoms(s.symbols, s.positions, cell=s.cell, pbc=True) for s in supercells]


def conductivity(
    atoms: Atoms, forces: Callable[[list[Atoms]], Array], settings: Settings
) -> dict[str, Any]:
    """κ of a crystal at rest.

    :param atoms: in equilibrium
    :param forces: of several structures of N atoms, [structures, N, 3], eV/Å
    :param settings: how
    :returns: ``kappa`` (W/m/K), the mean of the diagonal, with its parts ``intraband`` (heat that
        wave packets carry) and ``interband`` (that tunnels between bands), ``imaginary`` (whether a
        frequency is), ``frequency_max`` (THz) and ``structures``, how many had their forces
        computed
    """
    cell = PhonopyAtoms(symbols=atoms.symbols, cell=atoms.cell[:], positions=atoms.positions)
    crystal = Phono3py(
        cell,
        supercell_matrix=np.diag(settings.supercell),
        phonon_supercell_matrix=np.diag(settings.phonon_supercell or settings.supercell),
        primitive_matrix="auto",
        symprec=settings.symprec,
    )
    crystal.mesh_numbers = settings.mesh
    distance = settings.displacement
    crystal.generate_displacements(distance=distance, is_plusminus=True)
    crystal.generate_fc2_displacements(distance=distance, is_plusminus=True)
    harmonic = displaced(crystal.phonon_supercells_with_displacements)
    anharmonic = displaced([s for s in crystal.supercells_with_displacements if s is not None])
    crystal.phonon_forces = forces(harmonic)
    crystal.forces = forces(anharmonic)
    crystal.produce_fc2(symmetrize_fc2=True)
    crystal.produce_fc3(symmetrize_fc3r=True)
    crystal.init_phph_interaction(symmetrize_fc3q=False)
    crystal.run_thermal_conductivity(
        temperatures=[settings.temperature],
        is_isotope=True,
        boundary_mfp=1e6,
        transport_type=settings.transport,
    )
    found = crystal.thermal_conductivity
    frequencies = found.frequencies
    parts = {"kappa": found.kappa}
    if settings.transport is not None:
        parts |= {"intraband": found.kappa_intra, "interband": found.kappa_inter}
    at_gamma = np.all(np.abs(found.qpoints) < 1e-12, axis=1)
    acoustic = np.sort(frequencies[at_gamma], axis=1)[:, :3]
    others = [*frequencies[~at_gamma].ravel(), *np.sort(frequencies[at_gamma], axis=1)[:, 3:].flat]
    return {
        **{name: float(np.mean(kappa[0, 0, :3])) for name, kappa in parts.items()},
        "imaginary": bool(acoustic.min(initial=0.0) < IMAGINARY or min(others) < 0.0),
        "frequency_max": float(frequencies.max()),
        "structures": len(harmonic) + len(anharmonic),
    }


def conductivity_of_model(
    model: Path, atoms: Atoms, row: Row, settings: Settings, double: bool = True
) -> dict[str, Any]:
    """Relaxation, force constants, conductivity.

    :param model: path of an exported model
    :param atoms: the crystal, near equilibrium
    :param row: which forces, averaged over which copies
    :param settings: how
    :param double: convert the model to double precision
    :returns: as :func:`conductivity`, with the cell's ``volume`` (Å³ per atom) and ``seconds``
    """
    began = time.perf_counter()
    options = ModelOptions()
    with contextlib.ExitStack() as stack:
        if double:
            first = structure_from_ase(atoms)
            model = stack.enter_context(in_double_precision(model, options, first))
        calculator = MDBridgeCalculator(model, forces=row.forces, symmetrize=row.symmetrize)
        rest = relaxed(atoms, calculator, settings)
        evaluator = Evaluator(model, options, row)

        def forces(structures: list[Atoms]) -> Array:
            return np.array([found.forces for found in evaluator(structures)])

        found = conductivity(rest, forces, settings)
    volume = rest.cell.volume / len(rest)
    return {**found, "volume": volume, "seconds": time.perf_counter() - began}


def lengths(text: str) -> Lengths:
    """Three whole numbers with commas between them, or one for all.

    :raises click.BadParameter: something else
    """
    try:
        found = tuple(int(word) for word in text.split(","))
    except ValueError:
        found = ()
    if len(found) not in (1, 3) or min(found) < 1:
        raise click.BadParameter(f"expected one or three positive numbers, found {text!r}")
    return found * 3 if len(found) == 1 else found  # type: ignore[return-value]


@click.command()
@click.argument("model", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("cell", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--forces", default="conservative", show_default=True, help="Or direct.")
@click.option("--symmetrize", default="none", show_default=True, help="Set of rotated copies.")
@click.option("--supercell", default="2", show_default=True, help="Of the third order: 2,2,2.")
@click.option("--phonon-supercell", help="Of the second order.  [default: the same]")
@click.option("--mesh", default="19", show_default=True, help="Of wave vectors.")
@click.option("--displacement", default=Settings.displacement, show_default=True, help="Å")
@click.option("--temperature", default=Settings.temperature, show_default=True, help="K")
@click.option("--double/--single", default=True, show_default=True, help="Precision.")
@click.option("--threads", default=1, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print the numbers as JSON.")
def main(
    model: Path,
    cell: Path,
    forces: str,
    symmetrize: str,
    supercell: str,
    phonon_supercell: str | None,
    mesh: str,
    displacement: float,
    temperature: float,
    double: bool,
    threads: int,
    as_json: bool,
) -> None:
    """Thermal conductivity of the crystal in CELL with the exported MODEL.

    Example: python conductivity.py silicon.pt silicon.xyz --supercell 2 --mesh 19
    """
    set_threads(threads)
    settings = Settings(
        supercell=lengths(supercell),
        phonon_supercell=None if phonon_supercell is None else lengths(phonon_supercell),
        mesh=lengths(mesh),
        displacement=displacement,
        temperature=temperature,
    )
    row = Row(forces, symmetrize)
    found = conductivity_of_model(model, read_structure(cell), row, settings, double)
    if as_json:
        click.echo(json.dumps({"settings": asdict(settings), "row": row.label, **found}))
        return
    click.echo(
        f"{row.label}: κ = {found['kappa']:.4g} W/m/K at {temperature:g} K "
        f"({found['intraband']:.4g} within bands, {found['interband']:.2g} between them), "
        f"{found['structures']} structures, {found['seconds']:.0f} s"
    )
    if found["imaginary"]:
        click.echo("there are imaginary modes: this number means nothing")


if __name__ == "__main__":
    main()
