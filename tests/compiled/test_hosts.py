"""LAMMPS, i-PI's driver and ASE take compiled files wherever they take TorchScript."""

import functools
from dataclasses import replace

import ipi_tools
import lammps_tools as tools
import models
import numpy as np
import pytest
from ase import units
from compiled_files import box, moving_box
from compiled_files.archives import changed
from compiled_files.runs import trajectory
from pet_models import pet_checkpoint

from md_bridge.ase import MDBridgeCalculator, MultipleTimeStep
from md_bridge.drift import measure
from md_bridge.engine import Engine, structure_from_ase
from md_bridge.export import export_file, export_module
from md_bridge.export.model_file import extract_torchscript
from md_bridge.model_options import ModelOptions


def _other_pet(folder):
    """As that of ``conftest.py``, from another start."""
    checkpoint = pet_checkpoint(
        folder / "pet.ckpt",
        seed=1,
        num_neighbors_adaptive=6,
        num_gnn_layers=1,
        num_attention_layers=1,
    )
    return export_file(checkpoint, folder / "pet.pt", dtype="float64")


def _other_module(folder):
    """A larger swirl, of deeper wells."""
    module = models.Uncertain(models.curl(size=0.5, epsilon=0.02).module)
    given = {"elements": ["Ar"], "cutoff": 6.0, "layers": 1, "dtype": "float64"}
    return export_module(module, folder / "module.pt", **given)


OTHERS = {"adaptive PET": _other_pet, "module": _other_module}


@pytest.fixture(scope="module")
def files(files, tmp_path_factory):
    """The files of all, but beside the compiled functions of two kinds lies the TorchScript of a
    model with other weights: whoever runs that in their place is seen."""

    @functools.cache
    def made(kind):
        found = files(kind)
        if kind not in OTHERS:
            return found
        folder = tmp_path_factory.mktemp("other-weights")
        other = OTHERS[kind](folder)
        return replace(found, compiled=changed(found.compiled, folder, other))

    return made


@pytest.mark.parametrize("ranks", [1, 2])
@pytest.mark.parametrize("kind", ["adaptive PET", "module"])
def test_lammps(tmp_path, files, kind, ranks):
    made = files(kind)
    found, expected = (
        trajectory(tmp_path, made, model, ranks) for model in (made.compiled, made.exported)
    )
    assert len(found) == 11
    np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-7)


def test_the_torchscript_beside_is_another_model(files, tmp_path):
    for kind in OTHERS:
        made = files(kind)
        inside = extract_torchscript(made.compiled, tmp_path / f"{kind}.pt")
        structure = structure_from_ase(box(made))
        ours, theirs, right = (
            Engine(path).evaluate(structure, conservative_forces=True).conservative_forces
            for path in (made.compiled, inside, made.exported)
        )
        np.testing.assert_allclose(ours, right, atol=1e-9)
        assert np.abs(ours - theirs).max() > 1e-3


def test_ranks_without_atoms(tmp_path, files):
    """Of four, one has all of them, one sees some of them, and two see none."""
    made = files("module")
    atoms = moving_box(made)
    atoms.set_cell(np.diag([60.0, 60.0, 40.0]))
    atoms.pbc = False
    atoms.positions += [14.0, 2.0, 2.0] - atoms.positions.min(axis=0)
    assert 30.0 - 6.0 < atoms.positions[:, 0].max() < 30.0
    found, expected = (
        trajectory(tmp_path, made, model, ranks, atoms=atoms)
        for model, ranks in ((made.compiled, 4), (made.exported, 1))
    )
    assert len(found) == 11
    np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-7)


def commands(atoms, style):
    """A box, its pair style, and atoms that move."""
    move = "velocity all create 200 7\nneighbor 0.5 bin\ntimestep 0.002\n"
    return [tools.box(atoms, ["Ar"]), style, move]


@pytest.mark.parametrize("hybrid", [False, True], ids=["alone", "hybrid"])
def test_restart_in_lammps(tmp_path, files, hybrid):
    """From half way on as without the stop, and all as with the TorchScript file."""
    made = files("module")
    style, coefficients = "pair_style mdbridge {} threads 1\n", "pair_coeff * * Ar\n"
    if hybrid:
        style = "pair_style hybrid/overlay mdbridge {} threads 1 lj/cut 7.0\n"
        coefficients = "pair_coeff * * mdbridge Ar\npair_coeff * * lj/cut 0.002 3.0\n"
    ends = []
    for model in (made.compiled, made.exported):
        start = commands(moving_box(made), style.format(model) + coefficients)
        with tools.lammps(*start, "run 5") as lmp:
            lmp.command(f"write_restart {tmp_path}/half.restart")
            lmp.command("run 5")
            ends.append(tools.results(lmp))
        again = f"atom_modify map array\nread_restart {tmp_path}/half.restart\n"
        # as for every style in a hybrid, pair_coeff must be given again
        again += coefficients if hybrid else ""
        with tools.lammps(again, "fix nve all nve\nneighbor 0.5 bin\nrun 5") as lmp:
            ends.append(tools.results(lmp))
    for one in ends[1:]:
        np.testing.assert_allclose(one.forces, ends[0].forces, atol=1e-8)
        np.testing.assert_allclose(one.velocities, ends[0].velocities, atol=1e-8)
        assert one.energy == pytest.approx(ends[0].energy, abs=1e-8)
    assert np.abs(ends[0].forces).max() > 0.01


