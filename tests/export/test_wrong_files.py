"""Files made to be wrong, each in a way that a run does not show: ``md-bridge check`` names it."""

import json

import models
import numpy as np
import pytest
import wrong_models
from click.testing import CliRunner
from metatrain.cli.export import export_model
from pet_models import LONG_RANGE, pet_checkpoint, trained_pet_checkpoint

from md_bridge._paths import DATA
from md_bridge.cli.models.check import check
from md_bridge.export import export_file
from md_bridge.export.checks.invariances import check_invariance
from md_bridge.export.checks.locality import check_locality
from md_bridge.export.checks.runner import Runner
from md_bridge.export.checks.single_precision import check_single_precision
from md_bridge.export.checks.structures import lattice

ADAPTIVE = {"num_neighbors_adaptive": 8}
SPARSE = {"elements": (19,), "cutoff": 7.5, "num_gnn_layers": 1, "num_neighbors_adaptive": 16}


def weighted(folder, of_pairs):
    return wrong_models.weighted(of_pairs).export(folder / "weighted.pt")


def by_metatrain(checkpoint):
    """What ``mtt export`` makes of it."""
    path = checkpoint.with_suffix(".pt")
    export_model(checkpoint, path, extensions=checkpoint.parent / "extensions")
    return path


# fault -> how to make such a file, the checks that find it, what the first says to do
WRONG = {
    "order of atoms": (
        lambda folder: weighted(folder, of_pairs=False),
        {"permutation"},
        "sum over atoms without looking at their indices",
    ),
    "order of pairs": (
        lambda folder: weighted(folder, of_pairs=True),
        {"order of pairs"},
        "use no index of a pair but those of its atoms",
    ),
    "range of an adaptive cutoff": (
        lambda folder: by_metatrain(pet_checkpoint(folder / "m.ckpt", **SPARSE)),
        {"locality"},
        "--layers 3, or --interaction-range 22.5",
    ),
    "padding with a real pair": (
        lambda folder: by_metatrain(trained_pet_checkpoint(folder / "m.ckpt", **ADAPTIVE)),
        {"single precision", "locality"},
        "Export the checkpoint with md-bridge export, which mends that, or in double precision",
    ),
}


@pytest.mark.parametrize("fault", WRONG)
def test_check_fails_and_says_what_to_do(tmp_path, fault):
    make, names, advice = WRONG[fault]
    done = CliRunner().invoke(check, [str(make(tmp_path)), "--json"])
    assert done.exit_code == 3, done.output
    failed = {c["name"]: c for c in json.loads(done.stdout)["checks"] if c["passed"] is False}
    assert names <= set(failed)
    assert any(advice in failed[name]["detail"] for name in names)


@pytest.mark.parametrize(
    "hypers", [{}, ADAPTIVE, {**ADAPTIVE, "adaptive_cutoff_method": "grid"}], ids=str
)
def test_no_alarm_for_padding_that_touches_no_pair(tmp_path, hypers):
    """Trained weights, exported by us: rounding alone."""
    path = export_file(trained_pet_checkpoint(tmp_path / "m.ckpt", **hypers), tmp_path / "m.pt")
    found = check_single_precision(Runner(path), Runner(path, double=True), [1, 8])
    assert found.passed, found
    assert found.value < 5


def test_no_alarm_for_the_bundled_model():
    path = DATA / "water.pt"
    found = check_single_precision(Runner(path), Runner(path, double=True), [1, 8])
    assert found.passed, found
    assert found.value < 5


def test_long_range_pairs_that_are_not_grouped_by_centre(tmp_path):
    """Not by the command: all checks of a mesh take minutes."""
    checkpoint = pet_checkpoint(tmp_path / "m.ckpt", long_range=LONG_RANGE)
    theirs = Runner(by_metatrain(checkpoint), double=True)
    found = check_invariance("order of pairs", theirs, [lattice([1, 8])])
    assert found.passed is False
    assert "export the checkpoint with md-bridge export" in found.detail
    reach = check_locality(theirs, [1, 8])
    assert reach.passed is False
    assert "--interaction-range inf" in reach.detail
    ours = Runner(export_file(checkpoint, tmp_path / "ours.pt"), double=True)
    assert not np.isfinite(ours.interaction_range)
    for name in ("order of pairs", "permutation", "translation"):
        found = check_invariance(name, ours, [lattice([1, 8])])
        assert found.passed, found


def test_single_precision_is_compared_where_there_is_a_double_one(tmp_path):
    path = models.curl().export(tmp_path / "m.pt")
    found = check_single_precision(Runner(path), Runner(path), [18])
    assert found.passed is None
    assert found.detail == "not checked: the model is in double precision"
