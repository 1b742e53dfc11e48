"""What ``md-bridge check`` asks of a file: derivatives, order, range, smoothness."""

from __future__ import annotations

from collections.abc import Iterator

from md_bridge.certify.findings import Finding, failure_words, of_check, skipped
from md_bridge.certify.subject import Subject
from md_bridge.engine import ModelError
from md_bridge.export.checks.checks import check_corner_cases
from md_bridge.export.checks.derivatives import check_forces, check_stress
from md_bridge.export.checks.invariances import INVARIANCES, check_invariance
from md_bridge.export.checks.locality import check_isolated_atoms, check_locality
from md_bridge.export.checks.smoothness import (
    check_smoothness_of_bulk,
    check_smoothness_of_dimers,
)

__all__ = ["derivatives", "order", "reach", "smoothness"]


_NO_STRESS = "the model gives no stress, which constant pressure would need"
_OWN_PAIRS = "Python evaluates the model, which makes its own pair lists"
_ONE_RANK = (
    "what LAMMPS asks of a model on many ranks, a structure without atoms among it; one that "
    "Python evaluates runs on one"
)


def derivatives(subject: Subject) -> Iterator[Finding]:
    """Conservative forces and stress against finite differences; odd structures.

    :param subject: the model
    """
    yield of_check(check_forces(subject.double, subject.structures))
    if subject.is_python and not subject.as_hosts.has_stress:
        yield skipped("stress = dE/dstrain / V", _NO_STRESS)
    else:
        yield of_check(check_stress(subject.double, subject.structures))
    if subject.is_python:
        yield skipped("corner cases", _ONE_RANK)
    else:
        yield of_check(check_corner_cases(subject.own, subject.elements))


def order(subject: Subject) -> Iterator[Finding]:
    """Neither place nor order nor company changes a prediction.

    Compiled functions and calculators are asked themselves; the engine has one order of pairs, so
    that is asked of the TorchScript model of a compiled file.

    :param subject: the model
    """
    runner = subject.double if subject.is_file_alone else subject.as_hosts
    for name in INVARIANCES:
        subject.say(name)
        if name != "order of pairs":
            yield of_check(check_invariance(name, runner, subject.structures))
        elif subject.is_python:
            yield skipped(name, _OWN_PAIRS)
        else:
            yield of_check(check_invariance(name, subject.double, subject.structures))


def reach(subject: Subject) -> Iterator[Finding]:
    """An atom sees no farther than the declared interaction range.

    :param subject: the model
    """
    yield of_check(check_locality(subject.double, subject.elements))
    try:
        yield of_check(check_isolated_atoms(subject.double, subject.elements))
    except ModelError as error:
        if not subject.is_python:
            raise
        reason = failure_words(str(error))  # one for crystals need not know what a vacuum is
        yield skipped("isolated atoms", f"the calculator fails for atoms in a vacuum ({reason})")


def smoothness(subject: Subject) -> Iterator[Finding]:
    """No jumps where two atoms lose sight of each other, nor in the first structure.

    :param subject: the model
    """
    subject.say("smoothness of dimers")
    yield of_check(check_smoothness_of_dimers(subject.double, subject.elements))
    subject.say("smoothness in bulk")
    yield of_check(check_smoothness_of_bulk(subject.double, subject.structures[0]))
