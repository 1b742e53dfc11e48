"""L-BFGS where the energy is curved the other way."""

import math

import crystals_axis
import pytest
from ase.build import bulk
from ase.optimize import LBFGS

from md_bridge.model_options import ModelOptions
from md_bridge.statics.constraints import make_symmetry
from md_bridge.statics.evaluator import Evaluator
from md_bridge.statics.relaxing import moving
from md_bridge.statics.relaxing.lockstep import relax_together
from md_bridge.statics.rows import Row


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return crystals_axis.lennard_jones().export(tmp_path_factory.mktemp("models") / "lj.pt")


def relaxed(path, space_group, optimizer="lbfgs"):
    """A bcc crystal that is a little longer along z: C₁₁ < C₁₂, so that it is to become fcc."""
    start = bulk("Ar", "bcc", a=3.93, cubic=True)
    start.set_cell(start.cell.array * [1.0, 1.0, 1.04], scale_atoms=True)
    (found,) = relax_together(
        Evaluator(path, ModelOptions(), Row("conservative")),
        [start],
        **{"cell": "full", "optimizer": optimizer, "fmax": 1e-6, "steps": 300},
        symmetry=[make_symmetry(space_group, start)],
    )
    lengths = found.end.cell.lengths()
    return found, lengths[2] / lengths[0]


@pytest.mark.parametrize("space_group", ["free", "fix", "project"])
def test_it_goes_down_from_a_saddle(path, space_group):
    found, ratio = relaxed(path, space_group)
    assert found.converged
    assert ratio == pytest.approx(math.sqrt(2.0), abs=1e-4)
    assert found.energy < found.start_energy
    assert found.energies[-1] == pytest.approx(found.energies.min(), abs=1e-9)
    other, same = relaxed(path, space_group, "bfgs")
    assert same == pytest.approx(ratio, abs=1e-4)
    assert found.steps < 3 * other.steps


def test_without_the_guard_it_does_not(path, monkeypatch):
    """What the guard is for: ASE's own goes up to where forces vanish, too."""
    monkeypatch.setitem(moving._OPTIMIZERS, "lbfgs", LBFGS)
    found, ratio = relaxed(path, "project")
    assert abs(ratio - math.sqrt(2.0)) > 0.1 or not found.converged
