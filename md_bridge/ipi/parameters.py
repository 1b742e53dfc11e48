"""What i-PI's ``<parameters>`` and the client's command line say of a model."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from md_bridge.model_options import ModelOptions

__all__ = ["changed_options", "client_arguments"]


def changed_options(options: ModelOptions) -> dict[str, Any]:
    """The fields that differ from their defaults: the driver's parameters have the same names.

    :param options: how the model is evaluated
    :returns: values by the names of the fields
    """
    return {
        field.name: getattr(options, field.name)
        for field in fields(options)
        if getattr(options, field.name) != field.default
    }


def client_arguments(options: ModelOptions) -> list[str]:
    """The same for ``md-bridge ipi-client``: ``["--variant", "pbe"]``.

    :param options: how the model is evaluated
    """
    return [
        word
        for name, value in changed_options(options).items()
        for word in (f"--{name.replace('_', '-')}", str(value))
    ]
