"""The driver that i-PI loads for an ``<ffdirect>`` forcefield: forces without a socket.

::

    <ffdirect name="cons">
      <pes>custom</pes>
      <pes_path>.../md_bridge/ipi/driver.py</pes_path>
      <parameters>{model: model.pt, template: start.xyz, forces: conservative}</parameters>
    </ffdirect>

``md-bridge ipi-driver`` prints what to write for ``<pes_path>``. All forcefields of a
simulation with the same model and template share one copy of it; with multiple time stepping (one
forcefield with ``forces: conservative``, one with ``direct``) they also share one evaluation
where both are wanted.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from ipi.pes.dummy import Dummy_driver
from ipi.utils.messages import info, verbosity
from ipi.utils.softexit import softexit

from md_bridge.engine import EngineError
from md_bridge.errors import ArgumentError, MDBridgeError
from md_bridge.forces import FORCES
from md_bridge.ipi.session import (
    STRESS,
    SessionOptions,
    in_evaluator,
    shared_session,
    summary_line,
)
from md_bridge.ipi.template import describe_template
from md_bridge.model_options import ModelOptions
from md_bridge.text import nearest

if TYPE_CHECKING:
    from md_bridge.ipi.committee import CommitteeSession

__DRIVER_NAME__ = "mdbridge"
__DRIVER_CLASS__ = "MDBridgeDriver"

__all__ = ["MDBridgeDriver"]

_SESSION_OPTIONS = {f.name: f for f in fields(SessionOptions) if f.name != "model_options"}
_MODEL_OPTIONS = {f.name: f for f in fields(ModelOptions)}

PARAMETERS = (*_SESSION_OPTIONS, *_MODEL_OPTIONS, "forces")
"""Names of what i-PI's ``<parameters>`` may hold."""

# what i-PI's own metatomic driver calls them
_OTHER_NAMES = {
    "non_conservative": "forces: direct",
    "energy_variant": "variant",
    "non_conservative_variant": "direct_variant",
    "uncertainty_threshold": "uncertainty: True",
    "energy_ensemble": "committee: True",
}

_PROGRAMS = ("i-pi", "i-pi-driver-py")
"""Of i-PI, which load this file."""

_OF_FORCES = "forces"
"""Value of the parameter ``committee``: forces and virials of an ensemble's members, too."""

# energy (hartree), forces (hartree/bohr), virial (hartree), extras (JSON)
_Result = tuple[float, np.ndarray, np.ndarray, str]


class MDBridgeDriver(Dummy_driver):
    """Energy, forces and virial of a trained model.

    Parameters are the fields of :class:`md_bridge.ipi.session.SessionOptions` and of
    :class:`md_bridge.model_options.ModelOptions`, and

    :param forces: "conservative" (minus the gradient of the energy) or "direct" (predicted)
    :param model: several files with semicolons between them are a committee, see
        :class:`md_bridge.ipi.committee.CommitteeSession`; with ``committee: forces`` one file with
        an ensemble is one, too
    :param verbose: i-PI's own switch
    :raises EngineError: if a parameter is wrong or the model cannot do what it is asked for
    """

    def __init__(self, *args: Any, verbose: bool = False, **parameters: Any):
        with _errors_as_sentences():
            self._set_up(args, verbose, parameters)

    def _set_up(self, args: tuple[Any, ...], verbose: bool, parameters: dict[str, Any]) -> None:
        parameters.pop("verbosity", None)  # i-PI adds it
        if args:
            raise EngineError(f"expected parameters of the form name: value, found {args[0]!r}")
        for name in parameters:
            if name not in PARAMETERS:
                raise EngineError(_unknown_parameter(name))
        self.forces = _choice("forces", parameters.pop("forces", FORCES[0]), FORCES)
        self.models = _models(parameters.get("model", ""))
        of_forces = str(parameters.get("committee", "")) == _OF_FORCES
        self.is_committee = of_forces or len(self.models) > 1
        if self.is_committee:
            parameters.pop("committee", None)
            if self.models:
                parameters["model"] = self.models[0]
        self.committee: CommitteeSession | None = None
        self.options = _session_options(parameters)
        super().__init__(verbose)

    def check_parameters(self) -> None:
        """Load the model, or find it loaded by another forcefield of this simulation."""
        if self.is_committee:
            from md_bridge.ipi.committee import CommitteeSession

            models, options = self.models, self.options
            self.committee = in_evaluator(CommitteeSession, models, self.forces, options)
        else:
            self.session = shared_session(self.options)
            self.session.serve(self.forces)
        softexit.register_function(self.report)
        described = describe_template(self.options.template)
        info(f" @MDBridge ({self.forces}): {described}", verbosity.low)

    def report(self) -> None:
        """Say at the end of the simulation what was evaluated."""
        summary = self.committee.summary if self.committee else summary_line(self.session)
        info(f" @MDBridge ({self.forces}): {summary}", verbosity.low)

    def compute(
        self, cell: np.ndarray | list[np.ndarray], pos: np.ndarray | list[np.ndarray]
    ) -> _Result | list[_Result]:
        """Evaluate one structure, or a list of them (beads) in one forward pass.

        :param cell: [3, 3], lattice vectors in columns, bohr; or a list
        :param pos: [N, 3], bohr; or a list
        :returns: energy (hartree), forces (hartree/bohr), virial -dE/d(strain) (hartree) and extras
            (JSON); or a list
        """
        if isinstance(cell, list) and isinstance(pos, list):
            return self.evaluate(cell, pos)
        assert isinstance(cell, np.ndarray)
        assert isinstance(pos, np.ndarray)
        return self.evaluate([cell], [pos])[0]

    def evaluate(self, cells: list[np.ndarray], positions: list[np.ndarray]) -> list[_Result]:
        """One result for each structure, from one forward pass; an error ends i-PI.

        :param cells: [3, 3] each, lattice vectors in columns, bohr
        :param positions: [N, 3] each, bohr
        :returns: what :meth:`compute` returns, for each structure
        :raises EngineError: if the model fails, after i-PI was told to stop
        """
        try:
            if self.committee is not None:
                return in_evaluator(self.committee.evaluate, cells, positions)
            found = in_evaluator(self.session.evaluate, self.forces, cells, positions)
        except EngineError as error:
            _stop_simulation(str(error))
            with _errors_as_sentences():
                raise
        news = self.session.take_news()
        if news:
            info(f" @MDBridge ({self.forces}): {news}", verbosity.low)
        return found


