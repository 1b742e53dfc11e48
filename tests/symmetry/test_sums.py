"""The group's quadrature and matrices, and sums that do not depend on how they are cut."""

import numpy as np
import pytest
from numpy.polynomial import Legendre
from scipy.spatial.transform import Rotation
from scipy.special import eval_chebyu

from md_bridge.symmetry import analyse, o3_grid
from md_bridge.symmetry.group.wigner import coefficient_slices, wigner_matrices

POINTS = np.random.default_rng(7).standard_normal((3, 3))


def features(points):
    """[3, 4]: smooth, with all degrees and both parities; nothing is symmetric in it."""
    first = np.exp(0.5 * points @ [[1.0, 0.3], [0.2, -0.8], [0.5, 0.1]])
    volume = np.linalg.det(points)
    return np.concatenate([first, first[:, :1] * volume, points[:, :1] ** 2], axis=1)


def characters(matrices, degree):
    """χ_λ(R) = U_2λ(cos ω/2) = sin((2λ+1) ω/2) / sin(ω/2), without any Wigner matrix."""
    trace = np.trace(matrices, axis1=-2, axis2=-1)
    return eval_chebyu(2 * degree, np.sqrt(np.clip((trace + 1) / 4, 0, 1)))


def gram_spectrum(grid, values, degree, sigma):
    """B = (2λ+1) Σ w w' χ(g g'⁻¹) v(g)·v(g'): the form through the Gram matrix of the copies."""
    flat = values.reshape(len(grid), -1)
    signs = np.repeat([1, -1], len(grid.proper))
    proper = np.tile(grid.proper, (2, 1, 1))
    relative = np.einsum("gij,hkj->ghik", proper, proper)
    kernel = characters(relative, degree)
    parity = np.where(np.multiply.outer(signs, signs) > 0, 1, sigma * (-1) ** degree)
    weights = np.multiply.outer(grid.weights, grid.weights)
    return (2 * degree + 1) * np.sum(weights * kernel * parity * (flat @ flat.T))


@pytest.mark.parametrize("degree", [0, 1, 4, 7, 12])
def test_grid_integrates_matrix_elements(degree):
    grid = o3_grid(degree)
    mean = grid.proper_weights @ wigner_matrices(grid.proper, degree)
    assert mean[0] == pytest.approx(1.0, abs=1e-14)
    assert np.abs(mean[1:]).max(initial=0.0) < 1e-13
    assert grid.weights.sum() == pytest.approx(1.0)
    assert (grid.weights > 0).all()
    assert len(grid.rotations) == len(grid.weights) == len(grid)
    assert np.linalg.det(grid.rotations) == pytest.approx(
        np.repeat([1.0, -1.0], len(grid.proper)), abs=1e-12
    )


@pytest.mark.parametrize(
    ("degree", "copies"), [(2, 36), (4, 140), (6, 364), (8, 684), (10, 1100), (12, 2236)]
)
def test_size_of_grids(degree, copies):
    assert len(o3_grid(degree)) == copies
    assert len(o3_grid(degree, inversion=False)) == copies // 2


def test_matrices_are_a_representation():
    first, second = Rotation.random(2, np.random.default_rng(1)).as_matrix()
    rows = wigner_matrices(np.array([first, second, first @ second]), 6)
    for degree, part in enumerate(coefficient_slices(6)):
        size = 2 * degree + 1
        a, b, ab = rows[:, part].reshape(3, size, size)
        assert a @ b == pytest.approx(ab, abs=1e-13)
        assert a @ a.T == pytest.approx(np.eye(size), abs=1e-13)
        assert np.trace(a) == pytest.approx(characters(first, degree), abs=1e-12)
        if degree == 1:  # the orders −1, 0, 1 are y, z, x
            assert a == pytest.approx(first[np.ix_([1, 2, 0], [1, 2, 0])], abs=1e-14)
        # m = 0 is the middle one: D_00 = P_l(cosβ)
        assert a[degree, degree] == pytest.approx(Legendre.basis(degree)(first[2, 2]), abs=1e-13)


@pytest.mark.parametrize("law", [None, "scalar", "pseudovector"])
def test_agrees_with_the_gram_matrix(law):
    grid = o3_grid(8)

    def f(points):
        return features(points)[:, :3] if law else features(points)

    result = analyse(f, POINTS, law=law, lmax=3, grid=grid)
    values = np.array([f(POINTS @ g.T) for g in grid.rotations])
    for degree in range(4):
        for sigma in (1, -1):
            expected = gram_spectrum(grid, values, degree, sigma) / len(POINTS)
            assert result.B["u"][degree, sigma] == pytest.approx(expected, rel=1e-9, abs=1e-13)
    if law == "pseudovector":
        signs = np.linalg.det(grid.rotations)[:, None, None]
        back = signs * np.einsum("gni,gij->gnj", values, grid.rotations)
        for degree in range(4):
            expected = gram_spectrum(grid, back, degree, -1) / len(POINTS)
            assert result.B["z"][degree, -1] == pytest.approx(expected, rel=1e-9, abs=1e-13)


def test_memory_changes_the_number_of_passes_and_nothing_else():
    whole = analyse(features, POINTS, law=None, lmax=2)
    # 12 components; the coefficients of one are 2 · 35 numbers
    small = analyse(features, POINTS, law=None, lmax=2, memory=5 * 8 * 2 * 35)
    assert small.B["u"].values == pytest.approx(whole.B["u"].values, rel=1e-12, abs=1e-15)
    assert small.sample_spectra["u"] == pytest.approx(whole.sample_spectra["u"], abs=1e-13)
    assert small.squared_deviations == pytest.approx(whole.squared_deviations, rel=1e-12)
    assert small.evaluations - whole.evaluations == 2 * len(o3_grid(4))


def test_copies_in_one_call():
    def several(points):
        assert 1 <= len(points) <= 50
        return np.array([features(each) for each in points])

    one = analyse(features, POINTS, law="scalar", lmax=2)
    batched = analyse(several, POINTS, law="scalar", lmax=2, copies_per_call=50)
    assert batched.B["z"].values == pytest.approx(one.B["z"].values, rel=1e-12, abs=1e-15)
    assert batched.evaluations == one.evaluations


def test_several_outputs_of_several_structures():
    other = POINTS[:2] * 1.3
    count = 0

    def f(points, cell):
        nonlocal count
        count += 1
        field = points @ cell.T
        return {"forces": field, "energy": (field**2).sum(), "charges": points[:, 0]}

    structures = [(POINTS, np.diag([1.0, 2.0, 3.0])), (other, np.eye(3))]
    calls = []
    laws = {"energy": "scalar", "forces": "vector"}
    results = analyse(
        f, structures, law=laws, lmax=2, progress=lambda done, of: calls.append((done, of))
    )
    assert set(results) == {"energy", "forces"}
    assert results["energy"].evaluations == count
    assert results["forces"].squared_deviations.shape == (5,)
    assert results["energy"].squared_deviations.shape == (2,)
    alone = [analyse(f, each, law=laws, lmax=2)["forces"] for each in structures]
    expected = [r.squared_deviations.mean() for r in alone]
    assert pytest.approx(np.average(expected, weights=[3, 2])) == results["forces"].A ** 2
    assert results["forces"].after("octahedral") ** 2 == pytest.approx(
        np.average([r.after("octahedral") ** 2 for r in alone], weights=[3, 2])
    )
    assert calls[-1][0] == calls[-1][1] - 1  # the last one asks again for the first
