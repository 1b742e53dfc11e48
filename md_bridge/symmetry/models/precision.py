"""A model file in double precision, and how precise a model is that does not say."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch

from md_bridge.engine import Engine, Structure
from md_bridge.errors import MDBridgeError
from md_bridge.export.files import save_atomically
from md_bridge.export.model_file import load_exported
from md_bridge.export.outputs import keep_outputs
from md_bridge.model_names import is_python_model
from md_bridge.model_options import ModelOptions
from md_bridge.symmetry.errors import SymmetryError
from md_bridge.symmetry.results.response import Response

__all__ = ["in_double_precision", "measured_precision"]

_SAME = (1e-4, 1e-6)
"""By how much energies in the two precisions may differ: eV for each atom, and relative to them,
for total energies of thousands of eV in single precision."""

_BETWEEN = 1e-10
"""Rounding, in terms of the numbers, of more than this is that of single precision (10⁻⁷) and not
that of double precision (10⁻¹⁶)."""


@contextmanager
def in_double_precision(model: Path, options: ModelOptions, structure: Structure) -> Iterator[Path]:
    """A temporary file of the model in double precision; the model itself if it is that already.

    It works where all numbers of the model are parameters or buffers. Of a compiled model it is the
    TorchScript that is in it.

    :param model: path of the exported model
    :param options: how it is evaluated
    :param structure: on which both must have the same energy
    :returns: path of a file that is there until the context ends
    :raises SymmetryError: the model cannot be converted
    """
    if is_python_model(model):
        raise SymmetryError(
            f"the model '{model}' is evaluated by Python, in the precision of its calculator: let "
            "the factory make one in double precision, or leave double out"
        )
    keywords = options.engine_keywords()
    single = Engine(model, **keywords)
    if single.info.dtype == "float64":
        yield model
        return
    with tempfile.TemporaryDirectory(prefix="md-bridge-") as folder:
        path = Path(folder) / "double.pt"
        try:
            _convert(model, options, path)
            found = Engine(path, **keywords).evaluate(structure).energy
        except (MDBridgeError, RuntimeError) as error:
            raise SymmetryError(
                f"the model '{model}' cannot be converted to double precision "
                f"({str(error).strip().splitlines()[-1]}): measure it as it is, without double"
            ) from error
        expected = single.evaluate(structure).energy
        absolute, relative = _SAME
        if abs(found - expected) > absolute * len(structure) + relative * abs(expected):
            raise SymmetryError(
                f"the model '{model}' is another one in double precision: its energy is "
                f"{found:.6g} eV, where it was {expected:.6g} eV: measure it as it is, without "
                "double"
            )
        yield path


def _convert(model: Path, options: ModelOptions, path: Path) -> None:
    converted = load_exported(model, options.extensions).to(torch.float64)
    named = keep_outputs(
        converted, outputs=None, devices=None, metadata=converted.metadata(), dtype="float64"
    )
    save_atomically(named, path)


def measured_precision(responses: Mapping[str, Response]) -> str:
    """By the rounding of what comes out: a torch module or a calculator may compute in either.

    :param responses: of one quantity at least
    """
    size = max(float(np.sqrt(each.B["z"].total)) for each in responses.values())
    noise = max(float(np.sqrt(each.noise.max())) for each in responses.values())
    return "float32" if noise > _BETWEEN * size else "float64"
