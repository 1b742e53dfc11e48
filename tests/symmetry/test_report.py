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


def recommendation(path, **options):
    """The first sentence."""
    options = {"quantities": ("conservative_forces",), "orientations": 0, **options}
    return sentences(measure(path, **options))[0]


class TestRecommendation:
    @pytest.mark.parametrize(("proper", "groups"), [(True, "two"), (False, "four")])
    def test_the_groups_are_not_all_the_sets(self, folder, proper, groups):
        path = models.anisotropic({6: 0.03}).export(folder / f"l6-{groups}.pt")
        found = recommendation(path, lmax=7, tolerance=1e-3, proper=proper)
        last = "icosahedral" if proper else "icosahedral/inversion"
        start = (
            f"None of the {groups} groups leaves 0.001 meV/Å or less of a component of the forces: "
            f"{last} leaves "
        )
        assert found.startswith(start)
        assert float(found.removeprefix(start).partition(" meV/Å")[0]) > 0.1
        assert found.endswith("A grid, lebedev:L, may leave less.")

    def test_what_a_guard_objects_to_is_known_up_to_lmax(self, folder):
        """λ = lmax = 4 holds all of it, so there may be more."""
        path = models.anisotropic({4: 0.03}).export(folder / "l4.pt")
        start = "For a tolerance of 7 meV/Å{}, symmetrize octahedral is the smallest set: it leaves"
        complete, limited = (
            recommendation(path, lmax=lmax, tolerance=7.0, proper=True) for lmax in (5, 4)
        )
        assert complete.startswith(start.format(""))
        assert limited.startswith(start.format(" as far as λ ≤ 4"))
