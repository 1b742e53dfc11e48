"""λ = ‖J - Jᵀ‖ / (2 ‖J‖) of a Jacobian, from the whole of it or from products, and its parts by
distance and elements (F. Bigi, M. F. Langer and M. Ceriotti, arXiv:2412.11569)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "BIN_WIDTH",
    "SAME_ATOM",
    "Array",
    "Asymmetry",
    "Blocks",
    "Part",
    "jacobian_asymmetry",
    "jacobian_blocks",
    "per_block",
    "probed_asymmetry",
    "resolve",
]

Array = NDArray[np.float64]

BIN_WIDTH = 1.0
"""Å."""
SAME_ATOM = "the atom itself"
"""Name of the part of the blocks on the diagonal."""


@dataclass(frozen=True)
class Asymmetry:
    """λ with its standard error: zero where no probing was needed, infinite from one probe."""

    value: float
    stderr: float


@dataclass(frozen=True)
class Part:
    """λ of some blocks of the Jacobian, and their share of the whole."""

    name: str
    asymmetry: Asymmetry
    norm_share: float
    """Share of ‖J‖²."""
    asymmetry_share: float
    """Share of ‖J - Jᵀ‖²."""


@dataclass(frozen=True)
class Blocks:
    """Squared Frobenius norms of the 3 x 3 blocks of J: row i any atom, column j a probed one.

    From random signs they are unbiased estimates.
    """

    atoms: NDArray[np.int64]
    """The probed atoms, shape (P,)."""
    norms: Array
    """(‖J_ij‖² + ‖J_ji‖²)/2, shape (N, P)."""
    asymmetries: Array
    """‖J_ij - J_jiᵀ‖², shape (N, P)."""
    exact: bool


def jacobian_asymmetry(jacobian: ArrayLike) -> float:
    """λ of a square matrix; zero if it is zero.

    :param jacobian: shape (n, n), in any unit
    :returns: λ, a number without unit
    :raises ValueError: the matrix is not square, or has a number that is not finite
    """
    j = np.asarray(jacobian, dtype=np.float64)
    if j.ndim != 2 or j.shape[0] != j.shape[1]:
        raise ValueError(f"a Jacobian is a square matrix, found shape {j.shape}")
    if not np.isfinite(j).all():
        raise ValueError("the Jacobian has a number that is not finite")
    return _ratio(float(np.sum((j - j.T) ** 2)), float(np.sum(j**2)))


def probed_asymmetry(products: ArrayLike, transposed_products: ArrayLike) -> Asymmetry:
    """λ from products with random vectors of independent signs.

    :param products: Jv, shape (probes, n)
    :param transposed_products: Jᵀv for the same v, shape (probes, n)
    """
    jv = np.asarray(products, dtype=np.float64)
    jtv = np.asarray(transposed_products, dtype=np.float64)
    if jv.ndim != 2 or jv.shape != jtv.shape or len(jv) < 1:
        raise ValueError(f"products must be of shape (probes, n), found {jv.shape}, {jtv.shape}")
    antisymmetric = np.sum((jv - jtv) ** 2, axis=1)
    whole = 0.5 * (np.sum(jv**2, axis=1) + np.sum(jtv**2, axis=1))
    return _jackknife(antisymmetric, whole)


def jacobian_blocks(jacobian: ArrayLike) -> Blocks:
    """Squared norms of all 3 x 3 blocks of a Jacobian of shape (3N, 3N).

    :param jacobian: shape (3N, 3N), eV/Å²
    :returns: squared norms of the blocks and of their antisymmetric parts, (eV/Å²)²
    """
    j = np.asarray(jacobian, dtype=np.float64)
    n = len(j) // 3
    norms = np.sum(j.reshape(n, 3, n, 3) ** 2, axis=(1, 3))
    asymmetries = np.sum((j - j.T).reshape(n, 3, n, 3) ** 2, axis=(1, 3))
    return Blocks(np.arange(n), 0.5 * (norms + norms.T), asymmetries, True)


def resolve(
    blocks: Blocks, distances: ArrayLike, symbols: Sequence[str], width: float = BIN_WIDTH
) -> tuple[list[Part], list[Part]]:
    """λ by distance, and by pair of elements.

    :param blocks: of the Jacobian, see :class:`Blocks`
    :param distances: between all atoms, shape (N, N), Å
    :param symbols: element of each atom
    :param width: of the bins of the distance (Å)
    :returns: parts by distance, the first for the blocks of an atom with itself; parts by elements
    """
    chosen = np.asarray(distances, dtype=np.float64)[:, blocks.atoms]
    itself = np.arange(len(symbols))[:, None] == blocks.atoms[None, :]
    bins = np.where(itself, -1, np.floor(chosen / width).astype(int))
    by_distance = [
        _part(SAME_ATOM if b < 0 else f"{b * width:g} to {(b + 1) * width:g} Å", blocks, bins == b)
        for b in np.unique(bins)
    ]
    pairs = np.array(
        [
            [
                f"{a}, {SAME_ATOM}" if itself[i, k] else "-".join(sorted((a, symbols[j])))
                for k, j in enumerate(blocks.atoms)
            ]
            for i, a in enumerate(symbols)
        ]
    )
    by_elements = [_part(str(name), blocks, pairs == name) for name in np.unique(pairs)]
    return by_distance, by_elements


def _ratio(antisymmetric: float, whole: float) -> float:
    return math.sqrt(antisymmetric / whole) / 2 if whole > 0 else 0.0


def _jackknife(antisymmetric: Array, whole: Array) -> Asymmetry:
    """λ from sums over probes; its error by leaving out one probe after the other."""
    total = float(antisymmetric.sum()), float(whole.sum())
    count = len(whole)
    if count < 2:
        return Asymmetry(_ratio(*total), math.inf)
    without = np.array(
        [_ratio(total[0] - a, total[1] - w) for a, w in zip(antisymmetric, whole, strict=True)]
    )
    variance = (count - 1) / count * float(np.sum((without - without.mean()) ** 2))
    return Asymmetry(_ratio(*total), math.sqrt(variance))


def _part(name: str, blocks: Blocks, mask: NDArray[np.bool_]) -> Part:
    antisymmetric = np.where(mask, blocks.asymmetries, 0.0).sum(axis=0)
    whole = np.where(mask, blocks.norms, 0.0).sum(axis=0)
    if blocks.exact:
        asymmetry = Asymmetry(_ratio(float(antisymmetric.sum()), float(whole.sum())), 0.0)
    else:
        present = mask.any(axis=0)
        asymmetry = _jackknife(antisymmetric[present], whole[present])
    return Part(
        name,
        asymmetry,
        _share(whole, blocks.norms),
        _share(antisymmetric, blocks.asymmetries),
    )


def _share(part: Array, whole: Array) -> float:
    return float(part.sum() / whole.sum()) if whole.sum() > 0 else 0.0


def per_block(vectors: Array) -> Array:
    """|(Mv)_i|² of each atom i.

    :param vectors: Mv of each probe v, shape (probes, 3 N)
    :returns: shape (N, probes)
    """
    return np.sum(vectors.reshape(len(vectors), -1, 3) ** 2, axis=2).T
