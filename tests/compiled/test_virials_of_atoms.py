"""Virials of atoms from gradients of pair vectors that a compiled file gives."""

import numpy as np
import pytest
from compiled_files import box

from md_bridge.engine import Engine, structure_from_ase

# of PET the file's TorchScript has none: it goes by way of positions
KINDS = {"adaptive PET": 1e-9, "module": 1e-10, "student": 2e-4}
WANTED = {
    "conservative_forces": True,
    "conservative_virial": True,
    "atomic_virials": True,
    "halved_atomic_virials": True,
}
FORMS = ("atomic_virials", "halved_atomic_virials")


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


def close(found, expected, tolerance):
    scale = max(1.0, np.abs(expected).max())
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance * scale)


@pytest.mark.parametrize("pbc", [True, (True, True, False)])
def test_add_up(kind, files, pbc):
    """To the virial that the TorchScript file gives by way of positions and a strain."""
    made = files(kind)
    structure = structure_from_ase(box(made, 2, pbc=pbc))
    found = Engine(made.compiled).evaluate(structure, **WANTED)
    expected = Engine(made.exported).evaluate(
        structure, conservative_forces=True, conservative_virial=True
    )
    close(found.conservative_forces, expected.conservative_forces, KINDS[kind])
    for form in FORMS:
        total = getattr(found, form).sum(axis=0)
        close((total + total.T) / 2, expected.conservative_virial, KINDS[kind])
    if kind != "module":  # where a bond has its energy in halves both forms are one
        assert np.abs(found.atomic_virials - found.halved_atomic_virials).max() > 1e-3


@pytest.mark.parametrize("kind", ["module", "student"])
def test_equal_those_of_the_torchscript_file(files, kind):
    made = files(kind)
    structure = structure_from_ase(box(made, 2))
    found, expected = (
        Engine(path).evaluate(structure, **WANTED) for path in (made.compiled, made.exported)
    )
    for form in FORMS:
        close(getattr(found, form), getattr(expected, form), KINDS[kind])


def test_molecules_of_two_atoms(kind, files):
    """Each of two atoms has half of their bond, r ⊗ f, in the form that halves it."""
    made = files(kind)
    atoms = box(made, 3, pbc=False)[:6]
    for first in range(0, len(atoms), 2):
        atoms.positions[first] = [20.0 * first, 0.1 * first, 0.0]
        atoms.positions[first + 1] = atoms.positions[first] + [0.9 * made.spacing, 0.3, 0.2]
    found = Engine(made.compiled).evaluate(structure_from_ase(atoms), **WANTED)
    for first in range(0, len(atoms), 2):
        arm = atoms.positions[first + 1] - atoms.positions[first]
        bond = np.outer(arm, found.conservative_forces[first + 1])
        half = (bond + bond.T) / 4
        close(found.halved_atomic_virials[first], half, KINDS[kind])
        close(found.halved_atomic_virials[first + 1], half, KINDS[kind])
        whole = found.atomic_virials[first : first + 2].sum(axis=0)
        close((whole + whole.T) / 2, (bond + bond.T) / 2, KINDS[kind])
        assert np.abs(half).max() > 1e-4
