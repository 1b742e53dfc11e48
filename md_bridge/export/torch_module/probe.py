"""Which outputs a plain module has, found by calling it, and whether they have the right shapes."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from md_bridge.export.errors import ExportError, nearest
from md_bridge.export.torch_module.batch import Batch, make_batch, probe_structures
from md_bridge.export.torch_module.edges import complete_cells, shifts_of_vectors

__all__ = ["OUTPUT_NAMES", "Probe", "probe_module"]

OUTPUT_NAMES = {
    "energy": "energy",
    "forces": "non_conservative_force",
    "stress": "non_conservative_stress",
    "uncertainty": "energy_uncertainty",
}
"""What a plain module may return, and the metatomic output it becomes."""


@dataclass
class Probe:
    """What a call of the module on small structures told.

    :param outputs: the keys the module returns, of :data:`OUTPUT_NAMES`
    :param stress_per_atom: ``stress`` has one entry an atom, not one a structure
    :param edge_gradients: the energy depends on positions and cell through the pair vectors alone
    :param batch: what it was called with
    :param results: what it returned, detached
    """

    outputs: list[str]
    stress_per_atom: bool
    edge_gradients: bool
    batch: Batch
    results: dict[str, torch.Tensor]


def probe_module(
    module: torch.nn.Module, elements: Sequence[int], cutoff: float, dtype: torch.dtype
) -> Probe:
    """Call ``module`` on two small structures and check all that it returns.

    :param module: called as :func:`md_bridge.export.export_module` says
    :param elements: atomic numbers
    :param cutoff: of the pairs, in the unit that the module computes with
    :param dtype: of the floating-point tensors
    :raises ExportError: the call fails; an output is unknown, missing, has a wrong shape or dtype,
        or the energy cannot be differentiated with respect to the positions
    """
    name = type(module).__name__
    batch = make_batch(probe_structures(elements, cutoff), cutoff, dtype)
    batch.positions.requires_grad_(True)
    try:
        returned = module(*batch.arguments())
    except Exception as error:
        raise ExportError(
            f"{name}.forward(types, positions, cell, pairs, shifts, structure) failed on a small "
            f"test structure: {type(error).__name__}: {error}"
        ) from error

    _check_keys(name, returned)
    n_atoms, n_structures = len(batch.types), len(batch.cell)
    shapes: dict[str, dict[str, tuple[int, ...]]] = {
        "energy": {"[N]": (n_atoms,)},
        "forces": {"[N, 3]": (n_atoms, 3)},
        "stress": {"[S, 3, 3]": (n_structures, 3, 3), "[N, 3, 3]": (n_atoms, 3, 3)},
        "uncertainty": {"[N]": (n_atoms,)},
    }
    for key, value in returned.items():
        if tuple(value.shape) not in shapes[key].values():
            expected = " or ".join(f"{text} = {list(s)}" for text, s in shapes[key].items())
            raise ExportError(
                f"{name}.forward returned '{key}' with shape {list(value.shape)}; expected "
                f"{expected} for N = {n_atoms} atoms in S = {n_structures} structures"
            )
        if value.dtype != dtype:
            raise ExportError(
                f"{name}.forward returned '{key}' as {value.dtype}; expected {dtype}, the dtype of "
                "the positions. Create tensors in the forward with dtype=positions.dtype, and keep "
                "constants as parameters or buffers of the module"
            )
    _check_differentiable(name, returned["energy"], batch.positions)

    return Probe(
        outputs=[key for key in OUTPUT_NAMES if key in returned],
        stress_per_atom="stress" in returned and len(returned["stress"]) == n_atoms,
        edge_gradients=_takes_edges(module, elements, cutoff),
        batch=batch,
        results={key: value.detach() for key, value in returned.items()},
    )


def _takes_edges(module: torch.nn.Module, elements: Sequence[int], cutoff: float) -> bool:
    """Whether gradients by way of the pair vectors are those by way of positions and cell.

    In double precision, and with the same outputs from a cell without zero rows.
    """
    module = copy.deepcopy(module).double()
    batch = make_batch(probe_structures(elements, cutoff), cutoff, torch.float64)
    types, positions, cell, pairs, shifts, structure = batch.arguments()
    try:
        leaf = positions.requires_grad_(True)
        strain = torch.eye(3, dtype=torch.float64).repeat(len(cell), 1, 1).requires_grad_(True)
        strained = torch.bmm(leaf[:, None], strain[structure])[:, 0]
        expected = module(types, strained, torch.bmm(cell, strain), pairs, shifts, structure)
        gradients = torch.autograd.grad(
            expected["energy"].sum(), (leaf, strain), allow_unused=True, materialize_grads=True
        )

        positions, first, second = positions.detach(), pairs[:, 0], pairs[:, 1]
        of_pairs = structure[first]
        cell_shifts = torch.bmm(shifts[:, None], cell[of_pairs])[:, 0]
        vectors = (positions[second] - positions[first] + cell_shifts).requires_grad_(True)
        cells = complete_cells(cell)
        edge_shifts = shifts_of_vectors(shifts, vectors, cells, of_pairs)
        found = module(types, positions, cells, pairs, edge_shifts, structure)
        (slopes,) = torch.autograd.grad(found["energy"].sum(), vectors)
    except Exception:  # whatever a module does with numbers that it does not expect
        return False
    forces = torch.zeros_like(positions).index_add(0, second, slopes).index_add(0, first, -slopes)
    outer = vectors.detach()[:, :, None] * slopes[:, None, :]
    virials = torch.zeros_like(cell).index_add(0, of_pairs, outer)
    same = _agree(forces, gradients[0]) and _agree(virials, gradients[1])
    with_volume = torch.linalg.det(cell) != 0
    for key, value in expected.items():
        other = found[key]
        if key == "stress":  # there is none without a volume
            rows = with_volume if len(value) == len(cell) else with_volume[structure]
            value, other = value[rows], other[rows]
        same = same and _agree(other.detach(), value.detach())
    return same


def _agree(found: torch.Tensor, expected: torch.Tensor) -> bool:
    """Whether they are equal where the expected numbers are finite."""
    known = torch.isfinite(expected)
    if not bool(known.any()):
        return True
    scale = float(expected[known].abs().max())
    return bool(torch.allclose(found[known], expected[known], rtol=1e-9, atol=1e-9 * scale))


def _check_keys(name: str, returned: object) -> None:
    if not isinstance(returned, Mapping):
        raise ExportError(
            f"{name}.forward returned a {type(returned).__name__}; expected a dictionary with "
            "'energy' and, where the model has them, 'forces', 'stress' and 'uncertainty'"
        )
    for key, value in returned.items():
        if key not in OUTPUT_NAMES:
            raise ExportError(
                f"{name}.forward returned an unknown output '{key}'; expected only "
                + ", ".join(f"'{k}'" for k in OUTPUT_NAMES)
                + f".{nearest(str(key), OUTPUT_NAMES)}"
            )
        if not isinstance(value, torch.Tensor):
            raise ExportError(
                f"{name}.forward returned '{key}' as a {type(value).__name__}; expected a tensor"
            )
    if "energy" not in returned:
        found = ", ".join(f"'{k}'" for k in returned) or "nothing"
        raise ExportError(
            f"{name}.forward returned {found}; expected 'energy', the energy of each atom, as "
            "well. Without an energy there is no conserved quantity and no conservative force"
        )


def _check_differentiable(name: str, energy: torch.Tensor, positions: torch.Tensor) -> None:
    gradient = None
    if energy.requires_grad:
        (gradient,) = torch.autograd.grad(
            energy.sum(), positions, allow_unused=True, retain_graph=True
        )
    if gradient is None:
        raise ExportError(
            f"the 'energy' of {name} cannot be differentiated with respect to the positions, so "
            "the model has no conservative forces. Compute distances with "
            "md_bridge.export.pair_vectors, without detach(), torch.no_grad() or .item() on the "
            "way to the energy"
        )
