"""Opens the models whose names begin with ``python:``: what the engine calls."""

from __future__ import annotations

from md_bridge.calculators.factories import make
from md_bridge.calculators.model import CalculatorModel
from md_bridge.engine import ModelError
from md_bridge.errors import ArgumentError

__all__ = ["open_model"]


def open_model(model: str, device: str = "auto") -> CalculatorModel:
    """Find the factory, call it, and look at what it returns.

    :param model: ``python:package.module:factory`` or ``python:file.py:factory``
    :param device: for a factory with a parameter of this name: "auto", "cpu", "cuda" or "cuda:N"
    :raises ModelError: with a sentence for whatever is wrong with one of them
    """
    try:
        made, chosen = make(model, device)
    except ArgumentError as error:
        raise ModelError(str(error)) from error
    return CalculatorModel(model, made, chosen)
