"""What an export needs to be told, for the two kinds of source; checked when it is made."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from ase.data import atomic_numbers, chemical_symbols
from metatomic.torch import ModelMetadata, unit_conversion_factor

from md_bridge.export.errors import ExportError, nearest

__all__ = [
    "DTYPES",
    "FileOptions",
    "ModuleOptions",
    "check_devices",
    "check_dtype",
    "check_layers",
    "check_unit",
    "parse_elements",
]

DTYPES = {"float32": torch.float32, "float64": torch.float64}
DEVICES = ("cpu", "cuda", "mps")  # the device types of metatomic


@dataclass(frozen=True)
class ModuleOptions:
    """What a plain torch module does not say of itself.

    The fields are the arguments of :func:`md_bridge.export.export_module`, and documented there.

    :raises ExportError: with what was expected and what was found
    """

    elements: Sequence[str | int]
    cutoff: float
    layers: int
    length_unit: str = "angstrom"
    energy_unit: str = "eV"
    dtype: str = "float32"
    devices: Sequence[str] = ("cuda", "cpu")
    metadata: Mapping[str, Any] | ModelMetadata | None = None

    def __post_init__(self) -> None:
        parse_elements(self.elements)
        if not (math.isfinite(self.cutoff) and self.cutoff > 0):
            raise ExportError(f"the cutoff should be a positive number, found {self.cutoff}")
        check_layers(self.layers)
        check_unit("length_unit", self.length_unit, "angstrom")
        check_unit("energy_unit", self.energy_unit, "eV")
        check_dtype(self.dtype)
        check_devices(self.devices)

    @property
    def atomic_types(self) -> list[int]:
        """Atomic numbers of the elements, in the order given."""
        return parse_elements(self.elements)


@dataclass(frozen=True)
class FileOptions:
    """What to change of a model that comes from a file.

    The fields are the arguments of :func:`md_bridge.export.export_file`, and documented there.

    :raises ExportError: with what was expected and what was found
    """

    dtype: str | None = None
    outputs: Sequence[str] | None = None
    devices: Sequence[str] | None = None
    interaction_range: float | None = None
    layers: int | None = None
    metadata: Mapping[str, Any] | ModelMetadata | None = None
    trust: bool = False

    def __post_init__(self) -> None:
        if self.dtype is not None:
            check_dtype(self.dtype)
        if self.layers is not None:
            check_layers(self.layers)
            if self.interaction_range is not None:
                raise ExportError(
                    "give the interaction range or the layers, not both: the range is layers × "
                    "cutoff"
                )
        reach = self.interaction_range
        if reach is not None and not reach > 0:
            raise ExportError(f"the interaction range should be a positive number, found {reach}")


def parse_elements(elements: Sequence[str | int]) -> list[int]:
    """Atomic numbers of ``elements``, in the order given.

    :param elements: symbols or atomic numbers
    :returns: atomic numbers
    :raises ExportError: no element, an unknown one, or one given twice
    """
    if isinstance(elements, str):
        raise ExportError(
            f"elements should be a list such as ['O', 'H'], found the string '{elements}'"
        )
    numbers = []
    for element in elements:
        if isinstance(element, str):
            if element not in atomic_numbers:
                raise ExportError(
                    f"unknown element '{element}'.{nearest(element.capitalize(), chemical_symbols)}"
                )
            number = atomic_numbers[element]
        else:
            number = int(element)
        if not 1 <= number < len(chemical_symbols):
            raise ExportError(f"no element has the atomic number {number}")
        if number in numbers:
            raise ExportError(f"element '{chemical_symbols[number]}' is given twice")
        numbers.append(number)
    if not numbers:
        raise ExportError("the list of elements is empty; give those the model was trained on")
    return numbers


def check_layers(layers: int) -> None:
    """Refuse what is not a number of message-passing layers.

    :param layers: how many times information travels a cutoff
    :raises ExportError: it is not a whole number, 1 or more
    """
    if isinstance(layers, bool) or int(layers) != layers or layers < 1:
        raise ExportError(f"layers should be a whole number, 1 or more, found {layers}")


def check_dtype(dtype: str) -> None:
    """Refuse what is not a floating-point type of a model.

    :param dtype: "float32" or "float64"
    :raises ExportError: it is something else
    """
    if dtype not in DTYPES:
        raise ExportError(f"unknown dtype '{dtype}'; expected 'float32' or 'float64'")


def check_unit(what: str, unit: str, like: str) -> None:
    """Refuse what cannot be converted to the unit ``like``.

    :param what: name of the argument, for the message
    :param unit: as metatomic spells it
    :param like: a unit of the same dimension
    :raises ExportError: there is no such unit, or it has another dimension
    """
    try:
        if not unit:
            raise ValueError("it is empty")
        unit_conversion_factor(unit, like)
    except (RuntimeError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ExportError(f"{what} '{unit}' is not a unit like '{like}': {reason}") from error


def check_devices(devices: Sequence[str]) -> None:
    """Refuse what is not a list of device types.

    :param devices: of :data:`DEVICES`, the best first
    :raises ExportError: it is empty, or one of them is unknown
    """
    if isinstance(devices, str) or not devices:
        raise ExportError(f"devices should be a list such as ['cuda', 'cpu'], found {devices!r}")
    for device in devices:
        if device not in DEVICES:
            raise ExportError(
                f"unknown device '{device}'; expected cpu, cuda or mps.{nearest(device, DEVICES)}"
            )
