"""Protocol jacobian: λ of fields whose Jacobian is known, exact and by probing."""

import numpy as np
import pytest
from drift_models import argon_crystal, einstein_crystal, einstein_start
from models import curl, lennard_jones

from md_bridge.drift.protocols import jacobian
from md_bridge.drift.protocols.base import ProtocolRequest
from md_bridge.drift.protocols.differentiable import DifferentiableForces
from md_bridge.export.errors import ExportError

K, SWIRL = 2.0, 0.3
# J of one atom is [[-k, -s, 0], [s, -k, 0], [0, 0, -k]]
LAMBDA = np.sqrt(2) * SWIRL / np.sqrt(3 * K**2 + 2 * SWIRL**2)


def silent(what, share):
    assert 0 <= share <= 1


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("jacobian")


@pytest.fixture(scope="module")
def swirl_file(folder):
    return einstein_crystal(K, SWIRL).export(folder / "swirl.pt")


@pytest.fixture(scope="module")
def curl_file(folder):
    return curl(size=2e-3).export(folder / "curl.pt")


def test_matrices_with_known_asymmetry():
    symmetric = np.array([[1.0, 2.0], [2.0, 5.0]])
    assert jacobian.jacobian_asymmetry(symmetric) == 0.0
    assert jacobian.jacobian_asymmetry([[0, 3], [-3, 0]]) == pytest.approx(1.0)
    assert jacobian.jacobian_asymmetry([[0, 1], [0, 0]]) == pytest.approx(np.sqrt(0.5))
    assert jacobian.jacobian_asymmetry(np.zeros((3, 3))) == 0.0


@pytest.mark.parametrize("bad", [np.zeros((2, 3)), np.zeros(4)])
def test_only_square_matrices_are_jacobians(bad):
    with pytest.raises(ValueError, match="square"):
        jacobian.jacobian_asymmetry(bad)


def test_probing_is_right_within_its_error_and_the_error_is_right():
    random = np.random.default_rng(5)
    n, probes, trials = 30, 12, 400
    matrix = random.normal(size=(n, n))
    matrix += 2 * matrix.T
    truth = jacobian.jacobian_asymmetry(matrix)
    pulls, errors, values = [], [], []
    for trial in range(trials):
        v = jacobian.random_signs(probes, n, trial)
        found = jacobian.probed_asymmetry(v @ matrix.T, v @ matrix)
        pulls.append((found.value - truth) / found.stderr)
        values.append(found.value)
        errors.append(found.stderr)
    assert abs(np.mean(values) - truth) < 4 * np.std(values) / np.sqrt(trials) + 1e-3
    assert np.mean(errors) == pytest.approx(np.std(values), rel=0.15)
    # Student's t with 11 degrees of freedom is beyond 2.2 in 5 % of the cases
    assert 0.02 < np.mean(np.abs(pulls) > 2.2) < 0.09


def test_blocks_of_a_known_matrix():
    """Two atoms: the block (0, 1) is asymmetric, all others symmetric."""
    j = np.zeros((6, 6))
    j[:3, :3] = j[3:, 3:] = -2 * np.eye(3)
    j[:3, 3:] = np.eye(3)
    j[3:, :3] = 3 * np.eye(3)
    blocks = jacobian.jacobian_blocks(j)
    by_distance, by_elements = jacobian.resolve(blocks, [[0, 2.5], [2.5, 0]], ["O", "H"], width=1.0)
    assert [part.name for part in by_distance] == ["the atom itself", "2 to 3 Å"]
    assert by_distance[0].asymmetry.value == 0
    # ‖A‖² = 2 · 3 · 2², ‖J‖² = 3 (1 + 9): λ = √24/(2 √30)
    assert by_distance[1].asymmetry.value == pytest.approx(np.sqrt(24) / (2 * np.sqrt(30)))
    assert by_distance[1].asymmetry_share == 1
    assert by_distance[1].norm_share == pytest.approx(30 / 54)
    names = {part.name: part.asymmetry.value for part in by_elements}
    assert set(names) == {"H-O", "H, the atom itself", "O, the atom itself"}
    assert names["H-O"] == by_distance[1].asymmetry.value


