"""Grids of any degree, and sets that keep the symmetry of a hexagonal crystal."""

import models
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from numpy.polynomial import Legendre
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation
from scipy.special import sph_harm_y

from md_bridge.engine import (
    Engine,
    EngineError,
    Structure,
    rotation_group,
    rotation_set,
    structure_from_ase,
)
from md_bridge.errors import ArgumentError
from md_bridge.symmetry import analyse, o3_grid
from md_bridge.symmetry.group.wigner import coefficient_slices, wigner_matrices

CONTENT = {1: 0.02, 2: -0.03, 3: 0.02, 4: 0.03, 5: 0.01, 6: 0.04}
EVERYTHING = {
    "conservative_forces": "vector",
    "conservative_virial": "tensor",
    "direct_forces": "vector",
    "direct_virial": "tensor",
    "atomic_energies": "scalar",
    "uncertainty": "scalar",
}
HEXAGONAL = rotation_group("hexagonal")


@pytest.fixture(scope="module")
def export(tmp_path_factory):
    """A function from the c_l of an anisotropic model to its exported file."""
    folder = tmp_path_factory.mktemp("anisotropic")

    def write(coefficients):
        path = folder / f"{'-'.join(f'{degree}_{c}' for degree, c in coefficients.items())}.pt"
        return path if path.exists() else models.anisotropic(coefficients).export(path)

    return write


def crystal() -> Atoms:
    """2 argon and 2 krypton atoms, rattled, in a sheared cell that is smaller than 2 cutoffs."""
    atoms = bulk("Ar", "fcc", a=5.4, cubic=True)
    atoms.symbols[1::2] = "Kr"
    atoms.rattle(0.15, seed=5)
    atoms.set_cell(atoms.cell.array @ [[1, 0, 0], [0.08, 1, 0], [-0.05, 0.1, 1]], scale_atoms=True)
    return atoms


def rotated(structure: Structure, rotation: np.ndarray) -> Structure:
    positions, cell = structure.positions @ rotation.T, structure.cell @ rotation.T
    return Structure(structure.types, positions, cell, structure.periodic)


def turned(values, rotation: np.ndarray, kind: str) -> np.ndarray:
    """What a copy that was made by this rotation has in the place of these values."""
    if kind == "vector":
        return np.asarray(values) @ rotation.T
    return rotation @ values @ rotation.T if kind == "tensor" else np.asarray(values)


def dimer(direction=(1, 2, 3), distance=3.9) -> Structure:
    position = distance * np.asarray(direction) / np.linalg.norm(direction)
    return Structure([18, 36], [[0, 0, 0], position], np.zeros((3, 3)), [False] * 3)


def largest_mean(matrices, weights, degree: int) -> float:
    """Largest of the means of all D^λ_mn of 1 ≤ λ ≤ degree over proper rotations."""
    means = weights @ wigner_matrices(matrices, degree)
    return max(np.abs(means[part]).max() for part in coefficient_slices(degree)[1:])


def same_sets(one, other) -> bool:
    """Whether two sets have the same matrices with the same weights, in any order."""
    distances, places = cKDTree(other[0].reshape(-1, 9)).query(one[0].reshape(-1, 9))
    return (
        distances.max() < 1e-13
        and len(set(places)) == len(one[0]) == len(other[0])
        and np.abs(one[1] - other[1][places]).max() < 1e-15
    )


