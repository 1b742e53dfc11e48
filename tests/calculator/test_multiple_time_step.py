"""Multiple time stepping in ASE: against the plain reference, reversible, and as ASE's dynamics."""

import models
import mts_reference
import numpy as np
import odd_models
import pytest
from ase import units
from ase.build import bulk
from ase.calculators.lj import LennardJones
from ase.constraints import FixAtoms, Hookean
from ase.io import read
from ase.md.verlet import VelocityVerlet

from md_bridge.ase import (
    MDBridgeCalculator,
    MultipleTimeStep,
    MultipleTimeStepLangevin,
    ParameterError,
)
from md_bridge.drift.records.ase import read_ase_log
from md_bridge.drift.records.reader_tools import ReadOptions
from md_bridge.engine import ModelError

M, STEPS = 4, 50
OUTER_STEP = 8.0 * units.fs


@pytest.fixture(scope="module")
def folder(tmp_path_factory, model_file):
    folder = tmp_path_factory.mktemp("mts")
    for name in ("strong_curl", "stand_in", "lennard_jones", "harmonic_direct"):
        (folder / f"{name}.pt").symlink_to(model_file(name))
    odd_models.no_forces(folder / "no_forces.pt")
    return folder


def crystal(calculator=None, kelvin=120.0):
    atoms = bulk("Ar", "fcc", a=5.4, cubic=True) * (2, 2, 2)
    atoms.rattle(0.1, seed=3)
    sigma = np.sqrt(units.kB * kelvin * atoms.get_masses())[:, None]
    atoms.set_momenta(sigma * np.random.default_rng(5).normal(size=(len(atoms), 3)))
    atoms.calc = calculator
    return atoms


def force(calculator):
    def evaluate(positions):
        atoms = crystal(calculator)
        atoms.positions = positions
        return atoms.get_forces()

    return evaluate


def reference(outer, inner, steps=STEPS):
    """The last frame of the plain scheme with the forces of two calculators."""
    atoms = crystal()
    return mts_reference.multiple_time_step(
        atoms.positions,
        atoms.get_velocities(),
        atoms.get_masses(),
        force(outer),
        force(inner),
        OUTER_STEP / M,
        M,
        steps,
    )[-1]


def assert_at(atoms, frame, tolerance=1e-10):
    np.testing.assert_allclose(atoms.positions, frame.positions, rtol=0, atol=tolerance)
    np.testing.assert_allclose(atoms.get_velocities(), frame.velocities, rtol=0, atol=tolerance)


def test_both_forces_of_one_model(folder):
    path = folder / "strong_curl.pt"
    atoms = crystal(MDBridgeCalculator(path))
    dynamics = MultipleTimeStep(atoms, OUTER_STEP, M)
    dynamics.run(STEPS)
    expected = reference(MDBridgeCalculator(path), MDBridgeCalculator(path, forces="direct"))
    assert np.abs(atoms.positions - crystal().positions).max() > 0.3
    assert_at(atoms, expected)
    assert dynamics.get_time() == pytest.approx(STEPS * OUTER_STEP)
    # M - 1 evaluations of direct forces and one of both for each outer step, and a set-up
    counts = dynamics._levels._fused.counts
    assert (counts.inner_only, counts.both) == ((M - 1) * STEPS, 1 + STEPS)
    assert counts.outer_only == 0


@pytest.mark.parametrize("given_as", ["path", "calculator"])
def test_two_models(folder, given_as):
    outer, path = MDBridgeCalculator(folder / "strong_curl.pt"), folder / "stand_in.pt"
    inner = path if given_as == "path" else MDBridgeCalculator(path, forces="direct")
    atoms = crystal(outer)
    dynamics = MultipleTimeStep(atoms, OUTER_STEP, M, inner)
    dynamics.run(STEPS)
    assert_at(atoms, reference(outer, MDBridgeCalculator(path, forces="direct")))
    counts = dynamics._levels._fused.counts
    assert (counts.inner_only, counts.outer_only, counts.both) == (1 + M * STEPS, 1 + STEPS, 0)


