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
    **options: Any,
) -> Any:
    """An ``ORBCalculator`` that says which kinds of forces it gives.

    :param name: of a function of ``orb_models.forcefield.pretrained``
    :param device: "cpu" or "cuda"
    :param options: further ones of that function, such as ``precision``
    """
    from orb_models.forcefield import pretrained

    made = getattr(pretrained, name)(device=device, **options)
    # releases up to 0.5 return the model, later ones also what makes its graphs
    parts = made if isinstance(made, tuple) else (made,)
    return say_kinds(_calculator_class()(*parts, device=device))


def _calculator_class() -> Any:
    try:
        from orb_models.forcefield.inference.calculator import ORBCalculator
    except ModuleNotFoundError:  # as of 0.5
        from orb_models.forcefield.calculator import ORBCalculator
    return ORBCalculator


def say_kinds(calculator: Any) -> Any:
    """Say of an ``ORBCalculator`` which kinds of forces it gives, and what it asks for.

    :param calculator: which is returned
    """
    if getattr(calculator, "expects_charge_and_spin", False):
        calculator.requested_inputs = ("charge", "spin_multiplicity")
    if not calculator.conservative:
        calculator.forces_kind = "direct"
        return calculator
    calculator.forces_kind = "conservative"
    model = getattr(calculator.model, "xc_model", calculator.model)
    calculator.further_properties = [
        f"direct_{name}" for name in ("forces", "stress") if name in model.heads
    ]
    return calculator
