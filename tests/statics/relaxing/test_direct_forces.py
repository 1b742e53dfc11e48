"""Direct forces that differ from the gradient in known ways (T-R7, T-R8), and the walk on them."""

import crystals
import numpy as np
import pytest

from md_bridge.model_options import ModelOptions
from md_bridge.statics.evaluator import Evaluator
from md_bridge.statics.relaxing import moving
from md_bridge.statics.relaxing.differences import crossed_forces, distance, fixed_point
from md_bridge.statics.relaxing.lockstep import relax_together
from md_bridge.statics.rows import Row


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module")
def swirling(folder):
    return crystals.springs(swirl=0.2).export(folder / "swirling.pt")


@pytest.fixture(scope="module")
def pushed(folder):
    return crystals.springs(push=2e-3, quartic=4.0).export(folder / "pushed.pt")


@pytest.fixture(scope="module")
def rough(folder):
    return crystals.springs(ripple=0.01).export(folder / "rough.pt")


def evaluator(path, forces="conservative"):
    return Evaluator(path, ModelOptions(), Row(forces, "none"))


def rattled(seed=1, size=0.05):
    atoms = crystals.fcc(cubic=True)
    atoms.rattle(size, seed=seed)
    return atoms


def test_a_curl_moves_no_fixed_point_and_does_work(swirling):
    """T-R7: z × Σ r vanishes in a crystal with inversion; along the path it does not."""
    (direct,) = relax_together(evaluator(swirling, "direct"), [rattled()], fmax=1e-6, steps=2000)
    (exact,) = relax_together(
        evaluator(swirling), [rattled()], fmax=1e-6, optimizer="fire", steps=2000
    )
    assert direct.converged
    assert exact.converged
    assert distance(exact.end, direct.end).rmsd < 1e-5
    assert abs(direct.residual_work) > 10 * abs(exact.residual_work)
    # work of the swirl is of the first order in its size
    assert direct.work == pytest.approx(-direct.change, rel=0.3)


def test_a_strong_curl_drives_fire_in_circles(folder):
    """T-R7 expects the opposite, and this is what is found: FIRE, which has inertia, is
    driven round by a curl of a quarter of the springs, where LBFGS converges."""
    path = crystals.springs(swirl=0.5).export(folder / "strong.pt")
    found = {}
    for optimizer in ("fire", "lbfgs"):
        (found[optimizer],) = relax_together(
            evaluator(path, "direct"), [rattled()], fmax=1e-6, optimizer=optimizer, steps=400
        )
    assert found["lbfgs"].converged
    assert found["fire"].status == "not converged"
    assert found["fire"].gradient > 0.01


def test_work_of_conservative_forces_is_the_energy(pushed):
    """The error is of the second order in the steps; the work on the cell is counted, too."""
    starts = [rattled(size=0.02), crystals.fcc(2.75, cubic=True)]
    for each in relax_together(evaluator(pushed), starts, cell="full", fmax=1e-6):
        assert each.converged
        assert each.change < 0
        assert each.work == pytest.approx(-each.change, rel=0.05)
        assert each.rise == pytest.approx(0.0, abs=1e-9)


def test_a_push_shifts_the_fixed_point_by_the_inverse_hessian(pushed):
    """T-R8: Δx = H⁻¹ δF, to second order; in rock salt δF is 6 push x̂ on one sublattice."""
    start = crystals.rock_salt()
    forces = {kind: evaluator(pushed, kind) for kind in ("conservative", "direct")}
    ends = {
        kind: relax_together(each, [start], fmax=1e-8, steps=3000)[0]
        for kind, each in forces.items()
    }
    assert all(each.converged for each in ends.values())
    point = fixed_point(
        forces["conservative"],
        forces["direct"],
        ends["conservative"].end,
        ends["direct"].end,
        displacement=1e-3,
    )
    # two sublattices on springs: along x each atom has two of k; relative shift 12 push / (2·2k)
    assert point.predicted == pytest.approx(0.5 * 6 * 2e-3 / (2 * crystals.K), rel=1e-4)
    assert point.found == pytest.approx(point.predicted, rel=1e-3)
    assert point.left < 1e-2 * point.predicted