class TestGrids:
    @pytest.mark.parametrize("degree", [1, 2, 3, 4, 6, 8, 10, 12, 13, 18, 24, 27, 31])
    def test_is_that_of_scipy(self, degree):
        """Each rule of the table, and those with negative weights (13, 25, 27) passed over."""
        grid = o3_grid(degree, inversion=False)
        assert same_sets(rotation_set(f"lebedev:{degree}"), (grid.proper, grid.proper_weights))
        both = o3_grid(degree)
        assert same_sets(
            rotation_set(f"lebedev:{degree}/inversion"), (both.rotations, both.weights)
        )

    @pytest.mark.parametrize("family", ["lebedev", "hexagonal"])
    @pytest.mark.parametrize("degree", [1, 2, 3, 4, 5, 6, 7, 8, 11])
    def test_is_exact_up_to_its_degree(self, family, degree):
        matrices, weights = rotation_set(f"{family}:{degree}")
        assert weights.sum() == pytest.approx(1.0, abs=1e-15)
        assert weights.min() > 0
        np.testing.assert_allclose(np.linalg.det(matrices), 1.0, atol=1e-14)
        assert largest_mean(matrices, weights, degree) < 1e-14

    @pytest.mark.parametrize(("name", "degree"), [("lebedev:3", 4), ("lebedev:6", 8)])
    def test_is_not_exact_far_beyond(self, name, degree):
        assert largest_mean(*rotation_set(name), degree) > 0.05

    def test_points_of_the_largest_rule(self):
        """Of lebedev:31 the z axis goes to 350 points, exact for all harmonics up to l = 31."""
        matrices, weights = rotation_set("lebedev:31")
        assert len(matrices) == 350 * 32
        x, y, z = matrices[::32, :, 2].T
        weights = 32 * weights[::32]
        polar, azimuth = np.arccos(np.clip(z, -1, 1)), np.arctan2(y, x)
        for degree in range(1, 32):
            for order in range(-degree, degree + 1):
                mean = (weights * sph_harm_y(degree, order, polar, azimuth)).sum()
                assert abs(mean) < 1e-14

    @pytest.mark.parametrize("family", ["lebedev", "hexagonal"])
    def test_inversion_has_each_rotation_twice(self, family):
        matrices, weights = rotation_set(f"{family}:4/inversion")
        proper, shares = rotation_set(f"{family}:4")
        np.testing.assert_array_equal(matrices, np.concatenate([proper, -proper]))
        np.testing.assert_allclose(weights, np.concatenate([shares, shares]) / 2, rtol=1e-15)

    def test_the_grid_of_degree_3_is_the_octahedral_group(self):
        assert same_sets(rotation_set("lebedev:3"), rotation_set("octahedral"))

    def test_groups_count_alike(self):
        matrices, weights = rotation_set("icosahedral/inversion")
        np.testing.assert_array_equal(matrices, rotation_group("icosahedral/inversion"))
        np.testing.assert_allclose(weights, 1 / 120, rtol=1e-15)
        assert [len(part) for part in rotation_set("random")] == [0, 0]

    @pytest.mark.parametrize(
        ("name", "message"),
        [
            ("lebedev:0", "lebedev:L takes a whole number L from 1 to 31, found 'lebedev:0'"),
            ("lebedev:32", "from 1 to 31, found 'lebedev:32'"),
            ("hexagonal:6.0", "hexagonal:L takes a whole number .* found 'hexagonal:6.0'"),
            ("lebedev:", "lebedev:L takes"),
            ("lebedev:+5", "lebedev:L takes"),
            ("lebedev", "expects one of .*lebedev:L/inversion.* found 'lebedev'"),
            ("octahedral:5", "expects one of"),
            ("lebedev:5/inversions", "lebedev:L takes"),
            ("none/inversion", "expects one of"),
            ("", "expects one of"),
        ],
    )
    def test_a_name_that_is_none(self, name, message):
        with pytest.raises(EngineError, match=message):
            rotation_set(name)

    def test_a_grid_is_no_group(self):
        with pytest.raises(EngineError, match="'lebedev:5' is a grid and no group"):
            rotation_group("lebedev:5")