def test_averages_in_the_outer_steps_alone(tmp_path):
    """Of a model whose forces know a direction: what the plain scheme gives with plain direct
    forces and averaged conservative ones, and one copy of the atoms in each inner step."""
    path = models.anisotropic({0: 0.0, 2: 2e-3, 4: 1e-3}, direct=0.02).export(tmp_path / "z.pt")
    outer = MDBridgeCalculator(path, symmetrize="octahedral", direct_symmetrize="none")
    atoms = crystal(outer)
    dynamics = MultipleTimeStep(atoms, OUTER_STEP, M)
    dynamics.run(STEPS // 5)
    averaged = MDBridgeCalculator(path, symmetrize="octahedral")
    plain = MDBridgeCalculator(path, forces="direct")
    assert_at(atoms, reference(averaged, plain, STEPS // 5))
    assert atoms.get_potential_energy() == pytest.approx(averaged.get_potential_energy(atoms))
    assert outer.engine.timings.copies == 24 + STEPS // 5 * (M - 1 + 24)
    copy = MDBridgeCalculator(**outer.parameters)
    assert copy.parameters["direct_symmetrize"] == "none"


@pytest.mark.parametrize("given_as", ["path", "calculator"])
def test_the_same_model_inside_is_one_model(folder, given_as):
    """Bit for bit, and at the price of one."""
    path = folder / "strong_curl.pt"
    inner = path if given_as == "path" else MDBridgeCalculator(path, forces="direct")
    ends = []
    for inside in (None, inner):
        atoms = crystal(MDBridgeCalculator(path))
        dynamics = MultipleTimeStep(atoms, OUTER_STEP, M, inside)
        dynamics.run(STEPS)
        counts = dynamics._levels._fused.counts
        assert (counts.inner_only, counts.both) == ((M - 1) * STEPS, 1 + STEPS)
        ends.append((atoms.positions, atoms.get_momenta(), atoms.get_total_energy()))
    for one, two in zip(*ends, strict=True):
        np.testing.assert_array_equal(one, two)


class Counting(LennardJones):
    """ASE's Lennard-Jones, which counts its evaluations."""

    calls = 0

    def calculate(self, *args, **options):
        self.calls += 1
        super().calculate(*args, **options)


def lennard_jones(epsilon, cutoff=5.0):
    return Counting(epsilon=epsilon, sigma=3.4, rc=cutoff, smooth=True)


def test_any_two_calculators(folder):
    outer, inner = lennard_jones(0.0104), lennard_jones(0.009, cutoff=4.5)
    atoms = crystal(outer)
    MultipleTimeStep(atoms, OUTER_STEP, M, inner=inner).run(10)
    assert (outer.calls, inner.calls) == (1 + 10, 1 + 10 * M)
    assert_at(atoms, reference(outer, inner, 10))
    # one of ours outside
    outer = MDBridgeCalculator(folder / "strong_curl.pt")
    atoms = crystal(outer)
    MultipleTimeStep(atoms, OUTER_STEP, M, inner=inner).run(10)
    assert_at(atoms, reference(outer, inner, 10))


def test_a_model_without_direct_forces_gives_conservative_ones(folder):
    outer, path = MDBridgeCalculator(folder / "strong_curl.pt"), folder / "lennard_jones.pt"
    atoms = crystal(outer)
    MultipleTimeStep(atoms, OUTER_STEP, M, inner=path).run(5)
    assert_at(atoms, reference(outer, MDBridgeCalculator(path), 5))


def test_time_reversal(folder):
    atoms = crystal(MDBridgeCalculator(folder / "strong_curl.pt"))
    dynamics = MultipleTimeStep(atoms, OUTER_STEP, M, inner=folder / "stand_in.pt")
    dynamics.run(STEPS)
    assert np.abs(atoms.positions - crystal().positions).max() > 0.3
    atoms.set_momenta(-atoms.get_momenta())
    dynamics.run(STEPS)
    np.testing.assert_allclose(atoms.positions, crystal().positions, rtol=0, atol=1e-10)
    np.testing.assert_allclose(-atoms.get_momenta(), crystal().get_momenta(), rtol=0, atol=1e-10)


def test_one_inner_step_is_velocity_verlet(folder):
    ends = []
    for make in (
        lambda atoms: MultipleTimeStep(atoms, OUTER_STEP, 1),
        lambda atoms: VelocityVerlet(atoms, OUTER_STEP),
    ):
        atoms = crystal(MDBridgeCalculator(folder / "strong_curl.pt"))
        make(atoms).run(10)
        ends.append(atoms)
    np.testing.assert_allclose(ends[0].positions, ends[1].positions, rtol=0, atol=1e-11)
    np.testing.assert_allclose(
        ends[0].get_total_energy(), ends[1].get_total_energy(), rtol=0, atol=1e-11
    )


def test_conserves_energy_where_the_inner_forces_do_not(folder):
    atoms = crystal(MDBridgeCalculator(folder / "strong_curl.pt"))
    dynamics = MultipleTimeStep(atoms, 4.0 * units.fs, 2, inner=folder / "stand_in.pt")
    start = atoms.get_total_energy()
    dynamics.run(200)
    assert abs(atoms.get_total_energy() - start) < 2e-3


def test_observers_logfile_and_trajectory_see_outer_steps(folder, tmp_path):
    calculator = MDBridgeCalculator(folder / "strong_curl.pt")
    calculate = calculator.calculate
    calls = []
    calculator.calculate = lambda *words: (calls.append(words), calculate(*words))
    atoms = crystal(calculator)
    seen = []
    dynamics = MultipleTimeStep(
        atoms,
        OUTER_STEP,
        M,
        trajectory=str(tmp_path / "md.traj"),
        logfile=str(tmp_path / "md.log"),
        loginterval=2,
    )
    dynamics.attach(
        lambda: seen.append((dynamics.get_time(), atoms.get_total_energy(), atoms.get_stress())),
        interval=2,
    )
    dynamics.run(6)
    dynamics.run(2)
    assert [time / OUTER_STEP for time, *_ in seen] == pytest.approx([0, 2, 4, 6, 8])
    assert calls == [], "an observer made the calculator evaluate again"
    lines = (tmp_path / "md.log").read_text().splitlines()
    assert len([line for line in lines if not line.startswith("#")]) == 1 + 5
    frames = read(tmp_path / "md.traj", ":")
    assert len(frames) == 5
    fresh = MDBridgeCalculator(folder / "strong_curl.pt")
    for frame, (_, energy, stress) in zip(frames, seen, strict=True):
        alone = crystal(fresh)
        alone.positions = frame.positions
        assert frame.get_total_energy() == pytest.approx(energy, abs=1e-12)
        assert frame.get_potential_energy() == pytest.approx(alone.get_potential_energy())
        np.testing.assert_allclose(frame.get_forces(), alone.get_forces(), rtol=0, atol=1e-12)
        np.testing.assert_allclose(stress, alone.get_stress(), rtol=0, atol=1e-12)
    assert dynamics.todict()["md-type"] == "MultipleTimeStep"
    assert dynamics.todict()["inner-steps"] == M


def test_positions_that_change_between_runs_are_noticed(folder):
    path = folder / "strong_curl.pt"
    ends = []
    for together in (True, False):
        atoms = crystal(MDBridgeCalculator(path))
        dynamics = MultipleTimeStep(atoms, OUTER_STEP, M)
        if together:
            dynamics.run(3)
        atoms.positions = crystal().positions
        atoms.set_momenta(crystal().get_momenta())
        dynamics.run(3)
        ends.append(atoms.positions)
    np.testing.assert_allclose(ends[0], ends[1], rtol=0, atol=1e-12)


def test_another_calculator_in_the_middle_is_noticed(folder):
    atoms = crystal(MDBridgeCalculator(folder / "stand_in.pt"))
    dynamics = MultipleTimeStep(atoms, OUTER_STEP, M)
    dynamics.run(2)
    middle = atoms.copy()
    atoms.calc = middle.calc = MDBridgeCalculator(folder / "strong_curl.pt")
    dynamics.run(2)
    MultipleTimeStep(middle, OUTER_STEP, M).run(2)
    np.testing.assert_allclose(atoms.positions, middle.positions, rtol=0, atol=1e-12)


def test_constraints(folder):
    """Fixed atoms stay, and springs between atoms act as in ASE's velocity Verlet."""
    ends = []
    for make in (
        lambda atoms: MultipleTimeStep(atoms, OUTER_STEP / 4, 1),
        lambda atoms: VelocityVerlet(atoms, OUTER_STEP / 4),
    ):
        atoms = crystal(MDBridgeCalculator(folder / "strong_curl.pt"))
        atoms.set_constraint([FixAtoms([0, 5]), Hookean(1, 2, k=0.2, rt=2.0)])
        make(atoms).run(8)
        np.testing.assert_array_equal(atoms.positions[[0, 5]], crystal().positions[[0, 5]])
        ends.append(atoms)
    np.testing.assert_allclose(ends[0].positions, ends[1].positions, rtol=0, atol=1e-11)
    free = crystal(MDBridgeCalculator(folder / "strong_curl.pt"))
    free.set_constraint(FixAtoms([0, 5]))
    VelocityVerlet(free, OUTER_STEP / 4).run(8)
    assert np.abs(free.positions - ends[0].positions).max() > 1e-4


def plain_langevin(outer, inner, temperature, friction, seed, steps):
    """The scheme in plain numpy, with the same random numbers."""
    atoms, rng = crystal(), np.random.default_rng(seed)
    x, p, m = atoms.positions.copy(), atoms.get_momenta(), atoms.get_masses()[:, None]
    h = OUTER_STEP / M
    c = np.exp(-friction * h)
    spread = np.sqrt((1 - c * c) * units.kB * temperature * m)
    outer, inner = force(outer), force(inner)
    for _ in range(steps):
        p = p + 0.5 * OUTER_STEP * (outer(x) - inner(x))
        for _ in range(M):
            p = p + 0.5 * h * inner(x)
            x = x + 0.5 * h * p / m
            p = c * p + spread * rng.standard_normal(p.shape)
            x = x + 0.5 * h * p / m
            p = p + 0.5 * h * inner(x)
        p = p + 0.5 * OUTER_STEP * (outer(x) - inner(x))
    return mts_reference.Frame(x, p / m)


def test_langevin(folder):
    outer = MDBridgeCalculator(folder / "strong_curl.pt")
    inner = MDBridgeCalculator(folder / "stand_in.pt", forces="direct")
    settings = {"temperature_K": 120.0, "friction": 0.01 / units.fs}
    atoms = crystal(outer)
    start = atoms.get_total_energy()
    dynamics = MultipleTimeStepLangevin(atoms, OUTER_STEP, M, inner, rng=7, **settings)
    dynamics.run(STEPS)
    assert_at(atoms, plain_langevin(outer, inner, 120.0, 0.01 / units.fs, 7, STEPS))
    assert dynamics.todict()["friction"] == settings["friction"]
    # the thermostat has moved energy, and the rest is conserved
    assert abs(dynamics.heat) > 0.05
    assert abs(atoms.get_total_energy() - dynamics.heat - start) < 0.02 * abs(dynamics.heat)


def test_langevin_without_friction_is_nve(folder):
    outer = MDBridgeCalculator(folder / "strong_curl.pt")
    atoms = crystal(outer)
    MultipleTimeStepLangevin(atoms, OUTER_STEP, M, temperature_K=50.0, friction=0.0).run(10)
    direct = MDBridgeCalculator(folder / "strong_curl.pt", forces="direct")
    assert_at(atoms, reference(outer, direct, 10))


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"inner_steps": 0}, ParameterError, "a whole number from 1 on, found 0"),
        ({"inner_steps": 2.5}, ParameterError, "a whole number from 1 on, found 2.5"),
        ({"forces": "direct"}, ParameterError, "the outer forces .* forces='direct'"),
        ({"calculator": None}, ParameterError, "no calculator"),
        ({"calculator": "lj"}, ParameterError, "give inner=.*found a Counting alone"),
        ({"inner": 3.0}, ParameterError, "a calculator or the path of an exported model"),
        ({"inner": "nowhere.pt"}, ModelError, "no model file 'nowhere.pt'"),
        ({"inner": "no_forces.pt"}, ModelError, "no_forces.pt.* cannot give"),
        ({"model": "lennard_jones"}, ModelError, "cannot give direct forces"),
    ],
)
def test_bad_input(folder, monkeypatch, arguments, error, message):
    monkeypatch.chdir(folder)
    path = folder / f"{arguments.pop('model', 'strong_curl')}.pt"
    calculator = MDBridgeCalculator(path, forces=arguments.pop("forces", "conservative"))
    if "calculator" in arguments:
        calculator = lennard_jones(0.01) if arguments.pop("calculator") else None
    words = {"inner_steps": M, **arguments}
    with pytest.raises(error, match=message):
        MultipleTimeStep(crystal(calculator), OUTER_STEP, **words)


