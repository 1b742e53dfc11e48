"""What metatrain's PET needs before it is saved: padding that touches no pair, and its true range.

What is here is compiled by TorchScript, hence no ``from __future__ import annotations`` and the
names of typing.
"""
# ruff: noqa: UP006, UP035

import functools
import math
import types
from typing import Any, Dict

import torch

__all__ = ["assumed_inputs", "isolate_padding", "true_range"]


def isolate_padding(module: torch.nn.Module) -> None:
    """Cut the padding of each PET in ``module`` off from the pairs, in place.

    PET works on a rectangular array of neighbours and fills the free places with the first pair
    that it keeps. Their contributions cancel, but in single precision not quite, and the gradient
    of what is left acts on that pair: some meV/Å if it is a bond, growing with the number of atoms.
    With constants in those places there is nothing for it to act on.

    :param module: a model of metatrain, or one with a PET inside
    """
    backends: list[Any] = [part for part in module.modules() if _is_backend(part)]
    for backend in backends:
        backend.__class__ = _backend_with_isolated_padding()


def true_range(module: torch.nn.Module) -> float:
    """How far an atom of the PETs in ``module`` can feel another one; 0 if there is no PET.

    Each of the L layers reads the neighbours within one cutoff. The default "feedforward"
    featuriser exchanges messages along edges after its last layer too: the energy of an atom
    depends on what its neighbours saw in that layer, so information travels L + 1 cutoffs; with
    the "residual" one, L.

    An adaptive cutoff is one more: the weight of the last edge on this way depends on the cutoffs
    of both of its ends, and that of the far end on *its* neighbours.

    With long-range features every atom feels every other one.

    The engine has the same rule for files of others (csrc/engine/torchscript/metatrain.cpp).

    :param module: a model of metatrain, or one with a PET inside; it may be scripted
    :returns: in the length unit of the model; may be infinite
    """
    reach = 0.0
    parts: list[Any] = list(module.modules())  # an uncertainty model has its PET inside
    for part in parts:
        if _class_of(part) == "LongRangeFeaturizer":
            return math.inf
        if not hasattr(part, "featurizer_type"):
            continue
        hops = part.num_gnn_layers
        hops += part.featurizer_type == "feedforward"
        hops += getattr(part, "num_neighbors_adaptive", None) is not None
        reach = max(reach, float(hops * part.cutoff))
    return reach


def assumed_inputs(module: torch.nn.Module) -> Dict[str, str]:
    """Inputs besides the structure that a PET in ``module`` has values for where it is given none.

    :param module: a model of metatrain, or one with a PET inside; it may be scripted
    :returns: name of the input -> the value, in words
    """
    if not any(_class_of(part) == "SystemConditioningEmbedding" for part in module.modules()):
        return {}
    return {"charge": "charge 0", "spin_multiplicity": "spin multiplicity 1 (a singlet)"}


def _class_of(part: torch.nn.Module) -> str:
    """Name of a module's class, also of one that is scripted."""
    return str(getattr(part, "original_name", type(part).__name__))


def _is_backend(part: torch.nn.Module) -> bool:
    return any(kind.__name__ == "PETBackend" for kind in type(part).__mro__)


@functools.cache
def _backend_with_isolated_padding() -> type:
    from metatrain.pet.modules.backend import PETBackend

    original = PETBackend.preprocess
    # TorchScript has no super(), and calls a method by the name that its function has
    renamed = types.FunctionType(original.__code__, original.__globals__, "prepare_neighbors")
    renamed.__annotations__ = original.__annotations__

    class IsolatedPadding(PETBackend):
        """metatrain's network with its preparation of the neighbours amended."""

        prepare_neighbors = renamed

        def preprocess(
            self,
            positions: torch.Tensor,
            centers: torch.Tensor,
            neighbors: torch.Tensor,
            species: torch.Tensor,
            cells: torch.Tensor,
            cell_shifts: torch.Tensor,
            system_indices: torch.Tensor,
            cutoff_width_adaptive: float,
        ) -> Dict[str, torch.Tensor]:
            batch = self.prepare_neighbors(
                positions,
                centers,
                neighbors,
                species,
                cells,
                cell_shifts,
                system_indices,
                cutoff_width_adaptive,
            )
            vectors = batch["edge_vectors"]
            is_pair = batch["padding_mask"].unsqueeze(-1)
            vectors = torch.where(is_pair, vectors, torch.ones_like(vectors))
            batch["edge_vectors"] = vectors
            # as metatrain does it
            batch["edge_distances"] = torch.sqrt(torch.sum(vectors**2, dim=2) + 1e-15)
            return batch

    return IsolatedPadding
