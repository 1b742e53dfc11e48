"""What the pages say of the bundled silicon, computed anew: direct forces without a potential, and
what repairs their force constants; and one minimum, whichever forces lead to it."""

from dataclasses import replace

import numpy as np
import pytest
from ase.build import bulk

from md_bridge._paths import DATA
from md_bridge.model_options import ModelOptions
from md_bridge.statics.phonons.api import measure_phonons
from md_bridge.statics.phonons.dynamical_matrix import WAVENUMBERS
from md_bridge.statics.phonons.settings import PhononRequest
from md_bridge.statics.relaxing.api import relax
from md_bridge.statics.relaxing.differences import distance
from md_bridge.statics.relaxing.request import DIRECT_THEN_CONSERVATIVE, KINDS, RelaxRequest
from md_bridge.statics.relaxing.settings import RelaxSettings
from md_bridge.statics.rows import Row, make_rows
from md_bridge.statics.starts import Start

MODEL = DATA / "silicon.pt"
LATTICE = 5.431
"""Å, of the potential that it was trained on."""
ONE_THREAD = ModelOptions(threads=1)


def test_force_constants_and_what_repairs_them():
    request = PhononRequest(
        *(MODEL, bulk("Si", "diamond", a=LATTICE)),
        forces=("conservative", "direct"),
        corrections=("raw", "space-group", "symfc"),
        supercell=(2, 2, 2),
        mesh=2,
        double=True,
        model_options=ONE_THREAD,
    )
    report = measure_phonons(request, lambda *_: None)
    found = {(each.row.forces, each.correction): each for each in report.results}
    assert found["direct", "raw"].violations.permutation > 5e-3
    assert found["conservative", "raw"].violations.permutation < 1e-4
    for forces in ("conservative", "direct"):
        splitting = {name: found[forces, name].splitting for name in request.corrections}
        assert WAVENUMBERS * splitting["raw"] > 1.0
        assert WAVENUMBERS * splitting["space-group"] < 0.01
        assert WAVENUMBERS * splitting["symfc"] < 0.01
        assert found[forces, "symfc"].violations.permutation < 1e-6
        assert found[forces, "symfc"].violations.space_group < 1e-6


def test_one_minimum_from_two_starts():
    """With the gradient alone and after a walk; direct forces vanish elsewhere, but near."""
    starts = []
    for seed in range(2):
        atoms = bulk("Si", "diamond", a=LATTICE)
        atoms.rattle(0.1, seed=seed)
        starts.append(Start(f"s{seed}", atoms))
    kinds = ["conservative", "direct", DIRECT_THEN_CONSERVATIVE]
    rows = tuple(make_rows(kinds, ["none"], KINDS))
    settings = RelaxSettings(fmax=1e-4, steps=300)
    request = RelaxRequest(MODEL, tuple(starts), rows, settings, double=True)
    found = relax(replace(request, model_options=ONE_THREAD))
    for row in rows:
        assert found.converged(row) == 2, found.relaxed[row]
    ends = {kind: [each.end for each in found.relaxed[Row(kind, "none")]] for kind in kinds}
    gradient = [*ends["conservative"], *ends[DIRECT_THEN_CONSERVATIVE]]
    apart = [distance(gradient[0], end).rmsd for end in gradient[1:]]
    assert max(apart) < 1e-4
    direct = [distance(gradient[0], end).rmsd for end in ends["direct"]]
    assert direct[0] == pytest.approx(direct[1], abs=1e-4)
    assert max(direct) < 0.02
    assert np.ptp([each.energy for each in found.relaxed[rows[0]]]) < 1e-6
