"""Pairs of NVE runs in LAMMPS from the same starts: conservative forces, and two models."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase import Atoms, units
from ase.io import read, write

from md_bridge.lammps import run_lmp
from trajectories.observables import Trajectory

__all__ = ["Settings", "equilibrate", "run"]

EQUILIBRATION = """
units metal
read_data given.data
velocity all create {temperature} {seed} mom yes dist gaussian
{pair_style}
fix nve all nve
fix bath all langevin {temperature} {temperature} 0.1 {seed} zero yes
thermo 1000
run {steps}
unfix bath
velocity all zero linear
write_data start.data nocoeff
"""
PRODUCTION = """
units metal
read_data start.data
{pair_style}
fix nve all nve
dump frames all custom {every} {name}.lammpstrj id type xu yu zu vx vy vz
dump_modify frames sort id format float %.9g
thermo_style custom step etotal
thermo_modify format float %.12g norm yes
thermo {every}
run {steps}
"""


class LammpsError(RuntimeError):
    """LAMMPS stopped; the message is what it said last."""


@dataclass(frozen=True)
class Settings:
    """Of all runs.

    :param outer: the model whose conservative forces drive
    :param inner: the cheap one inside
    :param multiplicity: M, inner steps in an outer one
    :param timestep_fs: the inner step, and that of the conservative runs
    :param temperature: of the starts (K)
    :param threads: of torch
    """

    outer: Path
    inner: Path
    multiplicity: int
    timestep_fs: float
    temperature: float
    threads: int

    @property
    def outer_step_fs(self) -> float:
        """Between the frames of both kinds of dynamics."""
        return self.multiplicity * self.timestep_fs

    def pair_style(self, two_models: bool, elements: list[str]) -> str:
        """Lines of the input that differ."""
        model = f"pair_style mdbridge {self.outer}" + f" inner {self.inner}" * two_models
        step = self.outer_step_fs if two_models else self.timestep_fs
        lines = [model, f"pair_coeff * * {' '.join(elements)}", f"timestep {1e-3 * step}"]
        if two_models:
            lines.append(f"run_style respa 2 {self.multiplicity} inner 1 3.0 4.0 outer 2")
        return "\n".join(lines)


def equilibrate(
    atoms: Atoms, settings: Settings, seed: int, picoseconds: float, folder: Path
) -> None:
    """Write ``start.data``: the structure after Langevin dynamics with two models.

    Both runs of a replica begin there, so how it was made favours neither.

    :param seed: of the velocities and of the bath; another one for each replica
    """
    elements = sorted(set(atoms.get_chemical_symbols()))
    write(
        folder / "given.data", atoms, format="lammps-data", specorder=elements, masses=True,
        units="metal",
    )  # fmt: skip
    steps = round(1e3 * picoseconds / settings.outer_step_fs)
    text = EQUILIBRATION.format(
        pair_style=settings.pair_style(True, elements),
        temperature=settings.temperature,
        seed=seed,
        steps=steps,
    )
    _lammps(text, settings.threads, folder)


def run(
    atoms: Atoms, settings: Settings, two_models: bool, picoseconds: float, folder: Path
) -> tuple[Trajectory, float, float]:
    """One NVE run from ``start.data``.

    :param atoms: the structure, for its elements
    :returns: its frames, the drift of its energy (meV/atom/ps), and its wall time (s/ps)
    """
    elements = sorted(set(atoms.get_chemical_symbols()))
    every = 1 if two_models else settings.multiplicity
    frames = round(1e3 * picoseconds / settings.outer_step_fs)
    name = "two" if two_models else "one"
    pair_style = settings.pair_style(two_models, elements)
    text = PRODUCTION.format(pair_style=pair_style, every=every, name=name, steps=frames * every)
    log = _lammps(text, settings.threads, folder)
    table = np.array(re.findall(r"^ +(\d+) +(-?\d+\.?\d*)\s*$", log, re.MULTILINE), dtype=float)
    time_ps = table[:, 0] / every * settings.outer_step_fs * 1e-3
    drift = 1e3 * np.polyfit(time_ps, table[:, 1], 1)[0]
    seconds = float(re.findall(r"Loop time of (\S+)", log)[-1])
    path = folder / f"{name}.lammpstrj"
    trajectory = _read(path, elements, settings.outer_step_fs)
    path.unlink()
    return trajectory, float(drift), seconds / picoseconds


def _lammps(text: str, threads: int, folder: Path) -> str:
    (folder / "in.lammps").write_text(text, encoding="utf-8")
    done = run_lmp(
        ["-in", "in.lammps", "-log", "none"],
        threads=threads,
        cwd=folder,
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        raise LammpsError(done.stdout[-2000:] + done.stderr[-500:])
    return done.stdout


def _read(path: Path, elements: list[str], interval_fs: float) -> Trajectory:
    frames = read(path, index=":", format="lammps-dump-text", specorder=elements, units="metal")
    assert isinstance(frames, list)
    first = frames[0]
    lengths = first.cell.lengths()
    if not np.allclose(first.cell[:], np.diag(lengths)):
        raise ValueError("expected a box of right angles")
    return Trajectory(
        np.array([frame.positions for frame in frames]),
        np.array([frame.get_velocities() for frame in frames]) * units.fs,
        first.get_masses(),
        np.array(first.get_chemical_symbols()),
        lengths,
        interval_fs,
    )
