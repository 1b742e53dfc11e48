"""What cannot be, or limits the numbers, is said in a sentence."""

from pathlib import Path

import crystals_phonons as crystals
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule

from md_bridge.ase.space_group import SpaceGroupError
from md_bridge.errors import ArgumentError
from md_bridge.statics.errors import StaticsError
from md_bridge.statics.phonons.api import analyse_force_constants
from md_bridge.statics.phonons.band_path import make_path
from md_bridge.statics.phonons.checks import residual_warning, set_warning, supercell_warnings
from md_bridge.statics.phonons.crystal import make_crystal, multiples_for
from md_bridge.statics.phonons.dynamical_matrix import THZ
from md_bridge.statics.phonons.modes import Gamma, count_imaginary
from md_bridge.statics.phonons.operations import find_operations
from md_bridge.statics.phonons.results import reference_of
from md_bridge.statics.phonons.settings import PhononRequest
from md_bridge.statics.rows import Row


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"supercell": (2, 2)}, "supercell must be three whole numbers .* as in 2,2,2; found 2,2"),
        ({"supercell": (2, 2, 1.5)}, "found 2,2,1.5"),
        ({"supercell": (2, 2, 0)}, "found 2,2,0"),
        ({"length": -1.0}, "length must be a positive length in Å, found -1"),
        ({"displacement": 0.0}, "displacement must be a positive length in Å, found 0"),
        ({"displacement": 2.0}, "displacement must be far below the distance of atoms"),
        ({"temperature": -5.0}, "temperature must be 0 K or more, found -5"),
        ({"mesh": 0}, "mesh must be 1 or more, found 0"),
        ({"forces": ("conservativ",)}, "found 'conservativ': did you mean 'conservative'?"),
        ({"forces": ("direct", "direct")}, "forces must be different names"),
        ({"symmetrize": ("random",)}, "random draws another rotation at every evaluation"),
        ({"corrections": ("asr", "none")}, "corrections found 'none'"),
        ({"host": "lamps"}, "host found 'lamps': did you mean 'lammps'?"),
        ({"host": "lammps", "forces": ("direct",)}, "choose the host phonopy, i-pi or autograd"),
        ({"host": "lammps", "fast": True}, "fast is a set of displacements of phonopy"),
        ({"host": "lammps", "forces": ("conservative", "direct")}, "choose the host phonopy, i-pi"),
        ({"scan": "0.3:0.001"}, "scan must be two displacements"),
    ],
)
def test_options(options, message):
    with pytest.raises(ArgumentError, match=message):
        PhononRequest(Path("model.pt"), crystals.fcc(), **options)


@pytest.mark.parametrize(
    ("atoms", "message"),
    [
        (
            molecule("H2O"),
            r"periodic in all three directions; found .* pbc \[False, False, False\]",
        ),
        (Atoms("H", cell=[1, 0, 0], pbc=True), "a cell of rank 1"),
        (Atoms(cell=[1, 1, 1], pbc=True), "the structure has none"),
    ],
)
def test_no_crystal(atoms, message):
    with pytest.raises(StaticsError, match=message):
        PhononRequest(Path("model.pt"), atoms)


def test_a_cell_that_spglib_cannot_read():
    atoms = Atoms("Ar2", [[0, 0, 0], [0, 0, 1e-7]], cell=[4, 4, 4], pbc=True)
    with pytest.raises(SpaceGroupError, match="nearer to each other than that"):
        make_crystal(atoms, (1, 1, 1))


def test_too_large_a_supercell():
    with pytest.raises(StaticsError, match="has 64000 atoms, and 20000 is the most"):
        make_crystal(crystals.fcc(), (40, 40, 40))


def test_length():
    atoms = bulk("Ar", "fcc", a=5.0)  # planes of a primitive cell are 5/√3 apart
    assert multiples_for(atoms, 11.4) == (4, 4, 4)
    assert multiples_for(atoms, 4 * 5.0 / np.sqrt(3.0)) == (4, 4, 4)
    assert multiples_for(bulk("Ar", "fcc", a=5.0, cubic=True), 11.4) == (3, 3, 3)
    request = PhononRequest(Path("model.pt"), atoms, length=11.4)
    assert request.multiples == (4, 4, 4)
    assert PhononRequest(Path("model.pt"), atoms, supercell=(1, 2, 3)).multiples == (1, 2, 3)


