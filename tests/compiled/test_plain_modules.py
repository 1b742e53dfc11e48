"""Plain modules in units of their own, in single precision, without direct forces, with stresses of
atoms, and in a memory that is full."""

import numpy as np
import pytest
from compiled_files import Files, box
from compiled_files.sources import MOST_ATOMS

from md_bridge.compiled import compile_model
from md_bridge.engine import Engine, EngineError, Structure, structure_from_ase
from md_bridge.export.model_file import extract_torchscript, read_description

SINGLE = 1e-5
"""eV, eV/Å: of the energies and forces of these boxes, a few eV."""


def both(made, structure, **wanted):
    """What the compiled file says, and what its TorchScript says."""
    return [Engine(path).evaluate(structure, **wanted) for path in (made.compiled, made.exported)]


def parts_of(atoms):
    """The structure, and the same of which the first eleven atoms are owned."""
    cell = np.asarray(atoms.cell)
    counts = (len(atoms), 11)
    return [Structure(atoms.numbers, atoms.positions, cell, [True] * 3, n) for n in counts]


def test_energies_alone_in_bohr_hartree_and_single_precision(files):
    """There is one function, for the gradient; what needs none is computed by the TorchScript."""
    made = files("cramped")
    description = read_description(made.compiled)
    assert description["functions"] == "conservative"
    assert description["dtype"] == "float32"
    for structure in parts_of(box(made)):
        gradients = {"conservative_forces": True, "conservative_virial": True}
        found, expected = both(made, structure, **gradients, atomic_energies=True)
        assert found.energy == pytest.approx(expected.energy, abs=5 * SINGLE)
        assert np.abs(expected.conservative_forces).max() > 0.01
        for name in (*gradients, "atomic_energies"):
            ours, theirs = (np.asarray(getattr(one, name)) for one in (found, expected))
            np.testing.assert_allclose(ours, theirs, atol=SINGLE, rtol=SINGLE, err_msg=name)
        for wanted in ({}, {"atomic_energies": True}):
            alone, expected = both(made, structure, **wanted)
            assert alone.energy == expected.energy
            assert alone.energy == pytest.approx(found.energy, abs=5 * SINGLE)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("factory", "elements", "cutoff", "layers", "spacing"),
    [
        ("two_layers", ("Ar",), 4.0, 2, 3.6),
        ("mixture", ("Ar", "Kr"), 8.5, 1, 3.6),
        ("transformer", ("O", "H"), 3.5, 2, 1.7),
    ],
)
def test_other_modules(tmp_path, factory, elements, cutoff, layers, spacing):
    """Layers, several elements, a network with attention; whole structures and parts of them."""
    given = {"elements": elements, "cutoff": cutoff, "layers": layers, "dtype": "float64"}
    source = f"python:compiled_files.sources:{factory}"
    compared = compile_model(source, tmp_path / "model.pt2", given)
    assert all(row.difference < 1e-9 for row in compared)
    exported = extract_torchscript(tmp_path / "model.pt2", tmp_path / "model.pt")
    made = Files(exported, tmp_path / "model.pt2", elements, spacing)
    direct = "direct" in read_description(made.compiled)["functions"].split()
    wanted = dict.fromkeys(("conservative_forces", "conservative_virial"), True)
    if direct:
        wanted["direct_forces"] = True
    for side in (3, 4):
        for structure in parts_of(box(made, side)):
            found, expected = both(made, structure, **wanted)
            assert found.energy == pytest.approx(expected.energy, abs=1e-9)
            for name in wanted:
                ours, theirs = (np.asarray(getattr(one, name)) for one in (found, expected))
                np.testing.assert_allclose(ours, theirs, atol=1e-9, err_msg=name)
            assert np.abs(found.conservative_forces).max() > 1e-5  # untrained


def test_energies_in_bohr_and_hartree_are_right(files):
    """Of two atoms 3 Å apart: by hand."""
    made = files("cramped")
    atoms = box(made, 2, pbc=False)[:4]
    atoms.positions = [[0, 0, 0], [3, 0, 0], [40, 0, 0], [40, 0, 4]]
    found = Engine(made.compiled).evaluate(structure_from_ase(atoms), conservative_forces=True)
    hartree, bohr = 27.211386, 0.52917721
    x = (np.array([3.0, 4.0]) / (12 * bohr)) ** 2
    assert found.energy == pytest.approx(2 * 0.01 * hartree * ((1 - x) ** 3).sum(), rel=1e-5)
    # -dE/dr of both directions of a pair, which push the atoms apart
    push = 2 * 0.01 * hartree * 3 * (1 - x) ** 2 * 2 * x / [3.0, 4.0]
    expected = np.zeros((4, 3))
    expected[[0, 1], 0] = [-push[0], push[0]]
    expected[[2, 3], 2] = [-push[1], push[1]]
    np.testing.assert_allclose(found.conservative_forces, expected, atol=1e-5)


def test_fewer_together_where_the_memory_is_full(files):
    """Compiled code says of a failure no more than which call it was."""
    made = files("cramped")
    batch = [structure_from_ase(box(made, seed=seed)) for seed in range(7)]
    wanted = {"conservative_forces": True}
    few = Engine(made.compiled, atoms_per_forward=MOST_ATOMS)
    many = Engine(made.compiled, atoms_per_forward=10000)
    found, expected = (engine.evaluate(batch, **wanted) for engine in (many, few))
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_array_equal(ours.conservative_forces, theirs.conservative_forces)


def test_a_structure_that_needs_more_memory_than_there_is(files):
    made = files("cramped")
    structure = structure_from_ase(box(made, 5))
    sentence = r"out of memory on cpu while evaluating the model '.*model\.pt2': .*allocate memory"
    with pytest.raises(EngineError, match=sentence):
        Engine(made.compiled).evaluate(structure, conservative_forces=True)


@pytest.mark.slow
@pytest.mark.parametrize("function", ["direct", "conservative", "both"])
def test_stresses_of_atoms_in_nm_and_kcal_per_mol(files, function):
    made = files("shares")
    wanted = {
        "direct": ["direct_forces", "direct_virial"],
        "conservative": ["conservative_forces", "conservative_virial", "atomic_energies"],
    }
    wanted["both"] = wanted["direct"] + wanted["conservative"]
    asked = dict.fromkeys(wanted[function], True)
    shares = []
    for structure in parts_of(box(made)):
        found, expected = both(made, structure, **asked)
        for name in ("energy", *asked):
            ours, theirs = (np.asarray(getattr(one, name)) for one in (found, expected))
            np.testing.assert_allclose(ours, theirs, atol=1e-10, rtol=1e-10, err_msg=name)
        shares.append(found.direct_virial)
    if function != "conservative":
        assert 0.1 < np.abs(shares[1]).max() / np.abs(shares[0]).max() < 0.9
