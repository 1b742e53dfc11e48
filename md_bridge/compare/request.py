"""Which models are compared, by what, and how thoroughly."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from md_bridge.drift.judging.verdict import DEFAULT_TOLERANCE
from md_bridge.drift.runs.plan import require_host
from md_bridge.errors import ArgumentError
from md_bridge.model_names import Factory, ModelName, is_python_model, require_model, same_model
from md_bridge.model_options import ModelOptions
from md_bridge.text import nearest

__all__ = [
    "MEASURES",
    "NEEDS",
    "USUAL",
    "CompareRequest",
    "NamedModel",
    "as_settings",
    "named_models",
    "with_flags",
]

MEASURES = {
    "errors": "errors on labelled structures",
    "lambda": "how far forces are from having a potential",
    "drift": "drift of the energy in NVE dynamics",
    "tune": "the largest M of multiple time stepping",
    "smoothness": "how the drift falls with the time step",
    "symmetry": "change with the orientation",
    "relax": "relaxation",
    "phonons": "phonons",
    "cost": "time and memory",
}
"""The measures, in the order of the table, and what each is about."""

USUAL = ("errors", "lambda", "cost")
"""Those that take minutes at most, made where nothing else is asked for."""

NEEDS = dict.fromkeys(MEASURES, "start") | {
    "errors": "labelled",
    "relax": "crystal",
    "phonons": "crystal",
}
"""The structures that each measure is made on."""

_WHY = {
    "labelled": "name structures with energies and forces",
    "start": "name a structure of your dynamics",
}
"""What to do where a kind of structures is missing."""


@dataclass(frozen=True)
class NamedModel:
    """A model with the name that it has in the tables."""

    name: str
    model: Path
    """A file, exported or compiled, or ``python:package.module:factory``."""


@dataclass(frozen=True)
class CompareRequest:
    """Several models, structures, and what to measure.

    :raises ArgumentError: fewer than two models, two of one name, one twice, or one that is not
        there; an unknown measure; structures that a measure needs and that are not named; a number
        out of its range
    """

    models: tuple[ModelName | NamedModel, ...]
    """Files of exported or compiled models, or names of factories; ``NAME=MODEL`` gives one a
    name in the tables, else it is that of the file."""
    labelled: Path | None = None
    """Structures with energies, forces and perhaps stresses."""
    start: Path | None = None
    """A structure of the dynamics that the models are for, the last one of its file."""
    crystal: Path | None = None
    """What is relaxed, and whose phonons are computed; None: the start."""
    measures: tuple[str, ...] = ()
    """Names of :data:`MEASURES`; empty: those of :data:`USUAL` whose structures are there."""
    energy_key: str = "energy"
    force_key: str = "forces"
    stress_key: str = "stress"
    shift: bool = False
    """Fit a constant energy for each element before energies are compared."""
    host: str = "lammps"
    """Runs the dynamics: ``lammps`` or ``i-pi``."""
    timestep_fs: float = 0.5
    """Inner step (fs)."""
    length_ps: float = 10.0
    """Of each run of ``drift``."""
    tune_ps: float = 2.0
    """Of the first runs of ``tune``; those that cannot be judged grow to four times that."""
    smoothness_ps: float = 2.0
    """Of each run of ``smoothness``."""
    temperature_k: float = 300.0
    replicas: int = 4
    """Independent starts of ``drift``; ``tune`` has two at most."""
    equilibration_ps: float = 1.0
    """Of the thermostatted run before each start."""
    tolerance: float = DEFAULT_TOLERANCE
    """Drift that counts as conserved (meV/atom/ps)."""
    seed: int = 1
    most: int = 16
    """Largest M to try."""
    lmax: int = 8
    """Largest angular momentum that ``symmetry`` tells apart."""
    cell: str = "fixed"
    """What of the cell is relaxed: ``fixed``, ``iso``, ``full``, ``slab``."""
    fmax: float = 1e-4
    """Largest force at rest (eV/Å)."""
    supercell: tuple[int, ...] | None = None
    """Multiples of the crystal's cell; None: those that make it 15 Å wide."""
    model_options: ModelOptions = field(default_factory=ModelOptions)
    """Of all models: device, threads, extensions, variants."""

    def __post_init__(self) -> None:
        given = (self.models,) if isinstance(self.models, str | os.PathLike) else self.models
        object.__setattr__(self, "models", named_models(given))
        for name in ("labelled", "start", "crystal"):
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, Path(value))
        if self.crystal is None and self.start is not None:
            object.__setattr__(self, "crystal", self.start)
        self._require_measures()
        require_host(self.host)
        for name in ("timestep_fs", "length_ps", "tune_ps", "smoothness_ps", "temperature_k",
                     "tolerance", "fmax"):  # fmt: skip
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise ArgumentError(name, f"must be positive and finite, found {value:g}")
        for name, least in (("replicas", 1), ("seed", 1), ("most", 2), ("lmax", 1)):
            value = getattr(self, name)
            if value < least:
                raise ArgumentError(name, f"must be {least} or more, found {value}")
        self._require_supercell()
        options = self.model_options
        if options.symmetrize != "none" or options.inner:
            raise ArgumentError(
                "model_options",
                "are of models as they are: averages over copies (symmetrize) and inner models "
                "have commands of their own, leave them out",
            )

    def _require_supercell(self) -> None:
        if self.supercell is None:
            return
        whole = tuple(int(n) for n in self.supercell if n == int(n) and n > 0)
        if len(whole) != 3 or len(self.supercell) != 3:
            given = ",".join(f"{n:g}" for n in self.supercell)
            raise ArgumentError(
                "supercell", f"must be three whole numbers from 1 on, found {given}"
            )
        object.__setattr__(self, "supercell", whole)

    def _require_measures(self) -> None:
        for name in self.measures:
            if name not in MEASURES:
                near = nearest(name, MEASURES)
                hint = f"did you mean {near}?" if near else f"there are {', '.join(MEASURES)}"
                raise ArgumentError("measures", f"'{name}' is no measure; {hint}")
            needed = NEEDS[name]
            if getattr(self, needed) is None:
                asked = "start" if needed == "crystal" else needed
                raise ArgumentError(asked, f"is missing, which {name} needs: {_WHY[asked]}")
        if not self.chosen:
            raise ArgumentError(
                "labelled", "is missing, and so is a start: name structures to compare models on"
            )

    @property
    def named(self) -> tuple[NamedModel, ...]:
        """The models, in the order given."""
        return tuple(each for each in self.models if isinstance(each, NamedModel))

    @property
    def chosen(self) -> tuple[str, ...]:
        """Names of the measures to be made, in the order of :data:`MEASURES`."""
        if self.measures:
            return tuple(name for name in MEASURES if name in self.measures)
        return tuple(name for name in USUAL if getattr(self, NEEDS[name]) is not None)