class TestLimits:
    @pytest.fixture(scope="class")
    def crystal(self):
        return make_crystal(bulk("Ar", "fcc", a=5.0, cubic=True), (2, 2, 3))

    def test_of_the_supercell(self, crystal):
        operations = find_operations(crystal, 1e-3)
        range_, shape = supercell_warnings(crystal, operations, 6.0)
        assert "2,2,3 is 10 Å wide, less than twice the range of the model (6 Å)" in range_
        assert "A length of 12 leaves nothing out" in range_
        assert "has 16 of the 48 operations of Fm-3m (225)" in shape
        (shape,) = supercell_warnings(crystal, operations, 5.0)
        first, _ = supercell_warnings(crystal, operations, float("inf"))
        assert first.startswith("The model has long-range interactions")

    def test_of_forces(self):
        assert residual_warning("direct", 1e-3) == []
        (sentence,) = residual_warning("direct", 0.02)
        assert "With direct forces the crystal is not at rest: the largest is 0.02 eV/Å" in sentence

    def test_of_sets(self, crystal):
        operations = find_operations(crystal, 1e-3)
        assert set_warning(operations, "octahedral") == []
        assert set_warning(operations, "none") == []

    def test_hexagonal_crystal_and_a_set_without_its_axis(self):
        crystal = make_crystal(bulk("Mg", "hcp", a=3.2, c=5.2), (2, 2, 2))
        operations = find_operations(crystal, 1e-3)
        (sentence,) = set_warning(operations, "octahedral")
        assert "octahedral has 4 of the 12 rotations of the crystal" in sentence
        assert "hexagonal has a six-fold axis along z" in sentence
        assert set_warning(operations, "hexagonal") == []

    def test_a_turned_cubic_crystal(self):
        atoms = crystals.fcc()
        atoms.rotate(10.0, "z", rotate_cell=True)
        operations = find_operations(make_crystal(atoms, (1, 1, 1)), 1e-3)
        (sentence,) = set_warning(operations, "octahedral")
        assert "turn the crystal so that its axes are along x, y and z" in sentence


def test_matbench_counts_imaginary_modes():
    gamma = Gamma(acoustic=(-0.02, -0.005, 0.0), optical=(-0.002, 1.0))
    found = count_imaginary(gamma, np.array([-0.5, -1e-5, 2.0]))
    assert (found.acoustic_at_gamma, found.optical_at_gamma, found.elsewhere) == (1, 1, 1)
    assert found.lowest == -0.5
    assert found.any
    assert not count_imaginary(Gamma((-0.005, 0.0, 0.0), ()), np.array([1.0])).any


@pytest.mark.parametrize("mesh", [3, 4])
def test_gamma_on_an_odd_mesh_is_not_elsewhere(mesh):
    """Acoustic modes at Γ of −0.005 THz are rounding by the rule, on whatever mesh."""
    crystal = make_crystal(crystals.fcc(), (3, 3, 3))
    vectors, weights = crystal.shortest
    apart = np.einsum("ikm,ikmc->ikc", weights, vectors) @ crystal.primitive.cell.array
    compact = np.zeros((1, len(crystal.supercell), 3, 3))
    compact[0, np.abs(np.linalg.norm(apart[0], axis=1) - crystals.BOND) < 0.1] = -np.eye(3)
    off = crystal.primitive.get_masses()[0] * (0.005 / THZ) ** 2
    compact[0, crystal.first[0]] = (12.0 - off) * np.eye(3)
    found = analyse_force_constants(
        *(crystal, find_operations(crystal, 1e-3), make_path(crystal, "auto", 1e-2), compact),
        row=Row("conservative"),
        correction="raw",
        mesh=mesh,
        temperature=300.0,
    )
    assert found.gamma.acoustic == pytest.approx((-0.005,) * 3, rel=1e-4)
    assert not found.imaginary.any


def test_the_reference():
    class Result:
        def __init__(self, forces, symmetrize, correction):
            self.row, self.correction = Row(forces, symmetrize), correction

    results = tuple(
        Result(forces, symmetrize, correction)
        for forces in ("conservative", "direct")
        for symmetrize in ("icosahedral", "octahedral", "none")
        for correction in ("symfc", "raw")
    )
    found = reference_of(results)
    assert (found.row.label, found.correction) == ("conservative, octahedral", "symfc")
    direct = tuple(each for each in results if each.row.forces == "direct")
    assert reference_of(direct).row.label == "direct, octahedral"
