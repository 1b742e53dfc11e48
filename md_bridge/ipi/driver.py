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

import difflib
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
from ipi.pes.dummy import Dummy_driver
from ipi.utils.messages import info, verbosity
from ipi.utils.softexit import softexit

from md_bridge.engine import EngineError
from md_bridge.ipi.session import FORCES, STRESS, SessionOptions, shared_session, summary_line

__DRIVER_NAME__ = "mdbridge"
__DRIVER_CLASS__ = "MDBridgeDriver"

OPTIONS = {field.name: field for field in fields(SessionOptions)}
PARAMETERS = (*OPTIONS, "forces", "threads")

# i-PI takes its steps in several threads by turns, and each that calls OpenMP gets a team of its
# own, whose waiting members take the cores from the others: all evaluations come from one thread
_EVALUATOR = ThreadPoolExecutor(max_workers=1, thread_name_prefix="md-bridge")
# what i-PI's own metatomic driver calls them
OTHER_NAMES = {
    "non_conservative": "forces: direct",
    "energy_variant": "variant",
    "non_conservative_variant": "direct_variant",
    "uncertainty_threshold": "uncertainty: True",
}

Result = tuple[float, np.ndarray, np.ndarray, str]


class MDBridgeDriver(Dummy_driver):
    """Energy, forces and virial of a trained model.

    Parameters are those of :class:`md_bridge.ipi.session.SessionOptions`, and

    :param forces: "conservative" (minus the gradient of the energy) or "direct" (predicted)
    :param threads: threads of torch; 0: OMP_NUM_THREADS, or all cores that this process may use
    :raises EngineError: if a parameter is wrong or the model cannot do what it is asked for
    """

    def __init__(self, *args: Any, verbose: bool = False, **parameters: Any):
        parameters.pop("verbosity", None)  # i-PI adds it
        if args:
            raise EngineError(f"expected parameters of the form name: value, got {args[0]!r}")
        for name in parameters:
            if name not in PARAMETERS:
                raise EngineError(unknown_parameter(name))
        self.forces = choice("forces", parameters.pop("forces", FORCES[0]), FORCES)
        self.threads = thread_count(parameters.pop("threads", 0))
        self.options = make_options(parameters)
        super().__init__(verbose)

    def check_parameters(self) -> None:
        """Load the model, or find it loaded by another forcefield of this simulation."""
        self.session = shared_session(self.options, self.threads)
        self.session.serve(self.forces)
        softexit.register_function(self.report)

    def report(self) -> None:
        """Say at the end of the simulation what was evaluated."""
        info(f" @MDBridge ({self.forces}): {summary_line(self.session)}", verbosity.low)

    def compute(
        self, cell: np.ndarray | list[np.ndarray], pos: np.ndarray | list[np.ndarray]
    ) -> Result | list[Result]:
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

    def evaluate(self, cells: list[np.ndarray], positions: list[np.ndarray]) -> list[Result]:
        """One result for each structure; an error ends i-PI."""
        try:
            task = _EVALUATOR.submit(self.session.evaluate, self.forces, cells, positions)
            return task.result()
        except EngineError as error:
            stop_simulation(str(error))
            raise


def make_options(parameters: dict[str, Any]) -> SessionOptions:
    """Check the values of i-PI's ``<parameters>``.

    :raises EngineError: if one is missing or of another type than expected
    """
    for name in ("model", "template"):
        if name not in parameters:
            raise EngineError(f"the parameter {name} is missing: <parameters> needs {name}: FILE")
    values: dict[str, Any] = {}
    for name, value in parameters.items():
        default = OPTIONS[name].default
        if name in ("model", "template"):
            values[name] = Path(str(value))
        elif name == "seed":
            values[name] = seed_of_random(value)
        elif isinstance(default, bool):
            values[name] = boolean(name, value)
        elif isinstance(default, float):
            values[name] = number(name, value)
        else:
            values[name] = str(value)
    choice("stress", values.get("stress", "auto"), STRESS)
    return SessionOptions(**values)


def unknown_parameter(name: str) -> str:
    """The sentence about a parameter that does not exist."""
    if name in OTHER_NAMES:
        return f"unknown parameter {name}: MD Bridge calls it {OTHER_NAMES[name]}"
    near = difflib.get_close_matches(name, PARAMETERS, n=1)
    hint = f"did you mean {near[0]}? " if near else ""
    return f"unknown parameter {name}: {hint}There are {', '.join(PARAMETERS)}"


def choice(name: str, value: Any, choices: tuple[str, ...]) -> str:
    """The value, if it is one of the choices."""
    if str(value) not in choices:
        raise EngineError(f"{name} must be {' or '.join(choices)}, got {value}")
    return str(value)


def boolean(name: str, value: Any) -> bool:
    """The value of a switch, as Python or XML write it."""
    known = {"true": True, "false": False, "1": True, "0": False}
    if str(value).lower() not in known:
        raise EngineError(f"{name} must be True or False, got {value}")
    return known[str(value).lower()]


def thread_count(value: Any) -> int:
    """A whole number, 0 or larger."""
    try:
        threads = int(str(value))
    except ValueError:
        threads = -1
    if threads < 0:
        raise EngineError(
            f"threads must be a whole number, 0 (as OMP_NUM_THREADS says) or larger, got {value}"
        )
    return threads


def seed_of_random(value: Any) -> int:
    """A whole number, 0 or larger."""
    if not str(value).isdecimal():
        raise EngineError(f"seed must be a whole number, 0 or larger, got {value}")
    return int(str(value))


def number(name: str, value: Any) -> float:
    """A number that is finite."""
    try:
        result = float(value)
    except (TypeError, ValueError):
        raise EngineError(f"{name} must be a number, got {value}") from None
    if not np.isfinite(result):
        raise EngineError(f"{name} must be finite, got {value}")
    return result


def stop_simulation(message: str) -> None:
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
