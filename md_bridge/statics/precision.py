"""The file whose forces are taken: the model's own, or one in double precision."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from ase import Atoms

from md_bridge.engine import structure_from_ase
from md_bridge.model_options import ModelOptions
from md_bridge.symmetry.models.precision import in_double_precision

__all__ = ["precise_model"]


@contextmanager
def precise_model(model: Path, options: ModelOptions, atoms: Atoms, double: bool) -> Iterator[Path]:
    """The model; if double precision is asked for, a converted copy that is there for a while.

    :param model: path of the model
    :param options: how it is evaluated; averages over copies play no part
    :param atoms: on which both must have the same energy, Å
    :param double: whether it is to be converted
    :raises md_bridge.symmetry.errors.SymmetryError: the model cannot be converted
    """
    if not double:
        yield model
        return
    plain = replace(options, symmetrize="none", direct_symmetrize="")
    with in_double_precision(model, plain, structure_from_ase(atoms)) as path:
        yield path
