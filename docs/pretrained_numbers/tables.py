"""The tables of docs/pretrained.md, from docs/pretrained.json."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from marked_tables import markdown, number

from md_bridge.symmetry.models.quantities import QUANTITIES
from md_bridge.text import factor, minus_sign, significant, with_error

__all__ = ["PACKAGES", "TABLES", "Package"]

Numbers = Mapping[str, Any]


@dataclass(frozen=True)
class Package:
    """A package whose wheel carries weights."""

    title: str
    model: str
    """Its name for MD Bridge."""
    calculator: str
    """Of the factory of its own calculator."""
    frames: int
    """That its student learns from."""
    steps: int
    """Of the training."""


PACKAGES = {
    "chgnet": Package(
        "CHGNet 0.3.0",
        "python:md_bridge.calculators.chgnet:chgnet_calculator",
        "python:chgnet.model.dynamics:CHGNetCalculator",
        frames=56,
        steps=800,
    ),
    "sevennet": Package(
        "SevenNet-0",
        "python:md_bridge.calculators.sevennet:sevennet_calculator",
        "python:sevenn.calculator:SevenNetCalculator",
        frames=28,
        steps=400,
    ),
}
"""By the names of their folders."""

_SYMPREC = {"0.01": "10⁻²", "1e-05": "10⁻⁵"}


def agreement(numbers: Numbers) -> list[str]:
    """The engine beside the package's own calculator."""
    heading = ["model", "atoms", "largest force, eV/Å"]
    for host in ("ASE", "LAMMPS"):
        heading += [f"{host}: energies differ by, eV", "forces by, eV/Å"]
    rows = []
    for name, found in _each(numbers, "agreement"):
        cells = [name, f"{found['atoms']}", number(found["largest_force_eV_per_angstrom"])]
        for host in ("ase", "lammps"):
            apart = found[host]
            cells += [number(apart["energy_eV"]), number(apart["forces_eV_per_angstrom"])]
        rows.append(cells)
    return markdown(heading, rows)


def relaxations(numbers: Numbers) -> list[str]:
    """Eight ions come to rest, with their cell."""
    heading = [
        *("model", "at rest", "steps", "a, Å", "noise of forces, eV/Å"),
        *(f"space group at {each} Å" for each in _SYMPREC.values()),
    ]
    rows = []
    for name, found in _each(numbers, "relax"):
        row = found["rows"]["conservative"]
        groups = [next(iter(row["end_space_groups"][each])) for each in _SYMPREC]
        lengths = np.linalg.norm(row["cell_angstrom"], axis=1)
        rows.append(
            [
                name,
                "yes" if row["converged"] else "no",
                f"{row['steps']:g}",
                f"{lengths.mean():.3f}",
                number(row["noise_eV_per_angstrom"]),
                *groups,
            ]
        )
    return markdown(heading, rows)


def phonons(numbers: Numbers) -> list[str]:
    """Force constants as they are and corrected."""
    heading = [
        *("model", "force constants", "π, %", "α, %", "γ, %"),
        *("imaginary modes", "ω_max, THz", "heat capacity, J/K/mol"),
    ]
    rows = []
    for name, found in _each(numbers, "phonons"):
        for result in found["results"]:
            broken, modes = result["violations"], result["imaginary"]
            rows.append(
                [
                    *(name, result["correction"]),
                    *(
                        number(100 * broken[each])
                        for each in ("permutation", "acoustic", "space_group")
                    ),
                    "yes" if modes["any"] else "none",
                    f"{result['largest_frequency_THz']:.2f}",
                    f"{result['heat_capacity_J_per_K_mol']:.2f}",
                ]
            )
    return markdown(heading, rows)


def symmetry(numbers: Numbers) -> list[str]:
    """What changes when eight ions are turned, beside the rounding."""
    heading = ["quantity"]
    for name, _ in _each(numbers, "symmetry"):
        heading += [f"{name}: A", "rounding", "above it"]
    rows = []
    for quantity, about in QUANTITIES.items():
        cells = [f"{about.words}, {about.unit}"]
        for _, found in _each(numbers, "symmetry"):
            each = found["quantities"].get(quantity)
            if each is None:
                break
            above = {
                f"λ = {sector['lambda']}" + ("" if sector["sigma"] == 1 else ", odd"): None
                for sector in each["sectors"]
                if sector["above_rounding"] and (sector["lambda"], sector["sigma"]) != (0, 1)
            }
            cells += [number(each["rms"]), number(each["rounding"])]
            cells.append("; ".join(above) or "nothing")
        else:
            rows.append(cells)
    return markdown(heading, rows)


def students(numbers: Numbers) -> list[str]:
    """What was distilled, and what it costs."""
    heading = [
        *("teacher", "frames", "training steps", "error of forces, meV/Å", "of"),
        *("teacher, ms", "student, ms", "ratio"),
    ]
    rows = []
    for name, found in _each(numbers, "student"):
        every, costs = found["held_out"][-1], found["cost_ms"]
        rows.append(
            [
                *(name, f"{found['frames']}", f"{found['training_steps']}"),
                *(significant(every[each], 3) for each in ("force", "force_of_labels")),
                *(significant(costs[each], 3) for each in ("teacher", "student")),
                significant(found["cost_ratio"], 3),
            ]
        )
    return markdown(heading, rows)


def drifts(numbers: Numbers) -> list[str]:
    """NVE in LAMMPS, conservative and with the student inside."""
    heading = [
        *("model", "forces", "outer step, fs", "drift, meV/atom/ps"),
        *("heating, meV/atom/ps", "energy", "speed-up", "bound"),
    ]
    rows = []
    for name, found in _each(numbers, "drift"):
        for method in found["methods"]:
            m = method["M"] if method["forces"] == "mts" else 1
            rows.append(
                [
                    name,
                    f"M = {m}" if m > 1 else "conservative",
                    f"{method['timestep_fs'] * m:g}",
                    minus_sign(
                        with_error(method["drift_meV_per_atom_per_ps"], method["drift_stderr"])
                    ),
                    _heating(method),
                    method["verdict"],
                    factor(method["speedup"], missing="1"),
                    factor(method["speedup_bound"], missing="1"),
                ]
            )
    return markdown(heading, rows)


def cost(numbers: Numbers) -> list[str]:
    """How long everything took, and where."""
    whole = {_title(name): sum(each["seconds"].values()) / 60 for name, each in numbers.items()}
    told = " and ".join(f"{minutes:.0f} minutes for {name}" for name, minutes in whole.items())
    settings = next(iter(numbers.values()))["drift"]["settings"]
    return [f"All of it took {told}, one thread each.", f"(On {settings['machine']}.)"]


def _each(numbers: Numbers, part: str) -> list[tuple[str, Any]]:
    return [(_title(name), found[part]) for name, found in numbers.items()]


def _title(name: str) -> str:
    return PACKAGES[name].title


def _heating(method: Numbers) -> str:
    low, high = method["heating_low_95"], method["heating_high_95"]
    if low is None or high is None:
        return "-"
    return f"{number(low)} to {number(high)}"


TABLES: Mapping[str, Callable[[Numbers], list[str]]] = {
    "agreement": agreement,
    "relaxations": relaxations,
    "phonons": phonons,
    "symmetry": symmetry,
    "students": students,
    "drifts": drifts,
    "cost": cost,
}
