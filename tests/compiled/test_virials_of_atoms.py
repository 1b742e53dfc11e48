"""Virials of atoms from gradients of pair vectors that a compiled file gives."""

import numpy as np
import pytest
from compiled_files import box

from md_bridge.engine import Engine, Structure, structure_from_ase

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
    scale = np.abs(expected).max(initial=1.0)
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


def few(made, size):
    """`size` atoms of a box that see each other, as the first of it, and where they are."""
    atoms = box(made, 3, pbc=False)[:size]
    for place in range(size):
        atoms.positions[place] = [0.8 * made.spacing * place, 0.3 * (place % 2), 0.1 * place]
    return atoms


@pytest.mark.parametrize("kind", ["adaptive PET", "student"])
@pytest.mark.parametrize("size", [0, 1, 2])
def test_of_fewer_pairs_than_compiled_functions_take(files, kind, size):
    """As of the same atoms in the company of others that they do not see."""
    made = files(kind)
    atoms = few(made, size)
    far = box(made, 2, pbc=False)
    far.positions += 60.0
    both = atoms + far
    engine = Engine(made.compiled)
    found = engine.evaluate(structure_from_ase(atoms), **WANTED)
    expected = engine.evaluate(structure_from_ase(both), **WANTED)
    for name in (*FORMS, "conservative_forces", "direct_forces"):
        if getattr(found, name) is not None:
            close(getattr(found, name), getattr(expected, name)[:size], 1e-6)
    exported = Engine(made.exported).evaluate(
        structure_from_ase(atoms), conservative_forces=True, conservative_virial=True
    )
    assert found.energy == pytest.approx(exported.energy, abs=2e-4)
    close(found.conservative_forces, exported.conservative_forces, KINDS[kind])
    close(found.conservative_virial, exported.conservative_virial, KINDS[kind])


@pytest.mark.parametrize("kind", ["adaptive PET", "student"])
def test_of_a_part_of_few_atoms(files, kind):
    """One owned atom and a ghost, as a rank at the edge of a slab has them."""
    made = files(kind)
    structure = structure_from_ase(few(made, 2))
    whole = Engine(made.compiled).evaluate(structure, **WANTED)
    parts = []
    for order in ([0, 1], [1, 0]):
        there = structure_from_ase(few(made, 2)[order])
        part = Structure(there.types, there.positions, there.cell, there.periodic, owned=1)
        parts.append((order, Engine(made.compiled).evaluate(part, **WANTED)))
    for name in (*FORMS, "conservative_forces"):
        summed = np.zeros_like(getattr(whole, name))
        for order, found in parts:
            values = getattr(found, name)
            summed[order[: len(values)]] += values
        close(summed, getattr(whole, name), 1e-6)
