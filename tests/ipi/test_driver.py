"""The driver that i-PI loads: numbers, units, sharing, extras, and what it refuses."""

import gc
import json
import threading

import ase.io
import models
import numpy as np
import pytest
from ipi.pes import load_pes, scan_pes_file
from ipi.pes.metatomic import MetatomicDriver
from ipi.utils.units import unit_to_internal
from ipi_tools import ANGSTROM, argon
from metatomic_ase import MetatomicCalculator

import md_bridge.ipi
from md_bridge import _core
from md_bridge.engine import EngineError
from md_bridge.ipi.driver import MDBridgeDriver

EV = unit_to_internal("energy", "electronvolt", 1.0)
EV_PER_ANGSTROM = unit_to_internal("force", "ev/ang", 1.0)


@pytest.fixture
def start(tmp_path):
    """A file with 32 argon atoms."""
    path = tmp_path / "start.xyz"
    ase.io.write(path, argon())
    return path


def compute(driver, atoms):
    return driver(atoms.cell.array.T * ANGSTROM, atoms.positions * ANGSTROM)


def test_units_are_those_of_ipi():
    assert _core.IPI_UNITS["angstrom"] == unit_to_internal("length", "angstrom", 1.0)
    assert _core.IPI_UNITS["electronvolt"] == EV
    assert _core.IPI_UNITS["electronvolt_per_angstrom"] == EV_PER_ANGSTROM


def test_ipi_finds_the_driver():
    path = str(md_bridge.ipi.driver_path())
    assert scan_pes_file(path) == ("MDBridgeDriver", "mdbridge")
    assert load_pes("custom", path).__name__ == "MDBridgeDriver"


@pytest.mark.parametrize("kind", ["conservative", "direct"])
@pytest.mark.parametrize("triclinic", [False, True])
def test_same_as_metatomic_on_water(water_model, water, tmp_path, kind, triclinic):
    if triclinic:
        water.set_cell(water.cell.array + np.array([[0, 0, 0], [1.5, 0, 0], [-0.7, 1.1, 0]]))
    template = tmp_path / "water.xyz"
    ase.io.write(template, water)
    ours = MDBridgeDriver(model=water_model, template=template, forces=kind)
    theirs = MetatomicDriver(
        template=str(template), model=str(water_model), non_conservative=kind == "direct"
    )
    energy, forces, virial, _ = compute(ours, water)
    expected_energy, expected_forces, expected_virial, _ = compute(theirs, water)
    assert energy == pytest.approx(expected_energy, abs=1e-5 * EV * len(water))
    np.testing.assert_allclose(forces, expected_forces, rtol=0, atol=3e-5 * EV_PER_ANGSTROM)
    np.testing.assert_allclose(virial, expected_virial, rtol=0, atol=1e-4 * EV)

    water.calc = MetatomicCalculator(water_model, non_conservative=kind == "direct")
    np.testing.assert_allclose(
        forces / EV_PER_ANGSTROM, water.get_forces(), rtol=0, atol=3e-5, err_msg="ASE calculator"
    )


@pytest.mark.parametrize("kind", ["conservative", "direct"])
def test_batch_equals_one_by_one(model_file, start, kind):
    driver = MDBridgeDriver(model=model_file("curl"), template=start, forces=kind)
    beads = [argon() for _ in range(3)]
    for seed, bead in enumerate(beads):
        bead.rattle(0.1, seed=seed)
    batch = driver(
        [bead.cell.array.T * ANGSTROM for bead in beads],
        [bead.positions * ANGSTROM for bead in beads],
    )
    for bead, result in zip(beads, batch, strict=True):
        for got, expected in zip(result[:3], compute(driver, bead)[:3], strict=True):
            np.testing.assert_allclose(got, expected, rtol=0, atol=1e-13)


