"""Multiple time stepping in i-PI, in process and over sockets, against the plain reference."""

import models
import mts_reference
import numpy as np
import pytest
from ipi_tools import (
    ANGSTROM,
    DALTON,
    FEMTOSECOND,
    Simulation,
    argon,
    ffdirect,
    ffsocket,
    mts_forces,
)
from metatomic_ase import MetatomicCalculator

from md_bridge import _core

FORCE = _core.IPI_UNITS["electronvolt_per_angstrom"]
INNER, OUTER_STEPS, TIMESTEP = 4, 8, 2.0  # fs, the inner one


@pytest.fixture(scope="module")
def curl(tmp_path_factory):
    """Direct forces that differ from the conservative ones by some percent."""
    return models.curl(size=0.02).export(tmp_path_factory.mktemp("curl") / "curl.pt")


def reference(model, atoms, inner, outer_steps):
    """Positions (Å) and momenta (atomic units) by metatomic's calculator and the reference."""

    def force(direct):
        calculator = MetatomicCalculator(model, non_conservative=direct)

        def evaluate(x):
            moved = atoms.copy()
            moved.positions = x / ANGSTROM
            moved.calc = calculator
            return FORCE * moved.get_forces()

        return evaluate

    velocities = Simulation(atoms, [], "").momenta() / (atoms.get_masses()[:, None] * DALTON)
    frames = mts_reference.multiple_time_step(
        atoms.positions * ANGSTROM,
        velocities,
        atoms.get_masses() * DALTON,
        force(direct=False),
        force(direct=True),
        TIMESTEP * FEMTOSECOND,
        inner,
        outer_steps,
    )
    last = frames[-1]
    momenta = last.velocities * atoms.get_masses()[:, None] * DALTON
    return last.positions / ANGSTROM, momenta


def simulation(atoms, forcefields, inner=INNER, steps=OUTER_STEPS):
    return Simulation(
        atoms,
        forcefields,
        mts_forces(),
        steps=steps,
        timestep=inner * TIMESTEP,
        inner_steps=inner,
    )


def in_process(model):
    return [ffdirect("cons", model, "conservative"), ffdirect("direct", model, "direct")]


def check_trajectory(run, model, atoms, inner=INNER, steps=OUTER_STEPS):
    assert run.ok, run.log + str(run.client_messages)
    positions, momenta = reference(model, atoms, inner, steps)
    # i-PI's checkpoints have nine digits
    np.testing.assert_allclose(run.positions()[0], positions, rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(run.momenta()[0], momenta, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("inner", [1, 3, 4])
def test_follows_the_reference(curl, tmp_path, inner):
    atoms = argon()
    run = simulation(atoms, in_process(curl), inner).run(tmp_path)
    check_trajectory(run, curl, atoms, inner)


def test_direct_forces_are_not_the_conservative_ones(curl):
    """Otherwise the tests here could not fail."""
    atoms = argon()
    mts, _ = reference(curl, atoms, INNER, OUTER_STEPS)
    conservative, _ = reference(curl, atoms, 1, INNER * OUTER_STEPS)
    assert abs(mts - conservative).max() > 1e-6


def test_evaluates_both_at_the_last_inner_step(curl, tmp_path):
    """One forward pass less per outer step: M - 1 direct ones and one for both."""
    run = simulation(argon(), in_process(curl)).run(tmp_path)
    counts = run.evaluations()
    # set-up: both at once, as i-PI asks for conservative forces first; the stride is known from the
    # second outer step on
    assert counts["both"] == 1 + (OUTER_STEPS - 1)
    assert counts["conservative_only"] == 1
    assert counts["direct_only"] == INNER + (OUTER_STEPS - 1) * (INNER - 1)
    assert counts["reused"] == OUTER_STEPS - 1
    assert counts["pair_list_builds"] == 1


def test_over_two_sockets_with_one_client(curl, tmp_path, socket_name):
    atoms = argon()
    forcefields = [ffsocket("cons", socket_name + "c"), ffsocket("direct", socket_name + "d")]
    services = [f"unix:{socket_name}c=conservative", f"unix:{socket_name}d=direct"]
    client = [curl, "--template", "start.xyz", "-v"]
    for service in services:
        client += ["--serve", service]
    run = simulation(atoms, forcefields).run(tmp_path, client)
    check_trajectory(run, curl, atoms)
    counts = run.evaluations()
    assert counts["both"] >= OUTER_STEPS - 1
    assert counts["reused"] >= OUTER_STEPS - 1
    assert counts["pair_list_builds"] == 1


def test_over_two_sockets_with_two_clients(curl, tmp_path, socket_name):
    """Not fused, as they are two processes, but the same trajectory."""
    atoms = argon()
    forcefields = [ffsocket("cons", socket_name + "c"), ffsocket("direct", socket_name + "d")]
    common = [curl, "--template", "start.xyz", "--serve"]
    clients = [[*common, f"unix:{socket_name}c"], [*common, f"unix:{socket_name}d=direct"]]
    run = simulation(atoms, forcefields).run(tmp_path, *clients)
    check_trajectory(run, curl, atoms)


def test_changing_strides_still_give_right_forces(curl):
    """Direct and conservative requests in an order that no rule can predict."""
    from md_bridge.ipi.session import Session

    atoms = argon()
    engine = _engine(curl)
    session = Session(
        engine,
        atoms.numbers.tolist(),
        atoms.pbc.tolist(),
        skin=1.0,
        zero_direct_virial=False,
        force_extras=False,
        uncertainty_extras=False,
        committee_extras=False,
        deviation_extras=False,
    )
    session.serve("conservative")
    session.serve("direct")
    rng = np.random.default_rng(3)
    cell = atoms.cell.array.T * ANGSTROM
    for inner in (2, 3, 1, 5, 2, 2, 4):
        for _ in range(inner):
            atoms.positions += rng.normal(0, 0.01, atoms.positions.shape)
            _check(session, engine, atoms, cell, "direct")
        _check(session, engine, atoms, cell, "conservative")
    assert session.counts.both > 0
    assert session.counts.outer_only > 0


def _engine(model):
    from md_bridge.engine import Engine

    return Engine(model)


def _check(session, engine, atoms, cell, kind):
    from md_bridge.engine import structure_from_ase

    [(energy, forces, virial, _)] = session.evaluate(kind, [cell], [atoms.positions * ANGSTROM])
    expected = engine.evaluate(
        structure_from_ase(atoms),
        conservative_forces=True,
        conservative_virial=True,
        direct_forces=True,
        direct_virial=True,
    )
    electronvolt = _core.IPI_UNITS["electronvolt"]
    assert energy == pytest.approx(electronvolt * expected.energy, abs=1e-12)
    np.testing.assert_allclose(forces, FORCE * getattr(expected, f"{kind}_forces"), atol=1e-13)
    np.testing.assert_allclose(
        virial, electronvolt * getattr(expected, f"{kind}_virial"), atol=1e-13
    )
