"""LAMMPS's own minimisers end where the optimisers of ASE end."""

import crystals
import crystals_axis
import models
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, fcc111
from ase.constraints import FixAtoms, FixBondLength
from ase.io.lammpsdata import read_lammps_data
from scipy.linalg import polar

from md_bridge.errors import ArgumentError
from md_bridge.model_options import ModelOptions
from md_bridge.processes import RunError
from md_bridge.statics.errors import StaticsError
from md_bridge.statics.evaluator import Evaluator
from md_bridge.statics.relaxing import lammps as relaxing_lammps
from md_bridge.statics.relaxing.lammps import relax_with_lammps, require_lammps_can
from md_bridge.statics.relaxing.lammps_input import minimize_input
from md_bridge.statics.relaxing.lockstep import relax_together
from md_bridge.statics.relaxing.settings import RelaxSettings
from md_bridge.statics.rows import Row

CONSERVATIVE, DIRECT = Row("conservative"), Row("direct")
OPTIONS = ModelOptions(threads=1)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """Lennard-Jones argon, the same in all orientations; no direct forces."""
    return crystals_axis.lennard_jones().export(tmp_path_factory.mktemp("lj") / "lj.pt")


@pytest.fixture(scope="module")
def direct_model(tmp_path_factory):
    """With the exact forces as direct ones."""
    model = crystals.smooth_lennard_jones(1.8, 2.2)
    return model.export(tmp_path_factory.mktemp("direct") / "lj.pt")


def vacancy(strained=True):
    """Of 16 atoms one is missing, and those around it move; turned, and the cell is sheared."""
    atoms = bulk("Ar", "fcc", a=5.3, cubic=True) * (2, 2, 1)
    del atoms[5]
    atoms.rattle(0.03, seed=2)
    if strained:
        shear = np.array([[1.01, 0.02, 0.0], [0.0, 0.99, -0.01], [0.01, 0.0, 1.02]])
        atoms.set_cell(atoms.cell.array @ shear, scale_atoms=True)
    atoms.rotate(50, (1, 2, 3), rotate_cell=True)
    return atoms


def both(model, start, folder, row=CONSERVATIVE, optimizer="auto", **settings):
    """LAMMPS's result, and that of ASE."""
    settings = {"fmax": 1e-6, "steps": 2000, **settings}
    own = RelaxSettings(optimizer=optimizer, **settings)
    found = relax_with_lammps(model, OPTIONS, row, start, own, folder, keep_frames=True)
    (expected,) = relax_together(Evaluator(model, ModelOptions(), row), [start], **settings)
    assert [found.reason, expected.reason] == ["", ""]
    return found, expected


def without_turn(relaxation):
    """Cell and positions of the end, with the start strained and not turned: steps of LBFGS in
    ASE's cell filter turn it a little, which costs no energy."""
    start, end = relaxation.start, relaxation.end
    if start.cell.rank < 3:
        return end.cell.array, end.positions
    turn, _ = polar(np.linalg.solve(start.cell.array, end.cell.array))
    return end.cell.array @ turn.T, end.positions @ turn.T


def assert_same_end(found, expected):
    """Energy to 1e-8 of itself, cell and positions to 1e-4 Å, but for a shift of the whole."""
    assert found.energy == pytest.approx(expected.energy, rel=1e-8)
    (cell, positions), (expected_cell, expected_positions) = map(without_turn, (found, expected))
    np.testing.assert_allclose(found.end.cell.array, cell, atol=1e-12)
    np.testing.assert_allclose(cell, expected_cell, atol=1e-4)
    moved = positions - expected_positions
    moved -= moved[0]
    if found.end.cell.rank == 3:
        moved -= np.round(np.linalg.solve(found.end.cell.T, moved.T).T) @ found.end.cell
    moved -= moved.mean(axis=0)
    np.testing.assert_allclose(moved, 0.0, atol=1e-4)
    assert found.start_energy == pytest.approx(expected.start_energy, rel=1e-10)
    assert found.gradient < 1e-6
    assert found.converged


