"""The bundled silicon beside the potential that it was trained on."""

import importlib
from pathlib import Path

import numpy as np
import pytest

from md_bridge._paths import DATA
from md_bridge.engine import Engine, set_threads, structure_from_ase
from md_bridge.export import export_module

FOLDER = Path(__file__).parents[3] / "examples" / "silicon"


@pytest.fixture
def data(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    return importlib.import_module("make_data")


@pytest.fixture
def truth(data, tmp_path):
    module = importlib.import_module("stillinger_weber")
    return Engine(
        export_module(
            module.silicon(),
            tmp_path / "sw.pt",
            elements=["Si"],
            cutoff=module.CUTOFF,
            layers=1,
            dtype="float64",
        )
    )


def answers(engine, structures, direct):
    set_threads(1)
    return engine.evaluate(
        [structure_from_ase(atoms) for atoms in structures],
        conservative_forces=True,
        conservative_virial=True,
        direct_forces=direct,
        direct_virial=direct,
    )


def test_errors_on_crystals_that_it_has_not_seen(data, truth):
    """Rattled and strained ones; the bounds are half as large again as what was measured."""
    rng = np.random.default_rng(11)
    structures = [data.distort(data.crystal((1, 1, 1)), 0.08, 0.01, rng) for _ in range(12)]
    expected = answers(truth, structures, direct=False)
    found = answers(Engine(DATA / "silicon.pt"), structures, direct=True)
    pairs = list(zip(found, expected, strict=True))

    def rms(differences):
        return 1e3 * np.sqrt(np.mean(np.square(differences)))

    forces = rms([a.conservative_forces - b.conservative_forces for a, b in pairs])
    direct = rms([a.direct_forces - b.conservative_forces for a, b in pairs])
    energies = rms([(a.energy - b.energy) / 8 for a, b in pairs])
    assert forces < 50
    assert direct < 50
    assert energies < 5


def test_the_crystal_at_rest_is_that_of_the_potential(data, truth):
    """Lattice constant (by the pressure at the true one), forces that vanish, energy."""
    rest = data.crystal((2, 2, 2))
    (expected,) = answers(truth, [rest], direct=False)
    (found,) = answers(Engine(DATA / "silicon.pt"), [rest], direct=True)
    assert found.energy / 64 == pytest.approx(expected.energy / 64, abs=5e-3)
    assert expected.energy / 64 == pytest.approx(-4.3366, abs=1e-4)
    assert np.abs(found.conservative_forces).max() < 0.03
    # a pressure of 1 GPa changes the lattice constant by 0.3 %
    for virial in (found.conservative_virial, found.direct_virial):
        pressure = virial.trace() / 3 / rest.cell.volume * 160.21766
        assert abs(pressure) < 1.0
