"""Models of orb-models, which predict forces, derive them, or both.

::

    from md_bridge.calculators.orb import orb_calculator

    def make(device="cpu"):
        return orb_calculator("orb_v3_conservative_inf_omat", device=device)
"""

from __future__ import annotations

from typing import Any

__all__ = ["orb_calculator", "say_kinds"]


def orb_calculator(
    name: str,
    *,
    device: str = "cpu",
    charge: int | None = None,
    spin: int | None = None,
    **options: Any,
) -> Any:
    """An ``ORBCalculator`` that says which kinds of forces it gives.

    :param name: of a function of ``orb_models.forcefield.pretrained``
    :param device: "cpu" or "cuda"
    :param charge: total charge of each structure, for models that ask for it
    :param spin: its spin multiplicity, the same
    :param options: further ones of that function, such as ``precision``
    """
    from orb_models.forcefield import pretrained
    from orb_models.forcefield.inference.calculator import ORBCalculator

    model, adapter = getattr(pretrained, name)(device=device, **options)
    calculator = ORBCalculator(model, adapter, device=device)
    given = {"charge": charge, "spin": spin}
    calculator.structure_info = {key: v for key, v in given.items() if v is not None}
    return say_kinds(calculator)


def say_kinds(calculator: Any) -> Any:
    """Set ``forces_kind`` of an ``ORBCalculator``, and list the direct forces that conservative
    models give beside theirs.

    :param calculator: which is returned
    """
    if not calculator.conservative:
        calculator.forces_kind = "direct"
        return calculator
    calculator.forces_kind = "conservative"
    model = getattr(calculator.model, "xc_model", calculator.model)
    given = list(calculator.implemented_properties)
    given += [f"direct_{name}" for name in ("forces", "stress") if name in model.heads]
    calculator.implemented_properties = given
    return calculator
