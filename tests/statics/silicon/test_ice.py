"""examples/ice: the crystal is ice XI."""

import importlib
from pathlib import Path

import numpy as np
import pytest
import spglib
from ase.io import read
from ase.neighborlist import neighbor_list

FOLDER = Path(__file__).parents[3] / "examples" / "ice"


@pytest.fixture
def ice():
    return read(FOLDER / "ice-xi.xyz")


def test_eight_molecules_with_ordered_protons(ice):
    cell = (ice.cell[:], ice.get_scaled_positions(), ice.numbers)
    assert spglib.get_spacegroup(cell, symprec=1e-4) == "Cmc2_1 (36)"
    assert ice.get_chemical_formula() == "H16O8"
    oxygens = np.flatnonzero(ice.numbers == 8)
    first, second, distance = neighbor_list("ijd", ice, 2.9)
    bonds = distance[(distance < 1.2) & np.isin(first, oxygens)]
    np.testing.assert_allclose(bonds, 0.98, atol=1e-6)
    assert len(bonds) == 16
    neighbours = distance[np.isin(first, oxygens) & np.isin(second, oxygens)]
    np.testing.assert_allclose(neighbours, 2.76, atol=1e-6)
    assert len(neighbours) == 32


def test_one_proton_between_two_oxygens(ice):
    """The ice rules: each oxygen gives two protons and takes two."""
    first, second, distance = neighbor_list("ijd", ice, 1.9)
    hydrogens = np.flatnonzero(ice.numbers == 1)
    taken = np.bincount(second[np.isin(first, hydrogens) & (distance > 1.2)], minlength=24)
    near = distance[np.isin(first, hydrogens) & (ice.numbers[second] == 8)]
    assert sorted(np.unique(near.round(3))) == [0.98, 1.78]
    np.testing.assert_array_equal(taken[ice.numbers == 8], 2)


def test_the_file_is_what_the_script_makes(ice, monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    made = importlib.import_module("make_ice").ice_xi()
    np.testing.assert_allclose(ice.positions, made.positions, atol=1e-6)
    np.testing.assert_allclose(ice.cell[:], made.cell[:], atol=1e-6)
