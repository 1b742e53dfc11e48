"""Geometry helpers for the forward of a plain torch module (TorchScript compiles them too)."""

import torch

__all__ = ["pair_vectors"]


def pair_vectors(
    positions: torch.Tensor,
    cell: torch.Tensor,
    pairs: torch.Tensor,
    shifts: torch.Tensor,
    structure: torch.Tensor,
) -> torch.Tensor:
    """Vectors from the first to the second atom of each pair, periodic images included.

    The vectors are computed from ``positions`` and ``cell``, so that a gradient of anything made of
    them reaches both: this is what makes conservative forces and stress possible.

    :param positions: ``[N, 3]``, atoms of all structures one after the other
    :param cell: ``[S, 3, 3]``, one cell vector a row; zero rows where a structure is not periodic
    :param pairs: ``[P, 2]`` integer, first and second atom of each pair, counted over all
        structures
    :param shifts: ``[P, 3]``, cell vectors to add to the second atom
    :param structure: ``[N]`` integer, the structure that each atom belongs to
    :returns: ``[P, 3]``, ``positions[j] - positions[i] + shifts @ cell``, in the unit of
        ``positions``
    """
    first = pairs[:, 0]
    vectors = positions.index_select(0, pairs[:, 1]) - positions.index_select(0, first)
    if (
        cell.size(0) == 1
    ):  # one structure: a plain product, without a copy of the cell for each pair
        return vectors + shifts @ cell[0]
    cells = cell.index_select(0, structure.index_select(0, first))
    return vectors + torch.bmm(shifts.unsqueeze(1), cells).squeeze(1)
