"""The functions of a compiled plain module (``csrc/engine/compiled/module_network.cpp``)."""

from __future__ import annotations

import torch

from md_bridge.compiled.functions import CompilableNetwork, Function
from md_bridge.export.torch_module.batch import make_batch, probe_structures
from md_bridge.export.torch_module.metatomic_model import PlainModuleModel

__all__ = ["functions_of_module"]

# types, positions, cells, pairs, shifts, the structure of each atom, whether its energy counts
_SIZES = (
    ("atoms",),
    ("atoms", 3),
    ("structures", 3, 3),
    ("pairs", 2),
    ("pairs", 3),
    ("atoms",),
    ("atoms",),
)


def functions_of_module(
    model: PlainModuleModel,
    elements: list[int],
    *,
    length: float,
    energy: float,
    dtype: torch.dtype,
    outputs: dict[str, str],
) -> CompilableNetwork:
    """Energies, gradients with respect to positions and strain, direct forces and stresses.

    :param model: with the module still in Python
    :param elements: atomic numbers that it knows
    :param length: 1 Å in the module's unit of length
    :param energy: the module's unit of energy in eV
    :param dtype: of the floating-point tensors
    :param outputs: names of ``forces`` and ``stress``; empty where it has none
    """
    module = model.module

    def call(
        positions: torch.Tensor, cell: torch.Tensor, rest: tuple[torch.Tensor, ...]
    ) -> tuple[torch.Tensor, list[torch.Tensor]]:
        types, pairs, shifts, structure, owned = rest
        found = module(types, positions * length, cell * length, pairs, shifts, structure)
        direct = []
        if outputs["forces"]:
            direct.append(found["forces"] * (energy * length))
        if outputs["stress"]:
            stress = found["stress"] * (energy * length**3)
            if model.stress_per_atom:
                shares = stress * owned[:, None, None]
                stress = torch.zeros_like(cell).index_add(0, structure, shares)
            direct.append(stress)
        return found["energy"].double() * energy, direct

    def with_gradients(wants_direct: bool, *arguments: torch.Tensor) -> tuple[torch.Tensor, ...]:
        types, positions, cell, *others = arguments
        structure, owned = others[2:]
        with torch.enable_grad():
            leaf = positions.detach().requires_grad_(True)
            unit = torch.eye(3, dtype=cell.dtype).expand_as(cell).clone()
            strain = unit.requires_grad_(True)
            strained = torch.bmm(leaf[:, None], strain[structure])[:, 0]
            energies, direct = call(strained, torch.bmm(cell, strain), (types, *others))
            gradients = torch.autograd.grad((energies * owned).sum(), (leaf, strain))
        kept = [values.detach() for values in direct] if wants_direct else []
        return (energies.detach(), *kept, *gradients)

    def direct(*arguments: torch.Tensor) -> tuple[torch.Tensor, ...]:
        types, positions, cell, *others = arguments
        with torch.no_grad():
            energies, found = call(positions, cell, (types, *others))
        return (energies, *found)

    cutoff = float(model.pair_list.cutoff)
    batch = make_batch(probe_structures(elements, cutoff), cutoff, dtype)
    example = (*batch.arguments(), torch.ones(len(batch.types), dtype=dtype))
    functions = [Function("conservative", lambda *a: with_gradients(False, *a), example, _SIZES)]
    if outputs["forces"]:
        functions.append(Function("direct", direct, example, _SIZES))
        functions.append(Function("both", lambda *a: with_gradients(True, *a), example, _SIZES))
    per_atom = "yes" if outputs["stress"] and model.stress_per_atom else ""
    return CompilableNetwork(functions, {"kind": "module", "stress_per_atom": per_atom})
