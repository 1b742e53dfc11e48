"""Virials of atoms: from gradients with respect to pair vectors."""

import lammps_tools as tools
import numpy as np
import odd_models
import pytest

from md_bridge.engine import Engine, ModelError, Structure, structure_from_ase

SHAPES = {
    "triclinic, smaller than the cutoff": tools.argon(cells=(1, 1, 1), tilt=(1.0, 2.0, -1.3)),
    "slab": tools.argon(cells=(2, 2, 1)),
    "cluster": tools.argon(cells=(2, 1, 1)),
}
SHAPES["slab"].pbc = (True, True, False)
SHAPES["cluster"].pbc = False


def evaluate(path, atoms, **options):
    return Engine(path, **options).evaluate(
        structure_from_ase(atoms),
        conservative_forces=True,
        conservative_virial=True,
        atomic_virials=True,
        halved_atomic_virials=True,
    )


@pytest.mark.parametrize("name", ["lennard_jones", "two_layers"])
@pytest.mark.parametrize("shape", SHAPES)
def test_sums_and_forces(model_file, shape, name):
    atoms = SHAPES[shape]
    found = evaluate(model_file(name), atoms)
    expected = Engine(model_file(name)).evaluate(
        structure_from_ase(atoms), conservative_forces=True, conservative_virial=True
    )
    for virials in (found.atomic_virials, found.halved_atomic_virials):
        assert virials.shape == (len(atoms), 3, 3)
        total = virials.sum(axis=0)
        np.testing.assert_allclose((total + total.T) / 2, expected.conservative_virial, atol=1e-9)
    np.testing.assert_allclose(found.conservative_forces, expected.conservative_forces, atol=1e-10)
    np.testing.assert_allclose(found.conservative_virial, expected.conservative_virial, atol=1e-9)


def test_dimer(model_file):
    """Each of two atoms has half of the virial of their bond, in both forms."""
    atoms = tools.argon(cells=(1, 1, 1))[:2]
    atoms.pbc = False
    found = evaluate(model_file("lennard_jones"), atoms)
    arm = atoms.positions[1] - atoms.positions[0]
    share = 0.5 * np.outer(arm, found.conservative_forces[1])
    for virials in (found.atomic_virials, found.halved_atomic_virials):
        np.testing.assert_allclose(virials, [share, share], atol=1e-12)
    assert np.abs(share).max() > 1e-4


def test_who_has_a_pair(model_file):
    """Of the energy of one atom: all of a pair with the other one, or half of it with each."""
    atoms = tools.argon(cells=(1, 1, 1))
    atoms.pbc = False
    structure = Structure(atoms.numbers, atoms.positions, np.zeros((3, 3)), [False] * 3, 1)
    found = Engine(model_file("lennard_jones")).evaluate(
        structure, conservative_forces=True, atomic_virials=True, halved_atomic_virials=True
    )
    arms = atoms.positions - atoms.positions[0]
    of_pairs = arms[:, :, None] * found.conservative_forces[:, None, :]
    assert np.abs(of_pairs[1:]).max(axis=(1, 2)).min() > 1e-4
    np.testing.assert_allclose(found.atomic_virials, of_pairs, atol=1e-12)
    halves = of_pairs / 2
    halves[0] = halves[1:].sum(axis=0)
    np.testing.assert_allclose(found.halved_atomic_virials, halves, atol=1e-12)


def test_rotated_copies(model_file):
    atoms = SHAPES["triclinic, smaller than the cutoff"]
    plain = evaluate(model_file("two_layers"), atoms)
    averaged = evaluate(model_file("two_layers"), atoms, symmetrize="octahedral")
    np.testing.assert_allclose(averaged.atomic_virials, plain.atomic_virials, atol=1e-10)
    assert np.abs(plain.atomic_virials - plain.halved_atomic_virials).max() > 1e-6


def test_model_of_the_cell(tmp_path):
    """A correction by the volume belongs to no pair: without it the pressure would be wrong."""
    atoms = SHAPES["triclinic, smaller than the cutoff"]
    lists = (5.0,), (True,)
    pairs_alone = evaluate(odd_models.wells(tmp_path / "wells.pt", *lists), atoms)
    path = odd_models.wells(tmp_path / "tail.pt", *lists, tail=50.0)
    with pytest.raises(ModelError, match="per-atom virial is not defined by the model"):
        evaluate(path, atoms)
    whole = Engine(path).evaluate(structure_from_ase(atoms), conservative_virial=True)
    more = whole.conservative_virial - pairs_alone.conservative_virial
    volume = atoms.get_volume()
    np.testing.assert_allclose(more, len(atoms) * 50.0 / volume * np.eye(3), atol=1e-9)


def test_model_of_positions(model_file):
    path = model_file("in_a_field")
    engine = Engine(path)
    with pytest.raises(ModelError, match="per-atom virial is not defined by the model"):
        evaluate(path, SHAPES["cluster"])
    plain = engine.evaluate(structure_from_ase(SHAPES["cluster"]), conservative_forces=True)
    np.testing.assert_allclose(plain.conservative_forces.sum(axis=0)[2], -0.1 * 8, atol=1e-9)
