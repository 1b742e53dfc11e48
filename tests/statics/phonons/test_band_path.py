"""The path through the Brillouin zone: seekpath's in terms of any cell, or one from a file."""

import numpy as np
import pytest
from ase.build import bulk

from md_bridge.errors import ArgumentError
from md_bridge.statics.phonons.band_path import make_path
from md_bridge.statics.phonons.crystal import make_crystal


def cartesian(crystal, path):
    """1/Å, without 2π."""
    return path.qpoints @ np.linalg.inv(crystal.primitive.cell.array).T


def test_fcc():
    crystal = make_crystal(bulk("Al", "fcc", a=4.0), (2, 2, 2))
    path = make_path(crystal, "auto", 1e-2)
    assert [name for _, name in path.ticks] == ["Γ", "X", "U|K", "Γ", "L", "W", "X"]
    assert path.distances[0] == 0.0
    assert path.ticks[-1][0] == pytest.approx(path.distances[-1])
    places = cartesian(crystal, path)
    assert np.linalg.norm(places[path.segments[0].stop - 1]) == pytest.approx(1 / 4.0)  # Γ-X
    for segment in path.segments:
        steps = np.linalg.norm(np.diff(places[segment], axis=0), axis=1)
        assert np.diff(path.distances[segment]) == pytest.approx(steps)


def test_the_same_in_any_cell():
    """A conventional cell, its primitive cell, and both turned: corners are as far from Γ."""
    found = []
    for cubic in (False, True):
        atoms = bulk("Si", "diamond", a=5.43, cubic=cubic)
        atoms.rotate(40.0, (1.0, 2.0, 3.0), rotate_cell=True)
        crystal = make_crystal(atoms, (1, 1, 1))
        path = make_path(crystal, "auto", 1e-2)
        places = cartesian(crystal, path)
        found.append(np.linalg.norm(places, axis=1))
        # X and L are half of a vector of the reciprocal lattice
        for number in (path.segments[0].stop - 1, path.segments[3].stop - 1):
            doubled = 2 * path.qpoints[number]
            assert doubled == pytest.approx(np.round(doubled), abs=1e-6)
    assert found[0] == pytest.approx(found[1], abs=1e-6)


def test_a_slightly_broken_cell_has_the_path_of_the_crystal():
    atoms = bulk("Si", "diamond", a=5.43, cubic=True)
    atoms.rattle(1e-3, seed=1)
    path = make_path(make_crystal(atoms, (1, 1, 1)), "auto", 1e-2)
    assert [name for _, name in path.ticks] == ["Γ", "X", "U|K", "Γ", "L", "W", "X"]


def test_from_a_file(tmp_path):
    file = tmp_path / "path.txt"
    file.write_text("GAMMA 0 0 0\nX 0.5 0 0.5\n\nL 0.5 0.5 0.5\nGAMMA 0 0 0\n")
    crystal = make_crystal(bulk("Al", "fcc", a=4.0), (2, 2, 2))
    path = make_path(crystal, str(file), 1e-2)
    assert [name for _, name in path.ticks] == ["Γ", "X|L", "Γ"]
    assert len(path.segments) == 2
    assert path.qpoints[path.segments[1].start] == pytest.approx([0.5, 0.5, 0.5])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "no-such-file cannot be read: No such file or directory"),
        ("X 0 0\nY 1 0 0\n", "line 1 is 'X 0 0'"),
        ("X 0 0 a\n", "line 1 is 'X 0 0 a'"),
        ("X 0 0 0\n", "found no two corners"),
        ("X 0 0 0\n\nY 1 0 0\n", "found no two corners"),
    ],
)
def test_files_that_cannot_be_read(tmp_path, text, message):
    file = tmp_path / "no-such-file"
    if text is not None:
        file.write_text(text)
    crystal = make_crystal(bulk("Al", "fcc", a=4.0), (1, 1, 1))
    with pytest.raises(ArgumentError, match=r"a line for each corner") as found:
        make_path(crystal, str(file), 1e-2)
    assert message in str(found.value)