def test_positions_wrapped_by_ipi(model_file, start):
    """With pbc='True' i-PI puts atoms back into the cell: the same forces, and the same bead."""
    driver = MDBridgeDriver(model=model_file("curl"), template=start)
    atoms = argon()
    expected = compute(driver, atoms)
    atoms.positions += 0.01
    moved = compute(driver, atoms)
    atoms.wrap()
    wrapped = compute(driver, atoms)
    np.testing.assert_allclose(wrapped[1], expected[1], atol=1e-12)
    np.testing.assert_allclose(moved[1], expected[1], atol=1e-12)
    assert driver.session.replicas == 1


def test_beads_keep_their_pair_lists(model_file, start):
    """Unbatched beads are told apart by where they are, and none rebuilds its list at each step."""
    driver = MDBridgeDriver(model=model_file("curl"), template=start)
    rng = np.random.default_rng(2)
    beads = [argon() for _ in range(4)]
    for bead in beads:
        bead.positions += rng.normal(0, 0.3, bead.positions.shape)
    for _ in range(10):
        for bead in beads:
            compute(driver, bead)
            bead.positions += rng.uniform(-0.01, 0.01, bead.positions.shape)
    assert driver.session.replicas == 4
    assert driver.session.pair_list_builds == 4


def ring_polymers(count, step, seed=3):
    """Beads that all start at one place and fly apart, ``step`` (Å, rms) in each step."""
    rng = np.random.default_rng(seed)
    velocities = rng.normal(0, step / np.sqrt(3), (count, 32, 3))
    for time in range(6):
        beads = [argon() for _ in range(count)]
        for bead, velocity in zip(beads, velocities, strict=True):
            bead.positions += time * velocity
        yield beads


def test_beads_of_one_start_are_told_apart(model_file, start):
    """At the speed of hydrogen in 16 beads at 300 K; each keeps what was evaluated for it."""
    conservative = MDBridgeDriver(model=model_file("curl"), template=start)
    direct = MDBridgeDriver(model=model_file("curl"), template=start, forces="direct")
    for beads in ring_polymers(4, 0.08):
        for driver in (conservative, direct):
            for bead in beads:
                compute(driver, bead)
    counts = conservative.session.counts
    assert conservative.session.replicas == 4
    assert (counts.both, counts.inner_only, counts.outer_only) == (24, 0, 0)
    assert conservative.session.pair_list_builds < 12


def test_a_batch_of_beads_keeps_its_pair_lists(model_file, start):
    driver = MDBridgeDriver(model=model_file("curl"), template=start)
    for beads in ring_polymers(4, 0.08):
        driver(
            [bead.cell.array.T * ANGSTROM for bead in beads],
            [bead.positions * ANGSTROM for bead in beads],
        )
    # all beads are one structure at first, which is evaluated once
    assert driver.session.replicas == 2
    assert driver.session.pair_list_builds < 13


def test_two_forcefields_share_one_session(model_file, start):
    conservative = MDBridgeDriver(model=model_file("curl"), template=start)
    direct = MDBridgeDriver(model=model_file("curl"), template=start, forces="direct")
    assert conservative.session is direct.session
    atoms = argon()
    compute(conservative, atoms)
    compute(direct, atoms)
    assert conservative.session.counts.both == 1
    assert conservative.session.counts.inner_only == 0


def test_all_forcefields_evaluate_in_one_thread(model_file, start, monkeypatch):
    """Also where i-PI loads the driver anew for each of them, as it does for a pes_path: teams of
    OpenMP of several threads would put each other to sleep.
    """
    threads = []

    def evaluate(self, forces, cells, positions):
        threads.append(threading.get_ident())
        return original(self, forces, cells, positions)

    original = _core.IpiSession.evaluate
    monkeypatch.setattr(_core.IpiSession, "evaluate", evaluate)
    for kind in ("conservative", "direct"):
        driver_class = load_pes("custom", md_bridge.ipi.driver_path())
        driver = driver_class(model=model_file("curl"), template=start, forces=kind)
        driver.evaluate([np.eye(3) * 40.0], [ase.io.read(start).positions / 0.529])
    assert len(threads) == 2
    assert len(set(threads)) == 1
    assert threads[0] != threading.get_ident()


