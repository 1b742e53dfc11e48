"""The bundled water model is as good as its card says."""

import json
import lzma
from pathlib import Path

import numpy as np
import pytest
from ase.io import read

from md_bridge._paths import DATA
from md_bridge.engine import Engine, structure_from_ase

HELD_OUT = Path(__file__).parents[2] / "examples" / "train_water" / "data" / "test.xyz.xz"


@pytest.fixture(scope="module")
def frames():
    """Every tenth held-out frame: both temperatures, plain and strained."""
    with lzma.open(HELD_OUT, "rt", encoding="utf-8") as stream:
        return read(stream, index="::10", format="extxyz")


@pytest.fixture(scope="module")
def results(frames):
    return Engine(DATA / "water.pt").evaluate(
        [structure_from_ase(frame) for frame in frames],
        conservative_forces=True,
        conservative_virial=True,
        direct_forces=True,
        direct_virial=True,
    )


def rms(values):
    return 1000 * np.sqrt(np.mean(np.square(values)))


def test_errors_are_those_of_the_card(frames, results):
    """Six of sixty frames: within a factor of 1.5 of the errors over all of them."""
    card = json.loads((DATA / "water.json").read_text())["held_out_errors"]
    pairs = list(zip(frames, results, strict=True))
    found = {
        "energy_rmse_meV_per_atom": [
            (r.energy - f.get_potential_energy()) / len(f) for f, r in pairs
        ],
        "conservative_force_rmse_meV_per_A": [
            r.conservative_forces - f.get_forces() for f, r in pairs
        ],
        "direct_force_rmse_meV_per_A": [r.direct_forces - f.get_forces() for f, r in pairs],
        "direct_vs_conservative_force_rmse_meV_per_A": [
            r.direct_forces - r.conservative_forces for _, r in pairs
        ],
        "conservative_stress_rmse_meV_per_A3": [
            -r.conservative_virial / f.get_volume() - f.get_stress(voigt=False) for f, r in pairs
        ],
        "direct_stress_rmse_meV_per_A3": [
            -r.direct_virial / f.get_volume() - f.get_stress(voigt=False) for f, r in pairs
        ],
    }
    for name, errors in found.items():
        assert rms(errors) == pytest.approx(card[name], rel=0.5), name


def test_direct_forces_have_no_net_force_by_construction(frames):
    engine = Engine(DATA / "water.pt", remove_net_force=False)
    for frame in frames[:2]:
        forces = engine.evaluate(structure_from_ase(frame), direct_forces=True).direct_forces
        assert np.abs(forces.sum(axis=0)).max() < 1e-4


@pytest.mark.parametrize("name", ["water-start.xyz", "water-192.xyz"])
def test_starts_are_thermalised_liquids(name):
    atoms = read(DATA / name)
    assert 270 < atoms.get_temperature() < 330
    assert np.abs(atoms.get_momenta().sum(axis=0)).max() < 1e-4
    result = Engine(DATA / "water.pt").evaluate(
        structure_from_ase(atoms), conservative_forces=True, direct_forces=True
    )
    assert rms(result.direct_forces - result.conservative_forces) < 50
