"""The functions of a compiled PET (``csrc/engine/compiled/pair_network.cpp`` calls them)."""

from __future__ import annotations

import ase
import torch

from md_bridge.compiled.functions import CompilableNetwork, Function
from md_bridge.compiled.pet.adaptive import atomic_cutoffs
from md_bridge.compiled.pet.model import PETModel
from md_bridge.compiled.pet.neighborhoods import SIZES, Neighborhoods
from md_bridge.export.torch_module.batch import make_batch, probe_structures

__all__ = ["example_neighborhoods", "functions_of_pet", "neighborhoods_of"]


def functions_of_pet(model: PETModel) -> CompilableNetwork:
    """Energies and gradients with respect to pair vectors; direct forces and stresses.

    :param model: the network
    """

    def with_gradients(direct: bool, *arguments: torch.Tensor) -> tuple[torch.Tensor, ...]:
        atoms = Neighborhoods(*arguments)
        leaves = [atoms.vectors.detach().requires_grad_(True)]
        if model.adaptive:
            leaves.append(atoms.cutoffs.detach().requires_grad_(True))
        with torch.enable_grad():
            names = ("vectors", "cutoffs")
            atoms = atoms._replace(**dict(zip(names, leaves, strict=False)))
            prediction = model(atoms, direct)
            energy = (prediction.energies * atoms.owned).sum()
            gradients = torch.autograd.grad(energy, leaves)
        outputs = [values.detach() for values in prediction if values is not None]
        return (*outputs, *gradients)

    def direct(*arguments: torch.Tensor) -> tuple[torch.Tensor, ...]:
        with torch.no_grad():
            prediction = model(Neighborhoods(*arguments), True)
        return tuple(values for values in prediction if values is not None)

    def cutoffs(*arguments: torch.Tensor) -> tuple[torch.Tensor, ...]:
        vectors, places, rows = arguments
        leaf = vectors.detach().requires_grad_(True)
        with torch.enable_grad():
            found = atomic_cutoffs(leaf, places, rows, **model.adaptive_settings())
            # each cutoff depends on the pairs of its own atom only
            (slopes,) = torch.autograd.grad(found.sum(), leaf)
        return found.detach(), slopes

    example = example_neighborhoods(model)
    sizes = tuple(SIZES.values())
    functions = [Function("conservative", lambda *a: with_gradients(False, *a), example, sizes)]
    if model.outputs.forces:
        functions.append(Function("direct", direct, example, sizes))
        functions.append(Function("both", lambda *a: with_gradients(True, *a), example, sizes))
    if model.adaptive:
        arguments = (example.vectors, example.places, example.rows)
        sizes = (SIZES["vectors"], SIZES["places"], SIZES["rows"])
        functions.append(Function("cutoffs", cutoffs, arguments, sizes))
    description = {"kind": "pairs", "cutoff": repr(model.backbone.cutoff)}
    return CompilableNetwork(functions, description)


def example_neighborhoods(model: PETModel) -> Neighborhoods:
    """Two small structures as the engine would give them to a network.

    :param model: the network
    """
    dtype = next(model.backbone.parameters()).dtype
    structures = probe_structures(model.types, model.backbone.cutoff)
    return neighborhoods_of(structures, model.backbone.cutoff, dtype)


def neighborhoods_of(
    structures: list[ase.Atoms], cutoff: float, dtype: torch.dtype
) -> Neighborhoods:
    """Structures, one after the other, and all of their pairs within one cutoff.

    :param structures: each atom with another one near enough, in Å
    :param cutoff: in Å
    :param dtype: of the floating-point tensors
    """
    batch = make_batch(structures, cutoff, dtype)
    order = torch.argsort(batch.pairs[:, 0], stable=True)
    pairs, shifts = batch.pairs[order], batch.shifts[order]
    first, second = pairs.unbind(1)
    cells = batch.cell[batch.structure[first]]
    vectors = batch.positions[second] - batch.positions[first]
    vectors = vectors + torch.einsum("pa,pab->pb", shifts, cells)
    counts = torch.bincount(first, minlength=len(batch.types))
    width = int(counts.max())
    slots = torch.arange(len(pairs)) - (torch.cumsum(counts, 0) - counts)[first]
    places = first * width + slots
    rows = torch.full((len(batch.types) * width,), len(pairs))
    rows[places] = torch.arange(len(pairs))
    keys = [(i, j, *shift) for (i, j), shift in zip(pairs.tolist(), shifts.tolist(), strict=True)]
    found = {key: p for p, key in enumerate(keys)}
    reverse = torch.tensor([found[(j, i, -a, -b, -c)] for i, j, a, b, c in keys])
    return Neighborhoods(
        types=batch.types,
        owned=torch.ones(len(batch.types), dtype=dtype),
        vectors=vectors,
        cutoffs=torch.full((len(pairs),), cutoff, dtype=dtype),
        pairs=pairs,
        places=places,
        rows=rows.reshape(-1, width),
        reverse=reverse,
        half=torch.nonzero(torch.arange(len(pairs)) < reverse).flatten(),
    )
