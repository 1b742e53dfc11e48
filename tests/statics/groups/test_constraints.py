"""Relaxations that keep the space group of their start."""

import crystals_axis
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.constraints import FixSymmetry
from ase.filters import FrechetCellFilter
from ase.optimize import BFGS
from ase.spacegroup import crystal

from md_bridge.ase import MDBridgeCalculator, find_space_group, project_vectors, space_group_type
from md_bridge.errors import ArgumentError
from md_bridge.model_options import ModelOptions
from md_bridge.statics.constraints import (
    FixedSpaceGroup,
    ProjectedForces,
    cell_mask,
    make_symmetry,
)
from md_bridge.statics.evaluator import Evaluator
from md_bridge.statics.relaxing.lockstep import relax_together
from md_bridge.statics.rows import Row
from md_bridge.statics.space_groups import change

RNG = np.random.default_rng(11)
A = 5.3


def vacancy():
    atoms = bulk("Ar", "fcc", a=A, cubic=True)
    del atoms[0]
    return atoms


def layers():
    """L1₀: argon and krypton in turn along z."""
    return Atoms(
        "ArKr", scaled_positions=[[0, 0, 0], [0.5, 0.5, 0.5]], pbc=True,
        cell=[A / np.sqrt(2), A / np.sqrt(2), A],
    )  # fmt: skip


STARTS = {
    "fcc": bulk("Ar", "fcc", a=A),
    "hcp": bulk("Ar", "hcp", a=3.75, c=6.2),
    "L1₀": layers(),
    "a vacancy": vacancy(),
}


def random_model(path, seed):
    """All of l = 1 to 6, along an axis of its own."""
    rng = np.random.default_rng(seed)
    legendre = {degree: 0.004 * rng.normal() for degree in range(1, 7)}
    axis = tuple(rng.normal(size=3))
    return crystals_axis.lennard_jones(legendre, axis, begin=1.6, end=2.0).export(path)


@pytest.fixture(scope="module", params=[1, 2])
def model(request, tmp_path_factory):
    return random_model(tmp_path_factory.mktemp("random") / f"{request.param}.pt", request.param)


def relaxed(model, kinds, starts, **settings):
    evaluator = Evaluator(model, ModelOptions(), Row("conservative"))
    symmetry = [make_symmetry(kind, atoms) for kind, atoms in zip(kinds, starts, strict=True)]
    settings = {"cell": "full", "fmax": 1e-5, "steps": 1500, **settings}
    results = relax_together(evaluator, starts, symmetry=symmetry, **settings)
    assert [result.reason for result in results] == [""] * len(starts)
    return results


def test_the_space_group_at_the_end_is_that_of_the_start(model):
    """T-R9, for all starts in one batch; what is free loses it and gains energy."""
    starts = list(STARTS.values())
    free = relaxed(model, ["free"] * 4, starts)
    for kind, optimizer in (("fix", "lbfgs"), ("fix", "fire"), ("project", "lbfgs")):
        found = relaxed(model, [kind] * 4, starts, optimizer=optimizer)
        for start, own, other in zip(starts, found, free, strict=True):
            group = find_space_group(start)
            assert group.deviation(own.end) < 1e-10
            assert change(start, own.end, 1e-5).verdict == "kept"
            assert change(start, other.end, 1e-5).verdict == "lowered"
            assert own.energy > other.energy + 1e-7
            moved = own.end.cell.volume / start.cell.volume - 1.0
            assert abs(moved) > 1e-3


def test_each_structure_of_a_batch_has_its_own(model):
    starts = [STARTS["hcp"], STARTS["hcp"], STARTS["L1₀"]]
    fixed, free, projected = relaxed(model, ["fix", "free", "project"], starts)
    assert find_space_group(starts[0]).deviation(fixed.end) < 1e-10
    assert find_space_group(starts[1]).deviation(free.end) > 1e-4
    assert find_space_group(starts[2]).deviation(projected.end) < 1e-10


def test_it_ends_where_ase_ends(model):
    """FixSymmetry, with the mask that the atomistic cookbook gives the filter beside it."""
    atoms = STARTS["hcp"].copy()
    atoms.calc = MDBridgeCalculator(model)
    atoms.set_constraint(FixSymmetry(atoms, symprec=1e-5))
    BFGS(FrechetCellFilter(atoms, mask=[True] * 3 + [False] * 3), logfile=None).run(1e-6, 200)
    (found,) = relaxed(model, ["fix"], [STARTS["hcp"]])
    assert found.energy == pytest.approx(atoms.get_potential_energy(), abs=1e-9)
    np.testing.assert_allclose(found.end.cell.cellpar(), atoms.cell.cellpar(), atol=1e-4)