@pytest.mark.parametrize("optimizer", ["auto", "fire"])
def test_a_fixed_cell(model, tmp_path, optimizer):
    start = vacancy()
    found, expected = both(model, start, tmp_path, optimizer=optimizer)
    assert_same_end(found, expected)
    assert np.abs(found.end.positions - start.positions).max() > 0.02
    np.testing.assert_allclose(found.end.cell.array, start.cell.array, atol=1e-12)
    assert found.stress is None
    assert found.evaluations["conservative"] >= found.steps
    style = "cg" if optimizer == "auto" else "fire"
    assert f"min_style {style}" in (tmp_path / "in.lammps").read_text()
    assert len(found.frames) == len(found.energies) == found.steps + 1
    first, last = found.frames[0], found.frames[-1]
    evaluator = Evaluator(model, ModelOptions(), CONSERVATIVE)
    for frame in (first, last):
        here = evaluator([frame])[0]
        assert frame.get_potential_energy() == pytest.approx(here.energy, rel=1e-10)
        np.testing.assert_allclose(frame.get_forces(), here.forces, atol=1e-8)
    np.testing.assert_allclose(first.positions, start.positions, atol=1e-10)
    assert found.work == pytest.approx(-found.change, rel=0.1)


@pytest.mark.parametrize(("cell", "pressure"), [("full", 0.0), ("full", 0.4), ("iso", -0.1)])
def test_a_cell_that_moves(model, tmp_path, cell, pressure):
    start = vacancy(strained=cell == "full")
    found, expected = both(model, start, tmp_path, cell=cell, pressure_GPa=pressure)
    assert_same_end(found, expected)
    assert found.work is None
    assert found.largest_stress < (1e-4 if cell == "full" else np.inf)
    excess = found.stress + found.pressure * np.eye(3)
    assert abs(np.trace(excess)) < 1e-7
    np.testing.assert_allclose(found.stress, expected.stress, atol=1e-6)
    here = Evaluator(model, ModelOptions(), CONSERVATIVE)([found.end], stress=True)[0]
    np.testing.assert_allclose(here.stress, found.stress, atol=1e-9)
    frame = found.frames[1]
    here = Evaluator(model, ModelOptions(), CONSERVATIVE)([frame], stress=True)[0]
    np.testing.assert_allclose(frame.get_stress(voigt=False), here.stress, atol=1e-9)
    np.testing.assert_allclose(frame.get_forces(), here.forces, atol=1e-8)
    growth = found.end.cell.volume / start.cell.volume
    assert abs(growth - 1.0) > 1e-3


def test_a_left_handed_cell(model, tmp_path):
    start = vacancy()
    start.set_cell(start.cell.array[[1, 0, 2]])
    assert start.cell.handedness < 0
    found, expected = both(model, start, tmp_path, cell="full")
    assert_same_end(found, expected)
    # LAMMPS has right-handed boxes, and the structure is not to be mirrored for one
    there = read_lammps_data(tmp_path / "start.data", atom_style="atomic").positions
    hands = [np.linalg.det(each[1:4] - each[0]) for each in (start.positions, there)]
    assert hands[1] == pytest.approx(hands[0], rel=1e-6)


def test_a_slab(model, tmp_path):
    """What is in its plane; the vacuum, with an open boundary or without, stays."""
    start = fcc111("Ar", (1, 1, 4), a=5.0, vacuum=8.0)
    start.rattle(0.02, seed=4)
    found, expected = both(model, start, tmp_path / "open", cell="slab")
    assert_same_end(found, expected)
    assert found.end.cell[2, 2] == start.cell[2, 2]
    assert abs(found.end.cell[0, 0] / start.cell[0, 0] - 1.0) > 1e-3
    start.pbc = True
    found, expected = both(model, start, tmp_path / "closed", cell="slab")
    assert_same_end(found, expected)


