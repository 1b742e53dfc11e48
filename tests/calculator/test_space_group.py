"""Results averaged over the space group of a crystal: what a symmetric model would give."""

import logging
import pickle
import sys
from dataclasses import replace

import models
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, fcc111, molecule
from ase.calculators.calculator import PropertyNotImplementedError
from ase.calculators.lj import LennardJones
from ase.calculators.mixing import SumCalculator
from ase.constraints import FixSymmetry
from ase.filters import FrechetCellFilter
from ase.optimize import BFGS
from ase.spacegroup import crystal
from ase.stress import full_3x3_to_voigt_6_stress

from md_bridge import extras
from md_bridge.ase import (
    MDBridgeCalculator,
    SpaceGroupCalculator,
    SpaceGroupError,
    find_space_group,
    project_scalars,
    project_tensor,
    project_tensors,
    project_vectors,
)
from md_bridge.ase.space_group import _require_group
from md_bridge.extras import MissingExtraError

RNG = np.random.default_rng(3)


def rutile(**options):
    """Two free parameters of the cell, and one of a krypton atom along [110]."""
    sites = [(0, 0, 0), (0.31, 0.31, 0)]
    cell = [7.6, 7.6, 5.6, 90, 90, 90]
    return crystal(["Ar", "Kr"], sites, spacegroup=136, cellpar=cell, **options)


CRYSTALS = {
    "diamond": bulk("Si", "diamond", a=5.43),
    "a supercell of diamond": bulk("Si", "diamond", a=5.43, cubic=True) * (1, 1, 2),
    "hcp": bulk("Ar", "hcp", a=3.8, c=6.2),
    "rutile": rutile(),
    "calcite, rhombohedral": crystal(
        ["Ca", "C", "O"],
        [(0, 0, 0), (0, 0, 0.25), (0.257, 0, 0.25)],
        spacegroup=167,
        cellpar=[4.99, 4.99, 17.06, 90, 90, 120],
        primitive_cell=True,
    ),
    "monoclinic, turned": crystal(
        ["Ar"], [(0.1, 0.2, 0.3)], spacegroup=14, cellpar=[5, 6, 7, 90, 105, 90]
    ),
}
CRYSTALS["monoclinic, turned"].rotate(40, (1, 2, 3), rotate_cell=True)
EVERY = pytest.mark.parametrize("atoms", CRYSTALS.values(), ids=CRYSTALS)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """Energies and forces that know the direction z."""
    path = tmp_path_factory.mktemp("anisotropic") / "anisotropic.pt"
    return models.anisotropic({0: 0.05, 1: 0.01, 2: -0.03, 4: 0.02}).export(path)


def symmetric_tensor():
    tensor = RNG.normal(size=(3, 3))
    return tensor + tensor.T


@EVERY
def test_projections_are_those_of_ase(atoms):
    """ASE's FixSymmetry finds its operations by spglib, too, and takes the mean in its own way."""
    group = find_space_group(atoms)
    forces, stress = (
        RNG.normal(size=(len(atoms), 3)),
        full_3x3_to_voigt_6_stress(symmetric_tensor()),
    )
    moved = atoms.copy()
    constraint = FixSymmetry(moved, symprec=1e-5)
    expected_forces, expected_stress = forces.copy(), stress.copy()
    constraint.adjust_forces(moved, expected_forces)
    constraint.adjust_stress(moved, expected_stress)
    np.testing.assert_allclose(project_vectors(group, forces), expected_forces, atol=1e-12)
    voigt = full_3x3_to_voigt_6_stress(project_tensor(group, _full(stress)))
    np.testing.assert_allclose(voigt, expected_stress, atol=1e-12)


def _full(voigt):
    xx, yy, zz, yz, xz, xy = voigt
    return np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])


