"""A model that is compared: how it is opened, and what it gives."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from ase import Atoms
from ase.data import chemical_symbols

from md_bridge.compare.request import CompareRequest, NamedModel
from md_bridge.engine import Engine, EngineError, ModelError, Wanted, model_inputs
from md_bridge.export.errors import ExportError
from md_bridge.export.model_file import require_exported
from md_bridge.export.structures import require_elements
from md_bridge.forces import FORCES
from md_bridge.model_names import (
    absolute_model,
    is_python_model,
    model_checksum,
    model_factory,
    precision_of,
)
from md_bridge.model_options import ModelOptions
from md_bridge.text import finite_or_none

__all__ = ["Subject", "open_subjects"]


@dataclass(frozen=True)
class Subject:
    """One of the models."""

    name: str
    """In the tables."""
    model: Path
    """As it was named."""
    options: ModelOptions
    """Of them the charge and the spin multiplicity where it asks for these."""

    @cached_property
    def engine(self) -> Engine:
        """As all hosts have it.

        :raises md_bridge.engine.EngineError: it cannot be loaded
        """
        return Engine(self.model, **self.options.engine_keywords())

    def gives(self, *quantities: str) -> bool:
        """Whether the model gives all of these.

        :param quantities: names of :class:`md_bridge.engine.Wanted`
        """
        try:
            self.engine.require(Wanted(energy=False, **dict.fromkeys(quantities, True)))
        except ModelError:
            return False
        return True

    @property
    def precision(self) -> str:
        """In words."""
        return precision_of(self.model, self.engine.info.dtype)

    @cached_property
    def kinds(self) -> tuple[str, ...]:
        """Kinds of forces that it gives: ``conservative``, ``direct``."""
        return tuple(kind for kind in FORCES if self.gives(f"{kind}_forces"))

    @cached_property
    def stresses(self) -> tuple[str, ...]:
        """Kinds of stress that it gives."""
        return tuple(kind for kind in FORCES if self.gives(f"{kind}_virial"))

    @cached_property
    def identity(self) -> dict[str, str]:
        """What tells it from all other models: the checksum of its file, and the factory in it."""
        factory = model_factory(self.model)
        return {"sha256": model_checksum(self.model), **({"factory": factory} if factory else {})}

    def require_elements(self, structures: Sequence[Atoms], what: str) -> None:
        """Refuse structures with elements that it does not know.

        :param structures: that are measured
        :param what: what they are, for the message
        :raises ExportError: naming the model and the element
        """
        try:
            require_elements(structures, self.engine.info.atomic_types, what)
        except ExportError as error:
            raise ExportError(
                f"'{self.name}' cannot be compared with the others: {error}. Leave it out, or take "
                "structures of elements that all models know"
            ) from None

    def as_dict(self) -> dict[str, Any]:
        """What it is, for JSON."""
        info = self.engine.info
        return {
            "model": str(absolute_model(self.model)),
            **self.identity,
            "elements": [chemical_symbols[z] for z in info.atomic_types],
            "forces": list(self.kinds),
            "stresses": list(self.stresses),
            "precision": self.precision,
            "cutoff_angstrom": finite_or_none(info.cutoff),
            "interaction_range_angstrom": finite_or_none(info.interaction_range),
        }


def open_subjects(request: CompareRequest) -> tuple[Subject, ...]:
    """The models of a request, each loaded once.

    :param request: what is asked for
    :raises ExportError: one is no exported model, naming it
    :raises md_bridge.engine.EngineError: one cannot be loaded
    """
    for each in request.named:
        if not is_python_model(each.model):
            require_exported(each.model)
    given = request.model_options
    has_inputs = given.charge is not None or given.spin_multiplicity is not None
    asked = {
        each.name: _inputs(each, given) if has_inputs else frozenset() for each in request.named
    }
    wanted = frozenset().union(*asked.values())
    found = []
    for each in request.named:
        # what no model asks for stays, for the engine to refuse it
        idle: dict[str, Any] = dict.fromkeys(wanted - asked[each.name])
        subject = Subject(each.name, each.model, replace(given, **idle))
        with _naming(each):
            _ = subject.engine
        found.append(subject)
    return tuple(found)


def _inputs(named: NamedModel, options: ModelOptions) -> frozenset[str]:
    with _naming(named):
        return frozenset(model_inputs(named.model, options.device, options.extensions))


@contextlib.contextmanager
def _naming(named: NamedModel) -> Iterator[None]:
    """What is wrong with a model names it as the tables do."""
    try:
        yield
    except EngineError as error:
        raise type(error)(f"'{named.name}' cannot be compared: {error}") from error
