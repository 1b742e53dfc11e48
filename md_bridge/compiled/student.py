"""The functions of a compiled student of ``md-bridge distil``.

Its slopes are written out, so that no function differentiates.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from md_bridge.compiled.functions import CompilableNetwork, Function
from md_bridge.compiled.pet.functions import neighborhoods_of
from md_bridge.compiled.pet.neighborhoods import (
    SIZES,
    Neighborhoods,
    pairs_of_rows,
    reversed_pairs,
    rows_of_pairs,
)
from md_bridge.distil.student import Student
from md_bridge.export.torch_module.batch import probe_structures

__all__ = ["functions_of_student"]


def functions_of_student(student: Student, elements: Sequence[int]) -> CompilableNetwork:
    """Energies, the slope of each pair, and forces and stresses made of slopes.

    :param student: the network
    :param elements: atomic numbers that it knows
    """

    # where everything is zero, with its slope
    at_cutoff = torch.tensor([student.cutoff, 0.0, 0.0], dtype=student.free_atom.dtype)

    def evaluate(atoms: Neighborhoods) -> tuple[torch.Tensor, torch.Tensor]:
        n, slots = atoms.rows.shape
        free = atoms.rows == atoms.vectors.shape[0]
        table = rows_of_pairs(atoms.vectors, atoms.rows, atoms.places)
        table = torch.where(free[:, :, None], at_cutoff, table)
        species = student.row.index_select(0, atoms.types)
        second = rows_of_pairs(species[atoms.pairs[:, 1]][:, None], atoms.rows, atoms.places)
        energies, slopes = student.evaluate_slots(
            species, table.reshape(-1, 3).t().contiguous(), second.reshape(-1), n, slots
        )
        energies = energies + student.free_atom.index_select(0, species)
        slopes = pairs_of_rows(slopes.transpose(1, 2), atoms.rows, atoms.places)
        return energies.double(), slopes

    def of_owned(slopes: torch.Tensor, atoms: Neighborhoods) -> torch.Tensor:
        return slopes * atoms.owned[atoms.pairs[:, 0]][:, None]

    def forces_and_stresses(
        slopes: torch.Tensor, atoms: Neighborhoods
    ) -> tuple[torch.Tensor, torch.Tensor]:
        of_pairs = slopes - reversed_pairs(slopes, atoms.reverse)
        products = (atoms.vectors[:, :, None] * slopes[:, None, :]).reshape(-1, 9)
        sums = torch.cat([of_pairs, products], dim=1)
        sums = rows_of_pairs(sums, atoms.rows, atoms.places).sum(1)
        return sums[:, :3], sums[:, 3:].reshape(-1, 3, 3)

    def conservative(*arguments: torch.Tensor) -> tuple[torch.Tensor, ...]:
        atoms = Neighborhoods(*arguments)
        with torch.no_grad():
            energies, slopes = evaluate(atoms)
            return energies, of_owned(slopes, atoms)

    def direct(*arguments: torch.Tensor) -> tuple[torch.Tensor, ...]:
        atoms = Neighborhoods(*arguments)
        with torch.no_grad():
            energies, slopes = evaluate(atoms)
            return (energies, *forces_and_stresses(slopes, atoms))

    def both(*arguments: torch.Tensor) -> tuple[torch.Tensor, ...]:
        atoms = Neighborhoods(*arguments)
        with torch.no_grad():
            energies, slopes = evaluate(atoms)
            return (energies, *forces_and_stresses(slopes, atoms), of_owned(slopes, atoms))

    cutoff, dtype = float(student.cutoff), student.free_atom.dtype
    example = neighborhoods_of(probe_structures(elements, cutoff), cutoff, dtype)
    sizes = tuple(SIZES.values())
    functions = [
        Function("conservative", conservative, example, sizes),
        Function("direct", direct, example, sizes),
        Function("both", both, example, sizes),
    ]
    return CompilableNetwork(functions, {"kind": "pairs", "cutoff": repr(cutoff)})
