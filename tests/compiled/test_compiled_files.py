"""A compiled file computes what its TorchScript file computes."""

import numpy as np
import pytest
from compiled_files import box

from md_bridge.engine import Engine, EngineError, Pairs, Structure, structure_from_ase

KINDS = ("adaptive PET", "module", "student")
TOLERANCE = {"adaptive PET": 1e-10, "module": 1e-10, "student": 2e-4}  # students are float32
ALL = {
    "conservative_forces": True,
    "conservative_virial": True,
    "direct_forces": True,
    "atomic_energies": True,
}


def assert_same(found, expected, tolerance, names):
    for name in ("energy", *names):
        ours, theirs = (np.asarray(getattr(one, name)) for one in (found, expected))
        np.testing.assert_allclose(ours, theirs, atol=tolerance, rtol=tolerance, err_msg=name)


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@pytest.fixture
def both(kind, files):
    """Files of this kind, and engines with the compiled and the TorchScript one."""
    made = files(kind)
    return made, Engine(made.compiled), Engine(made.exported)


@pytest.mark.parametrize(
    ("side", "pbc"),
    [(3, True), (2, True), (1, True), (3, False), (3, (True, True, False)), (2, False)],
)
def test_structures(kind, both, side, pbc):
    made, compiled, exported = both
    structure = structure_from_ase(box(made, side, pbc=pbc))
    wanted = {**ALL, "direct_virial": pbc is True}
    results = [engine.evaluate(structure, **wanted) for engine in (compiled, exported)]
    assert_same(*results, TOLERANCE[kind], [name for name, on in wanted.items() if on])


@pytest.mark.parametrize(
    "wanted",
    [
        ("direct_forces",),
        ("direct_forces", "direct_virial"),
        ("conservative_forces",),
        ("conservative_virial",),
        ("direct_virial", "conservative_virial"),
        ("atomic_energies",),
        (),
    ],
)
def test_each_quantity_alone(kind, both, wanted):
    made, compiled, exported = both
    structure = structure_from_ase(box(made))
    asked = dict.fromkeys(wanted, True)
    results = [engine.evaluate(structure, **asked) for engine in (compiled, exported)]
    assert_same(*results, TOLERANCE[kind], wanted)


def test_what_is_not_compiled(files):
    """The TorchScript in the file answers, also beside what is compiled."""
    made = files("module")
    structure = structure_from_ase(box(made))
    for names in (("uncertainty",), ("uncertainty", *ALL)):
        asked = dict.fromkeys(names, True)
        results = [
            Engine(path).evaluate(structure, **asked) for path in (made.compiled, made.exported)
        ]
        assert_same(*results, TOLERANCE["module"], names)
        assert results[0].uncertainty.min() > 0.01


def test_a_batch_of_unlike_structures(kind, both):
    made, compiled, exported = both
    batch = [structure_from_ase(box(made, side, seed=side)) for side in (3, 2, 3)]
    for results in zip(
        *(engine.evaluate(batch, **ALL, direct_virial=True) for engine in (compiled, exported)),
        strict=True,
    ):
        assert_same(*results, TOLERANCE[kind], [*ALL, "direct_virial"])


def test_atoms_that_are_not_owned(kind, both):
    made, compiled, exported = both
    atoms = box(made)
    structure = Structure(atoms.numbers, atoms.positions, np.asarray(atoms.cell), [True] * 3, 11)
    wanted = {**ALL, "direct_virial": kind != "module"}  # which does not share it out
    results = [engine.evaluate(structure, **wanted) for engine in (compiled, exported)]
    assert_same(*results, TOLERANCE[kind], [name for name, on in wanted.items() if on])
    assert not results[0].atomic_energies[11:].any()


@pytest.mark.parametrize("others", [{}, {"direct_forces": True}, ALL])
def test_share_of_some_atoms_in_the_stress_of_a_structure(files, others):
    """It is not defined, and the compiled function, which has the whole, must not be asked."""
    made = files("module")
    atoms = box(made)
    structure = Structure(atoms.numbers, atoms.positions, np.asarray(atoms.cell), [True] * 3, 11)
    for path in (made.compiled, made.exported):
        engine = Engine(path)
        with pytest.raises(EngineError, match=r"the share of some of its atoms .* is not defined"):
            engine.evaluate(structure, direct_virial=True, **others)
        # of all atoms, also beside others of which that was asked
        whole = structure_from_ase(atoms)
        assert np.abs(engine.evaluate(whole, direct_virial=True, **others).direct_virial).max() > 0


def test_an_atom_alone(kind, both):
    """Without pairs there is nothing to compile for: the TorchScript in the file answers."""
    made, compiled, exported = both
    structure = structure_from_ase(box(made, 1, pbc=False))
    results = [engine.evaluate(structure, **ALL) for engine in (compiled, exported)]
    assert_same(*results, TOLERANCE[kind], ALL)


@pytest.mark.parametrize("molecules", [1, 2, 5])
def test_molecules_of_two_atoms(kind, both, molecules):
    """One neighbour each: a size that a compiler takes for a constant."""
    made, compiled, exported = both
    atoms = box(made, 3, pbc=False)[: 2 * molecules]
    for first in range(0, len(atoms), 2):
        atoms.positions[first] = [20.0 * first, 0.1 * first, 0.0]
        atoms.positions[first + 1] = atoms.positions[first] + [0.9 * made.spacing, 0.3, 0.2]
    structure = structure_from_ase(atoms)
    results = [engine.evaluate(structure, **ALL) for engine in (compiled, exported)]
    assert_same(*results, TOLERANCE[kind], ALL)


def test_pairs_that_change_at_every_step(kind, both):
    """One list is followed while atoms move so far that it is filtered anew each time."""
    made, compiled, exported = both
    atoms = box(made, 3)
    random = np.random.default_rng(3)
    lists = [Pairs(skin=1.0), Pairs(skin=1.0)]
    counts = set()
    for _ in range(12):
        atoms.positions += random.normal(0.0, 0.03 * made.spacing, atoms.positions.shape)
        structure = structure_from_ase(atoms)
        results = [
            engine.evaluate(structure, pairs, **ALL)
            for engine, pairs in zip((compiled, exported), lists, strict=True)
        ]
        assert_same(*results, TOLERANCE[kind], ALL)
        counts.add(round(float(results[1].energy), 6))
    assert len(counts) == 12


def test_symmetrised(kind, files):
    made = files(kind)
    structure = structure_from_ase(box(made, 2))
    results = [
        Engine(path, symmetrize="octahedral").evaluate(structure, **ALL)
        for path in (made.compiled, made.exported)
    ]
    assert_same(*results, TOLERANCE[kind], ALL)
