"""Functions whose sectors are known in closed form (T-S1 to T-S6, T-S8, T-S12)."""

import numpy as np
import pytest
import torch
from numpy.polynomial import Legendre

from md_bridge.symmetry import Law, analyse, o3_grid

CORNERS = np.eye(3)
R_CUT = 6.0
ATOM = np.array([1.1, -2.3, 2.9])  # from the atom at the origin, Å
R = np.linalg.norm(ATOM)
W = (1 - R**2 / R_CUT**2) ** 3
W_PRIME = -6 * R / R_CUT**2 * (1 - R**2 / R_CUT**2) ** 2
COEFFICIENTS = {1: 0.02, 2: -0.03, 3: 0.02, 4: 0.03}


def dimer_energy(points):
    """w(r) Σ c_l P_l(cosθ) of the vector from the first point to the second."""
    vector = points[1] - points[0]
    r = np.linalg.norm(vector)
    legendre = sum(c * Legendre.basis(n)(vector[2] / r) for n, c in COEFFICIENTS.items())
    return (1 - r**2 / R_CUT**2) ** 3 * legendre


def dimer_forces(points):
    """Minus the gradient of :func:`dimer_energy`, [2, 3]."""
    vector = points[1] - points[0]
    r = np.linalg.norm(vector)
    n, z = vector / r, np.array([0.0, 0.0, 1.0])
    w, slope = (1 - r**2 / R_CUT**2) ** 3, -6 * r / R_CUT**2 * (1 - r**2 / R_CUT**2) ** 2
    force = np.zeros(3)
    for degree, c in COEFFICIENTS.items():
        legendre = Legendre.basis(degree)
        force += c * (slope * legendre(n[2]) * n + w * legendre.deriv()(n[2]) * (z - n[2] * n) / r)
    return np.array([force, -force])


def direct_force(points):
    """w cosθ ẑ, on the first point, [3]."""
    n = points[1] / np.linalg.norm(points[1])
    return np.array([0.0, 0.0, W * n[2]])


def direct_stress(points):
    """w cos²θ ẑẑᵀ, [3, 3]."""
    n = points[1] / np.linalg.norm(points[1])
    return np.diag([0.0, 0.0, W * n[2] ** 2])


DIMER = np.array([np.zeros(3), ATOM])


def expect(spectrum, expected, atol):
    """All sectors: those that are expected, and zero everywhere else."""
    for degree in range(len(spectrum.values)):
        for sigma in spectrum.sigmas:
            value = expected.get((degree, sigma), 0.0)
            assert spectrum[degree, sigma] == pytest.approx(value, rel=1e-10, abs=atol)
    assert set(spectrum.above_floor) == set(expected)


@pytest.mark.parametrize("sigma", [1, -1])
@pytest.mark.parametrize(
    ("degree", "polynomial", "norm"),
    [
        (0, lambda x: 1.0, 1),
        (1, lambda x: x[0, 0], 1 / 3),
        (2, lambda x: x[0, 0] * x[1, 0], 1 / 15),
        (3, lambda x: x[0, 0] * x[1, 0] * x[2, 0], 1 / 105),
    ],
)
def test_polynomials(degree, polynomial, norm, sigma):
    """T-S1, as metatomic tests itself: 1, x, xy, xyz of the first column of g, and × det."""

    def f(points):
        return polynomial(points.T) * (np.linalg.det(points) if sigma < 0 else 1.0)

    # columns of g are the turned corners; g ↦ xyz has the parity of a natural tensor
    result = analyse(f, CORNERS, law=None, lmax=4)
    expect(result.B["u"], {(degree, sigma): norm}, atol=1e-11)
    assert result.B["u"].total == pytest.approx(norm, abs=1e-12)
    assert result.converged
    assert result.B["u"].natural_parity_share == pytest.approx(float(sigma > 0), abs=1e-12)
    assert result.B["u"].bandwidth == pytest.approx(degree, abs=1e-11)


def test_energy_of_a_dimer():
    """T-S2: B_{l,+} = c_l² w² / (2l+1)."""
    result = analyse(dimer_energy, DIMER, law="scalar", lmax=6)
    expected = {(n, 1): c**2 * W**2 / (2 * n + 1) for n, c in COEFFICIENTS.items()}
    expect(result.B["z"], expected, atol=1e-20)
    assert pytest.approx(sum(expected.values()), rel=1e-12) == result.A**2
    assert result.mean[0] == pytest.approx(0.0, abs=1e-16)
    assert result.converged
    assert result.B["u"] is result.B["z"]


def test_conservative_forces_of_a_dimer():
    """T-S3: B_{l,+}(z) = c_l² [w′² + l(l+1) w²/r²] / (2l+1) for each atom."""
    result = analyse(dimer_forces, DIMER, law="vector", lmax=6)
    expected = {
        (n, 1): c**2 * (W_PRIME**2 + n * (n + 1) * W**2 / R**2) / (2 * n + 1)
        for n, c in COEFFICIENTS.items()
    }
    expect(result.B["z"], expected, atol=1e-20)
    assert result.squared_deviations.shape == (2,)
    assert result.squared_deviations == pytest.approx([sum(expected.values())] * 2, rel=1e-12)
    assert result.sample_spectra["z"][0] == pytest.approx(result.B["z"].values, abs=1e-18)
    assert result.rms == pytest.approx(result.A / 3**0.5)