@contextlib.contextmanager
def _errors_as_sentences() -> Iterator[None]:
    """In i-PI's own programs an error of ours is its message and an exit status of 1: they would
    print a traceback. Whoever uses i-PI as a library gets the error.

    :raises SystemExit: in place of an error
    """
    try:
        yield
    except MDBridgeError as error:
        if Path(sys.argv[0]).name in _PROGRAMS:
            raise SystemExit(f"MD Bridge: {error}") from None
        raise


def _models(value: Any) -> list[Path]:
    """The files of a committee, or of one model: with semicolons between them, or commas, which in
    i-PI's input end a parameter."""
    if isinstance(value, list | tuple):
        words = [str(word) for word in value]
    elif Path(str(value)).is_file():
        words = [str(value)]
    else:
        words = str(value).replace(",", ";").split(";")
    return [Path(word.strip()) for word in words if word.strip()]


def _session_options(parameters: dict[str, Any]) -> SessionOptions:
    """The values of i-PI's ``<parameters>``, checked.

    :raises EngineError: if one is missing or of another type than expected
    """
    for name in ("model", "template"):
        if name not in parameters:
            raise EngineError(f"the parameter {name} is missing: <parameters> needs {name}: FILE")
    values = {name: _parse(name, value) for name, value in parameters.items()}
    _choice("stress", values.get("stress", "auto"), STRESS)
    of_model = {name: values.pop(name) for name in _MODEL_OPTIONS if name in values}
    try:
        return SessionOptions(**values, model_options=ModelOptions(**of_model))
    except ArgumentError as error:
        raise EngineError(str(error)) from None


def _parse(name: str, value: Any) -> Any:
    default = {**_SESSION_OPTIONS, **_MODEL_OPTIONS}[name].default
    if name in ("model", "template"):
        return Path(str(value))
    if name == "seed":
        return _seed(value)
    if name in ("charge", "spin_multiplicity"):
        return _number(name, value)
    if name == "threads":
        return _thread_count(value)
    if isinstance(default, bool):
        return _boolean(name, value)
    if isinstance(default, float):
        return _number(name, value)
    return str(value)


def _unknown_parameter(name: str) -> str:
    """The sentence about a parameter that does not exist."""
    if name in _OTHER_NAMES:
        return f"unknown parameter {name}: MD Bridge calls it {_OTHER_NAMES[name]}"
    near = nearest(name, PARAMETERS)
    hint = f"did you mean {near}? " if near else ""
    return f"unknown parameter {name}: {hint}There are {', '.join(PARAMETERS)}"


def _choice(name: str, value: Any, choices: tuple[str, ...]) -> str:
    """The value, if it is one of the choices."""
    if str(value) not in choices:
        raise EngineError(f"{name} must be {' or '.join(choices)}, found {value}")
    return str(value)


def _boolean(name: str, value: Any) -> bool:
    """The value of a switch, as Python or XML write it."""
    known = {"true": True, "false": False, "1": True, "0": False}
    if str(value).lower() not in known:
        raise EngineError(f"{name} must be True or False, found {value}")
    return known[str(value).lower()]


def _thread_count(value: Any) -> int:
    """A whole number, 0 or larger."""
    try:
        threads = int(str(value))
    except ValueError:
        threads = -1
    if threads < 0:
        raise EngineError(
            f"threads must be a whole number, 0 (as OMP_NUM_THREADS says) or larger, found {value}"
        )
    return threads


def _seed(value: Any) -> int:
    """A whole number, 0 or larger."""
    if not str(value).isdecimal():
        raise EngineError(f"seed must be a whole number, 0 or larger, found {value}")
    return int(str(value))


def _number(name: str, value: Any) -> float:
    """A number that is finite."""
    try:
        result = float(value)
    except (TypeError, ValueError):
        raise EngineError(f"{name} must be a number, found {value}") from None
    if not np.isfinite(result):
        raise EngineError(f"{name} must be finite, found {value}")
    return result


def _stop_simulation(message: str) -> None:
    """Let i-PI write its restart file and end with an exit status other than 0.

    Without this, an error in a forcefield with a thread of its own would end only that thread, and
    i-PI would wait for its forces for ever; and i-PI ends every stop of its own with status 0.
    """
    if not softexit.hard_exit:  # i-PI is used as a library: the exception is all that is needed
        return
    print(f"MD Bridge: {message}", file=sys.stderr, flush=True)
    end_normally = softexit.kill

    def end_with_failure() -> None:
        if softexit.flist or softexit.exiting:
            end_normally()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(1)

    softexit.kill = end_with_failure
    softexit.cleanup(status="bad", message=message)