def test_nan_stops_lammps(tmp_path, files):
    """Of two atoms at the same place."""
    made = files("module")
    atoms = moving_box(made)
    atoms.positions[7] = atoms.positions[3]
    text = "".join(commands(atoms, f"pair_style mdbridge {made.compiled}\npair_coeff * * Ar\n"))
    done = tools.run_input(text + "thermo_style custom step pe\nrun 3\n", tmp_path)
    assert done.returncode not in (0, None)
    error = " ".join(line for line in done.stdout.splitlines() if "ERROR" in line)
    assert "not finite" in error
    assert done.stdout.count("ERROR") == 1


@pytest.mark.parametrize("ranks", [1, 2])
def test_multiple_time_stepping(tmp_path, files, ranks):
    made = files("module")
    method = "run_style respa 2 4 inner 1 3.0 4.0 outer 2"
    found, expected = (
        trajectory(tmp_path, made, model, ranks, keywords="max_correction 10", method=method)
        for model in (made.compiled, made.exported)
    )
    np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-7)


def test_ase(files):
    made = files("adaptive PET")
    atoms = box(made)
    values = []
    for model in (made.compiled, made.exported):
        atoms.calc = MDBridgeCalculator(model)
        values.append((atoms.get_potential_energy(), atoms.get_forces(), atoms.get_stress()))
    for ours, theirs in zip(*values, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-10)


@pytest.mark.parametrize("inner", [False, True], ids=["one model", "two models"])
def test_multiple_time_stepping_in_ase(files, inner):
    """Both kinds of forces, or those of the gradient with a student's inside."""
    made, student = files("adaptive PET" if inner else "module"), files("student")
    ends = []
    for name in ("compiled", "exported"):
        atoms = moving_box(made)
        atoms.calc = MDBridgeCalculator(getattr(made, name))
        inside = MDBridgeCalculator(getattr(student, name)) if inner else None
        dynamics = MultipleTimeStep(atoms, 2.0 * units.fs, 4, inside, max_correction=10.0)
        dynamics.run(3)
        ends.append((atoms.positions, atoms.get_velocities()))
    tolerance = 1e-4 if inner else 1e-10  # students are float32
    for ours, theirs in zip(*ends, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=tolerance)
    assert np.abs(ends[0][0] - moving_box(made).positions).max() > 1e-3


@pytest.mark.parametrize("client", [False, True], ids=["driver", "client"])
def test_ipi(tmp_path, files, socket_name, client):
    """Multiple time stepping: direct, conservative and both."""
    made = files("module")
    ends = []
    for name, model in (("compiled", made.compiled), ("exported", made.exported)):
        addresses = [f"{socket_name}{name}-{forces}" for forces in ("cons", "direct")]
        if client:
            forcefields = [
                ipi_tools.ffsocket(forces, address)
                for forces, address in zip(("cons", "direct"), addresses, strict=True)
            ]
        else:
            forcefields = [
                ipi_tools.ffdirect("cons", model, "conservative", max_correction=10),
                ipi_tools.ffdirect("direct", model, "direct", max_correction=10),
            ]
        simulation = ipi_tools.Simulation(
            moving_box(made),
            forcefields,
            ipi_tools.mts_forces(),
            steps=4,
            timestep=1.0,
            inner_steps=2,
        )
        serves = [f"--serve=unix:{addresses[0]}", f"--serve=unix:{addresses[1]}=direct"]
        arguments = [str(model), "--template", "start.xyz", "--max-correction", "10", *serves]
        run = simulation.run(tmp_path / name, *([arguments] if client else []))
        assert run.ok, run.log + str(run.client_messages)
        ends.append((run.positions(), run.momenta()))
    for ours, theirs in zip(*ends, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("host", ["lammps", "i-pi"])
def test_drift(tmp_path, files, host):
    made = files("module")
    series = [
        measure(
            model,
            moving_box(made),
            host=host,
            forces="mts:2",
            timestep_fs=0.5,
            length_ps=0.02,
            keep_velocities=True,
            model_options=ModelOptions(max_correction=10.0),
        )
        .results[0]
        .runs[0]
        .record.conserved_energy
        for model in (made.compiled, made.exported)
    ]
    assert len(series[0]) > 10
    np.testing.assert_allclose(*series, atol=1e-6)
