"""SevenNet, equivariant networks of which several come with the package, weights and all.

The function is a factory as it stands, of SevenNet-0::

    md-bridge drift python:md_bridge.calculators.sevennet:sevennet_calculator start.xyz

and other networks take a few lines::

    from md_bridge.calculators.sevennet import sevennet_calculator

    def make(device="cpu"):
        return sevennet_calculator("7net-mf-0", modal="R2SCAN", device=device)
"""

from __future__ import annotations

from typing import Any

__all__ = ["sevennet_calculator"]


def sevennet_calculator(
    name: str = "7net-0", *, modal: str | None = None, device: str | None = None
) -> Any:
    """A ``SevenNetCalculator``, in single precision, that says its elements and range.

    :param name: a pretrained network ("7net-0" and "7net-l3i5" come with the package, others are
        downloaded), or the path of a checkpoint
    :param modal: which of its trainings, of a network with several
    :param device: "cpu" or "cuda"; None: as SevenNet chooses
    :raises ValueError: there is no such network, or modality
    """
    from sevenn.calculator import SevenNetCalculator

    calculator: Any = SevenNetCalculator(name, modal=modal, device=device or "auto")
    layers = calculator.sevennet_config["num_convolution_layer"]
    calculator.atomic_numbers = [int(number) for number in calculator.type_map]
    calculator.interaction_range = float(calculator.cutoff * layers)
    return calculator
