"""examples/pointnet: a network that is no potential learns symmetry, and shows it."""

import importlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from md_bridge.cli.models.symmetry import symmetry
from md_bridge.symmetry.layers import analyse_layers_of

FOLDER = Path(__file__).parents[3] / "examples" / "pointnet"


@pytest.fixture(scope="module")
def example():
    """A function from the name of a module of the example to it."""
    sys.path.insert(0, str(FOLDER))
    yield importlib.import_module
    sys.path.remove(str(FOLDER))
    for name in ("decays", "pointnet", "train", "measure"):
        sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def runs(example, tmp_path_factory):
    """Few events, few epochs."""
    folder = tmp_path_factory.mktemp("runs")
    arguments = ["--epochs", "8", "--events", "4000", "--out", str(folder)]
    result = CliRunner().invoke(example("train").main, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    return folder


def test_decays_conserve_energy_and_momentum(example):
    events = example("decays").decays(500, seed=3)
    energies = np.sqrt((events.momenta**2).sum(axis=2) + 0.14**2)
    total = events.momenta.sum(axis=1)
    assert energies.sum(axis=1) ** 2 - (total**2).sum(axis=1) == pytest.approx(100.0)
    # the heavier resonance is one of the pairs of opposite charges, with its mass
    pairs = [events.momenta[:, [i, j]].sum(axis=1) for i in (0, 2) for j in (1, 3)]
    masses = [
        energies[:, [i, j]].sum(axis=1) ** 2 - (pairs[k] ** 2).sum(axis=1)
        for k, (i, j) in enumerate((i, j) for i in (0, 2) for j in (1, 3))
    ]
    away = np.abs(np.array(pairs) - events.heavier).max(axis=2)
    rows = np.arange(500)
    assert away.min(axis=0) == pytest.approx(np.zeros(500), abs=1e-10)
    found = np.sqrt(np.array(masses)[away.argmin(axis=0), rows])
    assert found == pytest.approx(np.where(events.kind == 0, 5.0, 4.0))


def test_symmetry_is_learned_with_augmentation(example, runs, tmp_path):
    """A falls with it, and is larger without it; what is written can be drawn."""
    arguments = ["--runs", str(runs), "--events", "2", "--lmax", "2", "--out", str(tmp_path)]
    result = CliRunner().invoke(example("measure").main, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    found = json.loads((tmp_path / "symmetry.json").read_text())
    a = {
        name: {row["epoch"]: row["relative"]["heavier"] for row in rows}
        for name, rows in found.items()
    }
    assert sorted(a["plain"]) == [0, 1, 2, 4, 8]
    assert a["augmented"][8] < 0.5 * a["augmented"][0]
    assert a["augmented"][8] < 0.5 * a["plain"][8]
    for name in ("learning.png", "layers-augmented.png", "layers-plain.png"):
        assert (tmp_path / name).stat().st_size > 5000


def test_layers_of_a_saved_network(example, runs):
    """The first layer is linear in the momentum: λ ≤ 1, natural parity."""
    network = example("measure").load(runs / "augmented" / "epoch-008.pt")
    events = example("decays").decays(3, seed=1)
    found = analyse_layers_of(network, list(events.momenta), "embed, heavier", lmax=2)
    first = found["embed"].whole
    assert first[0, 1] + first[1, 1] == pytest.approx(1.0)
    assert found["heavier"].whole[1, 1] > 0.5


def test_the_command(example, runs, monkeypatch):
    """The factory of the example goes through md-bridge symmetry, with its layers."""
    example("measure")
    (runs / "runs").symlink_to(runs, target_is_directory=True)
    monkeypatch.chdir(runs)
    options = ["--lmax", "1", "--quantity", "heavier", "--layers", "embed", "--out", "found"]
    result = CliRunner().invoke(symmetry, ["python:measure:trained", *options])
    assert result.exit_code == 3, result.output  # SiLU has all λ
    assert "increase --lmax" in result.output
    content = json.loads((runs / "found" / "summary.json").read_text())
    assert content["quantities"]["heavier"]["unit"] == "GeV"
    assert content["quantities"]["heavier"]["worst_atom"] is None
    assert content["settings"]["structures"] == "those of the function"
    [layer] = content["layers"]["layers"]
    assert layer["whole"]["fractions"]["+"][1] > 0.1
    result = CliRunner().invoke(symmetry, ["python:measure:trained", "--quantity", "mass"])
    assert "expects some of logit, heavier, found 'mass'" in result.output
    result = CliRunner().invoke(symmetry, ["python:measure:load_nothing"])
    assert "'measure' has no 'load_nothing'" in result.output
