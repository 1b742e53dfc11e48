"""Tensors of any degree and either parity, exactly equivariant: scalars times a tensor basis.

The vectors and stresses of ``scalars_times_vectors.py`` are the degrees 1, 0 and 2. An irreducible
tensor of degree λ is a Cartesian one of rank λ that is symmetric and has no trace: 2λ + 1 numbers,
those of spherical harmonics (a polarisability has λ = 0 and 2, an octupole λ = 3). In a mirror it
behaves as the product of λ vectors does (σ = +1), or with the opposite sign (σ = −1: a magnetic
moment, a chirality). Coefficients are functions of invariants, as for vectors (arXiv 2505.05404).
"""

from itertools import combinations_with_replacement, permutations
from math import factorial

import torch
from torch import Tensor, nn


def symmetric_traceless(degree: int) -> Tensor:
    """The projector [3^λ, 3^λ] on tensors that are symmetric and whose traces vanish."""
    size = 3**degree
    one = torch.eye(size, dtype=torch.float64)
    tensors = one.reshape([size] + [3] * degree)
    moved = [tensors.permute(0, *order) for order in permutations(range(1, degree + 1))]
    asymmetry = one - sum(each.reshape(size, size) for each in moved) / factorial(degree)
    constraints = asymmetry
    if degree > 1:  # of a symmetric tensor one trace is as good as any other
        trace = tensors.diagonal(dim1=1, dim2=2).sum(-1).reshape(size, -1).T
        constraints = torch.cat([asymmetry, trace])
    return one - torch.linalg.pinv(constraints) @ constraints


class TensorHead(nn.Module):
    """A tensor of each atom, of degree λ and parity σ, from invariants and from its neighbours.

    The basis, with V_a = Σ_j φ_a(r_ij) r̂_ij, a = 1, 2, 3, learned functions φ, and { } the
    symmetric traceless part:

    - σ = +1: {V_a V_b ⋯}, λ factors, which span all tensors unless the three are coplanar; and
      Σ_j ψ(r_ij) {r̂ r̂ ⋯}, which has tensors of even degree also where all V vanish by symmetry;
    - σ = −1: {(V_a × V_b) V_c ⋯}, λ factors; for λ = 0 the product V_1·(V_2 × V_3).

    :param degree: λ, from 0
    :param pseudo: σ = −1, where True
    :param pair_functions: how many functions of distance and species each pair comes with
    :param scalars: how many invariants each atom comes with
    :param expansions: functions ψ
    """

    combinations: Tensor
    projector: Tensor

    def __init__(
        self, degree: int, pseudo: bool, pair_functions: int, scalars: int, expansions: int = 8
    ) -> None:
        super().__init__()
        self.degree, self.pseudo = degree, pseudo
        self.vector_weight = nn.Linear(pair_functions, 3, bias=False)
        self.expansion_weight = nn.Linear(pair_functions, expansions, bias=False)
        # 0, 1, 2 are the vectors, 3, 4, 5 their products
        products = [(3,), (4,), (5,)] if pseudo and degree > 0 else [()]
        rest = combinations_with_replacement(range(3), degree - len(products[0]))
        chosen = [first + others for others in rest for first in products]
        self.register_buffer(
            "combinations", torch.tensor(chosen, dtype=torch.int64).reshape(len(chosen), degree)
        )
        self.register_buffer("projector", symmetric_traceless(degree))
        self.coefficients = nn.Linear(scalars, len(chosen) + (0 if pseudo else expansions))

    def forward(self, scalars: Tensor, pair: Tensor, unit: Tensor, first: Tensor) -> Tensor:
        """The tensors.

        :param scalars: invariants of the atoms, [N, scalars]
        :param pair: functions of distance and species of the pairs, [P, pair_functions]
        :param unit: unit vectors from atom to neighbour, [P, 3]
        :param first: the atoms, [P]
        :returns: [N, 3, ..., 3], rank λ
        """
        projector = self.projector.to(scalars.dtype)
        basis = self.products_of_vectors(scalars, pair, unit, first) @ projector
        if not self.pseudo:
            powers = torch.ones_like(unit[:, :1])
            for _ in range(self.degree):
                powers = (powers.unsqueeze(2) * unit.unsqueeze(1)).flatten(1)
            terms = self.expansion_weight(pair).unsqueeze(2) * (powers @ projector).unsqueeze(1)
            sums = torch.zeros_like(terms[:1]).repeat(scalars.size(0), 1, 1)
            basis = torch.cat([basis, sums.index_add(0, first, terms)], dim=1)
        tensors = (self.coefficients(scalars).unsqueeze(2) * basis).sum(dim=1)
        return tensors.reshape([scalars.size(0)] + [3] * self.degree)

    def products_of_vectors(
        self, scalars: Tensor, pair: Tensor, unit: Tensor, first: Tensor
    ) -> Tensor:
        """The chosen products of λ vectors, flat and not yet symmetric, [N, K, 3^λ]."""
        terms = self.vector_weight(pair).unsqueeze(2) * unit.unsqueeze(1)
        vectors = torch.zeros_like(terms[:1]).repeat(scalars.size(0), 1, 1)
        vectors = vectors.index_add(0, first, terms)
        crossed = torch.linalg.cross(vectors.roll(-1, 1), vectors.roll(-2, 1))
        if self.pseudo and self.degree == 0:
            return (vectors[:, :1] * crossed[:, :1]).sum(dim=2, keepdim=True)
        both = torch.cat([vectors, crossed], dim=1)
        products = torch.ones_like(both[:, :1, :1]).repeat(1, self.combinations.size(0), 1)
        for factor in range(self.degree):
            chosen = both[:, self.combinations[:, factor]]
            products = (products.unsqueeze(3) * chosen.unsqueeze(2)).flatten(2)
        return products
