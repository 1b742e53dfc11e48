"""Fused evaluation for multiple time stepping: learns the stride, and is right when it is wrong."""

import numpy as np
import pytest
from ase.build import bulk

from md_bridge.engine import Engine, FusedForces, structure_from_ase


class Walk:
    """A structure that moves a little at every inner step."""

    def __init__(self, seed=0):
        self.atoms = bulk("Ar", "fcc", a=5.3, cubic=True) * (2, 2, 2)
        self.rng = np.random.default_rng(seed)

    def step(self):
        self.atoms.positions += self.rng.normal(0, 0.02, self.atoms.positions.shape)
        return structure_from_ase(self.atoms)


@pytest.fixture
def setup(model_file):
    engine = Engine(model_file("curl"))
    return engine, FusedForces(engine, 1.0), Walk()


def check(engine, structure, results):
    expected = engine.evaluate(structure, conservative_forces=True, direct_forces=True)
    for name in ("conservative_forces", "direct_forces"):
        np.testing.assert_allclose(
            getattr(results[0], name), getattr(expected, name), rtol=0, atol=1e-12
        )
    assert results[0].energy == pytest.approx(expected.energy, abs=1e-12)


def outer_step(engine, fused, walk, inner_steps):
    for _ in range(inner_steps):
        structure = walk.step()
        results = fused.inner([structure])
        expected = engine.evaluate(structure, direct_forces=True).direct_forces
        np.testing.assert_allclose(results[0].direct_forces, expected, atol=1e-12)
    check(engine, structure, fused.outer([structure]))


@pytest.mark.parametrize("stride", [1, 2, 5])
def test_stride_is_learned_in_one_outer_step(setup, stride):
    engine, fused, walk = setup
    start = walk.step()
    fused.inner([start], outer_follows=True)
    check(engine, start, fused.outer([start]))
    assert fused.stride == 0
    for _ in range(6):
        outer_step(engine, fused, walk, stride)
    assert fused.stride == stride
    # the set-up and all outer steps but the first were evaluated with the last inner one
    assert fused.counts.both == 6
    assert fused.counts.reused == 6
    assert fused.counts.outer_only == 1
    assert fused.counts.inner_only == 6 * stride - 5


def test_set_up_without_a_hint_is_not_taken_for_a_stride(setup):
    engine, fused, walk = setup
    start = walk.step()
    fused.inner([start])
    check(engine, start, fused.outer([start]))
    for _ in range(3):
        outer_step(engine, fused, walk, 4)
    assert fused.stride == 4
    assert fused.counts.both == 2


@pytest.mark.parametrize("strides", [(4, 6, 6), (6, 4, 4), (1, 8, 8), (3, 2, 5, 1, 1)])
def test_wrong_predictions_cost_time_but_not_correctness(setup, strides):
    engine, fused, walk = setup
    start = walk.step()
    fused.inner([start])
    fused.outer([start])
    for stride in strides:
        outer_step(engine, fused, walk, stride)
    assert fused.stride == strides[-1]


def test_outer_request_elsewhere_evaluates_both(setup):
    engine, fused, walk = setup
    fused.inner([walk.step()], outer_follows=True)
    elsewhere = walk.step()
    check(engine, elsewhere, fused.outer([elsewhere]))
    assert fused.counts.reused == 0


def test_changed_cell_alone_is_elsewhere(setup):
    engine, fused, walk = setup
    fused.inner([walk.step()], outer_follows=True)
    walk.atoms.set_cell(walk.atoms.cell.array * 1.001, scale_atoms=False)
    strained = structure_from_ase(walk.atoms)
    check(engine, strained, fused.outer([strained]))
    assert fused.counts.reused == 0


def test_batch_of_beads_shares_forward_passes(setup):
    engine, fused, _ = setup
    walks = [Walk(seed) for seed in range(3)]
    fused.inner([walk.step() for walk in walks])
    fused.outer([structure_from_ase(walk.atoms) for walk in walks])
    for _ in range(3):
        for _ in range(2):
            beads = [walk.step() for walk in walks]
            fused.inner(beads)
        results = fused.outer(beads)
        for bead, result in zip(beads, results, strict=True):
            check(engine, bead, [result])
    assert fused.counts.reused == 2


class TestVirial:
    """Its gradient is left out where the host says so."""

    def test_it_comes_when_it_is_asked_for_later(self, setup):
        engine, fused, walk = setup
        structure = walk.step()
        fused.inner([structure], outer_follows=True)
        assert fused.outer([structure])[0].conservative_virial is not None
        fused.want_virial(False)
        structure = walk.step()
        fused.inner([structure], outer_follows=True)
        assert fused.outer([structure])[0].conservative_virial is None
        assert fused.counts.reused == 2
        fused.want_virial(True)
        results = fused.outer([structure])
        check(engine, structure, results)
        expected = engine.evaluate(structure, conservative_virial=True).conservative_virial
        np.testing.assert_allclose(results[0].conservative_virial, expected, atol=1e-12)
        # evaluated again, but for the inner forces
        assert (fused.counts.both, fused.counts.outer_only, fused.counts.reused) == (2, 1, 2)

    def test_one_that_is_there_serves_who_needs_none(self, setup):
        _, fused, walk = setup
        structure = walk.step()
        fused.outer([structure])
        fused.want_virial(False)
        fused.outer([structure])
        assert fused.counts.reused == 1
