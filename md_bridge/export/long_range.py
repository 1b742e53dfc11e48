"""What metatrain's long-range models need before they are saved: pairs in the right order.

What is here is compiled by TorchScript, hence no ``from __future__ import annotations`` and the
names of typing.
"""
# ruff: noqa: UP006, UP035

import functools
import types
from typing import Any, List

import torch
from metatensor.torch import Labels, TensorBlock
from metatomic.torch import System

__all__ = ["pair_up_distances"]


def pair_up_distances(module: torch.nn.Module) -> None:
    """Let each long-range part of ``module`` find the pairs of its distances, in place.

    It is given the distances grouped by the first atoms of the pairs and takes the pairs as the
    engine lists them, so that with any other order each distance belongs to another pair.

    :param module: a model of metatrain, or one with such a model inside
    """
    featurizers: list[Any] = [part for part in module.modules() if _is_featurizer(part)]
    for featurizer in featurizers:
        featurizer.__class__ = _featurizer_that_groups()


def _is_featurizer(part: torch.nn.Module) -> bool:
    return any(kind.__name__ == "LongRangeFeaturizer" for kind in type(part).__mro__)


@functools.cache
def _featurizer_that_groups() -> type:
    from metatrain.utils import long_range

    original = long_range.LongRangeFeaturizer.forward
    # TorchScript has no super(), and calls a method by the name that its function has
    renamed = types.FunctionType(original.__code__, original.__globals__, "features_of_grouped")
    renamed.__annotations__ = original.__annotations__

    # of the same name, by which true_range() and the engine know what it is
    class LongRangeFeaturizer(long_range.LongRangeFeaturizer):
        """metatrain's long-range features of systems whose pairs are grouped first."""

        features_of_grouped = renamed

        def forward(
            self,
            systems: List[System],
            features: torch.Tensor,
            neighbor_distances: torch.Tensor,
        ) -> torch.Tensor:
            grouped: List[System] = []
            for system in systems:
                pairs = system.get_neighbor_list(self.neighbor_list_options)
                samples = pairs.samples.values
                order = torch.argsort(samples[:, 0], stable=True)
                ordered = System(system.types, system.positions, system.cell, system.pbc)
                ordered.add_neighbor_list(
                    self.neighbor_list_options,
                    TensorBlock(
                        values=pairs.values[order],
                        samples=Labels(pairs.samples.names, samples[order], assume_unique=True),
                        components=pairs.components,
                        properties=pairs.properties,
                    ),
                )
                grouped.append(ordered)
            return self.features_of_grouped(grouped, features, neighbor_distances)

    return LongRangeFeaturizer