@pytest.mark.parametrize("inside", [None, "stand_in.pt", "ours", "another"])
def test_direct_forces_outside_are_refused_whatever_is_inside(folder, inside):
    inner = {
        "stand_in.pt": folder / "stand_in.pt",
        "ours": MDBridgeCalculator(folder / "stand_in.pt", forces="direct"),
        "another": lennard_jones(0.01),
    }.get(inside)
    atoms = crystal(MDBridgeCalculator(folder / "strong_curl.pt", forces="direct"))
    with pytest.raises(ParameterError, match="conservative ones, found a calculator with forces="):
        MultipleTimeStep(atoms, OUTER_STEP, M, inner=inner)


def test_an_outer_calculator_that_becomes_direct_is_refused(folder):
    atoms = crystal(MDBridgeCalculator(folder / "strong_curl.pt"))
    dynamics = MultipleTimeStep(atoms, OUTER_STEP, M, inner=lennard_jones(0.009))
    dynamics.run(1)
    atoms.calc.set(forces="direct")
    with pytest.raises(ParameterError, match="conservative ones, found a calculator with forces="):
        dynamics.run(1)


def test_bad_input_of_langevin(folder):
    atoms = crystal(MDBridgeCalculator(folder / "strong_curl.pt"))
    with pytest.raises(ParameterError, match="friction must be a number from 0 on, found -1"):
        MultipleTimeStepLangevin(atoms, OUTER_STEP, M, temperature_K=300, friction=-1.0)