@EVERY
def test_a_projection_is_a_fixed_point_that_every_operation_leaves(atoms):
    group = find_space_group(atoms)
    vectors = project_vectors(group, RNG.normal(size=(len(atoms), 3)))
    tensor = project_tensor(group, symmetric_tensor())
    tensors = project_tensors(group, RNG.normal(size=(len(atoms), 3, 3)))
    scalars = project_scalars(group, RNG.normal(size=len(atoms)))
    np.testing.assert_allclose(project_vectors(group, vectors), vectors, atol=1e-13)
    np.testing.assert_allclose(project_tensor(group, tensor), tensor, atol=1e-13)
    np.testing.assert_allclose(project_tensors(group, tensors), tensors, atol=1e-13)
    np.testing.assert_allclose(project_scalars(group, scalars), scalars, atol=1e-13)
    for rotation, image in zip(group.rotations, group.permutations, strict=True):
        np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
        np.testing.assert_allclose(vectors[image], vectors @ rotation.T, atol=1e-12)
        np.testing.assert_allclose(rotation @ tensor @ rotation.T, tensor, atol=1e-12)
        np.testing.assert_allclose(tensors[image], rotation @ tensors @ rotation.T, atol=1e-12)


def test_what_the_symmetry_forbids_is_zero():
    for name in ("diamond", "hcp"):
        atoms = CRYSTALS[name]
        forces = project_vectors(find_space_group(atoms), RNG.normal(size=(len(atoms), 3)))
        assert np.abs(forces).max() < 1e-15  # no site has a free direction
    stress = project_tensor(find_space_group(CRYSTALS["diamond"]), symmetric_tensor())
    np.testing.assert_allclose(stress, stress[0, 0] * np.eye(3), atol=1e-15)
    stress = project_tensor(find_space_group(CRYSTALS["hcp"]), symmetric_tensor())
    np.testing.assert_allclose(stress, np.diag([stress[0, 0]] * 2 + [stress[2, 2]]), atol=1e-14)
    forces = project_vectors(find_space_group(rutile()), RNG.normal(size=(6, 3)))
    np.testing.assert_allclose(forces[:2], 0, atol=1e-15)
    assert np.abs(forces[2:, :2]).min() > 1e-3  # along the diagonals
    np.testing.assert_allclose(forces[2:, 2], 0, atol=1e-15)
    np.testing.assert_allclose(np.abs(forces[2:, 0]), np.abs(forces[2:, 1]), atol=1e-15)


def test_an_hcp_crystal_keeps_what_a_set_of_rotations_breaks(model):
    """docs/symmetry.md: no set has an axis of order 6."""
    atoms = bulk("Ar", "hcp", a=3.8, c=6.2)
    atoms.calc = MDBridgeCalculator(model, symmetrize="octahedral")
    stress = atoms.get_stress()
    assert np.abs(atoms.get_forces()).max() > 1e-5
    assert abs(stress[0] - stress[1]) > 1e-6
    atoms.calc = SpaceGroupCalculator(atoms.calc)
    assert np.abs(atoms.get_forces()).max() < 1e-15
    found = atoms.get_stress()
    mean = (stress[0] + stress[1]) / 2
    np.testing.assert_allclose(found, [mean, mean, stress[2], 0, 0, 0], atol=1e-14)
    assert len(atoms.calc.space_group) == 24
    assert atoms.calc.space_group.symbol == "P6_3/mmc (194)"


def test_forces_are_the_gradient_along_symmetric_displacements(model):
    """And the stress that along symmetric strains, per volume."""
    atoms = rutile()
    atoms.calc = SpaceGroupCalculator(MDBridgeCalculator(model))
    raw = MDBridgeCalculator(model)
    group = find_space_group(atoms)
    direction = project_vectors(group, RNG.normal(size=(len(atoms), 3)))
    strain = project_tensor(group, symmetric_tensor())

    def energy(displacement, step):
        moved = atoms.copy()
        moved.positions += displacement * direction
        moved.set_cell(moved.cell.array @ (np.eye(3) + step * strain), scale_atoms=True)
        return raw.get_potential_energy(moved)

    h = 1e-5
    slope = (energy(h, 0) - energy(-h, 0)) / (2 * h)
    forces = atoms.get_forces()
    assert np.sum(forces * direction) == pytest.approx(-slope, rel=1e-6)
    slope = (energy(0, h) - energy(0, -h)) / (2 * h)
    stress = atoms.get_stress(voigt=False)
    assert atoms.get_volume() * np.sum(stress * strain) == pytest.approx(slope, rel=1e-6)
    assert np.abs(forces - raw.get_forces(atoms)).max() > 1e-3  # not what the model says
    assert atoms.get_potential_energy() == raw.get_potential_energy(atoms)


