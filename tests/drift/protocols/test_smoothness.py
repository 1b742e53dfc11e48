"""Protocol smoothness: the drift of fluids whose cutoff has a known number of derivatives."""

import json

import pytest
import torch
from ase.io import write
from click.testing import CliRunner
from drift_models import argon_crystal
from models import AnalyticModel

from md_bridge.cli import main
from md_bridge.drift.protocols import smoothness
from md_bridge.drift.protocols.base import ProtocolRequest
from md_bridge.export import pair_vectors

CUTOFF = 5.5


class Faded(torch.nn.Module):
    """Lennard-Jones times (1 − r²/rc²)^power, whose derivative of this order jumps at rc.

    A hundred times as deep as argon's, so that the drift is not next to nothing.
    """

    def __init__(self, power: int, epsilon: float = 1.04):
        super().__init__()
        self.power, self.cutoff, self.epsilon = power, CUTOFF, epsilon

    def forward(
        self,
        types: torch.Tensor,
        positions: torch.Tensor,
        cell: torch.Tensor,
        pairs: torch.Tensor,
        shifts: torch.Tensor,
        structure: torch.Tensor,
    ) -> dict[str, torch.Tensor]:
        r2 = pair_vectors(positions, cell, pairs, shifts, structure).square().sum(dim=1)
        sixth = (3.4**2 / r2) ** 3
        fade = (1.0 - r2 / self.cutoff**2) ** self.power
        energy = 0.5 * 4.0 * self.epsilon * (sixth * sixth - sixth) * fade
        zeros = torch.zeros_like(positions[:, 0])
        return {"energy": zeros.index_add(0, pairs[:, 0], energy)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("smoothness")


def silent(what, share):
    assert 0 <= share <= 1


@pytest.mark.parametrize(("power", "verdict"), [(1, "not smooth"), (3, "smooth")])
def test_a_fluid_with_a_faded_cutoff(folder, power, verdict):
    model = AnalyticModel(Faded(power), ["Ar"], CUTOFF).export(folder / f"{power}.pt")
    request = ProtocolRequest(
        model, argon_crystal(temperature=12000), folder / "out", timestep_fs=1.6, length_ps=0.4
    )
    result = smoothness.run(request, silent)
    found = result.summary
    if power == 1:
        assert abs(found["exponent"] - 1) <= 0.5
    else:  # kicks of this order are smaller than what the step leaves of the smooth part
        assert found["exponent"] >= 2.5
    assert result.rows[0].verdict == found["verdict"] == verdict
    assert result.passed is (verdict == "smooth")
    assert ("jumps" in result.sentences[0]) is (verdict == "not smooth")


def test_single_precision_hides_the_drift_and_says_so(folder):
    model = AnalyticModel(Faded(3, 0.0104), ["Ar"], CUTOFF).export(folder / "single.pt", "float32")
    request = ProtocolRequest(
        model, argon_crystal(), folder / "out", timestep_fs=2.0, length_ps=0.4
    )
    result = smoothness.run(request, silent)
    assert result.summary["round_off_share"] > 0.3
    assert result.rows[0].verdict == "no drift seen"
    assert result.passed is True
    assert "Round-off hides the drift at 0.5 fs" in result.sentences[0]


def test_from_the_command_line(folder):
    model = AnalyticModel(Faded(1), ["Ar"], CUTOFF).export(folder / "command.pt")
    write(folder / "argon.xyz", argon_crystal())
    words = ["protocol", "smoothness", str(model), str(folder / "argon.xyz"), "--json"]
    words += ["--timestep", "1.6", "--ps", "0.2", "--temperature", "24000", "--equilibrate", "0"]
    result = CliRunner().invoke(main, [*words, "--out", str(folder)])
    assert result.exit_code == 3, result.output
    content = json.loads(result.stdout)
    assert content["verdict"] == "not smooth"
    assert "Smoothness of the potential" in (folder / "smoothness/report.html").read_text()
    short = CliRunner().invoke(main, [*words[:5], "--timestep", "16", "--ps", "0.5"])
    assert short.exit_code == 2
    assert "must be at least 98 steps of 16 fs, found 0.5 ps" in " ".join(short.stderr.split())
