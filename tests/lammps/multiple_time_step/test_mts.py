"""Multiple time stepping in LAMMPS: rRESPA with direct inner and conservative outer forces."""

import re

import lammps_tools as tools
import models
import mts_reference
import numpy as np
import pytest
from ase import Atoms

from md_bridge.engine import Engine, Pairs, structure_from_ase

FEMTOSECOND = 1e-3  # units metal: ps
FTM2V = 1.0 / 1.0364269e-4  # LAMMPS units metal: (eV/Å)/(g/mol) in Å/ps²


@pytest.fixture(scope="module")
def curl(tmp_path_factory):
    """Direct forces that differ from the conservative ones by some percent."""
    return models.curl(size=0.02).export(tmp_path_factory.mktemp("curl") / "curl.pt")


def respa(multiplicity: int) -> str:
    return f"run_style respa 2 {multiplicity} inner 1 3.0 4.0 outer 2\n"


def pair(path, keywords: str = "", elements: str = "Ar") -> str:
    return f"pair_style mdbridge {path} threads 1 {keywords}\npair_coeff * * {elements}\n"


def forces_of(path, atoms: Atoms):
    """Callables for the conservative and the direct forces, straight from the engine."""
    engine = Engine(path)
    pairs = Pairs(1.0)

    def evaluate(positions, **wanted):
        moved = atoms.copy()
        moved.positions = positions
        return engine.evaluate(structure_from_ase(moved), pairs=pairs, **wanted)

    return (
        lambda x: np.array(evaluate(x, conservative_forces=True).conservative_forces),
        lambda x: np.array(evaluate(x, direct_forces=True).direct_forces),
    )


def start(seed: int = 3) -> Atoms:
    return tools.argon(cells=(2, 2, 2), tilt=(1.0, 0.0, -0.5), seed=seed)


def thermalise(timestep_fs: float) -> str:
    step = timestep_fs * FEMTOSECOND
    return f"velocity all create 300 7\nneighbor 1.0 bin\ntimestep {step}\nrun 0\n"


def test_follows_the_reference(curl):
    atoms, multiplicity, steps = start(), 4, 12
    with tools.lammps(tools.box(atoms, ["Ar"]), pair(curl), thermalise(8.0)) as lmp:
        begin = tools.results(lmp)
        lmp.commands_string(respa(multiplicity) + f"run {steps}")
        found = tools.results(lmp)
        mass = lmp.extract_atom("mass")[1]
    frames = mts_reference.multiple_time_step(
        begin.positions,
        begin.velocities,
        np.full(len(atoms), mass / FTM2V),
        *forces_of(curl, atoms),
        timestep=2.0 * FEMTOSECOND,
        multiplicity=multiplicity,
        outer_steps=steps,
    )
    assert np.abs(frames[-1].positions - begin.positions).max() > 0.1
    tools.assert_same_positions(found.positions, frames[-1].positions, atoms.cell, 1e-9)
    np.testing.assert_allclose(found.velocities, frames[-1].velocities, atol=1e-8)


def test_direct_forces_matter_in_the_reference(curl):
    """The test above could not tell the scheme from conservative dynamics otherwise."""
    conservative, direct = forces_of(curl, start())
    x = start().positions
    assert np.abs(conservative(x) - direct(x)).max() > 1e-2


def test_one_inner_step_is_verlet(curl):
    atoms = start()
    ends = []
    for style in (respa(1), "run_style verlet\n"):
        with tools.lammps(
            tools.box(atoms, ["Ar"]), pair(curl), thermalise(4.0), style, "run 20"
        ) as lmp:
            ends.append(tools.results(lmp))
    np.testing.assert_allclose(ends[0].positions, ends[1].positions, atol=1e-10)
    np.testing.assert_allclose(ends[0].energy, ends[1].energy, atol=1e-10)
    np.testing.assert_allclose(ends[0].pressure, ends[1].pressure, atol=1e-6)


def counts(log: str) -> list[tuple[int, int, int]]:
    """(direct only, both at once, conservative only) of each run in a log with `timing yes`."""
    pattern = r"direct only (\d+), both at once (\d+), conservative only (\d+)"
    return [tuple(int(n) for n in found) for found in re.findall(pattern, log)]


def test_runs_of_different_multiplicity_in_one_session(curl, tmp_path):
    """The last inner step is known from the first outer step on, whatever the run before had."""
    atoms = start()
    log = tmp_path / "log.lammps"
    segments = [(4, 5), (6, 4), (3, 5), (1, 3), (5, 1), (2, 3)]
    with tools.lammps(
        tools.box(atoms, ["Ar"]), pair(curl, "timing yes"), thermalise(2.0), log=str(log)
    ) as lmp:
        state = tools.results(lmp)
        mass = lmp.extract_atom("mass")[1]
        frame = mts_reference.Frame(state.positions, state.velocities)
        for multiplicity, steps in segments:
            lmp.commands_string(
                f"timestep {multiplicity * FEMTOSECOND}\n" + respa(multiplicity) + f"run {steps}"
            )
            frame = mts_reference.multiple_time_step(
                frame.positions,
                frame.velocities,
                np.full(len(atoms), mass / FTM2V),
                *forces_of(curl, atoms),
                timestep=FEMTOSECOND,
                multiplicity=multiplicity,
                outer_steps=steps,
            )[-1]
            found = tools.results(lmp)
            tools.assert_same_positions(found.positions, frame.positions, atoms.cell, 1e-9)
            np.testing.assert_allclose(found.velocities, frame.velocities, atol=1e-8)
            frame = mts_reference.Frame(found.positions, found.velocities)
    found_counts = counts(log.read_text())
    assert len(found_counts) == len(segments)
    for (multiplicity, steps), (direct, both, late) in zip(segments, found_counts, strict=True):
        # one with both at the set-up and at each outer step
        assert (direct, both, late) == ((multiplicity - 1) * steps, steps + 1, 0)


