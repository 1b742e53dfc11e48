"""The model that is learned from: one that the engine evaluates, or any calculator of ASE."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol

from ase import Atoms
from ase.calculators.calculator import BaseCalculator, PropertyNotImplementedError
from ase.data import chemical_symbols

from md_bridge.ase import MDBridgeCalculator
from md_bridge.distil.errors import DistilError
from md_bridge.engine import Engine, ModelError, Wanted, cheapest_forces
from md_bridge.errors import MDBridgeError
from md_bridge.model_names import PYTHON, is_python_model, model_checksum
from md_bridge.model_options import ModelOptions

__all__ = [
    "CalculatorTeacher",
    "EngineTeacher",
    "Source",
    "Teacher",
    "check_starts",
    "open_teacher",
]

Source = str | os.PathLike[str] | BaseCalculator
"""An exported file, ``python:package.module:factory`` (or ``python:file.py:factory``) of a function
that returns an ASE calculator or a function, or a calculator itself."""


class Teacher(Protocol):
    """What a student is made from: conservative forces and energies, and cheap forces if any."""

    name: str
    """For people."""
    checksum: str
    """Of the file that it is in, SHA-256; empty if there is none."""
    has_direct_forces: bool
    """Whether its dynamics can be driven by multiple time stepping of its own."""
    model: Path | None
    """What hosts name: an exported file, or ``python:…``; None: a calculator of this process."""

    def calculator(self) -> BaseCalculator:
        """A calculator that remembers nothing, so that what it gives does not depend on what was
        calculated before."""

    def direct_calculator(self) -> BaseCalculator:
        """A calculator of the cheap forces, of a teacher that has some."""

    def missing(self, numbers: Iterable[int]) -> list[int]:
        """Those of some elements that it is known to lack.

        :param numbers: atomic numbers
        """


class EngineTeacher:
    """A model that the engine evaluates: an exported file, or one of Python.

    :param model: path of the file, or ``python:package.module:factory``
    :param options: how it is evaluated
    :raises md_bridge.engine.ModelError: it cannot be loaded
    :raises DistilError: it gives no conservative forces
    """

    def __init__(self, model: Path, options: ModelOptions) -> None:
        # held as long as the teacher is: calculators come and go, and would load it each time
        self._engine = engine = Engine(model, **options.engine_keywords())
        name = engine.info.name or model.name
        of_python = is_python_model(model)
        self.name = f"{name} of {str(model).removeprefix(PYTHON)}" if of_python else name
        try:
            engine.require(Wanted(conservative_forces=True))
        except ModelError as error:
            raise DistilError(
                f"the teacher {self.name} has no conservative forces, which a student learns: "
                f"{error}"
            ) from error
        self.model: Path | None = model
        self.checksum = model_checksum(model)
        self.has_direct_forces = cheapest_forces(engine) == "direct"
        self._elements = set(engine.info.atomic_types)
        self._parameters = {"model": model, **options.engine_keywords()}

    def calculator(self) -> BaseCalculator:
        """See :class:`Teacher`."""
        return MDBridgeCalculator(**self._parameters)

    def direct_calculator(self) -> BaseCalculator:
        """See :class:`Teacher`."""
        return MDBridgeCalculator(**self._parameters, forces="direct")

    def missing(self, numbers: Iterable[int]) -> list[int]:
        """Those of some elements that the model lacks.

        :param numbers: atomic numbers
        """
        return sorted(set(numbers) - self._elements)


class CalculatorTeacher:
    """Any calculator of ASE that gives energies and forces.

    :param calculator: the calculator
    :param name: for people
    """

    def __init__(self, calculator: BaseCalculator, name: str) -> None:
        self.name, self.checksum = name, ""
        self.has_direct_forces = False
        self.model: Path | None = None
        self._calculator = calculator

    def calculator(self) -> BaseCalculator:
        """See :class:`Teacher`."""
        reset = getattr(self._calculator, "reset", None)
        if callable(reset):
            reset()
        return self._calculator

    def direct_calculator(self) -> BaseCalculator:
        """See :class:`Teacher`.

        :raises DistilError: always
        """
        raise DistilError(f"the teacher {self.name} has one kind of forces")

    def missing(self, numbers: Iterable[int]) -> list[int]:
        """None that are known: the first evaluation tells.

        :param numbers: atomic numbers
        """
        return []


def open_teacher(source: Source, options: ModelOptions | None = None) -> Teacher:
    """The teacher that a user names.

    :param source: see :data:`Source`
    :param options: how a model is loaded and evaluated; None: as it is
    :raises DistilError: there is no such file, or it has no conservative forces
    :raises md_bridge.engine.ModelError: a file cannot be loaded, or there is no such factory, or it
        does not return a calculator
    """
    options = options or ModelOptions()
    if isinstance(source, BaseCalculator) or hasattr(source, "get_potential_energy"):
        return CalculatorTeacher(source, type(source).__name__)  # type: ignore[arg-type]
    text = os.fspath(source)
    path = Path(text)
    if is_python_model(text):
        return EngineTeacher(path, options)
    if not path.is_file():
        hint = f" (python:{text}, if that is one)" if ":" in text else ""
        raise DistilError(
            f"there is no file '{path}'; expected an exported model, or python:file.py:factory of "
            f"a function that returns an ASE calculator{hint}"
        )
    return EngineTeacher(path, options)


def check_starts(teacher: Teacher, starts: Sequence[Atoms]) -> None:
    """Refuse a teacher that cannot label the starts, before the long work.

    :param teacher: the teacher
    :param starts: structures, each of which is evaluated once
    :raises DistilError: it lacks an element, gives no forces, fails, or gives a number that is not
        finite
    """
    for number, atoms in enumerate(starts, 1):
        missing = teacher.missing(atoms.numbers)
        which = f"start {number} ({atoms.get_chemical_formula()})"
        if missing:
            symbols = ", ".join(chemical_symbols[element] for element in missing)
            raise DistilError(
                f"{which} has {symbols}, which the teacher {teacher.name} does not know: leave it "
                "out, or take another teacher"
            )
        trial = atoms.copy()
        trial.set_constraint()
        trial.calc = teacher.calculator()
        try:
            numbers = [trial.get_potential_energy(), *trial.get_forces().flat]
        except PropertyNotImplementedError as error:
            raise DistilError(
                f"the teacher {teacher.name} does not give the forces and the energy that a "
                f"student learns: {error}"
            ) from error
        except MDBridgeError as error:
            raise DistilError(f"the teacher {teacher.name} fails for {which}: {error}") from error
        except Exception as error:  # calculators raise whatever they stumble over
            raise DistilError(
                f"the teacher {teacher.name} fails for {which}: {type(error).__name__}: {error}"
            ) from error
        if not all(abs(value) < float("inf") for value in numbers):
            raise DistilError(
                f"the teacher {teacher.name} gives energies or forces that are not finite for "
                f"{which}: look at that structure"
            )