def test_values_of_atoms_are_means_over_equivalent_ones(model):
    atoms = rutile()
    atoms.calc = SpaceGroupCalculator(MDBridgeCalculator(model))
    raw = MDBridgeCalculator(model)
    energies = atoms.get_potential_energies()
    assert np.ptp(energies[:2]) < 1e-15
    assert np.ptp(energies[2:]) < 1e-15
    assert energies.sum() == pytest.approx(raw.get_potential_energy(atoms), abs=1e-12)
    lennard_jones = SpaceGroupCalculator(LennardJones(sigma=3.4, epsilon=0.01, rc=6.0))
    stresses, stress = (lennard_jones.get_property(n, atoms) for n in ("stresses", "stress"))
    np.testing.assert_allclose(stresses.sum(axis=0), stress, atol=1e-12)
    # which is symmetric by construction: nothing may change
    forces = lennard_jones.get_forces(atoms)
    np.testing.assert_allclose(forces, lennard_jones.calculator.get_forces(atoms), atol=1e-12)


@pytest.mark.parametrize("projected", [True, False])
def test_a_relaxation_keeps_the_space_group(model, projected):
    """All of cell and positions, of a model that knows a direction the crystal does not have."""
    atoms = rutile()
    atoms.rotate(35, (1, 1, 0), rotate_cell=True)
    lennard_jones = LennardJones(sigma=3.2, epsilon=0.05, rc=6.0)
    calculator = SumCalculator([MDBridgeCalculator(model), lennard_jones])
    atoms.calc = SpaceGroupCalculator(calculator, refresh=False) if projected else calculator
    start = find_space_group(atoms)
    optimizer = BFGS(FrechetCellFilter(atoms), logfile=None)
    optimizer.run(fmax=2e-2, steps=30)
    moved = atoms.get_volume() / rutile().get_volume() - 1.0
    assert abs(moved) > 1e-3
    assert (start.deviation(atoms) < 1e-9) == projected


class TestWhatAStructureHas:
    def test_lost_operations_are_found_again(self, model, caplog):
        atoms = rutile()
        atoms.calc = SpaceGroupCalculator(MDBridgeCalculator(model))
        atoms.get_forces()
        assert len(atoms.calc.space_group) == 16
        atoms.positions[0, 2] += 0.1
        with caplog.at_level(logging.INFO):
            forces = atoms.get_forces()
        assert "does not have the 16 operations of P4_2/mnm (136) any more" in caplog.text
        assert 1 < len(atoms.calc.space_group) < 16
        expected = MDBridgeCalculator(model).get_forces(atoms)
        np.testing.assert_allclose(
            forces, project_vectors(find_space_group(atoms), expected), atol=1e-14
        )

    def test_or_are_an_error(self, model):
        atoms = rutile()
        atoms.calc = SpaceGroupCalculator(MDBridgeCalculator(model), refresh=False)
        atoms.get_forces()
        atoms.positions += [0.3, 0.2, 0.1]  # of the whole: the operations move with it
        atoms.set_cell(atoms.cell.array * [[1.02], [1.02], [0.99]], scale_atoms=True)
        atoms.get_forces()
        atoms.positions[0, 2] += 0.1
        sentence = r"16 operations .* any more: an atom or a cell vector is 0\.\d+ Å from"
        with pytest.raises(SpaceGroupError, match=sentence):
            atoms.get_forces()
        with pytest.raises(SpaceGroupError, match="has other atoms"):
            atoms.calc.get_forces(bulk("Ar"))

    def test_a_shift_of_the_whole_does_not_count(self):
        """Not even one that an operation doubles to half a cell, where the atoms, each a little
        off, are on both sides of what is the nearest image."""
        atoms = rutile()
        group = find_space_group(atoms)
        atoms.rattle(1e-4, seed=1)
        expected = group.deviation(atoms)
        assert 1e-4 < expected < 1e-3
        for shift in ([0.25, 0.0, 0.0], [0.25, 0.25, 0.25], [0.1, 0.2, 0.3]):
            moved = atoms.copy()
            moved.positions += shift @ moved.cell.array
            assert group.deviation(moved) == pytest.approx(expected, abs=1e-12)

    def test_a_strain_that_a_cell_cannot_have(self, model):
        atoms = bulk("Ar", "fcc", a=5.4)
        reference = atoms.copy()
        atoms.set_cell(atoms.cell.array @ np.diag([1.01, 1.0, 1.0]), scale_atoms=True)
        atoms.calc = SpaceGroupCalculator(
            MDBridgeCalculator(model), reference=reference, refresh=False
        )
        with pytest.raises(SpaceGroupError, match=r"cell vector is 0\.0\d+ Å from"):
            atoms.get_forces()

    def test_symprec_is_what_an_atom_may_be_off(self, model):
        atoms = rutile()
        atoms.rattle(1e-3, seed=1)
        assert len(find_space_group(atoms)) == 1
        assert len(find_space_group(atoms, symprec=1e-2)) == 16
        atoms.calc = SpaceGroupCalculator(MDBridgeCalculator(model), symprec=1e-2)
        np.testing.assert_allclose(atoms.get_forces()[:2], 0, atol=1e-13)
        atoms.calc.set(symprec=1e-5)
        assert np.abs(atoms.get_forces()[:2]).min() > 0

    def test_operations_without_translations(self):
        """Of hcp with an atom at the origin: those of the point group of its site."""
        group = find_space_group(CRYSTALS["hcp"], operations="point")
        assert len(group) == 12
        np.testing.assert_array_equal(group.permutations, [[0, 1]] * 12)


