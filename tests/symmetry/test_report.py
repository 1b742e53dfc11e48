"""What is printed of a measurement: nothing that is rounding, and no more than is known."""

import models
import pytest
from ase.build import bulk

from md_bridge.symmetry.models.measure import measure_model
from md_bridge.symmetry.models.request import SymmetryRequest
from md_bridge.symmetry.report.sentences import sentences
from md_bridge.symmetry.report.tables import ERROR_COLUMNS, error_rows, sections


def measure(path, **options):
    atoms = bulk("Ar", "fcc", a=5.4, cubic=True)
    atoms.rattle(0.1, seed=2)
    return measure_model(SymmetryRequest(path, (atoms,), **options), lambda what, share: None)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("report")


@pytest.fixture(scope="module")
def symmetric(folder):
    """Of pair distances, in single precision: all that changes with the orientation is rounding."""
    path = models.lennard_jones().export(folder / "lj.pt", "float32")
    return measure(path, lmax=2, orientations=2)


def test_nothing_is_printed_below_the_floor(symmetric):
    rounding = [name for name, _ in ERROR_COLUMNS].index("rounding")
    for row in error_rows(symmetric):
        shown = [cell for i, cell in enumerate(row.cells[1:], 1) if i != rounding]
        assert set(shown) <= {"·", "-"}, row.cells
    titles = [section.title for section in sections(symmetric)]
    assert titles[0] == "Error for each element"
    assert len(titles) == 3
    for section in sections(symmetric):
        for row in section.rows:
            assert set(row.cells[1:]) <= {"·", "", "+", "−"}, (section.title, row.cells)
    assert sentences(symmetric)[0] == (
        "No average is needed for a tolerance of 1 meV/Å: the error of a component of the forces "
        "is rounding."
    )
