"""Protocol resonance: what can be known on paper, and its words."""

import json

import pytest
from ase.io import write
from click.testing import CliRunner
from drift_models import argon_crystal, einstein_crystal, einstein_start
from models import curl

from md_bridge.cli import main
from md_bridge.drift.protocols.resonance import MULTIPLICITIES


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("resonance")


def resonance(model, start, out, *options):
    words = ["protocol", "resonance", str(model), str(start), "--equilibrate", "0"]
    return CliRunner().invoke(main, [*words, "--out", str(out), "--json", *options])


def test_a_line_of_the_spectrum_is_where_the_oscillators_say(folder):
    """Independent oscillators with ω² = k/m and a swirl: the power is at 2ω only, so the outer step
    of half a period heats, and others hardly do."""
    model = einstein_crystal(40.0, 0.5).export(folder / "swirl.pt")
    write(folder / "einstein.xyz", einstein_start())
    period_fs = 2 * 3.14159265 / (40.0 / 39.948 * 9648.533) ** 0.5 * 1000  # 64 fs
    step = period_fs / 16
    result = resonance(
        model, folder / "einstein.xyz", folder, "--timestep", f"{step:.6f}", "--ps", "4"
    )
    assert result.exit_code == 0, result.output
    rates = {
        one["M"]: one["heating_meV_per_atom_per_ps"] for one in json.loads(result.stdout)["rates"]
    }
    assert set(rates) == set(MULTIPLICITIES)
    assert rates[8] > 100 * max(rates[3], rates[5], rates[7])


@pytest.mark.parametrize("inner", [False, True])
def test_forces_without_a_difference_heat_nothing(folder, inner):
    outer = curl(0.0).export(folder / "c.pt")
    write(folder / "argon.xyz", argon_crystal())
    options = ["--inner", str(curl(0.0).export(folder / "same.pt"))] if inner else []
    result = resonance(outer, folder / "argon.xyz", folder, "--ps", "0.201", *options)
    assert result.exit_code == 0, result.output
    content = json.loads(result.stdout)
    assert content["largest_M"] == MULTIPLICITIES[-1]
    assert max(one["heating_meV_per_atom_per_ps"] for one in content["rates"]) < 1e-6


def test_too_short_a_run_is_refused(folder):
    model = einstein_crystal(2.0, 0.05).export(folder / "short.pt")
    write(folder / "short.xyz", einstein_start())
    result = resonance(model, folder / "short.xyz", folder, "--ps", "0.02")
    assert result.exit_code == 2
    assert "at least 64 steps of 0.5 fs, found 0.02 ps" in " ".join(result.stderr.split())
