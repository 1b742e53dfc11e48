"""Which outputs a plain module has, found by calling it, and whether they have the right shapes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from md_bridge.export.errors import ExportError, nearest
from md_bridge.export.torch_module.batch import Batch, make_batch, probe_structures

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
    :param batch: what it was called with
    :param results: what it returned, detached
    """

    outputs: list[str]
    stress_per_atom: bool
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
        batch=batch,
        results={key: value.detach() for key, value in returned.items()},
    )


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