def test_direct_force():
    """T-S4: z has (0,+) = w²/9 and (2,+) = 2w²/9; u is a function of l = 1 alone."""
    result = analyse(direct_force, DIMER, law="vector", lmax=4)
    expect(result.B["z"], {(0, 1): W**2 / 9, (2, 1): 2 * W**2 / 9}, atol=1e-18)
    expect(result.B["u"], {(1, 1): W**2 / 3}, atol=1e-18)
    assert result.mean[0] == pytest.approx(W / 3 * ATOM / R, abs=1e-14)
    assert pytest.approx(W * (2 / 9) ** 0.5) == result.A
    assert result.relative == pytest.approx(2**0.5)


def test_direct_stress():
    """T-S5: (0,+) 11/225, (2,+) 38/315, (4,+) 16/525 of w²."""
    result = analyse(direct_stress, DIMER, law="stress", lmax=6)
    shares = {0: 11 / 225, 2: 38 / 315, 4: 16 / 525}
    expect(result.B["z"], {(n, 1): share * W**2 for n, share in shares.items()}, atol=1e-18)
    assert result.B["z"].total == pytest.approx(W**2 / 5)


def test_pseudoscalar():
    """T-S6: det(r₁, r₂, r₃) as an energy is invisible to rotations."""
    points = np.array([[1.0, 0.2, -0.3], [0.1, 1.4, 0.5], [-0.7, 0.3, 0.9]])
    volume = np.linalg.det(points)
    full = analyse(np.linalg.det, points, law="scalar", lmax=2)
    expect(full.B["z"], {(0, -1): volume**2}, atol=1e-20)
    assert pytest.approx(abs(volume)) == full.A
    proper = analyse(np.linalg.det, points, law="scalar", lmax=2, grid=o3_grid(4, inversion=False))
    assert proper.A <= proper.floor < 1e-13
    assert "A < " in proper.summary()
    # as what it is, it is perfect
    declared = analyse(np.linalg.det, points, law="pseudoscalar", lmax=2)
    assert declared.floor >= declared.A
    assert declared.mean[0] == pytest.approx(volume)


def test_pseudovector():
    """A torque, axial, is perfect as what it is and 100 % (0, −1) as a vector."""
    points = np.array([[1.0, 0.2, -0.3], [0.1, 1.4, 0.5]])

    def torque(x):
        return np.cross(x[0], x[1])

    assert analyse(torque, points, law="pseudovector", lmax=2).A < 1e-13
    wrong = analyse(torque, points, law=Law(1), lmax=2)
    expect(wrong.B["z"], {(0, -1): (torque(points) ** 2).sum()}, atol=1e-20)
    expect(wrong.B["u"], {(1, -1): (torque(points) ** 2).sum()}, atol=1e-20)


class TestNetworks:
    """T-S8: hidden layers of a network on points."""

    POINTS = np.random.default_rng(3).standard_normal((5, 3))

    @staticmethod
    def layers(activation, bias=True):
        torch.manual_seed(1)
        linear = torch.nn.Linear(3, 8, bias=bias, dtype=torch.float64)
        return torch.nn.Sequential(linear, activation) if activation else linear

    def test_a_linear_layer_holds_vectors_and_its_bias(self):
        module = self.layers(None)
        result = analyse(module, self.POINTS, law=None, lmax=3)
        weight, bias = module.weight.detach().numpy(), module.bias.detach().numpy()
        vectors = (self.POINTS**2).sum() / 5 * (weight**2).sum() / 3
        expect(result.B["u"], {(0, 1): (bias**2).sum(), (1, 1): vectors}, atol=1e-13)
        assert result.squared_deviations.shape == (5,)

    def test_a_cubic_activation_ends_at_three(self):
        class Cubic(torch.nn.Module):
            def forward(self, x):
                return x**3 + x**2

        result = analyse(self.layers(Cubic()), self.POINTS, law=None, lmax=6)
        assert set(result.B["u"].above_floor) == {(n, 1) for n in range(4)}
        assert result.converged

    def test_a_kink_has_all_degrees(self):
        result = analyse(self.layers(torch.nn.ReLU()), self.POINTS, law=None, lmax=6)
        assert set(result.B["u"].above_floor) >= {(n, 1) for n in (0, 1, 2, 3, 4, 6)}
        # a function of one vector is a natural tensor, as far as the grid integrates the kink
        assert result.B["u"].natural_parity_share > 0.999


def test_error_of_a_model_and_of_its_average():
    """T-S12: ⟨RMSE²⟩ over orientations = RMSE² of the average + A²."""
    labels = np.random.default_rng(2).standard_normal((2, 3))
    grid = o3_grid(12)
    result = analyse(dimer_forces, DIMER, law="vector", lmax=6, grid=grid)
    squares = [
        ((dimer_forces(DIMER @ g.T) @ g - labels) ** 2).sum(axis=1).mean() for g in grid.rotations
    ]
    of_mean = ((result.mean[0] - labels) ** 2).sum(axis=1).mean()
    assert grid.weights @ squares == pytest.approx(of_mean + result.A**2, rel=1e-12)