class TestHexagonal:
    def test_group_has_a_sixfold_axis_along_z_and_a_twofold_one_along_x(self):
        """The other axioms are in tests/engine/averages/test_symmetrization.py."""
        orders = {}
        for matrix in HEXAGONAL[1:]:
            axis = Rotation.from_matrix(matrix).as_rotvec()
            order = round(2 * np.pi / np.linalg.norm(axis))
            orders.setdefault(order, []).append(axis / np.linalg.norm(axis))
        assert {order: len(axes) for order, axes in orders.items()} == {6: 2, 3: 2, 2: 7}
        assert np.abs(np.cross(orders[6] + orders[3], [0, 0, 1])).max() < 1e-12
        flat = [(x, y) for x, y, z in orders[2] if abs(z) < 0.5]
        angles = np.degrees([np.arctan2(y, x) for x, y in flat])
        np.testing.assert_allclose(sorted((angles + 1) % 180 - 1), range(0, 180, 30), atol=1e-9)

    def test_group_leaves_one_harmonic_of_l_2_and_none_of_l_1_and_3(self):
        weights = np.full(12, 1 / 12)
        means = weights @ wigner_matrices(HEXAGONAL, 3)
        ranks = [
            np.linalg.matrix_rank(means[part].reshape(2 * degree + 1, -1), tol=1e-10)
            for degree, part in enumerate(coefficient_slices(3))
        ]
        assert ranks == [1, 0, 1, 0]

    @pytest.mark.parametrize("degree", [1, 4, 5, 6, 11])
    def test_grid_is_closed_under_the_group(self, degree):
        """An average over h of f(h x) is covariant under g if h g is in the set, too."""
        matrices, weights = rotation_set(f"hexagonal:{degree}")
        for g in HEXAGONAL:
            assert same_sets((matrices @ g, weights), (matrices, weights))
        with_mirrors = rotation_set(f"hexagonal:{degree}/inversion")
        assert same_sets((with_mirrors[0] @ -HEXAGONAL[1], with_mirrors[1]), with_mirrors)
        about_x = Rotation.from_rotvec([np.pi / 2, 0, 0]).as_matrix()
        assert not same_sets((matrices @ about_x, weights), (matrices, weights))
        lebedev, shares = rotation_set("lebedev:4")
        assert not same_sets((lebedev @ HEXAGONAL[1], shares), (lebedev, shares))

    def test_averages_turn_with_the_structure_for_rotations_of_the_group(self, export):
        """Whatever the model: to rounding under the 12, and not under those of a cube."""
        structure = structure_from_ase(crystal())

        def largest_deviation(symmetrize, rotation):
            engine = Engine(export(CONTENT), symmetrize=symmetrize, atoms_per_forward=2000)
            result, copy = (
                engine.evaluate(s, **dict.fromkeys(EVERYTHING, True))
                for s in (structure, rotated(structure, rotation))
            )
            return max(
                np.abs(turned(getattr(result, name), rotation, kind) - getattr(copy, name)).max()
                for name, kind in EVERYTHING.items()
            )

        for name in (
            "hexagonal",
            "hexagonal:2",
        ):  # turns about z generate the group with one about x
            assert max(largest_deviation(name, HEXAGONAL[n]) for n in (1, 6)) < 1e-12
        assert largest_deviation("hexagonal:1/inversion", -HEXAGONAL[8]) < 1e-12
        assert largest_deviation("hexagonal:2", rotation_group("octahedral")[5]) > 1e-6
        assert largest_deviation("lebedev:2", HEXAGONAL[1]) > 1e-6

    def test_hcp_along_the_axes_of_the_box_keeps_its_symmetry(self, export):
        """Forces and σxx − σyy are 0 to rounding with hexagonal sets; an octahedral set breaks
        what this model, which knows z only, had kept.
        """
        content = {1: 0.02, 2: -0.03, 4: 0.03, 6: 0.04}
        structure = structure_from_ase(bulk("Ar", "hcp", a=3.8, c=3.8 * 1.62))

        def asymmetry(symmetrize):
            engine = Engine(export(content), symmetrize=symmetrize, atoms_per_forward=2000)
            result = engine.evaluate(structure, conservative_forces=True, conservative_virial=True)
            virial = result.conservative_virial
            unequal = [virial[0, 0] - virial[1, 1], virial[0, 1], virial[0, 2], virial[1, 2]]
            return np.abs(result.conservative_forces).max(), np.abs(unequal).max()

        for name in ("hexagonal", "hexagonal:3", "hexagonal:4/inversion"):
            forces, stress = asymmetry(name)
            assert forces < 1e-14
            assert stress < 1e-12
        forces, stress = asymmetry("octahedral")
        assert forces > 1e-3
        assert stress > 1e-3