def test_a_wrong_guess_of_the_last_inner_step_costs_time_only(curl, tmp_path):
    """With an empty level of bonds further in, the inner steps are not those that respa makes."""
    log = tmp_path / "log.lammps"
    ends = []
    for style in (respa(3), "run_style respa 3 2 3 bond 1 inner 2 3.0 4.0 outer 3\n"):
        with tools.lammps(
            tools.box(start(), ["Ar"]),
            pair(curl, "timing yes"),
            thermalise(3.0),
            style,
            "run 6\n",
            log=str(log),
        ) as lmp:
            ends.append(tools.results(lmp))
    np.testing.assert_allclose(ends[1].forces, ends[0].forces, atol=1e-9)
    assert ends[1].energy == pytest.approx(ends[0].energy, abs=1e-9)
    # a set-up with both, a surprise at the first outer step, then as it should be
    assert counts(log.read_text())[-1] == (3 + 2 * 5, 6, 1)


def test_energy_and_pressure_are_those_of_the_conservative_model(curl):
    atoms = start()
    with tools.lammps(
        tools.box(atoms, ["Ar"]),
        pair(curl),
        "compute pe all pe/atom",
        thermalise(4.0),
        respa(4),
        "run 7",
    ) as lmp:
        lmp.commands_string("variable sum equal c_sum\ncompute sum all reduce sum c_pe\nrun 1")
        found = tools.results(lmp)
        summed = lmp.extract_compute("sum", 0, 0)
        kinetic_pressure = lmp.get_thermo("press")
        lmp.commands_string("run_style verlet\nrun 0")
        expected = tools.results(lmp)
        assert kinetic_pressure == pytest.approx(lmp.get_thermo("press"), abs=1e-6)
    assert found.energy == pytest.approx(expected.energy, abs=1e-10)
    assert summed == pytest.approx(expected.energy, abs=1e-10)
    np.testing.assert_allclose(found.pressure, expected.pressure, atol=1e-6)


def total_energy(lmp) -> float:
    return lmp.get_thermo("etotal")


def test_conserves_energy_where_direct_forces_do_not(curl):
    """The curl of the direct forces feeds energy into the motion; the correction takes it out."""
    gains = {}
    for name, keywords, style, step in (
        ("direct", "forces direct", "run_style verlet\n", 2.0),
        ("multiple time step", "", respa(2), 4.0),
    ):
        with tools.lammps(
            tools.box(start(), ["Ar"]),
            pair(curl, keywords),
            thermalise(step),
            style,
        ) as lmp:
            lmp.command("run 0")
            before = total_energy(lmp)
            lmp.command(f"run {int(1200 / step)}")
            gains[name] = abs(total_energy(lmp) - before)
    assert gains["multiple time step"] < 2e-3
    assert gains["direct"] > 20 * gains["multiple time step"]


def test_pair_level_computes_conservative_forces(curl):
    """Without inner and outer levels rRESPA asks for one kind of forces; alone at the outer level
    it is velocity Verlet with the outer step."""
    ends = []
    for style in ("run_style respa 2 2 bond 1 pair 2\n", "run_style verlet\n"):
        with tools.lammps(
            tools.box(start(), ["Ar"]), pair(curl), thermalise(2.0), style, "run 10"
        ) as lmp:
            ends.append(tools.results(lmp))
    np.testing.assert_allclose(ends[0].positions, ends[1].positions, atol=1e-10)


def test_note_on_a_long_outer_step(curl, tmp_path):
    texts = {}
    for step in (4.0, 6.0):
        log = tmp_path / f"log.{step}"
        with tools.lammps(
            tools.box(start(), ["Ar"]),
            pair(curl),
            thermalise(step),
            respa(4),
            "run 1",
            log=str(log),
        ):
            pass
        texts[step] = log.read_text()
    assert "outer time step is 6 fs" in texts[6.0]
    assert "outer time step" not in texts[4.0]


def test_atoms_that_outrun_the_list_stop_the_run(curl, tmp_path):
    fast = tools.box(start(), ["Ar"]) + pair(curl)
    fast += f"velocity all create 1e6 7\nneighbor 0.1 bin\ntimestep 0.004\n{respa(4)}run 100\n"
    run = tools.run_input(fast, tmp_path)
    assert run.returncode != 0
    assert "have moved so far since the neighbour list was built" in run.stdout
    assert "larger skin" in run.stdout


def test_pressures_do_not_depend_on_how_often_they_are_asked_for(curl, tmp_path):
    """Steps that nobody asks about have none: the others have theirs."""
    found = []
    for every in (1, 100):
        file = tmp_path / f"pressures-{every}.txt"
        average = f"fix pressures all ave/time 4 1 4 c_thermo_press file {file}\n"
        with tools.lammps(
            tools.box(start(), ["Ar"]), pair(curl), thermalise(4.0), f"thermo {every}\n", average
        ) as lmp:
            of_one_level = lmp.get_thermo("press")
            lmp.commands_string(respa(3) + "run 13")
        found.append(np.loadtxt(file))
    assert found[0].shape == (4, 2)
    assert len(set(found[0][:, 1])) == 4
    np.testing.assert_array_equal(*found)
    assert found[0][0, 1] == pytest.approx(of_one_level, rel=1e-5)