def test_an_inner_model_without_the_element(folder):
    atoms = crystal(MDBridgeCalculator(folder / "strong_curl.pt"))
    dynamics = MultipleTimeStep(atoms, OUTER_STEP, M, inner=folder / "harmonic_direct.pt")
    with pytest.raises(ModelError, match=r"harmonic_direct.*does not know the element Ar"):
        dynamics.run(1)


def test_molecule_in_vacuum(tmp_path):
    """No cell, no stress."""
    from ase import Atoms

    path = models.harmonic(k_direct=1.5).export(tmp_path / "springs.pt")
    atoms = Atoms("H2", [[0, 0, 0], [0, 0, 2.1]], calculator=MDBridgeCalculator(path))
    start = atoms.get_total_energy()
    MultipleTimeStep(atoms, 0.5 * units.fs, 2).run(20)
    assert atoms.get_total_energy() == pytest.approx(start, abs=1e-4)


def test_the_first_step_says_how_far_the_forces_are_apart(folder, caplog):
    """Once, from the forces that are there anyway."""
    outer = MDBridgeCalculator(folder / "strong_curl.pt")
    atoms = crystal(outer)
    inner = MDBridgeCalculator(folder / "stand_in.pt", forces="direct")
    conservative, cheap = (force(calculator)(atoms.positions) for calculator in (outer, inner))
    dynamics = MultipleTimeStep(atoms, OUTER_STEP, M, inner=folder / "stand_in.pt")
    assert dynamics.agreement is None
    with caplog.at_level("INFO", logger="md_bridge"):
        dynamics.run(2)
    found = dynamics.agreement
    assert found.conservative == pytest.approx(np.sqrt(np.mean(conservative**2)))
    assert found.correction == pytest.approx(np.sqrt(np.mean((conservative - cheap) ** 2)))
    assert caplog.text.count("the inner forces differ from the conservative ones by") == 1