def test_forcefields_with_different_threads_are_refused(model_file, start):
    first = MDBridgeDriver(model=model_file("curl"), template=start, threads=1)
    MDBridgeDriver(model=model_file("curl"), template=start, threads="1", forces="direct")
    with pytest.raises(EngineError, match="one with threads = 1 and one with threads = 2"):
        MDBridgeDriver(model=model_file("curl"), template=start, threads=2, forces="direct")
    assert first.options.model_options.threads == 1


def test_forcefields_with_different_options_are_refused(model_file, start):
    MDBridgeDriver(model=model_file("curl"), template=start)
    gc.collect()
    first = MDBridgeDriver(model=model_file("curl"), template=start)  # a session of its own
    assert first.session.atoms == 32
    with pytest.raises(EngineError, match=r"one with skin = 1\.0 and one with skin = 2\.0"):
        MDBridgeDriver(model=model_file("curl"), template=start, forces="direct", skin=2.0)


def test_extras(model_file, start):
    options = {"model": model_file("curl"), "template": start, "force_extras": True}
    conservative = MDBridgeDriver(**options)
    direct = MDBridgeDriver(**options, forces="direct")
    atoms = argon()
    forces = {
        name: compute(driver, atoms)[1]
        for name, driver in (("conservative", conservative), ("direct", direct))
    }
    extras = json.loads(compute(conservative, atoms)[3])
    assert set(extras) == {"model", "conservative_forces", "direct_forces"}
    for name, expected in forces.items():
        got = np.reshape(extras[f"{name}_forces"], (-1, 3))
        np.testing.assert_allclose(got, expected, rtol=1e-15)
    assert abs(forces["direct"] - forces["conservative"]).max() > 1e-6
    # what direct forces bring along changes from step to step, and i-PI does not allow that
    assert set(json.loads(compute(direct, atoms)[3])) == {"model"}


def test_uncertainty_extras(model_file, start):
    driver = MDBridgeDriver(model=model_file("uncertain"), template=start, uncertainty=True)
    extras = json.loads(compute(driver, argon())[3])
    neighbours = 0.01 * EV * np.ones(32)
    ratio = np.array(extras["energy_uncertainty"]) / neighbours
    np.testing.assert_allclose(ratio, np.round(ratio), atol=1e-9)
    assert ratio.min() > 10


class TestStressOfDirectForces:
    @pytest.fixture
    def without_stress(self, tmp_path):
        model = models.harmonic(k_direct=1.5)
        dimer = ase.Atoms("H2", [[0, 0, 0], [0, 0, 2.1]], cell=[12, 12, 12], pbc=True)
        ase.io.write(tmp_path / "start.xyz", dimer)
        return {
            "model": model.export(tmp_path / "h2.pt"),
            "template": tmp_path / "start.xyz",
        }, dimer

    def test_missing_is_refused(self, without_stress):
        parameters, dimer = without_stress
        driver = MDBridgeDriver(**parameters, forces="direct")
        with pytest.raises(EngineError, match=r"predicts no direct stress.*stress: none"):
            compute(driver, dimer)

    def test_none_is_zero(self, without_stress):
        parameters, dimer = without_stress
        driver = MDBridgeDriver(**parameters, forces="direct", stress="none")
        _, forces, virial, _ = compute(driver, dimer)
        assert abs(forces).max() > 0.0
        assert np.all(virial == 0.0)

    def test_none_is_refused_once_the_cell_changes(self, without_stress):
        parameters, dimer = without_stress
        driver = MDBridgeDriver(**parameters, forces="direct", stress="none")
        compute(driver, dimer)
        dimer.set_cell([12.01, 12, 12])
        with pytest.raises(EngineError, match=r"i-PI changed the cell.*wrong pressure"):
            compute(driver, dimer)

    def test_missing_is_zero_with_multiple_time_stepping(self, without_stress):
        """The conservative virial of the outer step is the whole one."""
        parameters, dimer = without_stress
        conservative = MDBridgeDriver(**parameters)
        direct = MDBridgeDriver(**parameters, forces="direct")
        for length in (12.0, 12.1):
            dimer.set_cell([length, 12, 12])
            assert np.all(compute(direct, dimer)[2] == 0.0)
            assert abs(compute(conservative, dimer)[2]).max() > 0.0

    def test_is_taken_from_the_model(self, model_file, start):
        driver = MDBridgeDriver(model=model_file("curl"), template=start, forces="direct")
        assert abs(compute(driver, argon())[2]).max() > 1e-6


