"""A model of Python in every host: the numbers of its file, and multiple time stepping as the plain
scheme has it."""

from pathlib import Path

import argon_levels as levels
import ipi_tools
import lammps_tools as tools
import mts_reference
import numpy as np
import pytest
import warm_starts
from ase import units
from ase.io import read, write
from ipi_tools import ANGSTROM, Simulation, ffdirect, ffsocket, mts_forces
from python_models import argon, of_file, python_model

from md_bridge.ase import MDBridgeCalculator, MultipleTimeStep

M, STEPS = 4, 20
RESPA = f"timestep {M * levels.INNER_STEP}\nrun_style respa 2 {M} inner 1 3.0 4.0 outer 2\n"
INNERS = ["", "stand_in", "python:stand_in"]
NO_STRESS = """
from ase.calculators.lj import LennardJones

def make():
    calculator = LennardJones(sigma=3.4, epsilon=0.0104, rc=8.0)
    def forces_alone(atoms):
        atoms = atoms.copy()
        atoms.calc = calculator
        return {"energy": atoms.get_potential_energy(), "forces": atoms.get_forces()}
    return forces_alone
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory, model_file):
    folder = tmp_path_factory.mktemp("python")
    for name in ("strong_curl", "stand_in"):
        (folder / f"{name}.pt").symlink_to(model_file(name))
    return folder


@pytest.fixture(scope="module")
def outer(folder):
    return of_file(folder, folder / "strong_curl.pt")


def file_of(inner):
    """The name of the file that the inner forces are those of."""
    return inner.removeprefix("python:") or "strong_curl"


def named(inner, folder):
    """As hosts take it: the outer model's own forces, a file, or a model that Python evaluates."""
    if not inner:
        return None
    file = folder / f"{file_of(inner)}.pt"
    return of_file(folder, file) if inner.startswith("python:") else file


def hot(calculator=None):
    atoms = argon()
    sigma = np.sqrt(units.kB * 120.0 * atoms.get_masses())[:, None]
    atoms.set_momenta(sigma * np.random.default_rng(5).normal(size=(len(atoms), 3)))
    atoms.calc = calculator
    return atoms


@pytest.mark.parametrize("inner", INNERS)
def test_ase_follows_the_reference(folder, outer, inner):
    atoms, start = hot(MDBridgeCalculator(outer)), hot()
    path = folder / f"{file_of(inner)}.pt"
    MultipleTimeStep(atoms, 8.0 * units.fs, M, inner=named(inner, folder)).run(STEPS)
    expected = mts_reference.multiple_time_step(
        start.positions,
        start.get_velocities(),
        start.get_masses(),
        mts_reference.forces_of(folder / "strong_curl.pt", start, "conservative"),
        mts_reference.forces_of(path, start, "direct"),
        2.0 * units.fs,
        M,
        STEPS,
    )[-1]
    np.testing.assert_allclose(atoms.positions, expected.positions, rtol=0, atol=1e-10)
    np.testing.assert_allclose(atoms.get_velocities(), expected.velocities, rtol=0, atol=1e-10)
    assert np.abs(atoms.positions - start.positions).max() > 0.2


def test_ase_without_a_stress(folder, tmp_path):
    atoms = hot(MDBridgeCalculator(python_model(tmp_path, NO_STRESS)))
    before = atoms.get_total_energy()
    MultipleTimeStep(
        atoms, 4.0 * units.fs, 2, inner=folder / "stand_in.pt", max_correction=10.0
    ).run(5)
    assert atoms.get_total_energy() == pytest.approx(before, abs=0.02)


def lammps_box(folder):
    made = tools.box_from_file(
        levels.ATOMS, ["Ar"], folder / "box.data", velocities=levels.velocities()
    )
    return made + f"mass 1 {levels.MASS}\n"


def pair(model, keywords=""):
    return f"pair_style mdbridge {model} threads 1 {keywords}\npair_coeff * * Ar\n"


