"""What is converged, what is rounding, and what cannot be measured at all."""

import numpy as np
import pytest
import torch
from numpy.polynomial import Legendre

from md_bridge.errors import ArgumentError
from md_bridge.symmetry import Law, O3Grid, SymmetryError, analyse, o3_grid
from md_bridge.symmetry.measuring.calls import Calls
from md_bridge.symmetry.measuring.noise import noise_variances

Z = np.array([[0.0, 0.0, 1.0]])
POINTS = np.random.default_rng(5).standard_normal((4, 3))


def legendre(degree, constant=0.0):
    """P_l(z) of a unit vector."""
    return lambda points: constant + Legendre.basis(degree)(points[0, 2])


class TestConvergence:
    def test_resolved(self):
        result = analyse(legendre(3), Z, law="scalar", lmax=4)
        assert result.converged
        assert result.convergence.captured == pytest.approx(1.0)
        assert result.convergence.highest < 1e-20
        at_random = result.convergence.at_random
        assert abs(at_random.value - 1 / 7) < 4 * at_random.error < 0.2
        assert result.convergence.problems == []

    def test_a_function_that_vanishes_on_the_grid(self):
        """T-S11: xyz(Σx⁴ − Σx²y²) of degree 7 is 0 on all points of the rule for D = 8."""

        def f(points):
            x2 = points[0] ** 2
            squares = x2[0] * x2[1] + x2[1] * x2[2] + x2[2] * x2[0]
            return np.prod(points[0]) * ((x2**2).sum() - squares)

        fooled = analyse(f, Z, law="scalar", lmax=4)
        assert fooled.A < 1e-12
        assert not fooled.converged
        (problem,) = fooled.convergence.problems
        assert "at random orientations: increase the degree" in problem
        assert problem in fooled.summary()
        assert analyse(f, Z, law="scalar", lmax=8).converged

    def test_content_above_lmax(self):
        result = analyse(legendre(6), Z, law="scalar", lmax=4, grid=o3_grid(12))
        assert result.convergence.captured < 1e-10
        assert result.convergence.problems[0].startswith("the sectors up to λ = 4 hold ")
        assert "increase lmax" in result.convergence.problems[0]

    def test_content_at_lmax(self):
        result = analyse(legendre(4), Z, law="scalar", lmax=4)
        (problem,) = result.convergence.problems
        assert problem.startswith("λ = lmax = 4 itself holds 100 %")

    def test_a_large_mean_hides_nothing(self):
        """The share is of what changes, not of the whole."""
        result = analyse(legendre(6, 1e3), Z, law="scalar", lmax=4, grid=o3_grid(12))
        assert not result.converged

    def test_a_constant_is_converged(self):
        result = analyse(lambda points: 3.0, Z, law="scalar", lmax=2)
        assert result.converged
        assert result.B["z"].above_floor == {(0, 1): pytest.approx(9.0)}

    def test_quick(self):
        """Without random elements the first two guards are left, and sixty evaluations less."""
        slow = analyse(legendre(3), Z, law="scalar", lmax=4)
        quick = analyse(legendre(3), Z, law="scalar", lmax=4, quick=True)
        assert slow.evaluations - quick.evaluations == 56
        assert quick.B["z"].values == pytest.approx(slow.B["z"].values)
        assert quick.converged
        assert np.isnan(quick.convergence.at_random.value)
        assert not analyse(legendre(4), Z, law="scalar", lmax=4, quick=True).converged


class TestNoise:
    @pytest.mark.parametrize("size", [1e-12, 1e-6])
    def test_known_noise(self, size):
        """Noise that the values of the points decide, added to a smooth function."""

        def f(points):
            # a hash of the points, uniform in ±√3 size
            fraction = np.modf(np.abs(np.sin(points * 1e9)) * 1e6)[0]
            return np.cos(points) + size * 12**0.5 * (fraction - 0.5)

        points = np.random.default_rng(1).standard_normal((200, 3))
        found = noise_variances(Calls(f, points))["the output"]
        # 1800 independent estimates: 5 % is more than five standard errors
        assert found.mean() ** 0.5 == pytest.approx(size, rel=0.05, abs=0)

    def test_smooth_functions_have_rounding_alone(self):
        found = noise_variances(Calls(np.exp, POINTS))["the output"]
        assert np.sqrt(found).max() < 1e-14

    @pytest.mark.parametrize("dtype_seen", [True, False])
    def test_single_precision(self, dtype_seen):
        """T-S14: sectors above the floor agree with double precision; others are not shown."""

        def energy(points, dtype):
            x, y, z = points.astype(dtype).T
            value = 10 + x[0] * y[1] * z[2] / 10 + 3e-4 * z[0] ** 3 + 1e-8 * np.exp(x).sum()
            return value if dtype_seen else float(value)

        single, double = (
            analyse(lambda p, d=dtype: energy(p, d), POINTS, law="scalar", lmax=6)
            for dtype in (np.float32, np.float64)
        )
        assert 1e-7 < single.floor < 3e-5
        assert double.floor < 1e-12
        assert (0, 1) in single.B["z"].above_floor
        assert len(single.B["z"].above_floor) < len(double.B["z"].above_floor)
        floors = single.B["z"].floors
        for (degree, sigma), value in single.B["z"].above_floor.items():
            error = abs(np.sqrt(value) - np.sqrt(double.B["z"][degree, sigma]))
            # the mean is as exact as single precision
            allowed = 1e-6 if degree == 0 and sigma == 1 else np.sqrt(floors[degree, 0])
            assert error < allowed

    def test_nothing_is_shown_below_the_floor(self):
        result = analyse(lambda p: np.float32(1) + p[:, 0].astype("f4") ** 2 * 0, Z, law="scalar")
        lines = result.summary().splitlines()
        assert lines[0].startswith("A < ")
        assert lines[1] == "z (0,+) 1"
        assert all(" leaves < " in line for line in lines if "hedral" in line)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lmax": 5, "grid": o3_grid(8)}, r"grid of degree 8 resolves .* up to 4.*o3_grid\(10\)"),
        ({"lmax": -1}, "lmax must be a whole number"),
        ({"lmax": 1.5}, "lmax must be a whole number"),
        ({"law": "vektor"}, "law expects one of scalar, .*'vektor'; did you mean 'vector'"),
        ({"law": Law(-1)}, "rank of 0 or more"),
        ({"law": {"energy": "scalar"}}, r"law is of \['energy'\]"),
        ({"copies_per_call": -1}, "copies_per_call must not be negative"),
        ({"points": np.zeros(3)}, r"points must be an array \[N, 3\].*\[\[3\]\]"),
        ({"points": np.zeros((0, 3))}, "points must be an array"),
        ({"points": (Z, np.zeros((2, 2)))}, "points must be an array"),
        ({"points": [[0.0, np.nan, 0.0]]}, "points must be finite"),
    ],
)
def test_impossible_arguments(options, message):
    arguments = {"points": Z, "law": "scalar", "lmax": 2, **options}
    with pytest.raises(ArgumentError, match=message):
        analyse(lambda points: points.sum(), arguments.pop("points"), **arguments)