def test_a_start_that_is_a_little_off(model):
    """``fix`` mends it within symprec, ``project`` leaves it as it is."""
    start = STARTS["hcp"].copy() * (2, 1, 1)
    ideal = find_space_group(start)
    start.rattle(1e-4, seed=3)
    start.set_cell(start.cell.array * [1.0, 1.00001, 1.0], scale_atoms=True)
    fixed, projected = start.copy(), start.copy()
    FixedSpaceGroup(start, 2e-3).prepare(fixed)
    assert ideal.deviation(fixed) < 1e-12
    assert np.abs(fixed.positions - start.positions).max() < 5e-4
    assert np.abs(fixed.cell.array - start.cell.array).max() < 1e-4
    ProjectedForces(start, 2e-3).prepare(projected)
    np.testing.assert_array_equal(projected.positions, start.positions)
    forces = RNG.normal(size=(4, 3))
    for symmetry in (FixedSpaceGroup(start, 2e-3), ProjectedForces(start, 2e-3)):
        np.testing.assert_allclose(
            symmetry.forces(fixed, forces), project_vectors(ideal, forces), atol=1e-12
        )


def test_what_a_step_leaves_does_not_grow():
    """Positions and cell that are off by far more than rounding, in every step; a shift of the
    whole stays."""
    atoms = STARTS["a vacancy"].copy()
    group = find_space_group(atoms)
    symmetry = FixedSpaceGroup(atoms)
    for _ in range(20):
        atoms.positions += 1e-2 * RNG.normal(size=(len(atoms), 3)) + [0.2, 0.1, 0.0]
        atoms.set_cell(atoms.cell.array @ (np.eye(3) + 1e-3 * RNG.normal(size=(3, 3))))
        symmetry.after_step(atoms)
        assert group.deviation(atoms) < 1e-12
    assert np.linalg.norm(atoms.get_center_of_mass() - STARTS["a vacancy"].get_center_of_mass()) > 3


class TestMask:
    def test_where_three_lengths_are_free(self):
        cubic = bulk("Ar", "fcc", a=A)
        for atoms in (cubic, STARTS["hcp"], STARTS["L1₀"]):
            assert cell_mask(find_space_group(atoms)).tolist() == [True] * 3 + [False] * 3
        cubic.rotate(33, (1, 2, 3), rotate_cell=True)
        assert cell_mask(find_space_group(cubic)).tolist() == [True] * 3 + [False] * 3

    def test_where_that_would_be_wrong(self):
        monoclinic = crystal(
            ["Ar"], [(0.1, 0.2, 0.3)], spacegroup=14, cellpar=[5, 6, 7, 90, 105, 90]
        )
        mask = cell_mask(find_space_group(monoclinic))
        assert mask.tolist() == [True, True, True, False, True, False]  # β: xz, as b is along y
        turned = STARTS["hcp"].copy()
        turned.rotate(30, "x", rotate_cell=True)
        mask = cell_mask(find_space_group(turned))
        assert mask.tolist() == [True, True, True, True, False, False]


def test_free_is_nothing():
    assert make_symmetry("free", STARTS["fcc"]) is None
    assert isinstance(make_symmetry("fix", STARTS["fcc"]), FixedSpaceGroup)
    assert type(make_symmetry("project", STARTS["fcc"])) is ProjectedForces


def test_an_unknown_word():
    with pytest.raises(ArgumentError, match="found 'projekt': did you mean 'project'"):
        make_symmetry("projekt", STARTS["fcc"])
    with pytest.raises(ArgumentError, match="there are free, fix, project"):
        make_symmetry("zzz", STARTS["fcc"])


def test_a_symmetrised_structure_is_the_nearest():
    """Of what is symmetric already nothing changes, and everything the atoms carry stays."""
    atoms = STARTS["hcp"].copy()
    atoms.set_tags([1, 2])
    atoms.positions += [0.3, 0.1, -7.0]  # of the whole
    group = find_space_group(STARTS["hcp"])
    found = group.symmetrised(atoms)
    np.testing.assert_allclose(found.positions, atoms.positions, atol=1e-13)
    np.testing.assert_allclose(found.cell.array, atoms.cell.array, atol=1e-13)
    assert found.get_tags().tolist() == [1, 2]
    off = atoms.copy()
    off.positions[1] += [0.0, 0.0, 0.02]
    np.testing.assert_allclose(
        group.symmetrised(off).positions - atoms.positions, [[0, 0, 0.01]] * 2, atol=1e-12
    )
    assert space_group_type(group.symmetrised(off), 1e-6).number == 194
