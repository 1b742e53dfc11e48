"""Real LAMMPS in tests: the library for numbers, the program for messages and exit codes."""

import os
import subprocess
from collections.abc import Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import warm_starts
from ase import Atoms
from ase.data import atomic_masses, atomic_numbers

from md_bridge.lammps import new_lammps, run_lmp
from md_bridge.lammps.runner import environment

KCAL_PER_MOL = 23.060549  # of LAMMPS: units real per eV
BAR_PER_EV = 1.6021765e6  # of LAMMPS: pressure in units metal per eV/Å³
# of MPICH and OpenMP: those who wait give the core away instead of turning round, which is several
# times faster where ranks outnumber the cores
PATIENCE = {
    "MPIR_CVAR_CH4_PROGRESS_THROTTLE": "true",
    "MPIR_CVAR_CH4_PROGRESS_THROTTLE_NO_PROGRESS_COUNT": "4",
    "MPIR_CVAR_ENABLE_HEAVY_YIELD": "true",
    "MPIR_CVAR_POLLS_BEFORE_YIELD": "2",
    "OMP_WAIT_POLICY": "passive",
}
THERMO = "thermo_modify format float %.16g norm no"


@dataclass
class Results:
    """What LAMMPS reports, in its own units; atoms in the order of their IDs."""

    energy: float
    forces: np.ndarray
    pressure: np.ndarray  # xx, yy, zz, xy, xz, yz
    positions: np.ndarray
    velocities: np.ndarray


@contextmanager
def lammps(*commands: str, log: str = "none"):
    """A LAMMPS library instance that has run these commands (each may have several lines)."""
    lmp = new_lammps(["-log", log, "-screen", "none"])
    try:
        for block in commands:
            lmp.commands_string(block)
        yield lmp
    finally:
        lmp.close()


def results(lmp) -> Results:
    def gather(name):
        return np.array(lmp.gather_atoms(name, 1, 3), dtype=float).reshape(-1, 3)

    return Results(
        energy=lmp.get_thermo("pe"),
        forces=gather("f"),
        pressure=np.array(
            [lmp.get_thermo(f"p{ab}") for ab in ("xx", "yy", "zz", "xy", "xz", "yz")]
        ),
        positions=gather("x"),
        velocities=gather("v"),
    )


def box(
    atoms: Atoms,
    elements: Iterable[str],
    units: str = "metal",
    boundary: str | None = None,
    setup: str = "",
) -> str:
    """Commands that create a box and atoms: IDs in order, types in the order of ``elements``.

    The cell must be lower triangular, as LAMMPS has it. Lengths are in Å (units metal and real).
    """
    types = {symbol: number + 1 for number, symbol in enumerate(elements)}
    cell = np.array(atoms.cell)
    assert np.allclose(np.triu(cell, 1), 0.0), "LAMMPS wants a lower triangular cell"
    boundary = boundary or " ".join("p" if periodic else "f" for periodic in atoms.pbc)
    lx, ly, lz = (f"{length:.17g}" for length in np.diag(cell))
    xy, xz, yz = (f"{tilt:.17g}" for tilt in (cell[1, 0], cell[2, 0], cell[2, 1]))
    tilted = np.any(np.tril(cell, -1) != 0.0)
    shape = (
        f"prism 0 {lx} 0 {ly} 0 {lz} {xy} {xz} {yz}" if tilted else f"block 0 {lx} 0 {ly} 0 {lz}"
    )
    lines = [
        f"units {units}",
        "atom_style atomic",
        "atom_modify map array",
        f"boundary {boundary}",
        "box tilt large",
        setup,
        f"region box {shape}",
        f"create_box {len(types)} box",
    ]
    for symbol, number in types.items():
        lines.append(f"mass {number} {atomic_masses[atomic_numbers[symbol]]:.17g}")
    for symbol, position in zip(atoms.symbols, atoms.positions, strict=True):
        x, y, z = (f"{coordinate:.17g}" for coordinate in position)
        lines.append(f"create_atoms {types[symbol]} single {x} {y} {z} units box")
    return "\n".join([*lines, "fix nve all nve", THERMO, ""])


