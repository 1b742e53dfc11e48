"""examples/conductivity: a model goes all the way to thermal conductivity (needs phono3py)."""

import importlib
import importlib.util
from pathlib import Path

import click
import pytest

from md_bridge._paths import DATA
from md_bridge.engine import set_threads
from md_bridge.export import export_module
from md_bridge.statics.rows import Row

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("phono3py") is None,
    reason="needs phono3py, which md-bridge does not bring: pip install phono3py",
)
EXAMPLES = Path(__file__).parents[3] / "examples"


@pytest.fixture
def example(monkeypatch):
    for folder in ("silicon", "conductivity"):
        monkeypatch.syspath_prepend(str(EXAMPLES / folder))
    return importlib.import_module


@pytest.fixture
def coarse(example):
    """A third-order supercell of 64 atoms, far too few wave vectors."""
    return example("conductivity").Settings(mesh=(7, 7, 7))


@pytest.mark.slow
def test_the_potential_and_the_model_that_was_trained_on_it(example, coarse, tmp_path):
    set_threads(1)
    sw, cell = example("stillinger_weber"), example("make_data").crystal((1, 1, 1))
    truth = export_module(
        sw.silicon(),
        tmp_path / "sw.pt",
        elements=["Si"],
        cutoff=sw.CUTOFF,
        layers=1,
        dtype="float64",
    )
    run = example("conductivity").conductivity_of_model
    exact = run(truth, cell, Row("conservative"), coarse)
    found = run(DATA / "silicon.pt", cell, Row("conservative"), coarse)
    assert not exact["imaginary"]
    assert not found["imaginary"]
    assert exact["kappa"] == pytest.approx(exact["intraband"] + exact["interband"])
    assert exact["volume"] == pytest.approx(5.431**3 / 8, rel=1e-3)
    assert exact["kappa"] == pytest.approx(381.9, rel=0.01)
    assert found["kappa"] == pytest.approx(exact["kappa"], rel=0.35)


def test_lengths(example):
    lengths = example("conductivity").lengths
    assert lengths("2") == (2, 2, 2)
    assert lengths("1,2,3") == (1, 2, 3)
    for wrong in ("0,1,2", "1,2", "a"):
        with pytest.raises(click.BadParameter, match="three positive"):
            lengths(wrong)
