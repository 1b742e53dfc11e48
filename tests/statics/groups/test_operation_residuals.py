"""Which operations of a start the model's forces on it do not have."""

import crystals_axis
import models
import numpy as np
import pytest
from ase.build import bulk
from ase.spacegroup import crystal

from md_bridge.model_options import ModelOptions
from md_bridge.statics.evaluator import Evaluator
from md_bridge.statics.rows import Row
from md_bridge.statics.space_groups import operation_residuals


def rutile():
    return crystal(
        ["Ar", "Kr"],
        [(0, 0, 0), (0.31, 0.31, 0)],
        spacegroup=136,
        cellpar=[7.6, 7.6, 5.6, 90, 90, 90],
    )


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("residuals") / "model.pt"
    return crystals_axis.lennard_jones({1: 0.01, 2: -0.02, 3: 0.01}, (1.0, 2.0, 4.0)).export(path)


def evaluator(model, symmetrize="none", forces="conservative"):
    return Evaluator(model, ModelOptions(), Row(forces, symmetrize))


def test_they_are_those_of_structures_that_are_turned(model):
    """F(g x) − g F(x), with g x made and evaluated."""
    atoms = rutile()
    own = evaluator(model)
    found = operation_residuals(own, atoms)
    assert own.evaluations == 1
    group = found.group
    assert len(found.forces) == len(group) == 16
    here = own([atoms], stress=True)[0]
    for place in range(16):
        rotation = group.rotations[place]
        turned = atoms.copy()  # in the same cell: an operation takes the lattice to itself
        turned.positions = atoms.positions @ rotation.T
        turned.positions += group.translations[place] @ atoms.cell.array
        there = own([turned], stress=True)[0]
        gap = there.forces - here.forces @ rotation.T
        expected = np.sqrt(np.square(gap).sum(axis=1).mean())
        assert found.forces[place] == pytest.approx(expected, abs=1e-12)
        gap = there.stress - rotation @ here.stress @ rotation.T
        assert found.stresses[place] == pytest.approx(np.linalg.norm(gap), abs=1e-12)
    assert found.forces.max() > 1e-3
    assert found.stresses.max() > 1e-5
    assert found.largest_force > 1e-3
    np.testing.assert_allclose(np.trace(found.traceless_stress), 0.0, atol=1e-15)


def test_kinds_and_axes(model):
    found = operation_residuals(evaluator(model), rutile())
    kinds = sorted(found.kinds)
    assert kinds == sorted(["1", "-1", *["4"] * 2, *["-4"] * 2, *["2"] * 5, *["m"] * 5])
    for kind, axis, rotation in zip(found.kinds, found.axes, found.group.rotations, strict=True):
        if kind in ("4", "-4"):
            np.testing.assert_allclose(axis, [0, 0, 1], atol=1e-12)
        if kind not in ("1", "-1"):
            proper = np.linalg.det(rotation) * rotation
            np.testing.assert_allclose(proper @ axis, axis, atol=1e-12)
            assert np.linalg.norm(axis) == pytest.approx(1.0)
    identity = found.kinds.index("1")
    assert found.forces[identity] < 1e-15
    names, sizes = zip(*found.worst, strict=True)
    assert set(names) == {"1", "-1", "2", "m", "4", "-4"}
    assert list(sizes) == sorted(sizes, reverse=True)


def test_an_invariant_model_has_all(tmp_path):
    path = crystals_axis.lennard_jones().export(tmp_path / "invariant.pt")
    found = operation_residuals(evaluator(path), rutile())
    assert found.forces.max() < 1e-12
    assert found.stresses.max() < 1e-14
    assert np.abs(found.forbidden_forces).max() < 1e-13
    assert np.abs(found.forbidden_stress).max() < 1e-15
    assert np.linalg.norm(found.traceless_stress) > 1e-4  # a tetragonal crystal may have one


def test_a_set_that_is_a_group_has_the_operations_that_it_shares(tmp_path):
    """T-S15: along the axes an octahedral average has all rotations of a cubic crystal, whatever
    the model is. Of odd l the first that it leaves is 9, which has no mirrors and no inversion;
    with the inversion it has those, too."""
    path = crystals_axis.lennard_jones({4: 0.01, 9: 0.05}, (1.0, 2.0, 4.0)).export(
        tmp_path / "9.pt"
    )
    pyrite = crystal(
        ["Ar", "Kr"], [(0, 0, 0), (0.36, 0.36, 0.36)], spacegroup=205, cellpar=[8.0] * 3 + [90] * 3
    )
    found = operation_residuals(evaluator(path, "octahedral"), pyrite)
    proper = np.array([kind in "123" for kind in found.kinds])
    assert (proper.sum(), len(proper)) == (12, 24)
    assert found.forces[proper].max() < 1e-12
    assert found.forces[~proper].min() > 1e-5
    found = operation_residuals(evaluator(path, "octahedral/inversion"), pyrite)
    assert found.forces.max() < 1e-12
    assert np.abs(found.forbidden_stress).max() < 1e-14


def test_direct_forces(tmp_path):
    path = models.anisotropic({0: 0.0}, direct=0.1).export(tmp_path / "anisotropic.pt")
    atoms = bulk("Ar", "fcc", a=5.3)
    found = operation_residuals(evaluator(path, forces="direct"), atoms)
    assert found.forces.max() < 1e-12  # each atom is a centre of inversion
    forbidden = found.forbidden_stress
    np.testing.assert_allclose(forbidden, found.traceless_stress, atol=1e-15)
    np.testing.assert_allclose(forbidden, forbidden[2, 2] * np.diag([-0.5, -0.5, 1]), atol=1e-14)
    assert forbidden[2, 2] > 1e-4


def test_an_open_structure_has_no_stress(model):
    slab = rutile()
    slab.pbc = [True, True, False]
    found = operation_residuals(evaluator(model), slab)
    assert found.stresses is None
    assert found.forbidden_stress is None
    assert found.traceless_stress is None
