"""examples/equivariant_head/tensor_basis: tensors of degree 0 to 4 and both parities are exact."""

import importlib
from pathlib import Path

import numpy as np
import pytest
import torch

from md_bridge.symmetry import Law, analyse

FOLDER = Path(__file__).parents[2] / "examples" / "equivariant_head"
DEGREES = range(5)


@pytest.fixture
def tensor_basis(monkeypatch):
    """The example's module."""
    monkeypatch.syspath_prepend(str(FOLDER))
    return importlib.import_module("tensor_basis")


class Atoms:
    """Pairs of some points, four functions of each pair, six invariants of each atom."""

    def __init__(self, positions):
        n = len(positions)
        x = torch.as_tensor(positions)
        self.first, second = (~torch.eye(n, dtype=torch.bool)).nonzero().T
        vectors = x[second] - x[self.first]
        distance = vectors.norm(dim=1, keepdim=True)
        self.unit = vectors / distance
        self.pair = torch.exp(-(distance - torch.arange(1, 5)).square())
        sums = torch.zeros(n, 4, dtype=x.dtype).index_add(0, self.first, self.pair)
        self.scalars = torch.cat([sums, sums[:, :2] ** 2], dim=1)


def points():
    return np.random.default_rng(0).normal(0, 1.5, (5, 3))


def head(tensor_basis, degree, pseudo):
    torch.manual_seed(degree)
    return tensor_basis.TensorHead(degree, pseudo, pair_functions=4, scalars=6).double()


@pytest.mark.parametrize("pseudo", [False, True])
@pytest.mark.parametrize("degree", DEGREES)
def test_tensors_turn_exactly(tensor_basis, degree, pseudo):
    """A is rounding, mirror images included, and all of the output is in (λ, σ)."""
    module = head(tensor_basis, degree, pseudo)

    def f(positions):
        with torch.no_grad():
            atoms = Atoms(positions)
            return module(atoms.scalars, atoms.pair, atoms.unit, atoms.first)

    result = analyse(f, points(), law=Law(degree, pseudo), lmax=max(degree, 1))
    assert 1e-12 * np.sqrt(result.B["z"][0, 1]) > result.A
    assert set(result.B["u"].above_floor) == {(degree, -1 if pseudo else 1)}


@pytest.mark.parametrize("degree", DEGREES)
def test_symmetric_and_traceless(tensor_basis, degree):
    """A projector on 2λ + 1 dimensions, of tensors with no trace and whatever order of the axes."""
    projector = tensor_basis.symmetric_traceless(degree)
    assert float(torch.trace(projector)) == pytest.approx(2 * degree + 1, abs=1e-12)
    torch.testing.assert_close(projector @ projector, projector, atol=1e-13, rtol=0)
    tensors = projector.reshape([-1] + [3] * degree)
    for axis in range(1, degree):
        torch.testing.assert_close(tensors, tensors.transpose(axis, axis + 1), atol=1e-13, rtol=0)
        assert float(tensors.diagonal(dim1=axis, dim2=axis + 1).sum(-1).abs().max()) < 1e-13


@pytest.mark.parametrize("pseudo", [False, True])
@pytest.mark.parametrize("degree", DEGREES)
def test_any_tensor_can_be_reached(tensor_basis, degree, pseudo):
    """The products alone span all 2λ + 1 dimensions in a place without symmetry."""
    module, atoms = head(tensor_basis, degree, pseudo), Atoms(points())
    with torch.no_grad():
        products = module.products_of_vectors(atoms.scalars, atoms.pair, atoms.unit, atoms.first)
        basis = products @ tensor_basis.symmetric_traceless(degree)
    ranks = [int(torch.linalg.matrix_rank(each, rtol=1e-12)) for each in basis]
    assert ranks == [2 * degree + 1] * len(basis)


def test_even_degrees_at_a_centre_of_inversion(tensor_basis):
    """Vectors vanish there, the quadrupole does not."""
    pair = np.array([[0.3, 1.0, 0.2], [1.2, -0.4, 0.1]])
    atoms = Atoms(np.concatenate([np.zeros((1, 3)), pair, -pair]))
    sizes = []
    for degree in (1, 2):
        module = head(tensor_basis, degree, False)
        with torch.no_grad():
            tensors = module(atoms.scalars, atoms.pair, atoms.unit, atoms.first)
        sizes.append(float(tensors[0].norm()))
    assert sizes[0] < 1e-14
    assert sizes[1] > 1e-3


def test_it_goes_into_a_file(tensor_basis):
    """TorchScript gives the same."""
    atoms = Atoms(points())
    module = head(tensor_basis, 3, True)
    arguments = (atoms.scalars, atoms.pair, atoms.unit, atoms.first)
    assert torch.equal(torch.jit.script(module)(*arguments), module(*arguments))
