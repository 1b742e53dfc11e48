"""Longer runs in i-PI, over both doors: conservative forces and multiple time stepping conserve the
energy, direct forces alone do not, and the statistics of ``md_bridge.drift`` say so."""

import models
import numpy as np
import pytest
from ipi_tools import Simulation, argon, ffdirect, ffsocket, mts_forces

from md_bridge.drift.judging.verdict import DriftStatistics, Verdict, drift_statistics

INNER, PICOSECONDS = 4, 8.0
TIMESTEP = 4.0  # fs, the inner one: argon is slow
HARTREE, KELVIN, AUT = 27.211386, 3.1668152e-6, 2.4188843e-5  # eV, hartree, ps


@pytest.fixture(scope="module")
def curl(tmp_path_factory):
    """Direct forces with a curl that heats the system up by tens of meV/atom/ps."""
    return models.curl(size=0.02).export(tmp_path_factory.mktemp("curl") / "curl.pt")


def statistics(folder, forcefields, forces, inner=0, *clients) -> DriftStatistics:
    timestep = TIMESTEP * max(inner, 1)
    steps = round(1000 * PICOSECONDS / timestep)
    properties = {"time": "time", "conserved": "conserved", "temperature": "temperature"}
    simulation = Simulation(
        argon(),
        forcefields,
        forces,
        steps=steps,
        timestep=timestep,
        inner_steps=inner,
        properties=properties,
        checkpoint_stride=steps,
    )
    run = simulation.run(folder, *clients)
    assert run.ok, run.log + str(run.client_messages)
    table = run.table()
    assert len(table["time"]) == steps + 1
    assert np.isclose(table["time"][-1] * AUT, PICOSECONDS, rtol=1e-6)
    return drift_statistics(
        table["time"] * AUT,
        table["conserved"] * HARTREE,
        table["temperature"] / KELVIN,
        len(simulation.atoms),
    )


@pytest.mark.parametrize("door", ["ffdirect", "socket"])
def test_conservative_forces(curl, tmp_path, socket_name, door):
    """2000 steps."""
    if door == "ffdirect":
        forcefield, clients = ffdirect("one", curl, "conservative"), []
    else:
        forcefield = ffsocket("one", socket_name)
        clients = [[curl, "--template", "start.xyz", "--serve", f"unix:{socket_name}"]]
    found = statistics(tmp_path, [forcefield], '<force forcefield="one"/>', 0, *clients)
    assert found.verdict is Verdict.CONSERVES
    assert found.largest_excursion < 0.2


@pytest.mark.parametrize("door", ["ffdirect", "socket"])
def test_multiple_time_stepping(curl, tmp_path, socket_name, door):
    """500 outer steps of four inner ones."""
    names = {"cons": "conservative", "direct": "direct"}
    if door == "ffdirect":
        forcefields = [ffdirect(name, curl, kind) for name, kind in names.items()]
        clients = []
    else:
        forcefields = [ffsocket(name, socket_name + name) for name in names]
        services = [f"--serve=unix:{socket_name}{name}={kind}" for name, kind in names.items()]
        clients = [[curl, "--template", "start.xyz", *services]]
    found = statistics(tmp_path, forcefields, mts_forces(), INNER, *clients)
    assert found.verdict is Verdict.CONSERVES
    assert found.largest_excursion < 0.5


def test_direct_forces_drift(curl, tmp_path):
    """Otherwise the tests above could not fail."""
    forcefield = ffdirect("one", curl, "direct")
    found = statistics(tmp_path, [forcefield], '<force forcefield="one"/>')
    assert found.verdict is Verdict.DRIFTS
    assert abs(found.energy.slope) > 1.0
