"""Asks a calculator, or a function, for several properties of one structure at once."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Protocol

from ase import Atoms
from ase.calculators.calculator import Calculator, PropertyNotImplementedError

from md_bridge.calculators.factories import failure
from md_bridge.engine import ModelError
from md_bridge.errors import MDBridgeError

__all__ = ["Source", "source_of"]

_OF_A_FUNCTION = ("energy", "forces")
"""What a function is taken to give where it does not say."""
_GETTERS = {
    "energy": "get_potential_energy",
    "forces": "get_forces",
    "stress": "get_stress",
    "energies": "get_potential_energies",
}


class Source(Protocol):
    """Where properties come from."""

    name: str
    """For people."""
    properties: Collection[str]
    """What there is, as ASE calls it."""

    def compute(self, atoms: Atoms, names: Sequence[str], model: str) -> Mapping[str, Any]:
        """Properties of a structure.

        :param atoms: N atoms, Å
        :param names: of :attr:`properties`
        :param model: for messages
        :returns: at least these, by name, as they were given
        :raises ModelError: it fails, or does not give one of them
        """


def source_of(made: Any) -> Source:
    """How to ask what a factory returned.

    :param made: an ASE calculator, or a function from Atoms to a dictionary
    """
    if hasattr(made, "get_potential_energy"):
        return _OfCalculator(made)
    return _OfFunction(made)


class _OfCalculator:
    def __init__(self, calculator: Any) -> None:
        self.name = type(calculator).__name__
        self.properties: Collection[str] = [
            *getattr(calculator, "implemented_properties", ()),
            *getattr(calculator, "further_properties", ()),
        ]
        self._calculator = calculator

    def compute(self, atoms: Atoms, names: Sequence[str], model: str) -> Mapping[str, Any]:
        """See :class:`Source`."""
        return _in_words(lambda: self._compute(atoms, names), model)

    def _compute(self, atoms: Atoms, names: Sequence[str]) -> Mapping[str, Any]:
        calculator = self._calculator
        if not isinstance(calculator, Calculator):
            ask = getattr(calculator, "get_property", None)
            if ask is not None:
                return {name: ask(name, atoms) for name in names}
            return {name: getattr(calculator, _GETTERS[name])(atoms) for name in names}
        # as ASE's get_property() does for one of them, but never from memory: the engine asks once
        # for each structure, and what an evaluation costs is measured on one
        changes = calculator.check_state(atoms)
        calculator.reset()
        calculator.calculate(atoms, list(names), changes or ["positions"])
        return dict(calculator.results)


class _OfFunction:
    def __init__(self, function: Callable[[Atoms], Mapping[str, Any]]) -> None:
        self.name = getattr(function, "__name__", type(function).__name__)
        self.properties: Collection[str] = list(
            getattr(function, "implemented_properties", _OF_A_FUNCTION)
        )
        self._function = function

    def compute(self, atoms: Atoms, names: Sequence[str], model: str) -> Mapping[str, Any]:
        """See :class:`Source`."""
        found = _in_words(lambda: self._function(atoms), model)
        if isinstance(found, Mapping):
            return found
        raise ModelError(
            f"the function of '{model}' returned a {type(found).__name__}; expected a dictionary "
            f"with {', '.join(names)}"
        )


def _in_words(work: Callable[[], Any], model: str) -> Any:
    """Call somebody else's code; what it raises becomes a sentence."""
    try:
        return work()
    except PropertyNotImplementedError as error:
        raise ModelError(
            f"the calculator of '{model}' does not give all that is wanted of this structure: "
            f"{error}"
        ) from error
    except MDBridgeError as error:
        raise ModelError(f"the model '{model}' failed: {error}") from error
    except (Exception, SystemExit) as error:  # calculators raise whatever they stumble over
        raise ModelError(f"the model '{model}' failed: {failure(error)}") from error