def test_a_molecule(model, tmp_path):
    """Without a cell of its own."""
    start = Atoms("Ar4", [[0, 0, 0], [4.1, 0, 0], [0, 4.0, 0], [1, 1, 3.9]])
    found, expected = both(model, start, tmp_path)
    assert found.energy == pytest.approx(6 * -0.05, rel=1e-8)  # all six pairs at their minimum
    distances = [atoms.get_all_distances() for atoms in (found.end, expected.end)]
    np.testing.assert_allclose(distances[0], distances[1], atol=1e-4)
    assert found.end.cell.rank == 0
    np.testing.assert_allclose(found.frames[0].positions, start.positions, atol=1e-10)


def test_direct_forces(direct_model, tmp_path):
    start = vacancy()
    found, expected = both(direct_model, start, tmp_path, row=DIRECT)
    assert_same_end(found, expected)
    assert found.evaluations.keys() == {"direct"}
    text = (tmp_path / "in.lammps").read_text()
    assert "forces direct" in text
    assert "min_style fire" in text
    # small steps, and direct forces that are exact: what is left is the trapezoidal rule
    assert abs(found.residual_work) < 0.01 * 1e3 * abs(found.change) / len(start)


def test_an_average_over_orientations(tmp_path):
    """As LAMMPS has the crystal: in its orientation, if the cell is as it wants it."""
    path = crystals.springs(legendre={2: 2e-2}).export(tmp_path / "springs.pt")
    start = crystals.fcc(cubic=True)
    start.rattle(0.01, seed=1)
    row = Row("conservative", "octahedral")
    found, expected = both(path, start, tmp_path, row=row, cell="full")
    assert_same_end(found, expected)
    none, _ = both(path, start, tmp_path, cell="full")
    assert abs(none.end.cell[2, 2] - found.end.cell[2, 2]) > 1e-2


def test_steps_that_are_not_enough(model, tmp_path):
    seen = []
    found = relax_with_lammps(
        model, OPTIONS, CONSERVATIVE, vacancy(), RelaxSettings("full", steps=12), tmp_path,
        on_step=seen.append,
    )  # fmt: skip
    assert found.status == "not converged"
    assert found.steps == 12
    assert found.reason.startswith("after 12 steps its largest force is ")
    assert "LAMMPS stopped by: max iterations" in found.reason
    assert found.gradient == min(found.gradients) < 0.9 * found.gradients[0]
    assert found.frames == ()


def test_a_model_that_fails_on_the_way(tmp_path):
    """It ends with the last structure that there are numbers of."""
    path = models.nan_when_close(3.9).export(tmp_path / "nan.pt")
    start = Atoms("Ar2", [[0, 0, 0], [4.4, 0, 0]])
    found = relax_with_lammps(path, OPTIONS, CONSERVATIVE, start, RelaxSettings(), tmp_path)
    assert found.status == "stopped"
    assert found.reason.startswith("LAMMPS stopped: ")
    assert 3.9 <= found.end.get_distance(0, 1) < 4.4
    start.positions[1, 0] = 3.8
    with pytest.raises(RunError, match=r"LAMMPS stopped: .*not finite.*see .*screen"):
        relax_with_lammps(path, OPTIONS, CONSERVATIVE, start, RelaxSettings(), tmp_path)


@pytest.mark.parametrize(
    ("row", "settings", "argument", "words"),
    [
        (DIRECT, {"cell": "full"}, "cell", "full with direct forces needs the host ase: fix box"),
        (Row("direct-then-conservative"), {}, "forces", "is a way of the host ase alone"),
        (CONSERVATIVE, {"optimizer": "lbfgs"}, "optimizer", "lbfgs is one of the host ase"),
        (CONSERVATIVE, {"cell": "iso", "optimizer": "fire"}, "optimizer", "does not support it"),
        (CONSERVATIVE, {"space_group": "fix"}, "space_group", "fix needs the host ase"),
    ],
)
def test_what_lammps_cannot_do(row, settings, argument, words):
    with pytest.raises(ArgumentError, match=words) as caught:
        require_lammps_can(row, RelaxSettings(**settings))
    assert caught.value.argument == argument