class TestOpenDirections:
    def test_a_slab_with_any_cell_along_its_normal(self):
        """Both sides of fcc (111) in three layers: 12 operations for each of the four cells."""
        slab = fcc111("Al", (2, 2, 3), vacuum=6.0)
        assert not slab.pbc[2]
        expected = project_vectors(find_space_group(slab), forces := RNG.normal(size=(12, 3)))
        assert len(find_space_group(slab)) == 48
        for cell in ([0, 0, 0], [0, 0, 7.0], [1.0, 2.0, 20.0]):
            other = slab.copy()
            other.cell[2] = cell
            np.testing.assert_allclose(
                project_vectors(find_space_group(other), forces), expected, atol=1e-13
            )
        middle = slab.positions[:, 2].argsort()[4:8]
        assert np.abs(expected[middle]).max() < 1e-14

    def test_an_operation_that_needs_the_vacuum_is_none(self):
        """A chain that is open: the glide of the infinite one would take its end elsewhere."""
        chain = bulk("Ar", "fcc", a=5.4, cubic=True) * (1, 1, 2)
        periodic = len(find_space_group(chain))
        chain.pbc = [True, True, False]
        layers = find_space_group(chain)
        assert 1 < len(layers) < periodic
        assert not np.any(np.abs(layers.rotations[:, 2, :2]) > 1e-12)
        assert layers.deviation(chain) < 1e-9

    @pytest.mark.parametrize("gap", [9.0, 10.0, 12.5])
    def test_no_part_goes_to_another_across_the_vacuum(self, gap):
        """Two atoms far apart are no lattice, whatever vacuum closes their directions: one of them
        is taken to the other by what reverses their distance alone."""
        pair = Atoms("Ar2", [[0, 0, 0], [gap, 0, 0]])
        group = find_space_group(pair)
        for rotation, image in zip(group.rotations, group.permutations, strict=True):
            assert rotation[0, 0] == pytest.approx(1.0 if image[0] == 0 else -1.0, abs=1e-12)
        assert len(group) == 16  # D4h, what a cube has of the symmetry of a rod
        outwards = np.array([[-1.0, 0, 0], [1.0, 0, 0]])
        np.testing.assert_allclose(project_vectors(group, outwards), outwards, atol=1e-14)
        assert group.deviation(pair) < 1e-12

    @pytest.mark.parametrize("direction", [(0, 0, 1), (0, 1, 0), (1, 1, 1), (1, -1, 0), (1, 2, 3)])
    @pytest.mark.parametrize("periodic", [1, 2])
    def test_where_nothing_moved_nothing_deviates(self, direction, periodic):
        """Open directions are the same ones for a cell that is turned by rounding, of wires along a
        direction and slabs across it."""
        atoms = bulk("Ar", "fcc", a=5.4, cubic=True)
        atoms.pbc = [False, False, True] if periodic == 1 else [True, True, False]
        atoms.rotate((0, 0, 1), direction, rotate_cell=True)
        atoms.positions += [0.7, 1.1, 0.9]
        group = find_space_group(atoms)
        assert len(group) >= 4
        for change in ([-1e-7, -5e-8, 5e-8], [1e-7, 5e-8, -5e-8], [5e-8, -1e-7, 1e-7]):
            turned = atoms.copy()
            turned.set_cell(atoms.cell.array + change)
            assert group.deviation(turned) < 1e-5
            rotations = group.follow(turned).rotations
            np.testing.assert_allclose(rotations, group.rotations, atol=1e-6)

    def test_a_molecule(self):
        methane = molecule("CH4")
        group = find_space_group(methane)
        assert len(group) == 24
        forces = project_vectors(group, RNG.normal(size=(5, 3)))
        np.testing.assert_allclose(forces[0], 0, atol=1e-15)
        outwards = methane.positions[1:] - methane.positions[0]
        np.testing.assert_allclose(np.cross(forces[1:], outwards), 0, atol=1e-14)

    @pytest.mark.parametrize(("name", "as_built", "turned"), [("H2O", 4, 1), ("C6H6", 8, 2)])
    def test_a_molecule_has_what_a_cube_along_the_axes_has(self, name, as_built, turned):
        """docs/symmetry.md: 24 operations of benzene are 8 here."""
        atoms = molecule(name)
        assert len(find_space_group(atoms, symprec=1e-3)) == as_built
        atoms.rotate(37, (1, 2, 3))
        assert len(find_space_group(atoms, symprec=1e-3)) == turned