@pytest.mark.parametrize("keywords", ["", "forces direct", "symmetrize octahedral"])
def test_lammps_has_the_numbers_of_the_file(folder, outer, keywords):
    ends = []
    for model in (outer, folder / "strong_curl.pt"):
        with tools.lammps(lammps_box(folder), pair(model, keywords), "run 5") as lmp:
            ends.append(tools.results(lmp))
    found, expected = ends
    assert found.energy == pytest.approx(expected.energy, rel=0, abs=1e-10)
    np.testing.assert_allclose(found.forces, expected.forces, rtol=0, atol=1e-10)
    np.testing.assert_allclose(found.pressure, expected.pressure, rtol=0, atol=1e-5)  # bar
    tools.assert_same_positions(found.positions, expected.positions, levels.ATOMS.cell, 1e-11)


def test_lammps_has_the_numbers_of_a_committee_with_a_member_of_python(folder):
    first, other = folder / "strong_curl.pt", folder / "stand_in.pt"
    ends = []
    for words in (
        f"committee {of_file(folder, other)}",
        f"committee {other}",
        "",
    ):
        with tools.lammps(lammps_box(folder), pair(first, words), "run 5") as lmp:
            ends.append(tools.results(lmp))
    found, expected, alone = ends
    assert found.energy == pytest.approx(expected.energy, rel=0, abs=1e-10)
    np.testing.assert_allclose(found.forces, expected.forces, rtol=0, atol=1e-10)
    tools.assert_same_positions(found.positions, expected.positions, levels.ATOMS.cell, 1e-11)
    assert np.abs(found.forces - alone.forces).max() > 1e-3


@pytest.mark.parametrize("inner", INNERS)
def test_lammps_follows_the_reference(folder, outer, inner):
    keywords = f"inner {named(inner, folder)}" if inner else ""
    with tools.lammps(lammps_box(folder), pair(outer, keywords), RESPA, f"run {STEPS}") as lmp:
        end = tools.results(lmp)
    frame = mts_reference.multiple_time_step(
        levels.ATOMS.positions,
        levels.velocities(),
        levels.MASSES,
        levels.forces_of(folder / "strong_curl.pt", "conservative"),
        levels.forces_of(folder / f"{file_of(inner)}.pt", "direct"),
        levels.INNER_STEP,
        M,
        STEPS,
    )[-1]
    levels.assert_same(end.positions, end.velocities, frame)


def test_lammps_without_a_stress(folder, tmp_path):
    """There is no pressure, and none that is wrong."""
    model = python_model(tmp_path, NO_STRESS)
    for style in ("", RESPA):
        keywords = f"inner {folder / 'stand_in.pt'} max_correction 10" if style else ""
        commands = lammps_box(folder), pair(model, keywords), style
        thermo = "thermo 1\nthermo_style custom step pe etotal\nrun 2\n"
        with tools.lammps(*commands, thermo) as lmp:
            energy = lmp.get_thermo("etotal")
            with pytest.raises(Exception, match="Virial was not tallied"):
                lmp.commands_string("thermo_style custom step press\nrun 1")
        assert np.isfinite(energy)


def test_the_command_runs_lammps_inside_of_python(folder, outer, tmp_path):
    text = lammps_box(folder) + "pair_style mdbridge ${model} threads 1\npair_coeff * * Ar\n"
    text += "run 3\nprint 'energy $(pe:%.12g)'\n"
    (tmp_path / "in.argon").write_text(text)
    energies = []
    for model in (outer, folder / "strong_curl.pt"):
        done = run_lammps(tmp_path, "--model", model, "-in", "in.argon", "-log", "log.argon")
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        energies += [line.split()[1] for line in done.stdout.splitlines() if "energy " in line[:7]]
    assert float(energies[0]) == pytest.approx(float(energies[1]), abs=1e-9)
    for arguments, words in {
        ("-in", "in.missing"): "in.missing",
        ("-log", "none"): "need -in FILE",
        ("--ranks", "2", "-in", "in.argon"): "--ranks must be 1 with the model",
    }.items():
        done = run_lammps(tmp_path, "--model", outer, *arguments)
        assert done.returncode != 0
        assert words in done.stdout + done.stderr
        assert "Traceback" not in done.stderr


def run_lammps(folder, *arguments):
    words = ["md_bridge", "lammps", *map(str, arguments)]
    return warm_starts.run(words, folder, ipi_tools.environment(), timeout=300)


def test_a_plain_lmp_says_that_it_has_no_python(folder, outer, tmp_path):
    done = tools.run_input(lammps_box(folder) + pair(outer), tmp_path, warm=False)
    assert done.returncode == 1
    assert "is evaluated by Python, and there is none in this program" in done.stdout
    assert "md-bridge lammps --model" in done.stdout


