"""A run that explodes is a result, with its step and last good frame, in both engines."""

import ase.io
import models
import numpy as np
import pytest
from ase.build import bulk
from ase.md.velocitydistribution import Stationary, thermalize_momenta

from md_bridge.drift.protocols import reverse
from md_bridge.drift.protocols.base import ProtocolRequest
from md_bridge.drift.records.explosions import explosion_in, sound_rows
from md_bridge.drift.records.method import Method
from md_bridge.drift.runs.ipi import run_in_ipi
from md_bridge.drift.runs.lammps import run_in_lammps
from md_bridge.drift.runs.plan import Run
from md_bridge.processes import RunError

RUNNERS = {"lammps": run_in_lammps, "i-pi": run_in_ipi}


@pytest.fixture
def argon():
    atoms = bulk("Ar", "fcc", a=5.4, cubic=True) * (2, 2, 2)
    thermalize_momenta(atoms, temperature_K=300, rng=np.random.default_rng(0))
    Stationary(atoms)
    return atoms


def test_a_step_far_too_long_explodes(model_file, argon, tmp_path):
    # the crystal's fastest vibration has a period of about 500 fs: this step is beyond stability
    run = Run(Method("lammps", "conservative", None, 250.0), 200, replica=1)
    record = run_in_lammps(argon, model_file("curl"), run, tmp_path, lambda _: None, threads=1)
    assert record.exploded.startswith("exploded at step ")
    assert 1 <= len(record.time_ps) < 200
    assert np.isfinite(record.conserved_energy).all()
    last = ase.io.read(tmp_path / "last-good.xyz")
    assert last.get_chemical_symbols() == argon.get_chemical_symbols()
    assert np.isfinite(last.positions).all()


def test_heat_without_end_is_an_explosion():
    """Direct forces alone may go on for ever, at millions of kelvin."""
    rows = np.array([[0, 0.0, 1.0], [8, 0.1, 2.0], [16, 0.2, 900.0], [24, 0.3, np.nan]])
    kept, explosion = sound_rows(rows, np.array([300.0, 3000.0, 2e5, np.nan]), None)
    assert len(kept) == 2
    assert explosion.sentence(0.5) == (
        "exploded at step 16 (0.008 ps): the temperature passed 100000 K"
    )
    kept, explosion = sound_rows(rows, np.array([300.0, 3000.0, 9e4, np.nan]), None)
    assert len(kept) == 3
    assert "not finite" in explosion.reason


@pytest.fixture(scope="module")
def nan_model(tmp_path_factory):
    """Broken as soon as two atoms are closer than 3 Å; neighbours of the crystal have 3.8 Å."""
    return models.nan_when_close(3.0).export(tmp_path_factory.mktemp("nan") / "nan.pt")


@pytest.mark.parametrize("engine", list(RUNNERS))
def test_forces_that_are_not_finite_are_an_explosion(nan_model, argon, tmp_path, engine):
    velocities = np.zeros((32, 3))
    towards = argon.get_distance(0, 1, mic=True, vector=True)
    velocities[0] = 0.2 * towards / np.linalg.norm(towards)  # 0.8 eV; meets atom 1 within 50 fs
    argon.set_velocities(velocities)
    run = Run(Method(engine, "conservative", None, 0.5), 400)
    record = RUNNERS[engine](argon, nan_model, run, tmp_path, lambda _: None, threads=1)
    assert "exploded at step" in record.exploded
    assert "not finite" in record.exploded
    assert 50 < len(record.time_ps) < 150
    last = ase.io.read(tmp_path / "last-good.xyz")
    # frames are kept every 20 steps
    assert len(record.time_ps) - 21 <= last.info["outer_step"] <= len(record.time_ps)
    assert 3.0 < last.get_distance(0, 1, mic=True) < 3.6


def test_other_failures_are_no_explosions(tmp_path):
    path = tmp_path / "screen.txt"
    path.write_text("ERROR: Unrecognized pair style 'mdbridge' (src/force.cpp:275)\n")
    assert explosion_in(path) is None
    assert explosion_in(tmp_path / "missing") is None
    path.write_text("ERROR: Lost atoms: original 32 current 31 (src/thermo.cpp:494)\n")
    assert explosion_in(path).reason == "Lost atoms: original 32 current 31"


def test_a_broken_model_is_a_failure(argon, tmp_path):
    (tmp_path / "broken.pt").write_bytes(b"not a model")
    run = Run(Method("lammps", "conservative", None, 0.5), 10)
    with pytest.raises(RunError, match=r"broken\.pt"):
        run_in_lammps(argon, tmp_path / "broken.pt", run, tmp_path / "run", lambda _: None, 1)


@pytest.mark.parametrize("engine", list(RUNNERS))
def test_the_way_back_may_explode(nan_model, argon, tmp_path, engine):
    """The other kinds of forces keep their results."""
    velocities = np.zeros((32, 3))
    towards = argon.get_distance(0, 1, mic=True, vector=True)
    velocities[0] = 0.2 * towards / np.linalg.norm(towards)
    argon.set_velocities(velocities)
    request = ProtocolRequest(
        nan_model, argon, tmp_path, host=engine, timestep_fs=0.5, length_ps=0.1
    )
    result = reverse.run(request, lambda what, share: None)
    assert result.passed is False
    assert result.rows[0].verdict == "exploded"
    assert "not finite" in result.summary["runs"][0]["exploded"]
    (last,) = tmp_path.glob("runs/*/last-good.xyz")
    frame = ase.io.read(last)
    assert np.isfinite(frame.positions).all()
    if engine == "i-pi":
        return
    # a frame of an earlier run that went on for longer is not that of the next
    dumped = max(last.parent.glob("last.*.lammpstrj"))
    dumped.rename(dumped.with_name("last.999980.lammpstrj"))
    reverse.run(request, lambda what, share: None)
    assert ase.io.read(last).info["outer_step"] == frame.info["outer_step"]