def test_jacobian_of_a_swirl_in_closed_form(swirl_file, folder):
    result = jacobian.run(ProtocolRequest(swirl_file, einstein_start(), folder), silent)
    assert result.summary["exact"] is True
    assert result.summary["lambda"] == pytest.approx(LAMBDA, rel=1e-10)
    assert result.summary["conservative_lambda"] < 1e-8
    assert result.passed is True
    # the removal of the net force spreads a share of 1/N of each atom over the others
    itself = result.summary["by_distance"][0]
    assert itself["name"] == "the atom itself"
    assert itself["norm_share"] == pytest.approx(1 - 1 / 8)


def test_probing_of_a_model_agrees_with_the_whole_jacobian(curl_file, folder):
    atoms = argon_crystal()
    forces = DifferentiableForces(curl_file, atoms, "direct")
    exact = jacobian.full_jacobian(forces, silent)
    v = jacobian.random_signs(1, forces.size, 2)[0]
    np.testing.assert_allclose(forces.product(v), exact @ v, atol=1e-6 * np.abs(exact).max())
    probed = jacobian.run(ProtocolRequest(curl_file, atoms, folder, seed=4), silent, exact_atoms=10)
    assert probed.summary["exact"] is False
    truth = jacobian.jacobian_asymmetry(exact)
    assert truth > 1e-3
    difference = abs(probed.summary["lambda"] - truth)
    assert difference < 4 * probed.summary["lambda_stderr"]
    # 3 to 4 Å: nearest neighbours
    whole = jacobian.resolve(
        jacobian.jacobian_blocks(exact), atoms.get_all_distances(mic=True), ["Ar"] * len(atoms)
    )[0]
    expected = {part.name: part.asymmetry.value for part in whole}
    for part in probed.summary["by_distance"]:
        if part["asymmetry_share"] > 0.05:
            error = part["asymmetry"]["stderr"]
            assert abs(part["asymmetry"]["value"] - expected[part["name"]]) < 4 * error + 1e-9


def test_direct_forces_that_have_a_potential_are_symmetric(folder):
    path = curl(size=0.0).export(folder / "none.pt")
    result = jacobian.run(ProtocolRequest(path, argon_crystal(), folder), silent)
    assert result.summary["lambda"] < 1e-12


def test_single_precision_is_raised_to_double(folder):
    path = curl(size=2e-3).export(folder / "single.pt", dtype="float32")
    assert DifferentiableForces(path, argon_crystal(), "direct").is_double


def test_a_gradient_that_is_none_is_found(folder):
    """The conservative check fails for a model that detaches part of its energy."""
    from md_bridge.export import export_module

    class HalfGradient(type(einstein_crystal().module)):
        def forward(self, types, positions, cell, pairs, shifts, structure):
            d = positions - 3.0 * (positions.detach() / 3.0).round()
            held = d.detach()
            energy = d.square().sum(dim=1) + d[:, 0] * held[:, 1]
            return {"energy": energy, "forces": -d}

    path = export_module(
        HalfGradient(1.0, 0.0),
        folder / "half.pt",
        elements=["Ar"],
        cutoff=2.0,
        dtype="float64",
        layers=1,
    )
    result = jacobian.run(ProtocolRequest(path, einstein_start(), folder), silent)
    assert result.passed is False
    assert "Do not trust" in result.sentences[-1]


def test_a_model_without_direct_forces_is_refused(folder):
    path = lennard_jones().export(folder / "lj.pt")
    with pytest.raises(ExportError, match=r"lj\.pt: the model has no direct forces"):
        jacobian.run(ProtocolRequest(path, argon_crystal(), folder), silent)