def test_a_restart_file_knows_the_model(folder, outer, tmp_path):
    start = lammps_box(folder), pair(outer), f"run 3\nwrite_restart {tmp_path / 'state'}"
    with tools.lammps(*start, "run 3") as lmp:
        expected = tools.results(lmp)
    again = f"read_restart {tmp_path / 'state'}\nfix nve all nve\n{tools.THERMO}\nrun 3"
    with tools.lammps(again) as lmp:
        found = tools.results(lmp)
    np.testing.assert_allclose(found.positions, expected.positions, rtol=0, atol=1e-10)


@pytest.mark.parametrize("inner", INNERS)
def test_the_driver_of_ipi_has_the_numbers_of_the_file(folder, outer, inner, tmp_path):
    """One model in fused multiple time stepping, and two."""
    ends = []
    inners = (named(inner, folder), folder / f"{file_of(inner)}.pt")
    for number, model in enumerate((outer, folder / "strong_curl.pt")):
        options = {"inner": inners[number]} if inner else {}
        forcefields = [
            ffdirect(name, model, kind, **options)
            for name, kind in (("cons", "conservative"), ("direct", "direct"))
        ]
        simulation = Simulation(
            ipi_tools.argon(), forcefields, mts_forces(), steps=6, timestep=8.0, inner_steps=M
        )
        ends.append(simulation.run_exactly(tmp_path / f"run-{number}"))
    found, expected = ends
    np.testing.assert_allclose(found["q"], expected["q"], rtol=0, atol=1e-10)
    np.testing.assert_allclose(found["p"], expected["p"], rtol=0, atol=1e-8)
    np.testing.assert_allclose(found["virial"], expected["virial"], rtol=0, atol=1e-10)
    start = ipi_tools.argon().positions * ANGSTROM
    assert np.abs(found["q"][0] - start).max() > 0.1


def test_the_client_of_ipi(folder, outer, tmp_path, socket_name):
    atoms = ipi_tools.argon()
    ends = []
    for number, model in enumerate((outer, folder / "strong_curl.pt")):
        name = f"{socket_name}{number}"
        simulation = Simulation(
            atoms, [ffsocket("cons", name)], '<force forcefield="cons"/>', steps=4
        )
        place = tmp_path / f"run-{number}"
        run = simulation.run(
            place, [model, "--template", place / "start.xyz", "--serve", f"unix:{name}"]
        )
        assert run.ok, run.log[-2000:] + "".join(run.client_messages)
        ends.append(run)
    np.testing.assert_allclose(ends[0].positions(), ends[1].positions(), rtol=0, atol=1e-7)


def test_ipi_without_a_stress(tmp_path):
    """Refused where i-PI may ask for a pressure, served where the user says that it will not."""
    from md_bridge.engine import ModelError
    from md_bridge.ipi.session import SessionOptions, open_session

    model = python_model(tmp_path, NO_STRESS)
    write(tmp_path / "start.xyz", ipi_tools.argon())
    session = open_session(SessionOptions(tmp_path / "start.xyz", model))
    with pytest.raises(ModelError, match="gives no stress, so its forces come without a virial"):
        session.serve("conservative")
    session = open_session(SessionOptions(tmp_path / "start.xyz", model, stress="none"))
    session.serve("conservative")
    atoms = read(tmp_path / "start.xyz")
    cell, positions = atoms.cell.array.T * ANGSTROM, atoms.positions * ANGSTROM
    energy, _, virial, _ = session.evaluate("conservative", [cell], [positions])[0]
    assert np.isfinite(energy)
    assert not np.any(virial)
    with pytest.raises(Exception, match="a model that has no stress, and so a wrong pressure"):
        session.evaluate("conservative", [1.01 * cell], [positions])


def test_forcefields_share_a_model_whatever_they_call_it(tmp_path, monkeypatch):
    from md_bridge.ipi.session import SessionOptions, shared_session

    write(tmp_path / "start.xyz", ipi_tools.argon())
    names = [python_model(tmp_path, NO_STRESS), "python:made.py:make", "python:made:make"]
    monkeypatch.chdir(tmp_path)
    first, *others = (shared_session(SessionOptions(Path("start.xyz"), Path(n))) for n in names)
    assert all(other is first for other in others)