def test_the_log_says_it_too(folder, tmp_path):
    """And can be judged with that line in it."""
    atoms = crystal(MDBridgeCalculator(folder / "strong_curl.pt"))
    log = tmp_path / "md.log"
    dynamics = MultipleTimeStep(
        atoms, OUTER_STEP, M, inner=folder / "stand_in.pt", logfile=str(log)
    )
    dynamics.run(3)
    dynamics.close()
    lines = log.read_text().splitlines()
    assert [line for line in lines if "differ" in line] == [
        f"# multiple time stepping: {dynamics.agreement}"
    ]
    record = read_ase_log(log, ReadOptions(atoms=len(atoms)))
    assert len(record.time_ps) == 4


def test_atoms_at_rest_are_compared_when_they_move(folder, tmp_path):
    """As LAMMPS and i-PI do: in a perfect crystal there is nothing to compare."""
    far = models.curl(20.0).export(tmp_path / "far.pt")
    atoms = crystal(MDBridgeCalculator(folder / "strong_curl.pt"))
    moved = atoms.positions.copy()
    atoms.positions = bulk("Ar", "fcc", a=5.4, cubic=True).repeat(2).positions
    atoms.set_momenta(np.zeros((len(atoms), 3)))
    dynamics = MultipleTimeStep(atoms, OUTER_STEP, M, inner=far)
    dynamics.run(2)
    assert dynamics.agreement is None
    atoms.positions = moved
    with pytest.raises(ParameterError, match="do not belong to one potential energy surface"):
        dynamics.run(1)


