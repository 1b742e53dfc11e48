"""Protocol loop: known work around closed paths, and none where there is a potential."""

import numpy as np
import pytest
from ase import Atoms
from drift_models import einstein_crystal, einstein_start
from models import curl
from scipy.integrate import quad

from md_bridge.drift.protocols import loop, paths
from md_bridge.drift.protocols.base import ProtocolRequest


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("loop")


@pytest.fixture(scope="module")
def swirl_file(folder):
    return einstein_crystal(k=2.0, swirl=0.05).export(folder / "swirl.pt")


@pytest.fixture(scope="module")
def curl_file(folder):
    return curl(size=1e-3).export(folder / "curl.pt")


def request(model, atoms, folder):
    return ProtocolRequest(model, atoms, folder)


def silent(what, share):
    assert 0 <= share <= 1


def test_work_of_a_rotation_field_is_twice_the_area():
    """F = ω (−y, x) along an ellipse with half axes a and b: W = 2 ω π a b."""
    angle = 2 * np.pi * np.arange(16) / 16
    a, b, omega = 0.3, 0.7, 0.5
    x = np.stack([a * np.cos(angle), b * np.sin(angle)], axis=1)
    tangents = np.stack([-a * np.sin(angle), b * np.cos(angle)], axis=1)
    result = loop.loop_work(omega * np.stack([-x[:, 1], x[:, 0]], axis=1), tangents)
    assert result.work == pytest.approx(2 * omega * np.pi * a * b, rel=1e-13)
    assert result.error < 1e-13
    assert not result.is_zero_within_error


def test_a_path_with_too_few_points_has_an_error_that_covers_the_truth():
    """A steep potential on 16 points: the sum is off, and the error says so."""
    angle = 2 * np.pi * np.arange(16) / 16
    power = np.exp(3 * np.cos(angle)) * np.sin(angle) + np.exp(8 * np.cos(angle - 0.3)) * np.sin(
        angle - 0.3
    )
    result = loop.loop_work(power, np.ones(16))
    assert abs(result.work) > 1e-6
    assert result.is_zero_within_error


@pytest.mark.parametrize("points", [32, 64])
def test_the_error_of_noise_is_that_of_student(points):
    random = np.random.default_rng(3)
    tangents = np.ones((points, 1))
    works = [loop.loop_work(random.normal(size=(points, 1)), tangents) for _ in range(2000)]
    # 95 % of Student's t with three degrees of freedom; binomial, p = 0.05: 100 ± 10
    beyond = sum(abs(result.work) > 3.182 * result.error for result in works)
    assert 60 <= beyond <= 140
    # false alarms, p = 0.001: 2 ± 1.4
    assert sum(not result.is_zero_within_error for result in works) <= 8


@pytest.mark.parametrize(
    ("forces", "tangents", "message"),
    [
        (np.zeros((8, 2)), np.zeros((8, 3)), "one shape"),
        (np.zeros((10, 2)), np.zeros((10, 2)), "found 10"),
        (np.full((8, 2), np.nan), np.zeros((8, 2)), "not finite"),
    ],
)
def test_impossible_paths_are_refused(forces, tangents, message):
    with pytest.raises(ValueError, match=message):
        loop.loop_work(forces, tangents)


def test_circle_of_one_atom_in_a_swirl(swirl_file, folder):
    """∮ swirl (z × d)·dx = 2 π r² swirl; the removal of the net force leaves 1 − 1/N of it."""
    atoms = einstein_start()
    radius = 0.1
    path = paths.circle_path(atoms, 3, "xy", 16, radius)
    result = loop.evaluate_path(request(swirl_file, atoms, folder), path)
    expected = 2 * np.pi * radius**2 * 0.05 * (1 - 1 / len(atoms))
    assert result.direct.work == pytest.approx(expected, rel=1e-10)
    assert result.conservative.is_zero_within_error
    assert abs(result.conservative.work) < 1e-14
    other_plane = loop.evaluate_path(
        request(swirl_file, atoms, folder), paths.circle_path(atoms, 3, "yz", 16, radius)
    )
    assert abs(other_plane.direct.work) < 1e-14


def test_turn_of_a_pair(curl_file, folder):
    """models.curl: turning j once around i in the xy plane costs the pair 2 π r² size w(r)."""
    r = 3.9
    atoms = Atoms("Ar2", positions=[[0, 0, 0], [r, 0, 0]])
    path = paths.turn_path(atoms, [0, 1], (0, 0, 1), "turn", 32)
    result = loop.evaluate_path(request(curl_file, atoms, folder), path)
    w = (1 - (r / 6.0) ** 2) ** 2
    # f_i = size w z × r_ij and f_j = −f_i turn the pair backwards
    assert result.direct.work == pytest.approx(-2 * np.pi * r**2 * 1e-3 * w, rel=1e-9)
    assert abs(result.conservative.work) < 1e-12


def test_strain_cycle_of_a_pair(curl_file, folder):
    """The direct stress of models.curl against an integral done by scipy."""
    x, y = 2.8, 2.5
    atoms = Atoms("Ar2", positions=[[5, 5, 5], [5 + x, 5 + y, 5]], cell=[20] * 3, pbc=True)
    amplitude = 0.05
    path = paths.strain_path(atoms, "xy", 64, amplitude)
    result = loop.evaluate_path(request(curl_file, atoms, folder), path)

    def swirl_power(angle):
        u = x * np.exp(amplitude * (np.cos(angle) - 1))
        v = y * np.exp(amplitude * np.sin(angle))
        w = (1 - (u * u + v * v) / 36) ** 2
        # pair force size w (−v, u) on i, r from i to j: V stress = r ⊗ f, virial is minus that
        virial = -1e-3 * w * np.array([-u * v, u * v])
        return virial @ (amplitude * np.array([-np.sin(angle), np.cos(angle)]))

    expected, _ = quad(swirl_power, 0, 2 * np.pi, epsabs=1e-14)
    assert abs(expected) > 1e-6
    assert result.direct.work == pytest.approx(expected, rel=1e-8)
    assert abs(result.conservative.work) < 1e-12


def test_the_whole_protocol_on_a_crystal(swirl_file, folder):
    atoms = einstein_start()
    result = loop.run(request(swirl_file, atoms, folder), silent, points=16)
    # the model has no direct stress
    assert [row.cells[2] == "-" for row in result.rows] == [False, False, True, True, True]
    assert result.passed is True
    assert result.rows[0].cells[0].startswith("circle of atom")
    assert result.summary["paths"][1]["direct"]["work"] != 0
    assert any("no direct stress" in sentence for sentence in result.sentences)


def test_a_force_that_is_not_the_gradient_does_not_close(folder):
    """A conservative force that is not the whole gradient: the path does not close."""

    class HalfGradient(type(einstein_crystal().module)):
        def forward(self, types, positions, cell, pairs, shifts, structure):
            sites = 3.0 * (positions.detach() / 3.0).round()
            d = positions - sites
            held = d.detach()
            # the gradient sees x of the product x·y only
            return {"energy": (d * d).sum(dim=1) + d[:, 0] * held[:, 1]}

    from md_bridge.export import export_module

    path = export_module(
        HalfGradient(1.0, 0.0),
        folder / "f.pt",
        elements=["Ar"],
        cutoff=2.0,
        dtype="float64",
        layers=1,
    )
    result = loop.run(request(path, einstein_start(), folder), silent, points=16)
    assert result.passed is False
    assert result.rows[0].verdict == "does not close"
    assert "not the gradient" in result.sentences[0]
