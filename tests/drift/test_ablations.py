"""examples/conservation_ablations: what is taken away shows, the full model conserves energy."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from ase import units

FOLDER = Path(__file__).parents[2] / "examples" / "conservation_ablations"
sys.path.insert(0, str(FOLDER))
from ablations import crystal, rows  # noqa: E402
from network import ABLATIONS, FULL, Network, export  # noqa: E402

from md_bridge.ase import MDBridgeCalculator  # noqa: E402
from md_bridge.drift.protocols.smoothness import velocity_verlet  # noqa: E402
from md_bridge.drift.runs.starts import thermalise  # noqa: E402
from md_bridge.engine import set_threads  # noqa: E402


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    set_threads(1)
    full = export("full model", tmp_path_factory.mktemp("start"))
    return thermalise(crystal(), MDBridgeCalculator(full), 80.0, 4.0, 250, 1, lambda _: None)


def wandering(start, model, forces="conservative"):
    """How far the shadow energy gets from where it began, in 0.8 ps (meV/atom)."""
    calculator = MDBridgeCalculator(model, forces=forces)
    run = velocity_verlet(start, calculator, 4 * units.fs, 200, lambda _: None)
    return 1000 * float(np.ptp(run.shadow)) / len(start)


def test_every_row_of_the_comparison_has_a_model():
    assert {of for _, of, _ in rows()} == set(ABLATIONS)
    assert [name for name, _, forces in rows() if forces == "direct"] == ["direct forces"]


def test_a_cutoff_without_an_envelope_breaks_what_the_full_model_keeps(start, tmp_path):
    whole = wandering(start, export("full model", tmp_path))
    broken = wandering(start, export("no envelope", tmp_path))
    assert whole < 0.01
    assert broken > 30 * whole


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