@pytest.mark.parametrize("ours", [True, False])
def test_forces_of_another_surface_stop_it(folder, tmp_path, ours):
    atoms = crystal(MDBridgeCalculator(folder / "strong_curl.pt"))
    inner = models.curl(20.0).export(tmp_path / "far.pt")
    if not ours:
        inner = LennardJones(epsilon=1.0, sigma=3.4, rc=8.0)
    dynamics = MultipleTimeStep(atoms, OUTER_STEP, M, inner=inner)
    before = atoms.positions.copy()
    with pytest.raises(ParameterError, match="do not belong to one potential energy surface"):
        dynamics.run(1)
    assert np.array_equal(atoms.positions, before)
    MultipleTimeStep(atoms, OUTER_STEP / 100, M, inner=inner, max_correction=1e6).run(1)
    with pytest.raises(ParameterError, match="max_correction must be positive, found 0"):
        MultipleTimeStep(atoms, OUTER_STEP, M, inner=inner, max_correction=0)


def test_a_student_of_another_variant(folder, tmp_path):
    metadata = {"extra": {"teacher_variant": "pbe"}}
    inner = models.stand_in().export(tmp_path / "of_pbe.pt", metadata=metadata)
    atoms = crystal(MDBridgeCalculator(folder / "strong_curl.pt"))
    with pytest.raises(ModelError, match=r"of_pbe.pt was made for the variant pbe of the outer"):
        MultipleTimeStep(atoms, OUTER_STEP, M, inner=inner)