def named_models(models: Sequence[ModelName | NamedModel]) -> tuple[NamedModel, ...]:
    """The models as they are compared, each with a name of its own.

    :param models: paths of files, ``python:package.module:factory``, or one of these with
        ``NAME=`` before it
    :raises ArgumentError: about ``models``: fewer than two, one that is not there, two of one name,
        or one twice
    """
    found = tuple(each if isinstance(each, NamedModel) else _named(each) for each in models)
    if len(found) < 2:
        raise ArgumentError("models", f"must be two or more, to be compared, found {len(found)}")
    for place, one in enumerate(found):
        require_model("models", one.model)
        for other in found[:place]:
            if same_model(one.model, other.model):
                raise ArgumentError("models", f"have '{one.model}' twice: leave one out")
            if one.name == other.name:
                raise ArgumentError(
                    "models",
                    f"'{other.model}' and '{one.model}' would both be called '{one.name}': give "
                    f"one another name, as in other={one.model}",
                )
    return found


def _named(word: ModelName) -> NamedModel:
    text = os.fspath(word)
    name, equals, rest = text.partition("=")
    own = bool(equals) and bool(name) and not {"/", ":"} & set(name) and not Path(text).exists()
    model = rest if own else text
    return NamedModel(name if own else _own_name(model), Path(model))


def _own_name(model: str) -> str:
    """``model.pt``, or ``module:factory``."""
    if not is_python_model(model):
        return Path(model).name
    factory = Factory.parse(model)
    module = Path(factory.module).stem if factory.is_file else factory.module.rpartition(".")[2]
    return f"{module}:{factory.function}"


def as_settings(request: CompareRequest, *names: str) -> dict[str, Any]:
    """Some fields of a request, as JSON can have them.

    :param request: what is asked for
    :param names: of fields
    """
    values = {name: getattr(request, name) for name in names}
    return {name: list(v) if isinstance(v, tuple) else v for name, v in values.items()}


def with_flags(
    measures: Sequence[str], more: Sequence[str], structures: Mapping[str, object]
) -> tuple[str, ...]:
    """Measures that are asked for by name, or else the usual ones, and more of them.

    :param measures: by name; empty: those of :data:`USUAL` whose structures are there
    :param more: names of further ones
    :param structures: what is there, by the names of the fields of a request
    :returns: as a request takes them; empty if nothing is asked for
    """
    if not more:
        return tuple(measures)
    usual = [name for name in USUAL if structures.get(NEEDS[name]) is not None]
    return tuple(dict.fromkeys((*(measures or usual), *more)))
