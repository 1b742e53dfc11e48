"""Structures that runs can start from."""

import ase.io
import pytest
from ase import Atoms

from md_bridge.drift.runs.starts import read_periodic_structure
from md_bridge.structures import StructureError


@pytest.mark.parametrize("mass", [2.014, 1.008])
def test_several_isotopes_of_one_element_are_refused(tmp_path, mass):
    """HDO would run in LAMMPS, which has one mass for a type, as H2O."""
    water = Atoms("OHH", [[0, 0, 0], [0.96, 0, 0], [-0.24, 0.93, 0]], cell=[12.0] * 3, pbc=True)
    water.set_masses([15.999, 1.008, mass])
    path = tmp_path / "water.xyz"
    ase.io.write(path, water, format="extxyz", columns=["symbols", "positions", "masses"])
    if mass == 1.008:
        assert len(read_periodic_structure(path)) == 3
    else:
        with pytest.raises(StructureError, match=r"H has atoms of 2 masses \(1\.008, 2\.014\)"):
            read_periodic_structure(path)
