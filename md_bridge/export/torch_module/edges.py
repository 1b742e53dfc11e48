"""Pair vectors as inputs of plain modules, which compute them from positions, cell and shifts.

Everything here is compiled by TorchScript too.
"""

import torch

__all__ = ["complete_cells", "shifts_of_vectors"]


def complete_cells(cells: torch.Tensor) -> torch.Tensor:
    """Cells with unit vectors, at right angles to all others, instead of zero rows.

    :param cells: ``[S, 3, 3]``, zero rows where a structure is not periodic
    :returns: ``[S, 3, 3]``, none of them singular
    """
    completed = cells.clone()
    for index in range(cells.size(0)):
        empty = (cells[index] == 0).all(dim=1)
        rank = 3 - int(empty.sum())
        if rank < 3:
            # the last rows of V^T span what the rows of the cell do not
            _, _, directions = torch.linalg.svd(cells[index])
            completed[index, empty] = directions[rank:]
    return completed


def shifts_of_vectors(
    shifts: torch.Tensor, vectors: torch.Tensor, cells: torch.Tensor, structure: torch.Tensor
) -> torch.Tensor:
    """The same shifts, through which gradients reach the pair vectors.

    :param shifts: ``[P, 3]``, cell vectors to add to the second atom of each pair
    :param vectors: ``[P, 3]``, r_j - r_i + shifts @ cell, in a gradient graph
    :param cells: ``[S, 3, 3]``, not singular
    :param structure: ``[P]``, the structure of each pair
    :returns: ``[P, 3]`` with d(shifts @ cell)/d(vectors) = 1
    """
    change = (vectors - vectors.detach()).unsqueeze(1)
    return shifts + torch.bmm(change, torch.linalg.inv(cells)[structure]).squeeze(1)
