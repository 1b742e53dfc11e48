"""Whether forces in single precision are as good as single precision allows.

A network that works on a rectangular array of neighbours fills its free places with something. If
that is a pair of the structure, as in metatrain's PET, its contributions cancel, but in single
precision not quite, and the gradient of what is left acts on this one pair. It hurts if the pair is
a bond, and more the more free places there are: in a droplet with vapour, at a surface.
"""

from __future__ import annotations

from collections.abc import Sequence

import ase
import numpy as np

from md_bridge.export.checks import structures as check_structures
from md_bridge.export.checks.result import Check, judge
from md_bridge.export.checks.runner import PairOrder, Runner

__all__ = ["check_single_precision"]

_NAME = "single precision"
_ALLOWED = 10.0  # times; rounding alone differs by up to 3 between the two orders
_ROUNDING = 1e-6  # of the largest force: what may be lost in any order


def check_single_precision(single: Runner, double: Runner, elements: Sequence[int]) -> Check:
    """Errors of forces in single precision do not depend on which pair of the list is the first.

    :param single: the model, in the precision of its file
    :param double: the same in double precision
    :param elements: atomic numbers of those to build a droplet and vapour of
    """
    why = _why_not(single, double)
    if why:
        return Check(_NAME, None, float("nan"), "", None, f"not checked: {why}")
    atoms = check_structures.droplet(elements, apart=2 * single.cutoffs[-1])
    (exact,) = double.evaluate([atoms], direct=False)
    assert exact.forces is not None
    usual = _error(single, atoms, exact.forces, _longest_first)
    with_bond = _error(single, atoms, exact.forces, _shortest_first)
    smallest = _ROUNDING * float(np.abs(exact.forces).max(initial=0.0))
    return judge(
        _NAME,
        with_bond / max(usual, smallest, 1e-12),
        "×",
        _ALLOWED,
        f"largest error of a force in single precision where the pair list begins with a bond "
        f"({1e3 * with_bond:.2g} meV/Å), relative to that where it ends with it "
        f"({1e3 * usual:.2g} meV/Å). If it fails, the network pads its arrays with a real pair, as "
        "metatrain's PET does, and pulls at that pair: every engine that runs this file as it is "
        "gets wrong forces in some orders of the atoms, silently. Export the checkpoint with "
        "md-bridge export, which mends that, or in double precision (--dtype float64)",
    )


def _why_not(single: Runner, double: Runner) -> str:
    if single.is_double:
        return "the model is in double precision"
    if not double.is_double:
        return "the model cannot be converted to double precision, to compare with"
    return "" if single.cutoffs else "the model asks for no pairs"


def _error(runner: Runner, atoms: ase.Atoms, exact: np.ndarray, order: PairOrder) -> float:
    (found,) = runner.evaluate([atoms], direct=False, pair_order=order)
    assert found.forces is not None
    return float(np.abs(found.forces - exact).max(initial=0.0))


def _shortest_first(labels: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    return np.argsort(np.linalg.norm(vectors, axis=1), kind="stable")


def _longest_first(labels: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    return _shortest_first(labels, vectors)[::-1].copy()