def test_forces_of_one_kind_where_the_other_vanishes(pushed):
    ends = {
        kind: relax_together(evaluator(pushed, kind), [crystals.rock_salt()], fmax=1e-7, steps=3000)
        for kind in ("conservative", "direct")
    }
    crossed = crossed_forces(
        evaluator(pushed, "direct"), [each.end for each in ends["conservative"]], "conservative"
    )
    assert (crossed.forces, crossed.vanishing) == ("direct", "conservative")
    assert crossed.largest == pytest.approx(6 * 2e-3, rel=1e-4)
    assert crossed.rms == pytest.approx(6 * 2e-3 / np.sqrt(3), rel=1e-4)


@pytest.mark.parametrize("optimizer", ["auto", "bfgs", "fire"])
@pytest.mark.parametrize("model", ["swirling", "pushed", "rough"])
def test_a_walk_ends_at_the_minimum_of_the_energy(request, model, optimizer):
    path = request.getfixturevalue(model)
    (alone,) = relax_together(evaluator(path), [rattled()], fmax=1e-6, steps=3000)
    (found,) = relax_together(
        evaluator(path),
        [rattled()],
        walk=evaluator(path, "direct"),
        optimizer=optimizer,
        fmax=1e-6,
        steps=3000,
    )
    assert found.converged
    assert distance(alone.end, found.end).rmsd < 1e-4
    assert found.evaluations["direct"] >= 2
    assert found.kinds[0] == "direct"
    assert found.kinds[-1] == "conservative"
    # one for the difference at the start, and one each time that it is measured again
    again = sum(found.evaluations.values()) - 1 - len(found.energies)
    assert 0 <= again <= found.evaluations["conservative"] - 2
    if optimizer == "auto":
        assert found.evaluations["conservative"] <= alone.evaluations["conservative"] + 1


def test_a_walk_stops_where_direct_forces_are_wrong(rough):
    """Not far below their difference from the gradient, which is some 0.02 eV/Å here."""
    (found,) = relax_together(
        evaluator(rough), [rattled()], walk=evaluator(rough, "direct"), fmax=1e-6
    )
    direct = found.gradients[[kind == "direct" for kind in found.kinds]]
    assert direct[:-1].min() > 0.005
    assert found.evaluations["direct"] < 60


def test_a_walk_goes_on_where_direct_forces_get_better(swirling, monkeypatch):
    """The swirl vanishes at the minimum as the forces do: what they are off by at the start says
    nothing of them there."""
    start = rattled(size=0.1)
    (found,) = relax_together(
        evaluator(swirling), [start], walk=evaluator(swirling, "direct"), fmax=1e-6
    )
    assert found.converged
    (here,), (there,) = (evaluator(swirling, kind)([start]) for kind in ("conservative", "direct"))
    first = np.linalg.norm(here.forces - there.forces, axis=1).max()
    evaluations, begin, end = found.walk
    assert begin == pytest.approx(there.largest_force)
    assert end < 0.01 * first
    assert found.difference < 0.1 * first
    assert found.kinds.count("direct") == evaluations == found.evaluations["direct"]
    monkeypatch.setattr(moving, "_WORTH", np.inf)
    (short,) = relax_together(
        evaluator(swirling), [start], walk=evaluator(swirling, "direct"), fmax=1e-6
    )
    assert short.walk[2] > 0.1 * first
    assert found.evaluations["conservative"] < short.evaluations["conservative"]


def test_a_walk_that_stays_on_exact_forces_saves_the_others(folder):
    """Direct forces that are the gradient bring it all the way."""
    path = crystals.springs(quartic=4.0).export(folder / "exact.pt")
    (found,) = relax_together(
        evaluator(path), [rattled()], walk=evaluator(path, "direct"), fmax=1e-6
    )
    assert found.converged
    assert found.evaluations["conservative"] == 2
