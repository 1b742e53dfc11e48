"""Virials of atoms: from gradients with respect to pair vectors."""

import lammps_tools as tools
import numpy as np
import pytest

from md_bridge.engine import Engine, ModelError, structure_from_ase

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


def test_rotated_copies(model_file):
    atoms = SHAPES["triclinic, smaller than the cutoff"]
    plain = evaluate(model_file("two_layers"), atoms)
    averaged = evaluate(model_file("two_layers"), atoms, symmetrize="octahedral")
    np.testing.assert_allclose(averaged.atomic_virials, plain.atomic_virials, atol=1e-10)
    assert np.abs(plain.atomic_virials - plain.halved_atomic_virials).max() > 1e-6


def test_model_of_positions(model_file):
    path = model_file("in_a_field")
    engine = Engine(path)
    with pytest.raises(ModelError, match="per-atom virial is not defined by the model"):
        evaluate(path, SHAPES["cluster"])
    plain = engine.evaluate(structure_from_ase(SHAPES["cluster"]), conservative_forces=True)
    np.testing.assert_allclose(plain.conservative_forces.sum(axis=0)[2], -0.1 * 8, atol=1e-9)
