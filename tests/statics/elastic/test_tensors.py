"""Voigt's notation, rotations, coefficients under pressure, moduli, the fit."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from scipy.spatial.transform import Rotation

from md_bridge.ase import find_space_group
from md_bridge.errors import ArgumentError
from md_bridge.statics.elastic.settings import ElasticRequest
from md_bridge.statics.elastic.strains import fit, points_of, strained
from md_bridge.statics.elastic.tables import independent
from md_bridge.statics.elastic.tensors import (
    averages,
    eigenvalues,
    full_strain,
    full_tensor,
    norm,
    rotational_part,
    second_derivatives,
    voigt_matrix,
    voigt_stress,
)


def cubic(c11, c12, c44):
    matrix = np.diag([c11 - c12] * 3 + [c44] * 3).astype(float)
    matrix[:3, :3] += c12
    return matrix


def random_matrix(seed):
    return np.random.default_rng(seed).normal(size=(6, 6))


def turned(matrix, q):
    tensor = np.einsum("ia,jb,kc,ld,abcd->ijkl", q, q, q, q, full_tensor(matrix))
    return voigt_matrix(tensor)


def test_voigt_there_and_back():
    matrix = random_matrix(1)
    np.testing.assert_array_equal(voigt_matrix(full_tensor(matrix)), matrix)


def test_matrix_and_tensor_give_one_stress():
    """σ_I = B_IJ e_J with e₄ = 2 ε_yz is σ_ij = B_ijkl ε_kl."""
    matrix, sizes = random_matrix(2), np.random.default_rng(3).normal(size=6)
    strain = sum(full_strain(j, size) for j, size in enumerate(sizes))
    stress = np.einsum("ijkl,kl->ij", full_tensor(matrix), strain)
    np.testing.assert_allclose(voigt_stress(stress), matrix @ sizes, atol=1e-13)


def test_the_norm_does_not_depend_on_the_frame():
    q = Rotation.random(random_state=1).as_matrix()
    matrix = random_matrix(4)
    assert norm(turned(matrix, q)) == pytest.approx(norm(matrix), rel=1e-12)
    assert norm(matrix) == pytest.approx(np.linalg.norm(full_tensor(matrix)), rel=1e-12)


@pytest.mark.parametrize(
    ("crystal", "constants"),
    [
        (bulk("Ar", "fcc", a=5.26, cubic=True), 3),
        (bulk("Mg", "hcp", a=3.2, c=5.2), 5),
        (bulk("In", "bct", a=3.25, c=4.95), 6),
    ],
)
def test_the_projection_leaves_the_constants_of_the_laue_class(crystal, constants):
    """Cubic 3; hexagonal 5, of which C₆₆ = (C₁₁ − C₁₂)/2 is another number; tetragonal 6."""
    q = Rotation.random(random_state=2).as_matrix()
    matrix = random_matrix(5)
    matrix = matrix + matrix.T
    group = find_space_group(crystal, 1e-4)
    once = rotational_part(matrix, group.rotations)
    np.testing.assert_allclose(rotational_part(once, group.rotations), once, atol=1e-12)
    dependent = 1 if crystal.symbols[0] == "Mg" else 0
    assert len(independent(once)) == constants + dependent
    # the same in a turned crystal
    rotations = q @ group.rotations @ q.T
    np.testing.assert_allclose(
        rotational_part(turned(matrix, q), rotations), turned(once, q), atol=1e-12
    )


def test_coefficients_under_pressure():
    """B₁₁ = C₁₁ − p, B₁₂ = C₁₂ + p, B₄₄ = C₄₄ − p."""
    p = 0.7
    found = second_derivatives(cubic(5.0 - p, 3.0 + p, 2.0 - p), -p * np.eye(3))
    np.testing.assert_allclose(found, cubic(5.0, 3.0, 2.0), atol=1e-12)


def test_coefficients_under_any_stress():
    """Of σ = F S Fᵀ / det F with S = S⁰ + C : η, differentiated."""
    matrix = random_matrix(6)
    c = full_tensor(matrix + matrix.T)
    stress = voigt_matrix(full_tensor(random_matrix(7)))[:3, :3]
    stress = stress + stress.T

    def cauchy(component, size):
        f = np.eye(3) + full_strain(component, size)
        second = stress + np.einsum("ijkl,kl->ij", c, 0.5 * (f.T @ f - np.eye(3)))
        return voigt_stress(f @ second @ f.T / np.linalg.det(f))

    step = 1e-5
    b = np.array([(cauchy(j, step) - cauchy(j, -step)) / (2 * step) for j in range(6)]).T
    np.testing.assert_allclose(second_derivatives(b, stress), voigt_matrix(c), atol=1e-8)


def test_moduli_of_a_cubic_crystal():
    found = averages(cubic(5.0, 3.0, 2.0))
    assert found.bulk_voigt == pytest.approx(11.0 / 3.0)
    assert found.bulk_reuss == pytest.approx(11.0 / 3.0)
    assert found.shear_voigt == pytest.approx((2.0 + 6.0) / 5.0)
    assert found.shear_reuss == pytest.approx(5.0 * 2.0 * 2.0 / (4.0 * 2.0 + 3.0 * 2.0))
    assert found.shear == pytest.approx(0.5 * (1.6 + 10.0 / 7.0))


def test_no_moduli_of_what_has_no_inverse():
    found = averages(cubic(5.0, 3.0, 0.0))
    assert found.bulk_voigt == pytest.approx(11.0 / 3.0)
    assert np.isnan(found.shear_reuss)


def test_eigenvalues_of_a_cubic_crystal():
    expected = sorted([2.0, 2.0, 4.0, 4.0, 4.0, 11.0])
    np.testing.assert_allclose(eigenvalues(cubic(5.0, 3.0, 2.0)), expected, rtol=1e-12)


def test_strained_cells():
    atoms = bulk("Ar", "fcc", a=5.26)
    points = points_of(ElasticRequest())
    assert len(points) == 25
    sheared = strained(atoms, points[-1])
    assert (points[-1].component, points[-1].size) == (5, 0.06)
    deformation = np.linalg.solve(atoms.cell.array, sheared.cell.array)
    np.testing.assert_allclose(deformation, [[1, 0.03, 0], [0.03, 1, 0], [0, 0, 1]], atol=1e-12)
    np.testing.assert_allclose(
        sheared.get_scaled_positions(), atoms.get_scaled_positions(), atol=1e-12
    )


def test_the_fit_finds_the_slope_of_a_polynomial():
    """Whatever its other powers up to the degree are; the error is rounding."""
    points = points_of(ElasticRequest())
    slopes, bends = random_matrix(8), random_matrix(9)
    stresses = []
    for point in points:
        e, j = point.size, max(point.component, 0)
        six = 1.0 + slopes[:, j] * e + bends[:, j] * (50.0 * e**2 + 1000.0 * e**3)
        stresses.append(
            np.array([[six[0], six[5], six[4]], [six[5], six[1], six[3]], six[[4, 3, 2]]])
        )
    found, errors = fit(points, np.array(stresses), 3)
    np.testing.assert_allclose(found, slopes, atol=1e-9)
    assert errors.max() < 1e-9


def test_the_error_of_the_fit_is_that_of_the_slopes():
    """Of 200 fits to noise of a known size; their spread is known to 5 % (three sigma: 15 %)."""
    random = np.random.default_rng(10)
    points = points_of(ElasticRequest())
    found = []
    for _ in range(200):
        noise = random.normal(0.0, 1e-3, (len(points), 3, 3))
        found.append(fit(points, noise, 3))
    slopes, errors = (np.array(values) for values in zip(*found, strict=True))
    spread = np.sqrt(np.mean(slopes[:, 0, 0] ** 2))
    assert np.sqrt(np.mean(errors[:, 0, 0] ** 2)) == pytest.approx(spread, rel=0.2)


@pytest.mark.parametrize(
    ("keywords", "sentence"),
    [
        ({"normal": ()}, "normal must be strains between 0 and 0.2"),
        ({"shear": (0.3,)}, "shear must be strains between 0 and 0.2"),
        ({"shear": (0.03, 0.03)}, "shear must be different strains"),
        ({"normal": (0.01,)}, "degree 3 needs at least 5 points"),
        ({"degree": 0}, "degree must be 1 or more"),
        ({"fmax": -1.0}, "fmax must be positive"),
        ({"steps": 0}, "steps must be 1 or more"),
    ],
)
def test_requests_that_cannot_be(keywords, sentence):
    with pytest.raises(ArgumentError, match=sentence):
        ElasticRequest(**keywords)


def test_no_crystal_is_changed():
    atoms = Atoms("Ar", cell=[5.0] * 3, pbc=True)
    strained(atoms, points_of(ElasticRequest())[1])
    np.testing.assert_array_equal(atoms.cell.array, 5.0 * np.eye(3))