class TestBadInput:
    def test_symprec_larger_than_a_bond(self):
        with pytest.raises(SpaceGroupError, match="Choose a smaller symprec"):
            find_space_group(bulk("Si", "diamond", a=5.43), symprec=3.0)

    @pytest.mark.parametrize("seed", range(8))
    def test_between_two_symmetries_it_is_a_group_or_a_sentence(self, seed):
        """Never a mean that is no projection."""
        atoms = bulk("Ar", "fcc", a=5.4, cubic=True) * (2, 1, 1)
        atoms.rattle(0.3, seed=seed)
        for symprec in (0.3, 0.6, 1.0, 1.5):
            try:
                group = find_space_group(atoms, symprec=symprec)
            except SpaceGroupError:
                continue
            vectors = project_vectors(group, RNG.normal(size=(len(atoms), 3)))
            np.testing.assert_allclose(project_vectors(group, vectors), vectors, atol=1e-10)

    def test_operations_that_are_no_group(self):
        """One of those of rutile is missing."""
        group = find_space_group(rutile())
        names = ("fractional_rotations", "translations", "permutations", "rotations")
        part = replace(group, **{name: getattr(group, name)[:-1] for name in names})
        with pytest.raises(SpaceGroupError, match=r"the 15 operations .* are no group"):
            _require_group(part, 1e-5)

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"symprec": 0.0}, "symprec must be a positive length in Å, found 0.0"),
            ({"operations": "rotations"}, "operations must be 'all' or 'point', found 'rotations'"),
        ],
    )
    def test_options(self, change, message):
        with pytest.raises(SpaceGroupError, match=message):
            find_space_group(bulk("Ar"), **change)

    def test_structures(self):
        with pytest.raises(SpaceGroupError, match="without atoms"):
            find_space_group(bulk("Ar")[:0])
        flat = bulk("Ar")
        flat.cell[2] = 0.0
        with pytest.raises(SpaceGroupError, match="needs cell vectors along these directions"):
            find_space_group(flat)

    def test_what_cannot_be_averaged(self, model):
        atoms = bulk("Ar")
        atoms.calc = SpaceGroupCalculator(MDBridgeCalculator(model))
        with pytest.raises(PropertyNotImplementedError):
            atoms.get_dipole_moment()
        with pytest.raises(
            SpaceGroupError, match=r"'symprek': there are symprec.* did you mean 'symprec'\?"
        ):
            atoms.calc.set(symprek=1.0)

    def test_without_spglib(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "spglib", None)
        assert "spglib" in extras.EXTRAS["statics"]
        with pytest.raises(MissingExtraError, match=r"pip install 'md-bridge\[statics\]'"):
            find_space_group(bulk("Ar"))


def test_copies(model):
    atoms = rutile()
    atoms.calc = SpaceGroupCalculator(MDBridgeCalculator(model), symprec=1e-4)
    forces = atoms.get_forces()
    copy = pickle.loads(pickle.dumps(atoms.calc))
    assert copy.parameters["symprec"] == 1e-4
    np.testing.assert_array_equal(copy.get_forces(atoms), forces)