def test_a_cell_that_explodes(tmp_path):
    """Neighbours out of reach: nothing holds the cell against a pressure from inside. It stops
    where ASE does, not after all its steps."""
    path = crystals.springs().export(tmp_path / "springs.pt")
    start = crystals.fcc(2.0 * crystals.REST)
    settings = RelaxSettings("iso", pressure_GPa=-1.0, fmax=1e-6, steps=400)
    found = relax_with_lammps(path, OPTIONS, CONSERVATIVE, start, settings, tmp_path)
    assert found.status == "stopped"
    assert "the cell explodes: relax it at a fixed cell first" in found.reason
    assert found.end.cell.volume < 2.0 * start.cell.volume
    assert found.steps < 200
    assert (tmp_path / "path.lammpstrj").read_text().count("ITEM: TIMESTEP") < 300


@pytest.mark.parametrize("cell", ["fixed", "full"])
def test_atoms_that_are_held(model, tmp_path, cell):
    """As ASE holds them: where the cell moves, they keep their place in it."""
    start = vacancy()
    held = [0, 3, 4, 9]
    start.set_constraint(FixAtoms(held))
    found, expected = both(model, start, tmp_path, cell=cell)
    assert_same_end(found, expected)
    places = [atoms.get_scaled_positions(wrap=False)[held] for atoms in (start, found.end)]
    np.testing.assert_allclose(places[1], places[0], atol=1e-9)
    assert found.largest_force < 1e-6
    here = Evaluator(model, ModelOptions(), CONSERVATIVE)([found.end])[0]
    assert np.linalg.norm(here.forces[held], axis=1).min() > 1e-3  # which would move them
    assert found.end.constraints


def test_atoms_that_are_held_otherwise(model, tmp_path):
    start = vacancy()
    start.set_constraint([FixAtoms([0]), FixBondLength(1, 2)])
    with pytest.raises(StaticsError, match="its constraint FixBondLengths needs the host ase"):
        relax_with_lammps(model, OPTIONS, CONSERVATIVE, start, RelaxSettings(), tmp_path)


def test_a_lammps_that_does_not_begin(model, tmp_path, monkeypatch):
    """No matter of the structure, as one that fails on it is."""
    monkeypatch.setattr(relaxing_lammps, "lmp_command", lambda *_, **__: ["false"])
    with pytest.raises(relaxing_lammps.NoLammpsError):
        relax_with_lammps(model, OPTIONS, CONSERVATIVE, vacancy(), RelaxSettings(), tmp_path)


def test_a_slab_that_lies_otherwise(model, tmp_path):
    start = fcc111("Ar", (1, 1, 3), a=5.2, vacuum=8.0)
    start.set_cell(start.cell.array[[2, 0, 1]])
    start.pbc = [False, True, True]
    with pytest.raises(StaticsError, match="open along a, and LAMMPS relaxes the plane of a and b"):
        relax_with_lammps(model, OPTIONS, CONSERVATIVE, start, RelaxSettings("slab"), tmp_path)


def test_the_input_is_one_that_a_user_would_write(model):
    text = minimize_input(
        model, ModelOptions(variant="pbe"), Row("conservative", "octahedral"), bulk("Ar"),
        RelaxSettings("full", pressure_GPa=1.0),
    )  # fmt: skip
    assert f"pair_style mdbridge {model} variant pbe symmetrize octahedral\n" in text
    assert "fix cell all box/relax tri 10000.0" in text or "box/relax tri 9999.9" in text
