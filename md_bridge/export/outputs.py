"""An exported model with fewer outputs, other devices or other metadata.

The wrapper is compiled by TorchScript, hence typing's List and Dict.
"""
# ruff: noqa: UP006, UP035, UP045

from collections.abc import Sequence
from typing import Dict, List, Optional

import torch
from metatensor.torch import Labels, TensorMap
from metatomic.torch import (
    AtomisticModel,
    ModelCapabilities,
    ModelMetadata,
    ModelOutput,
    NeighborListOptions,
    System,
    unit_conversion_factor,
)

from md_bridge.export.errors import ExportError, nearest

__all__ = ["SameModel", "keep_outputs"]


class SameModel(torch.nn.Module):
    """The inside of an exported model, ready to be exported again.

    A compiled model no longer tells which pair lists and inputs its parts asked for: kept here.

    :param model: the exported model
    """

    _pair_lists: List[NeighborListOptions]
    _inputs: Dict[str, ModelOutput]

    def __init__(self, model: AtomisticModel):
        super().__init__()
        self.module = model.module
        self._pair_lists = model.requested_neighbor_lists()
        self._inputs = model.requested_inputs(use_new_names=True)

    def requested_neighbor_lists(self) -> List[NeighborListOptions]:
        """The pair lists of the exported model."""
        return self._pair_lists

    def requested_inputs(self) -> Dict[str, ModelOutput]:
        """The additional inputs of the exported model."""
        return self._inputs

    def forward(
        self,
        systems: List[System],
        outputs: Dict[str, ModelOutput],
        selected_atoms: Optional[Labels],
    ) -> Dict[str, TensorMap]:
        """Called by metatomic; see :py:meth:`metatomic.torch.ModelInterface.forward`."""
        return self.module(systems, outputs, selected_atoms)


def keep_outputs(
    model: AtomisticModel,
    *,
    outputs: Optional[Sequence[str]],
    devices: Optional[Sequence[str]],
    metadata: ModelMetadata,
    interaction_range: Optional[float] = None,
    dtype: Optional[str] = None,
) -> AtomisticModel:
    """``model`` with only some of its outputs and devices, and with ``metadata``.

    :param model: the model, which is not changed
    :param outputs: names to keep, with their variants; None: all
    :param devices: device types, the best first; None: all
    :param metadata: what the model is to say of itself
    :param interaction_range: in Å; None: as declared. Never shortened
    :param dtype: that of its numbers, where it declares another one; None: as declared
    :raises ExportError: an output or device that the model does not have; no energy left
    """
    old = model.capabilities()
    # without the old names that metatomic adds for engines of before
    declared = {name: old.outputs[name] for name in model._model_capabilities_outputs_names}
    if outputs is not None:
        for name in outputs:
            if name not in declared:
                raise ExportError(
                    f"the model has no output '{name}'; it has {', '.join(declared)}."
                    f"{nearest(name, declared)}"
                )
        declared = {name: output for name, output in declared.items() if name in outputs}
        if not any(name.split("/")[0] == "energy" for name in declared):
            raise ExportError(
                f"the outputs to keep ({', '.join(outputs)}) have no energy: without it there is "
                "no conserved quantity and no conservative force. Add 'energy'"
            )
    if devices is not None:
        for device in devices:
            if device not in old.supported_devices:
                raise ExportError(
                    f"the model does not run on '{device}'; it runs on "
                    f"{', '.join(old.supported_devices)}.{nearest(device, old.supported_devices)}"
                )
    to_own_unit = unit_conversion_factor("angstrom", old.length_unit)
    wanted = (interaction_range or 0.0) * to_own_unit
    capabilities = ModelCapabilities(
        outputs=declared,
        atomic_types=old.atomic_types,
        interaction_range=max(old.interaction_range, wanted),
        length_unit=old.length_unit,
        supported_devices=list(devices or old.supported_devices),
        dtype=dtype or old.dtype,
    )
    module = model if outputs is None else SameModel(model).eval()
    return AtomisticModel(module, metadata, capabilities)
