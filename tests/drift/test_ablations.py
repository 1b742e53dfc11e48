"""examples/conservation_ablations: what is taken away shows, the full model conserves energy."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from ase import units
from click.testing import CliRunner

FOLDER = Path(__file__).parents[2] / "examples" / "conservation_ablations"
sys.path.insert(0, str(FOLDER))
from ablations import main, markdown, network_of, rows, start_of  # noqa: E402
from copper import COPPER, TrainedNetwork, held_out_errors, train  # noqa: E402
from network import ABLATIONS, ARGON, CONTROL, FULL, Network, export  # noqa: E402

from md_bridge.ase import MDBridgeCalculator  # noqa: E402
from md_bridge.drift.protocols.smoothness import velocity_verlet  # noqa: E402
from md_bridge.engine import set_threads  # noqa: E402


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    set_threads(1)
    path = tmp_path_factory.mktemp("start") / "full.pt"
    return start_of(export(Network(FULL), ARGON, path), ARGON)


def wandering(start, model, forces="conservative", steps=100):
    """How far the shadow energy gets from where it began, in steps of 4 fs (meV/atom)."""
    calculator = MDBridgeCalculator(model, forces=forces)
    run = velocity_verlet(start, calculator, 4 * units.fs, steps, lambda _: None)
    return 1000 * float(np.ptp(run.shadow)) / len(start)


def test_every_row_of_the_comparison_has_a_network():
    assert {of for _, of, _ in rows()} == set(ABLATIONS)
    assert [name for name, _, forces in rows() if forces == "direct"] == ["direct forces"]


def test_what_is_taken_away_shows_in_the_analytic_network(start, tmp_path):
    found = {}
    for name, of, forces in rows():
        model = export(network_of("analytic", of, 0), ARGON, tmp_path / "model.pt")
        model = model.rename(tmp_path / f"{name.replace(' ', '-')}.pt")
        found[name] = wandering(start, model, forces)
    whole = found.pop("full model")
    assert whole < 1e-3
    assert 0.1 * whole < found.pop(CONTROL) < 10 * whole
    assert {name for name, value in found.items() if value > 100 * whole} == set(found)


def test_what_is_taken_away_shows_in_a_trained_network(tmp_path):
    """After a short training, whose forces are better than none."""
    networks = {
        name: train(ABLATIONS[name], 20, frames=3) for name in ("full model", "no envelope")
    }
    models = {
        name: export(network, COPPER, tmp_path / f"{name.replace(' ', '-')}.pt")
        for name, network in networks.items()
    }
    start = start_of(models["full model"], COPPER)
    found = {name: wandering(start, model) for name, model in models.items()}
    assert found["full model"] < 0.01
    assert found["no envelope"] > 100 * found["full model"]
    assert wandering(start, models["full model"], "direct") > 100 * found["full model"]
    forces = held_out_errors(networks["full model"])
    untrained = held_out_errors(TrainedNetwork(FULL))
    assert max(forces) < 0.2 * min(untrained)


@pytest.mark.parametrize("family", ["analytic", "trained"])
def test_the_page_has_the_numbers_that_are_kept(family):
    """As ``ablations.py`` wrote both: the table, who passes, and a picture beside them."""
    numbers = json.loads((FOLDER / "numbers.json").read_text(encoding="utf-8"))[family]
    assert [*numbers] == [name for name, _, _ in rows()]
    assert markdown(numbers) in (FOLDER / "README.md").read_text(encoding="utf-8")
    assert {name for name, found in numbers.items() if found["passed"]} == {"full model", CONTROL}
    assert (FOLDER / "ablations.png").stat().st_size > 10_000


@pytest.mark.slow
@pytest.mark.parametrize("family", ["analytic", "trained"])
def test_the_example_as_it_is_run(tmp_path, monkeypatch, family):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    options = ["--out", str(tmp_path), "--quick", "--family", family]
    result = CliRunner().invoke(main, options, catch_exceptions=False)
    assert result.exit_code == 0
    numbers = json.loads((tmp_path / "numbers.json").read_text())[family]
    assert {name for name, found in numbers.items() if found["passed"]} == {"full model", CONTROL}
    fits = {name: found["smoothness"] for name, found in numbers.items()}
    assert fits["full model"]["verdict"] != "not smooth"
    assert fits["no envelope"]["exponent"] < 2
    assert (tmp_path / "ablations.png").stat().st_size > 10_000


def test_a_fine_grid_is_a_sphere():
    """Turned about the edge by any convention: the average is the same."""
    random = torch.Generator().manual_seed(0)
    unit = torch.nn.functional.normalize(
        torch.randn((200, 3), dtype=torch.float64, generator=random), dim=1
    )
    field = torch.randn((1, 13), dtype=torch.float64, generator=random).repeat(200, 1)
    first = torch.arange(200)
    spreads = {
        name: float(Network(ABLATIONS[name]).over_the_grid(unit, field, first).std())
        for name in ("full model", "coarse grid")
    }
    assert spreads["full model"] < 0.02 * spreads["coarse grid"]


def test_the_envelope_is_smooth_where_it_ends():
    network = Network(FULL)
    distances = torch.tensor([0.0, 5.5 - 1e-3, 5.5], dtype=torch.float64)
    fade = network.fade(distances)
    assert fade[0] == 1
    assert abs(float(fade[2])) < 1e-12
    assert 0 < float(fade[1]) < 1e-9  # third power of the distance from the end
