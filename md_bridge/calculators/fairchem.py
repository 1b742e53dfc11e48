"""Models of fairchem-core 2 (eSEN, UMA, …), which predict forces or derive them.

::

    from md_bridge.calculators.fairchem import fairchem_calculator

    def make(device="cpu"):
        return fairchem_calculator("esen-md-direct-all-omol", "omol", device=device)
"""

from __future__ import annotations

from typing import Any

__all__ = ["fairchem_calculator", "say_kind"]


def fairchem_calculator(
    name_or_path: str,
    task: str | None = None,
    *,
    device: str | None = None,
    **options: Any,
) -> Any:
    """A ``FAIRChemCalculator`` that says which kind of forces it gives.

    :param name_or_path: a pretrained model, or the path of a checkpoint
    :param task: of the checkpoint, where it has several: "omol", "omat", …
    :param device: "cpu" or "cuda"; None: as fairchem chooses
    :param options: further ones of ``FAIRChemCalculator.from_model_checkpoint``
    """
    from fairchem.core import FAIRChemCalculator

    calculator = FAIRChemCalculator.from_model_checkpoint(
        name_or_path, task_name=task, device=device, **options
    )
    return say_kind(calculator)


def say_kind(calculator: Any) -> Any:
    """Set ``forces_kind`` of a ``FAIRChemCalculator`` by its network, and what it asks for.

    :param calculator: which is returned
    """
    network = calculator.predictor.model
    backbone = getattr(getattr(network, "module", network), "backbone", None)
    # newer releases keep what is derived and what is predicted in a configuration of its own
    says = getattr(backbone, "regress_config", backbone)
    direct = bool(getattr(says, "direct_forces", False))
    calculator.forces_kind = "direct" if direct else "conservative"
    if getattr(calculator, "task_name", None) == "omol":  # which takes neutral singlets by itself
        calculator.requested_inputs = ("charge", "spin_multiplicity")
        calculator.structure_info = {"charge": 0, "spin": 1}
    return calculator