class TestRefuses:
    def test_unknown_parameter(self, start):
        with pytest.raises(EngineError, match="unknown parameter templte: did you mean template"):
            MDBridgeDriver(model="model.pt", templte=start)

    def test_name_of_the_other_driver(self, start):
        with pytest.raises(EngineError, match="MD Bridge calls it forces: direct"):
            MDBridgeDriver(model="model.pt", template=start, non_conservative=True)

    def test_missing_parameter(self, start):
        with pytest.raises(EngineError, match="parameter model is missing"):
            MDBridgeDriver(template=start)

    @pytest.mark.parametrize(
        ("name", "value", "message"),
        [
            ("forces", "both", "forces must be conservative or direct, found both"),
            ("stress", "zero", "stress must be auto or none, found zero"),
            ("skin", "wide", "skin must be a number, found wide"),
            ("skin", -1.0, "at least 0 Å"),
            ("force_extras", "maybe", "force_extras must be True or False, found maybe"),
            ("threads", "abc", "threads must be a whole number, .* found abc"),
            ("threads", 1.5, "threads must be a whole number, .* found 1.5"),
            ("threads", -1, "threads must be a whole number, .* found -1"),
        ],
    )
    def test_bad_value(self, model_file, start, name, value, message):
        with pytest.raises(EngineError, match=message):
            MDBridgeDriver(model=model_file("curl"), template=start, **{name: value})

    def test_missing_template(self, model_file, tmp_path):
        with pytest.raises(EngineError, match=r"template .*nowhere.xyz does not exist"):
            MDBridgeDriver(model=model_file("curl"), template=tmp_path / "nowhere.xyz")

    def test_unreadable_template(self, model_file, tmp_path):
        (tmp_path / "start.xyz").write_text("not a structure")
        with pytest.raises(EngineError, match="the template cannot be used: ASE cannot read"):
            MDBridgeDriver(model=model_file("curl"), template=tmp_path / "start.xyz")

    def test_element_not_in_the_model(self, model_file, tmp_path):
        ase.io.write(tmp_path / "start.xyz", ase.Atoms("ArXe", [[0, 0, 0], [0, 0, 4]]))
        with pytest.raises(EngineError, match="Xe"):
            MDBridgeDriver(model=model_file("curl"), template=tmp_path / "start.xyz")

    def test_direct_forces_of_a_model_without(self, model_file, start):
        with pytest.raises(EngineError, match="non_conservative_force"):
            MDBridgeDriver(model=model_file("lennard_jones"), template=start, forces="direct")

    def test_uncertainty_of_a_model_without(self, model_file, start):
        with pytest.raises(EngineError, match="energy_uncertainty"):
            MDBridgeDriver(model=model_file("curl"), template=start, uncertainty=True)

    def test_other_number_of_atoms(self, model_file, start):
        driver = MDBridgeDriver(model=model_file("curl"), template=start)
        with pytest.raises(EngineError, match="31 atoms, but the template has 32 atoms"):
            compute(driver, argon()[:31])

    def test_positions_that_are_not_finite(self, model_file, start):
        driver = MDBridgeDriver(model=model_file("curl"), template=start)
        atoms = argon()
        atoms.positions[7, 1] = np.nan
        with pytest.raises(EngineError, match="position of atom 7"):
            compute(driver, atoms)

    def test_cell_without_volume(self, model_file, start):
        driver = MDBridgeDriver(model=model_file("curl"), template=start)
        atoms = argon()
        with pytest.raises(EngineError, match="periodic along lattice vector 1"):
            driver(np.zeros((3, 3)), atoms.positions * ANGSTROM)
        with pytest.raises(EngineError, match="no volume"):
            driver(np.full((3, 3), 20.0), atoms.positions * ANGSTROM)
