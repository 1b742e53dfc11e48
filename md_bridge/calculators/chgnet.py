"""CHGNet, trained on the Materials Project's trajectories: its weights come with the package.

The function is a factory as it stands::

    md-bridge drift python:md_bridge.calculators.chgnet:chgnet_calculator start.xyz

and other weights take a few lines::

    from md_bridge.calculators.chgnet import chgnet_calculator

    def make(device="cpu"):
        return chgnet_calculator("r2scan", device=device)
"""

from __future__ import annotations

from typing import Any

__all__ = ["chgnet_calculator"]


def chgnet_calculator(version: str = "0.3.0", *, device: str | None = None) -> Any:
    """A ``CHGNetCalculator`` of pretrained weights, in single precision.

    :param version: "0.3.0" (PBE with Hubbard U), "r2scan", or the old "0.2.0"
    :param device: "cpu" or "cuda"; None: as CHGNet chooses
    :returns: with energies of atoms, whose sum is the energy
    :raises ValueError: there are no such weights
    """
    from chgnet.model.dynamics import CHGNetCalculator
    from chgnet.model.model import CHGNet

    network = CHGNet.load(model_name=version, use_device=device, verbose=False)
    # it lists energies of atoms as a property, and gives them where that is asked for here
    calculator: Any = CHGNetCalculator(network, use_device=device, return_site_energies=True)
    calculator.atomic_numbers = list(range(1, network.atom_embedding.embedding.num_embeddings + 1))
    return calculator
