"""Crystals whose atoms are a little off: as a file has them that was relaxed by an unconstrained
model, or with atoms that are held."""

import crystals_phonons as crystals
import numpy as np
import pytest
from ase.build import bulk
from ase.constraints import FixAtoms

from md_bridge.statics.phonons.api import measure_phonons
from md_bridge.statics.phonons.crystal import make_crystal
from md_bridge.statics.phonons.operations import find_operations
from md_bridge.statics.phonons.projectors import correct
from md_bridge.statics.phonons.settings import PhononRequest
from md_bridge.statics.phonons.violations import measure_violations

OFF = 5e-4
"""Å: more than spglib and symfc take for exact, less than ``--symprec``."""


def rattled(atoms, off=OFF):
    atoms.rattle(off, seed=3)
    return atoms


@pytest.fixture(scope="module")
def springs(tmp_path_factory):
    return crystals.bonds(swirl=0.05).export(tmp_path_factory.mktemp("models") / "m.pt")


def test_all_corrections_at_once_impose_the_group_within_symprec():
    """And nothing that permutations and sums need is lost by that."""
    crystal = make_crystal(rattled(bulk("Si", "diamond", a=5.43, cubic=True)), (1, 1, 1))
    operations = find_operations(crystal, 1e-2)
    assert len(operations) == 192
    compact = np.random.default_rng(7).normal(size=(8, 8, 3, 3))
    corrected = correct(crystal, operations, compact, "symfc")
    found = measure_violations(crystal, operations, corrected)
    assert found.space_group < 1e-7
    assert max(found.permutation, found.acoustic, found.net_force) < 1e-7
    once_more = correct(crystal, operations, corrected, "symfc")
    assert once_more == pytest.approx(corrected, abs=1e-8)
    assert np.linalg.norm(corrected) > 0.01 * np.linalg.norm(compact)


@pytest.mark.parametrize(("off", "atoms"), [(0.0, 1), (OFF, 4)])
def test_a_primitive_cell_that_is_not_the_ideal_one(springs, off, atoms):
    """What it costs, and whose thermal functions they are, is said."""
    conventional = rattled(bulk("Ar", "fcc", a=np.sqrt(2.0) * crystals.BOND, cubic=True), off)
    request = PhononRequest(springs, conventional, supercell=(1, 1, 1), mesh=2)
    report = measure_phonons(request, lambda *_: None)
    assert len(report.crystal.primitive) == atoms
    assert {each.evaluations for each in report.results} == {6 * atoms}
    told = [text for text in report.warnings if "the primitive cell of the crystal has" in text]
    assert len(told) == (off > 0.0)
    if told:
        assert told[0].startswith("Within 0.01 Å the primitive cell of the crystal has 1 atoms, ")
        assert "all 4 of the given cell are displaced: 4 times as many evaluations" in told[0]


def test_isotopes_are_no_distortion(springs):
    conventional = bulk("Ar", "fcc", a=np.sqrt(2.0) * crystals.BOND, cubic=True)
    conventional.set_masses([36.0, 40.0, 40.0, 40.0])
    request = PhononRequest(springs, conventional, supercell=(1, 1, 1), mesh=2)
    report = measure_phonons(request, lambda *_: None)
    assert len(report.crystal.primitive) == 4
    assert not any("the primitive cell" in text for text in report.warnings)


def test_atoms_that_a_file_holds_come_to_rest(springs):
    atoms = bulk("ArKr", "rocksalt", a=2.0 * crystals.BOND)
    atoms.positions[1, 0] += 0.05
    atoms.set_constraint(FixAtoms([0, 1]))
    request = PhononRequest(
        springs, atoms, supercell=(2, 2, 2), mesh=2, corrections=("raw",), relax=True
    )
    report = measure_phonons(request, lambda *_: None)
    assert report.relaxation_converged
    assert report.residual_forces["conservative"] < 1e-4
