"""One model for all forcefields of an i-PI simulation, or two.

However many forcefields ask (two with multiple time stepping), a process has one session: one copy
of the model, one set of pair lists, and one evaluation where both kinds of forces are wanted at the
same positions. With an inner model, that one serves the direct forcefield.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import ParamSpec, TypeVar

from md_bridge.engine import (
    DEFAULT_SKIN,
    Engine,
    EngineError,
    choose_threads,
    open_inner,
    set_threads,
)
from md_bridge.ipi.template import read_template
from md_bridge.model_names import absolute_model
from md_bridge.model_options import ModelOptions

from md_bridge import _core  # isort: skip (md_bridge.engine loads the libraries that it needs)

__all__ = [
    "STRESS",
    "Session",
    "SessionOptions",
    "in_evaluator",
    "open_session",
    "shared_session",
    "summary",
    "summary_line",
]

Session = _core.IpiSession

STRESS = ("auto", "none")

# i-PI takes its steps in several threads by turns, and each that calls OpenMP gets a team of its
# own. As soon as there are more threads in these teams than cores, OpenMP puts waiting ones to
# sleep at once, and no evaluation is faster than with one thread. (It is here and not in the
# driver, which i-PI loads anew for each forcefield.)
_EVALUATOR = ThreadPoolExecutor(max_workers=1, thread_name_prefix="md-bridge")

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


def in_evaluator(
    work: Callable[_Arguments, _Result], *args: _Arguments.args, **keywords: _Arguments.kwargs
) -> _Result:
    """Call a function in the thread from which all models of this process are evaluated.

    :param work: what to call with the arguments that follow
    :returns: what it returns, or raises what it raises
    """
    return _EVALUATOR.submit(work, *args, **keywords).result()


@dataclass(frozen=True)
class SessionOptions:
    """What decides which numbers i-PI gets, and how fast.

    :param template: a structure file with the atoms in i-PI's order, or an input or RESTART of
        i-PI; only its elements (and whether it is periodic) are used
    :param model: path of the exported model, or ``python:…`` name
    :param model_options: how the model is loaded and evaluated; and the inner model, if there is
        one, which serves the direct forcefield in the place of ``model``
    :param check_consistency: let metatomic verify each call; slow
    :param skin: skin of the pair lists, Å
    :param stress: the virial that comes with direct forces. "auto": from the direct stress if the
        model has one; if not, zero with multiple time stepping (the outer step brings the
        conservative virial, which is the whole one) and an error otherwise. "none": zero, for runs
        in which nothing depends on the pressure; an error once the cell changes
    :param force_extras: give both kinds of forces to i-PI as extras of the conservative forcefield
    :param uncertainty: give the uncertainty of the atomic energies to i-PI as extras
    :param committee: the same for the energies of the members of the model's committee
    :param spread: the same for the standard deviations of energy and forces over the rotated copies
        of ``symmetrize``, as far as the model of a forcefield is averaged over some
    """

    template: Path
    model: Path
    model_options: ModelOptions = ModelOptions()
    check_consistency: bool = False
    skin: float = DEFAULT_SKIN
    stress: str = "auto"
    force_extras: bool = False
    uncertainty: bool = False
    committee: bool = False
    spread: bool = False


def open_session(options: SessionOptions) -> Session:
    """Load the model and the template.

    :param options: what to load, and how to evaluate it
    :returns: a session that answers both kinds of forces
    :raises EngineError: if one of them cannot be used, or the model lacks an element
    """
    set_threads(choose_threads(options.model_options.threads))
    template = read_template(options.template)
    engine = Engine(
        options.model,
        check_consistency=options.check_consistency,
        **options.model_options.engine_keywords(),
    )
    inner, kind = None, "direct"
    if options.model_options.inner:
        inner, kind = open_inner(options.model_options, check_consistency=options.check_consistency)
    return Session(
        engine,
        template.numbers.tolist(),
        template.pbc.tolist(),
        skin=options.skin,
        zero_direct_virial=options.stress == "none",
        force_extras=options.force_extras,
        uncertainty_extras=options.uncertainty,
        committee_extras=options.committee,
        deviation_extras=options.spread,
        max_correction=options.model_options.max_correction,
        inner=inner,
        inner_forces=kind,
    )


# A session lives as long as a forcefield that uses it.
_sessions: weakref.WeakValueDictionary[tuple[str, str], Session] = weakref.WeakValueDictionary()
_options: dict[tuple[str, str], dict[str, object]] = {}


def shared_session(options: SessionOptions) -> Session:
    """The session of this process for this model and template; opens it if it is the first call.

    :param options: those of the forcefield that asks
    :returns: one session for all forcefields with this model and template
    :raises EngineError: as :func:`open_session`, and if the session was opened with other options
    """
    key = (str(absolute_model(options.model)), os.path.realpath(options.template))
    asked = {**vars(options), **vars(options.model_options)}
    for name in ("model", "template", "model_options"):
        del asked[name]
    session = _sessions.get(key)
    if session is None:
        session = open_session(options)
        _sessions[key] = session
        _options[key] = asked
        return session
    for name, value in asked.items():
        other = _options[key][name]
        if value != other:
            raise EngineError(
                f"two forcefields use the model {options.model}, one with {name} = {other!r} and "
                f"one with {name} = {value!r}; they share one model, so give both the same value"
            )
    return session


def summary(session: Session) -> dict[str, int]:
    """How many evaluations of each kind a session has made, and how its pair lists fared.

    :param session: at any time; all numbers count from its opening
    :returns: counts by name, ready for JSON
    """
    counts = session.counts
    return {
        "direct_only": counts.inner_only,
        "conservative_only": counts.outer_only,
        "both": counts.both,
        "reused": counts.reused,
        "inner_steps": session.learned_stride,
        "beads": session.replicas,
        "pair_list_builds": session.pair_list_builds,
    }


def summary_line(session: Session) -> str:
    """The summary for a log.

    :param session: as for :func:`summary`
    """
    values = summary(session)
    return (
        f"{values['direct_only']} evaluations of direct forces, {values['conservative_only']} of "
        f"conservative forces, {values['both']} of both at once ({values['reused']} used twice); "
        f"{values['pair_list_builds']} pair lists built"
    )
