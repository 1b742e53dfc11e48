"""Errors of an exported model on labelled frames, as JSON and as a model card.

Example: python evaluate.py water.pt data/test.xyz.xz --card water.json
"""

from __future__ import annotations

import json
from pathlib import Path

import ase.io
import click
import numpy as np
import torch
from ase import Atoms
from metatomic.torch import ModelOutput, load_atomistic_model
from metatomic_ase import MetatomicCalculator
from rich.progress import track

CARD = {
    "name": "PET water (GFN1-xTB), demonstration model",
    "file": "water.pt",
    "use": "for demonstration and tests only, not for research results",
    "license": "BSD-3-Clause, like the package",
    "elements": ["H", "O"],
    "reference": "GFN1-xTB (doi:10.1021/acs.jctc.7b00118), computed with tblite 0.8.0",
    "training": (
        "PET of metatrain 2026.4.1 (options.yaml) on 586 periodic boxes of 27 water molecules (81 "
        "atoms) near 1 g/cm^3 from Langevin dynamics at 330 K and 700 K, half of them strained by "
        "2 % and rattled by 0.03 Å. Then, with the backbone frozen, a pair-force head for the "
        "direct forces and the direct stress, distilled on the model's own conservative forces "
        "over variations of those boxes (short runs of the model, rotations, rattling)."
    ),
    "recipe": "examples/train_water",
}


def rms(values: np.ndarray) -> float:
    """Root of the mean square."""
    return float(np.sqrt(np.mean(np.square(values))))


def predict(calculator: MetatomicCalculator, atoms: Atoms) -> dict[str, np.ndarray]:
    """Conservative and direct predictions in eV, eV/Å and eV/Å^3."""
    direct = calculator.run_model(
        atoms,
        {
            "non_conservative_force": ModelOutput(unit="eV/A", sample_kind="atom"),
            "non_conservative_stress": ModelOutput(unit="eV/A^3", sample_kind="system"),
        },
    )
    force = direct["non_conservative_force"].block().values[:, :, 0].numpy()
    copy = atoms.copy()
    copy.calc = calculator
    return {
        "energy": copy.get_potential_energy(),
        "conservative_force": copy.get_forces(),
        "conservative_stress": copy.get_stress(voigt=False),
        "direct_force": force - force.mean(axis=0),
        "direct_stress": direct["non_conservative_stress"].block().values[0, :, :, 0].numpy(),
    }


def errors(calculator: MetatomicCalculator, frames: list[Atoms]) -> dict[str, float]:
    """Errors over all frames, in meV/atom, meV/Å and meV/Å^3.

    ``direct_vs_conservative`` compares the model with itself: it is what limits the outer step of
    multiple time stepping.
    """
    rows: dict[str, list[np.ndarray]] = {}
    for atoms in track(frames, description="held-out frames"):
        found = predict(calculator, atoms)
        force, stress = atoms.get_forces(), atoms.get_stress(voigt=False)
        energy = (found["energy"] - atoms.get_potential_energy()) / len(atoms)
        differences = {
            "energy": np.array([energy]),
            "conservative_force": found["conservative_force"] - force,
            "direct_force": found["direct_force"] - force,
            "direct_vs_conservative_force": found["direct_force"] - found["conservative_force"],
            "conservative_stress": found["conservative_stress"] - stress,
            "direct_stress": found["direct_stress"] - stress,
            "direct_vs_conservative_stress": found["direct_stress"] - found["conservative_stress"],
            "reference_force": force,
        }
        for name, value in differences.items():
            rows.setdefault(name, []).append(1e3 * value.flatten())
    joined = {name: np.concatenate(values) for name, values in rows.items()}

    def unit(name: str) -> str:
        if name == "energy":
            return "meV_per_atom"
        return "meV_per_A" if name.endswith("force") else "meV_per_A3"

    table = {f"{name}_rmse_{unit(name)}": rms(v) for name, v in joined.items()}
    table |= {
        f"{name}_mae_{unit(name)}": float(np.abs(joined[name]).mean())
        for name in ("energy", "conservative_force", "direct_force")
    }
    table["reference_force_rms_meV_per_A"] = table.pop("reference_force_rmse_meV_per_A")
    return {name: float(f"{value:.3g}") for name, value in table.items()}


@click.command()
@click.argument("model", type=click.Path(exists=True, dir_okay=False))
@click.argument("frames", type=click.Path(exists=True, dir_okay=False))
@click.option("--card", type=click.Path(), help="Write a model card (JSON) with the errors here.")
@click.option("--json", "as_json", is_flag=True, help="Print the errors as JSON.")
def main(model: str, frames: str, card: str | None, as_json: bool) -> None:
    """Errors of MODEL on the labelled FRAMES.

    Example: python evaluate.py water.pt data/test.xyz.xz --card water.json
    """
    structures = list(ase.io.iread(frames, ":"))
    calculator = MetatomicCalculator(model, check_consistency=True, device="cpu")
    with torch.jit.optimized_execution(False):
        table = errors(calculator, structures)
    if card:
        capabilities = load_atomistic_model(model).capabilities()
        full = CARD | {
            "interaction_range_A": capabilities.interaction_range,
            "dtype": capabilities.dtype,
            "held_out_frames": len(structures),
            "held_out_errors": table,
        }
        Path(card).write_text(json.dumps(full, indent=2, ensure_ascii=False) + "\n")
    if as_json:
        click.echo(json.dumps(table, indent=2))
    else:
        for name, value in table.items():
            click.echo(f"{name:50s} {value:9.3g}")


if __name__ == "__main__":
    main()