class TestAverages:
    @pytest.mark.parametrize("name", ["lebedev:4", "hexagonal:5/inversion"])
    def test_are_the_weighted_means_of_the_copies(self, export, name):
        structure = structure_from_ase(crystal())
        matrices, weights = rotation_set(name)
        assert weights.max() / weights.min() > 1.1
        plain = Engine(export(CONTENT), remove_net_force=False)
        averaged = Engine(export(CONTENT), symmetrize=name, remove_net_force=False)
        copies = [rotated(structure, matrix) for matrix in matrices]
        found = plain.evaluate(copies, **dict.fromkeys(EVERYTHING, True))
        result = averaged.evaluate(structure, **dict.fromkeys(EVERYTHING, True))
        energies = np.array([copy.energy for copy in found])
        assert result.energy == pytest.approx(weights @ energies, abs=1e-12)
        for quantity, kind in EVERYTHING.items():
            back = np.array(
                [
                    turned(getattr(copy, quantity), matrix.T, kind)
                    for copy, matrix in zip(found, matrices, strict=True)
                ]
            )
            expected = np.tensordot(weights, back, axes=1)
            np.testing.assert_allclose(getattr(result, quantity), expected, atol=1e-12)
            if "conservative" in quantity:  # equal weights give something else
                assert np.abs(getattr(result, quantity) - back.mean(axis=0)).max() > 1e-6

    @pytest.mark.parametrize("family", ["lebedev", "hexagonal"])
    @pytest.mark.parametrize("degree", [4, 6])
    def test_the_energy_of_a_dimer_is_isotropic_up_to_the_degree(self, export, family, degree):
        model, isotropic = export({degree: 0.05}), export({0: 0.0})
        expected = Engine(isotropic).evaluate(dimer()).energy
        enough = Engine(model, symmetrize=f"{family}:{degree}").evaluate(dimer()).energy
        assert enough == pytest.approx(expected, abs=1e-15)
        plain = Engine(model).evaluate(dimer()).energy
        assert abs(plain - expected) > 1e-5
        # rules are of odd degrees: the one before is enough for odd ones only
        short = Engine(model, symmetrize=f"{family}:{degree - 1}").evaluate(dimer()).energy
        assert abs(short - expected) > 1e-6

    def test_forces_are_derivatives_of_the_averaged_energy(self, export):
        engine = Engine(export(CONTENT), symmetrize="lebedev:4")
        atoms = crystal()
        result = engine.evaluate(structure_from_ase(atoms), conservative_forces=True)
        for atom, axis in [(0, 0), (3, 1)]:
            ends = []
            for sign in (1, -1):
                moved = atoms.copy()
                moved.positions[atom, axis] += sign * 1e-4
                ends.append(engine.evaluate(structure_from_ase(moved)).energy)
            slope = (ends[1] - ends[0]) / 2e-4
            assert result.conservative_forces[atom, axis] == pytest.approx(slope, abs=1e-7)


class TestPrediction:
    """md_bridge.symmetry: what a set will leave, from one measurement."""

    @pytest.mark.parametrize("name", ["lebedev:3", "lebedev:5", "hexagonal", "hexagonal:4"])
    def test_is_the_closed_form(self, name):
        """Of P_6 along e, the factor of A² is Σ w_h w_k P_6(h⁻¹e · k⁻¹e)."""
        axis = np.array([1.0, 2.0, 3.0]) / 14**0.5
        result = analyse(
            lambda copies: Legendre.basis(6)(copies[:, 0] @ axis),
            np.array([[0.48, 0.6, 0.64]]),
            law="scalar",
            lmax=7,
            copies_per_call=500,
        )
        matrices, weights = rotation_set(name)
        axes = axis @ matrices  # h⁻¹ e
        factor = weights @ Legendre.basis(6)(np.clip(axes @ axes.T, -1, 1)) @ weights
        assert factor > 1e-4
        assert result.after(name) ** 2 / result.A**2 == pytest.approx(factor, abs=1e-10)
        assert result.after("lebedev:6") < 1e-12

    def test_refuses_what_is_no_set_of_several(self):
        result = analyse(lambda x: x[0, 2], np.array([[0.0, 0.6, 0.8]]), law="scalar", lmax=2)
        with pytest.raises(ArgumentError, match=r"lebedev:L takes a whole number"):
            result.after("lebedev:77")
        with pytest.raises(ArgumentError, match="a set of several, such as octahedral"):
            result.after("random")