@pytest.mark.parametrize("degree", [-1, 132, 2.0])
def test_impossible_degrees(degree):
    with pytest.raises(ArgumentError, match="degree must be a whole number from 0 to 131"):
        o3_grid(degree)


def after_calls(count, before, after):
    """A function that changes its mind."""
    calls = [0]

    def f(points):
        calls[0] += 1
        return before(points) if calls[0] <= count else after(points)

    return f


@pytest.mark.parametrize(
    ("f", "law", "message"),
    [
        (lambda p: np.random.default_rng().random(), "scalar", "the same whenever.*dropout"),
        # a state that creeps in later is found at the end
        (after_calls(100, np.sum, np.mean), "scalar", "the same whenever"),
        (after_calls(3, np.sum, np.ravel), "scalar", r"one shape.*\[\] and \[12\]"),
        (lambda p: np.nan, "scalar", "finite, found NaN"),
        (lambda p: p[:, :2], "vector", r"rank 1, whose last 1 axes .*\[4, 2\].*another law"),
        (np.sum, "vector", r"rank 1.*the shape \[\]"),
        (np.sum, Law(0, per_point=True), "a value for each of the 4 points"),
        (lambda p: p[:0], "scalar", "at least one number"),
        (lambda p: "energy", "scalar", "real numbers"),
    ],
)
def test_functions_that_cannot_be_measured(f, law, message):
    with pytest.raises(SymmetryError, match=message):
        analyse(f, POINTS, law=law, lmax=2)


def test_dropout():
    torch.manual_seed(0)
    module = torch.nn.Sequential(torch.nn.Linear(3, 50), torch.nn.Dropout(0.5))
    with pytest.raises(SymmetryError, match=r"module\.eval\(\)"):
        analyse(module, POINTS, law=None, lmax=1)
    assert analyse(module.eval(), POINTS, law=None, lmax=2).converged


def test_calls_of_copies_have_as_many_results():
    with pytest.raises(SymmetryError, match="a value for each of the 1 copies in a call"):
        analyse(np.sum, POINTS, law="scalar", lmax=1, copies_per_call=10)


def test_several_outputs_need_a_mapping():
    with pytest.raises(ArgumentError, match="law must be a mapping for the outputs"):
        analyse(lambda p: {"a": p.sum(), "b": p.sum()}, POINTS, law="scalar", lmax=1)


def test_what_needs_a_law():
    result = analyse(lambda p: p[:, 0], POINTS, law=None, lmax=2)
    for ask in (lambda: result.A, lambda: result.rms, lambda: result.after("octahedral")):
        with pytest.raises(SymmetryError, match="needs a law"):
            ask()
    with pytest.raises(KeyError, match=r"no sector \(3, 1\): λ is from 0 to 2"):
        result.B["u"][3, 1]


def test_mirror_images_need_a_grid_that_has_them():
    grid = o3_grid(4, inversion=False)
    result = analyse(np.sum, POINTS, law="scalar", lmax=2, grid=grid)
    with pytest.raises(ArgumentError, match="copies have mirror images"):
        result.after("icosahedral/inversion")
    with pytest.raises(ArgumentError, match=r"expects one of .*icosahedral.*found .cubic"):
        result.after("cubic")
    with pytest.raises(ArgumentError, match="orthogonal"):
        result.after(2 * np.eye(3)[None])
    assert np.isnan(result.B["z"].natural_parity_share)


def test_a_grid_of_ones_own():
    """Three rotations about z integrate what turns about z up to order 2."""
    angles = 2 * np.pi * np.arange(3) / 3
    matrices = [[[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]] for a in angles]
    grid = O3Grid(np.array(matrices), np.full(3, 1 / 3), 0, inversion=False)
    result = analyse(lambda p: p[0], np.array([[3.0, 4.0, 5.0]]), law=None, lmax=0, grid=grid)
    assert result.mean[0] == pytest.approx([0, 0, 5], abs=1e-14)
    assert result.squared_deviations == pytest.approx([25.0])
