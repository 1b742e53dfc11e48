"""Beads that i-PI asks about one by one: how many there are is found out, and stays so."""

import ase.io
import numpy as np
import pytest
from ipi_tools import ANGSTROM, argon

from md_bridge.ipi.driver import MDBridgeDriver

CELL = argon().cell.array.T * ANGSTROM
START = argon().positions


@pytest.fixture
def driver(model_file, tmp_path):
    """A function from a kind of forces to a driver; all of them share one session."""
    ase.io.write(tmp_path / "start.xyz", argon())

    def made(kind="conservative"):
        return MDBridgeDriver(
            model=model_file("curl"), template=tmp_path / "start.xyz", forces=kind
        )

    return made


def ask(driver, positions):
    driver(CELL, positions * ANGSTROM)


def moved(random, positions, rms):
    """Every atom moved at random, by so many Å."""
    step = random.normal(size=positions.shape)
    return positions + step * rms / np.sqrt(np.mean(np.sum(step**2, axis=-1)))


def beads_at(count, apart, seed=2):
    """Places of beads that are about so far from each other (Å, rms)."""
    random = np.random.default_rng(seed)
    return [moved(random, START, apart / np.sqrt(2)) for _ in range(count)]


def travel(driver, beads, step, rounds, seed=3):
    """Each bead goes on straight, so many Å in each round."""
    random = np.random.default_rng(seed)
    velocities = [moved(random, np.zeros_like(START), step) for _ in beads]
    for time in range(rounds):
        for bead, velocity in zip(beads, velocities, strict=True):
            ask(driver, bead + time * velocity)


def test_one_system_with_long_steps_is_one(driver):
    """0.12 Å rms: hydrogen in a step of 4 fs, or a geometry that is optimised."""
    one, random, positions = driver(), np.random.default_rng(1), START
    for _ in range(400):
        ask(one, positions)
        positions = START + 0.9 * (moved(random, positions, 0.12) - START)
    assert one.session.replicas == 1
    assert one.session.pair_list_builds < 100


@pytest.mark.parametrize(
    ("count", "apart", "step"),
    [
        (8, 0.05, 0.005),  # heavy atoms, closer to each other than what is taken for a step
        (8, 0.14, 0.05),
        (8, 1.0, 0.15),  # the first step is a long one
        (40, 0.3, 0.02),
        (2, 0.02, 0.002),
    ],
)
def test_beads_of_a_restart_are_told_apart(driver, count, apart, step):
    one = driver()
    travel(one, beads_at(count, apart), step, 4)
    assert one.session.replicas == count


def test_close_beads_of_a_restart_keep_what_was_evaluated_for_them(driver):
    """Both kinds of forces of each in one pass, after the first steps have shown how many."""
    conservative, direct = driver(), driver("direct")
    beads = beads_at(4, 0.05)
    random = np.random.default_rng(5)
    for step in range(12):
        if step == 4:
            before = conservative.session.counts
        for one in (conservative, direct):
            for bead in beads:
                ask(one, bead)
        beads = [moved(random, bead, 0.005) for bead in beads]
    after = conservative.session.counts
    assert conservative.session.replicas == 4
    assert after.both - before.both == 8 * 4
    assert after.inner_only == before.inner_only
    assert after.outer_only == before.outer_only


@pytest.mark.parametrize("step", [0.02, 0.16])
def test_many_beads_of_one_start_fly_apart(driver, step):
    """Known to be 64 before any has moved, however long the first step is."""
    one = driver()
    travel(one, [START] * 64, step, 5)
    assert one.session.replicas == 64


def test_a_replica_that_jumps_leaves_none_behind(driver):
    """Two systems; every now and then one of them is put somewhere else."""
    one, random = driver(), np.random.default_rng(7)
    systems = beads_at(2, 1.0)
    for round_ in range(200):
        for index in range(2):
            ask(one, systems[index])
            systems[index] = moved(random, systems[index], 0.01)
        if round_ % 20 == 10 and round_ < 150:
            systems[0] = moved(random, systems[0], 1.0)
    assert one.session.replicas == 2


@pytest.mark.parametrize("period", [20.0, 21.3])
def test_an_oscillator_is_one_system(driver, period):
    """It comes back to where it was, as beads do, but straight on."""
    one = driver()
    mode = moved(np.random.default_rng(4), np.zeros_like(START), 0.2)
    other = moved(np.random.default_rng(6), np.zeros_like(START), 0.2)
    for time in range(80):
        phase = 2 * np.pi * time / period
        ask(one, START + mode * np.sin(phase) + other * np.cos(phase))
    assert one.session.replicas == 1
