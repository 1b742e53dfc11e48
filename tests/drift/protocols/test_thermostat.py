"""Protocol thermostat: steady-state temperatures that can be written down."""

import numpy as np
import pytest
from drift_models import argon_crystal, einstein_crystal, einstein_start
from models import curl

from md_bridge.drift.judging.line import Estimate
from md_bridge.drift.protocols import thermostat
from md_bridge.drift.protocols.base import ProtocolRequest
from md_bridge.drift.runs.thermostats import Thermostat

T = 300.0
K = 2.0
RELAXATION_FS = 100.0
# eV/Å²/u in 1/ps²
STIFFNESS = 9648.533


def silent(what, share):
    assert 0 <= share <= 1


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("thermostat")


def hot(mass, swirl):
    """Kinetic temperature under Langevin dynamics with F = −k d + swirl z × d.

    m z'' = −(k − i s) z − m Γ z' + noise for z = x + i y has the steady state ⟨|z'|²⟩ =
    ⟨|z'|²⟩₀/(1 − q), q = s²/(k m Γ²); the third direction stays as it is.
    """
    gamma = 1000 / RELAXATION_FS
    q = swirl**2 / (K * mass * gamma**2) * STIFFNESS
    assert q < 1
    return T * (2 / (1 - q) + 1) / 3


@pytest.mark.parametrize(
    ("mean", "verdict"),
    [
        (Estimate(301, 1, 30), "right"),
        (Estimate(315, 2, 30), "hot"),
        (Estimate(285, 2, 30), "cold"),
        (Estimate(301, 5, 30), "inconclusive"),
        (Estimate(315, 20, 30), "inconclusive"),
        (Estimate(300, np.inf, 0), "inconclusive"),
    ],
)
def test_verdicts(mean, verdict):
    assert thermostat.judge_temperature(mean, T).value == verdict


@pytest.mark.parametrize("values", [("nose", 300, 100), ("langevin", -1, 100)])
def test_impossible_thermostats_are_refused(values):
    with pytest.raises(ValueError, match="must be"):
        Thermostat(*values)


def test_langevin_in_lammps_gives_the_heat_of_a_swirl(folder):
    """Two elements, one swirl: helium runs hot by a known amount, argon hardly."""
    swirl = 0.15
    model = einstein_crystal(K, swirl, ["He", "Ar"]).export(folder / "swirl.pt")
    start = einstein_start(["He", "Ar"], cells=4, temperature=T)
    request = ProtocolRequest(
        model,
        start,
        folder / "lammps",
        forces=(("conservative", None), ("direct", None)),
        timestep_fs=4.0,
        length_ps=14.0,
        temperature=T,
    )
    result = thermostat.run(request, silent, RELAXATION_FS, ["langevin"])
    found = {
        (entry["forces"], entry["thermostat"], entry["element"]): entry
        for entry in result.summary["runs"]
    }
    assert len(found) == 6
    expected = {"He": hot(4.0026, swirl), "Ar": hot(39.948, swirl)}
    assert expected["He"] > 370 > 310 > expected["Ar"]
    for element in ("He", "Ar"):
        for forces, truth in (("conservative", T), ("direct", expected[element])):
            entry = found[forces, "langevin", element]
            assert entry["half_width_95_K"] < 35
            # four standard errors of two hundred tests would fail once in a few hundred runs
            assert abs(entry["temperature_K"] - truth) < 4 * entry["stderr_K"], (forces, element)
    assert found["direct", "langevin", "He"]["verdict"] == "hot"
    sentence = next(s for s in result.sentences if s.startswith("LAMMPS direct, Langevin"))
    assert "He" in sentence
    assert "too hot" in sentence


def test_velocity_rescaling_holds_the_mean(folder):
    """It sees the sum only; over all atoms of an anharmonic crystal the mean is right."""
    model = curl(size=0.0).export(folder / "argon.pt")
    request = ProtocolRequest(
        model,
        argon_crystal(temperature=40),
        folder / "argon",
        timestep_fs=8.0,
        length_ps=12.0,
        temperature=60.0,
    )
    result = thermostat.run(request, silent, kinds=["rescaling"])
    for entry in result.summary["runs"]:
        assert entry["stderr_K"] < 2
        assert abs(entry["temperature_K"] - 60) < 4 * entry["stderr_K"], entry


def test_velocity_rescaling_in_i_pi(folder):
    model = einstein_crystal(K, 0.0, ["He", "Ar"]).export(folder / "ipi.pt")
    request = ProtocolRequest(
        model,
        einstein_start(["He", "Ar"], cells=4, temperature=200),
        folder / "ipi",
        host="i-pi",
        timestep_fs=5.0,
        length_ps=1.6,
        temperature=T,
    )
    result = thermostat.run(request, silent, kinds=["rescaling"])
    found = {e["element"]: e for e in result.summary["runs"]}
    assert set(found) == {"all", "He", "Ar"}
    entry = found["all"]
    assert abs(entry["temperature_K"] - T) < 4 * entry["stderr_K"], entry
    # the start had 200 K
    assert abs(entry["temperature_K"] - 200) > 4 * entry["stderr_K"], entry
    assert 'mode="svr"' in (folder / "ipi/runs/i-pi-conservative-rescaling/input.xml").read_text()
    assert Thermostat("langevin", T, 100).ipi_mode() == "langevin"