def box_from_file(
    atoms: Atoms,
    elements: Iterable[str],
    path: Path,
    units: str = "metal",
    boundary: str | None = None,
    setup: str = "",
    velocities=None,
) -> str:
    """As :func:`box`, with the atoms in a data file (``path``).

    For several ranks: each ``create_atoms`` is a dozen collective calls, which take a second when
    the ranks outnumber the cores.
    """
    types = {symbol: number + 1 for number, symbol in enumerate(elements)}
    cell = np.array(atoms.cell)
    assert np.allclose(np.triu(cell, 1), 0.0), "LAMMPS wants a lower triangular cell"
    boundary = boundary or " ".join("p" if periodic else "f" for periodic in atoms.pbc)
    lines = ["# written by a test", "", f"{len(atoms)} atoms", f"{len(types)} atom types", ""]
    for axis, length in zip("xyz", np.diag(cell), strict=True):
        lines.append(f"0 {length:.17g} {axis}lo {axis}hi")
    if np.any(np.tril(cell, -1) != 0.0):
        lines.append(f"{cell[1, 0]:.17g} {cell[2, 0]:.17g} {cell[2, 1]:.17g} xy xz yz")
    lines += ["", "Masses", ""]
    for symbol, number in types.items():
        lines.append(f"{number} {atomic_masses[atomic_numbers[symbol]]:.17g}")
    lines += ["", "Atoms # atomic", ""]
    for tag, (symbol, position) in enumerate(zip(atoms.symbols, atoms.positions, strict=True), 1):
        x, y, z = (f"{coordinate:.17g}" for coordinate in position)
        lines.append(f"{tag} {types[symbol]} {x} {y} {z}")
    if velocities is not None:
        lines += ["", "Velocities", ""]
        for tag, (x, y, z) in enumerate(velocities, 1):
            lines.append(f"{tag} {x:.17g} {y:.17g} {z:.17g}")
    path.write_text("\n".join([*lines, ""]))
    return f"""
        units {units}
        atom_style atomic
        atom_modify map array
        boundary {boundary}
        box tilt large
        {setup}
        read_data {path}
        fix nve all nve
        {THERMO}
        """


def evaluate(atoms: Atoms, pair: str, elements: Iterable[str], **options) -> Results:
    """Energy, forces and pressure of one configuration."""
    with lammps(box(atoms, elements, **options), pair, "run 0") as lmp:
        return results(lmp)


def argon(cells=(2, 2, 2), lattice: float = 5.4, tilt=(0.0, 0.0, 0.0), seed: int = 1) -> Atoms:
    """A rattled fcc crystal of argon; ``tilt`` is xy, xz, yz in Å."""
    from ase.build import bulk

    atoms = bulk("Ar", "fcc", a=lattice, cubic=True).repeat(cells)
    cell = np.array(atoms.cell)
    cell[1, 0], cell[2, 0], cell[2, 1] = tilt
    atoms.set_cell(cell, scale_atoms=True)
    atoms.rattle(0.12, seed=seed)
    atoms.wrap()
    return atoms


def assert_same_positions(found, expected, cell, tolerance: float) -> None:
    """Equal up to lattice vectors: LAMMPS wraps atoms that leave the box."""
    cell = np.array(cell)
    difference = np.asarray(found) - np.asarray(expected)
    images = np.round(np.linalg.solve(cell.T, difference.T).T)
    np.testing.assert_allclose(difference - images @ cell, 0.0, atol=tolerance)


def run_input(
    text: str, folder: Path, *arguments: str, warm: bool = True, **options
) -> subprocess.CompletedProcess:
    """Run the real ``lmp`` on an input given as text; output and exit code are captured.

    On one rank it is a fork that has loaded LAMMPS (:mod:`warm_starts`), unless ``options`` of
    :func:`md_bridge.lammps.run_lmp` ask for more than a number of threads or of ranks, or ``warm``
    is false.
    """
    (folder / "in.lammps").write_text(text)
    command = ["-in", "in.lammps", "-log", "log.lammps", *arguments]
    patient = {**os.environ, **PATIENCE}
    if warm and options.get("ranks", 1) == 1 and not options.keys() - {"ranks", "threads"}:
        variables = environment(options.get("threads", 1), patient)
        done = warm_starts.run_lammps(command, folder, variables, timeout=300)
        if done is not None:
            return done
    return run_lmp(
        command,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        **{"threads": 1, "env": patient, **options},
    )
