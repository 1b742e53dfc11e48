"""The arguments of a compiled PET: atoms and their pairs, and how one becomes the other.

What belongs to pairs is packed, ``[P, …]``: no arithmetic is spent on padding. Attention alone
works on rows, ``[N, W, …]``, of the pairs of each atom, filled up with zeros.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch

__all__ = ["SIZES", "Neighborhoods", "pairs_of_rows", "reversed_pairs", "rows_of_pairs"]


class Neighborhoods(NamedTuple):
    """Atoms of one or more structures, one after the other, and their pairs in both directions.

    ``N`` atoms with at most ``W`` neighbours each; ``P`` pairs, ``M`` if each is counted once.
    ``csrc/engine/compiled/neighborhoods.cpp`` makes the same tensors in this order.
    """

    #: ``[N]`` int64, atomic numbers
    types: torch.Tensor
    #: ``[N]``, 1 where the energy of the atom counts, 0 where it does not
    owned: torch.Tensor
    #: ``[P, 3]``, from the first to the second atom of each pair, in Å
    vectors: torch.Tensor
    #: ``[P]``, cutoff of each pair, in Å
    cutoffs: torch.Tensor
    #: ``[P, 2]`` int64, first and second atom
    pairs: torch.Tensor
    #: ``[P]`` int64, the place of each pair in its row, counted through all rows
    places: torch.Tensor
    #: ``[N, W]`` int64, the pair in each place; ``P`` where there is none
    rows: torch.Tensor
    #: ``[P]`` int64, the same pair seen from its other end
    reverse: torch.Tensor
    #: ``[M]`` int64, one direction of each pair
    half: torch.Tensor


#: what the axes of each of them count, or how long they always are
SIZES: dict[str, tuple[str | int, ...]] = {
    "types": ("atoms",),
    "owned": ("atoms",),
    "vectors": ("pairs", 3),
    "cutoffs": ("pairs",),
    "pairs": ("pairs", 2),
    "places": ("pairs",),
    "rows": ("atoms", "neighbours"),
    "reverse": ("pairs",),
    "half": ("bonds",),
}


class _Reverse(torch.autograd.Function):
    """A gather along an order that is its own inverse: the gradient goes the same way.

    Autograd does not know that no pair is taken twice, and would add up pair by pair.
    """

    @staticmethod
    def forward(ctx: Any, values: torch.Tensor, reverse: torch.Tensor) -> Any:
        """``values[reverse]``."""
        ctx.save_for_backward(reverse)
        return values.index_select(0, reverse)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> Any:
        """The gradient of the values."""
        (reverse,) = ctx.saved_tensors
        return gradients[0].index_select(0, reverse), None


class _ToRows(torch.autograd.Function):
    """From pairs to rows; the gradient is gathered the other way."""

    @staticmethod
    def forward(ctx: Any, values: torch.Tensor, rows: torch.Tensor, places: torch.Tensor) -> Any:
        """``[P, F]`` to ``[N * W, F]``."""
        ctx.save_for_backward(places)
        return _fill(values, rows)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> Any:
        """The gradient of the values."""
        (places,) = ctx.saved_tensors
        return gradients[0].index_select(0, places), None, None


class _FromRows(torch.autograd.Function):
    """From rows to pairs; the gradient is gathered the other way."""

    @staticmethod
    def forward(ctx: Any, values: torch.Tensor, rows: torch.Tensor, places: torch.Tensor) -> Any:
        """``[N * W, F]`` to ``[P, F]``."""
        ctx.save_for_backward(rows)
        return values.index_select(0, places)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> Any:
        """The gradient of the values."""
        (rows,) = ctx.saved_tensors
        return _fill(gradients[0], rows), None, None


def _fill(values: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    rows = rows.reshape(-1)
    free = rows == values.shape[0]
    taken = values.index_select(0, torch.where(free, torch.zeros_like(rows), rows))
    return torch.where(free[:, None], torch.zeros_like(taken), taken)


def reversed_pairs(values: torch.Tensor, reverse: torch.Tensor) -> torch.Tensor:
    """Of each pair what belongs to the same pair seen from its other end.

    :param values: ``[P, F]``
    :param reverse: as in :class:`Neighborhoods`
    :returns: ``[P, F]``
    """
    reversed_: torch.Tensor = _Reverse.apply(values, reverse)
    return reversed_


def rows_of_pairs(values: torch.Tensor, rows: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """What belongs to pairs in rows, with zeros where there is no pair.

    :param values: ``[P, F]``
    :param rows: as in :class:`Neighborhoods`
    :param places: likewise
    :returns: ``[N, W, F]``
    """
    filled: torch.Tensor = _ToRows.apply(values, rows, places)
    return filled.reshape(rows.shape[0], rows.shape[1], values.shape[1])


def pairs_of_rows(values: torch.Tensor, rows: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """What is in rows without what is no pair.

    :param values: ``[N, W, F]``
    :param rows: as in :class:`Neighborhoods`
    :param places: likewise
    :returns: ``[P, F]``
    """
    flat = values.reshape(-1, values.shape[2])
    pairs: torch.Tensor = _FromRows.apply(flat, rows, places)
    return pairs
