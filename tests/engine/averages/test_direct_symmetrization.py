"""Direct forces that are averaged over other copies than the energy, or over none."""

import models
import numpy as np
import pytest
from ase.build import bulk

from md_bridge.engine import (
    Engine,
    EngineError,
    FusedForces,
    Pairs,
    rotation_group,
    structure_from_ase,
)

SETS = [
    ("octahedral", "none"),
    ("icosahedral/inversion", "none"),
    ("octahedral/inversion", "octahedral"),
    ("octahedral", "icosahedral"),
]
ENERGY = {"energy", "conservative_forces", "conservative_virial", "atomic_energies", "uncertainty"}
DIRECT = {"direct_forces", "direct_virial"}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """Energy, forces and stresses that know a direction, up to l = 4."""
    path = tmp_path_factory.mktemp("anisotropic") / "anisotropic.pt"
    return models.anisotropic({1: 0.02, 2: -0.03, 4: 0.03}).export(path)


def crystal(seed=5):
    atoms = bulk("Ar", "fcc", a=5.4, cubic=True) * (2, 1, 1)
    atoms.symbols[1::2] = "Kr"
    atoms.rattle(0.15, seed=seed)
    return structure_from_ase(atoms)


def copies_of(engine, work) -> int:
    """How many copies went through the model meanwhile."""
    before = engine.timings.copies
    work()
    return engine.timings.copies - before


def union(*names) -> int:
    """How many different matrices these sets have."""
    matrices = [
        m for name in names for m in (rotation_group(name) if name != "none" else [np.eye(3)])
    ]
    return len({tuple(m.round(9).ravel() + 0.0) for m in matrices})


@pytest.mark.parametrize("wanted", [ENERGY | DIRECT, DIRECT, ENERGY])
@pytest.mark.parametrize(("averaged", "direct"), SETS)
def test_each_is_what_the_other_engine_says(model, averaged, direct, wanted):
    """Alone or in one evaluation, of two structures at once, each with its own set."""
    engine = Engine(model, symmetrize=averaged, direct_symmetrize=direct)
    batch = [crystal(5), crystal(6)]
    keywords = {"energy": False, **dict.fromkeys(wanted, True)}
    found = engine.evaluate(batch, **keywords)
    references = [(ENERGY, averaged), (DIRECT, direct)]
    for names, symmetrize in references:
        expected = Engine(model, symmetrize=symmetrize).evaluate(batch, **keywords)
        for name in names & wanted:
            for one, other in zip(found, expected, strict=True):
                np.testing.assert_allclose(
                    getattr(one, name), getattr(other, name), rtol=0, atol=1e-12, err_msg=name
                )
    if "direct_forces" in wanted and direct == "none":  # all the sets are exact for these forces
        same = Engine(model, symmetrize=averaged).evaluate(batch[0], direct_forces=True)
        assert np.abs(found[0].direct_forces - same.direct_forces).max() > 1e-4
        assert np.abs(found[0].direct_forces - found[1].direct_forces).max() > 1e-4


@pytest.mark.parametrize(("averaged", "direct"), SETS)
def test_a_copy_that_both_sets_have_is_evaluated_once(model, averaged, direct):
    engine = Engine(model, symmetrize=averaged, direct_symmetrize=direct)
    of_direct = union(direct)
    assert (engine.copies, engine.direct_copies) == (union(averaged), of_direct)
    structure, pairs = crystal(), Pairs(0.0)

    def evaluate(**wanted):
        engine.evaluate(structure, pairs, **wanted)

    assert copies_of(engine, lambda: evaluate(energy=False, direct_forces=True)) == of_direct
    assert copies_of(engine, lambda: evaluate(conservative_forces=True)) == union(averaged)
    both = {"conservative_forces": True, "direct_forces": True}
    assert copies_of(engine, lambda: evaluate(**both)) == union(averaged, direct)


def test_multiple_time_stepping_pays_for_the_average_once_an_outer_step(model):
    """With M = 3: one copy in each inner step, 24 in the outer one, whose identity is the last
    inner one."""
    engine = Engine(model, symmetrize="octahedral", direct_symmetrize="none")
    averaged, plain = Engine(model, symmetrize="octahedral"), Engine(model)
    fused = FusedForces(engine, 1.0)
    fused.inner([crystal(1)], outer_follows=True)
    fused.outer([crystal(1)])
    numbers = iter(range(2, 100))

    def outer_step():
        for _ in range(3):
            structure = crystal(next(numbers))
            inner = fused.inner([structure])[0].direct_forces
            expected = plain.evaluate(structure, direct_forces=True).direct_forces
            np.testing.assert_allclose(inner, expected, rtol=0, atol=1e-12)
        outer = fused.outer([structure])[0]
        expected = averaged.evaluate(structure, conservative_forces=True)
        assert outer.energy == pytest.approx(expected.energy, abs=1e-12)
        np.testing.assert_allclose(
            outer.conservative_forces, expected.conservative_forces, rtol=0, atol=1e-12
        )
        np.testing.assert_allclose(fused.inner([structure])[0].direct_forces, inner, atol=1e-12)

    # the number of inner steps is learned in the first outer one, whose last inner step is alone
    assert copies_of(engine, outer_step) == 3 + 24
    for _ in range(3):
        assert copies_of(engine, outer_step) == 2 + 24


def test_the_same_set_for_both_is_no_other(model):
    engine = Engine(model, symmetrize="octahedral", direct_symmetrize="octahedral")
    assert (engine.copies, engine.direct_copies) == (24, 24)
    assert "direct_symmetrize" not in repr(engine)
    assert "direct_symmetrize=none" in repr(
        Engine(model, symmetrize="octahedral", direct_symmetrize="none")
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"direct_symmetrize": "octahedral"}, "found symmetrize none and octahedral for them"),
        (
            {"symmetrize": "random", "direct_symmetrize": "none"},
            "with symmetrize random the direct forces have the random rotation",
        ),
        (
            {"symmetrize": "octahedral", "direct_symmetrize": "random"},
            "have a fixed set, or none, found symmetrize octahedral and random for them",
        ),
        ({"symmetrize": "octahedral", "direct_symmetrize": "cubic"}, "one of none, .* 'cubic'"),
    ],
)
def test_sets_that_make_no_sense_together(model, options, message):
    with pytest.raises(EngineError, match=message):
        Engine(model, **options)
