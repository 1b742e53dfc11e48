"""How an output changes when the points are turned or mirrored."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from md_bridge.errors import ArgumentError
from md_bridge.symmetry.errors import SymmetryError
from md_bridge.text import nearest

__all__ = ["LAWS", "Law", "as_law", "sample_count"]


@dataclass(frozen=True)
class Law:
    """An output is a Cartesian tensor: its last ``rank`` axes, each of length 3, are turned.

    :ivar rank: 0 for a scalar, 1 for a vector, 2 for a stress, and so on
    :ivar pseudo: changes sign in a mirror, where a tensor of its rank would not (or the other way
        round): multiplied by the determinant
    :ivar per_point: the first axis counts the points, whose errors are then told apart; None: it
        does if it is as long as there are points, and is not one of the last ``rank`` axes
    """

    rank: int = 0
    pseudo: bool = False
    per_point: bool | None = None

    def turn(self, values: np.ndarray, matrices: np.ndarray) -> np.ndarray:
        """ρ(g) applied to outputs.

        :param values: [G, ..., 3, ...], outputs in G frames
        :param matrices: [G, 3, 3], of determinant ±1, one for each frame
        :returns: an array of the same shape
        """
        for axis in range(values.ndim - self.rank, values.ndim):
            moved = np.moveaxis(values, axis, -1)
            flat = np.ascontiguousarray(moved).reshape(len(moved), -1, 3)
            turned = flat @ np.swapaxes(matrices, 1, 2)
            values = np.moveaxis(turned.reshape(moved.shape), -1, axis)
        if self.pseudo:
            signs = np.sign(np.linalg.det(matrices))
            values = values * signs.reshape(-1, *[1] * (values.ndim - 1))
        return values

    def turn_back(self, values: np.ndarray, matrices: np.ndarray) -> np.ndarray:
        """ρ(g)⁻¹ applied to outputs.

        :param values: as for :meth:`turn`
        :param matrices: as for :meth:`turn`
        """
        return self.turn(values, np.swapaxes(matrices, 1, 2))


LAWS = {
    "scalar": Law(0),
    "vector": Law(1),
    "tensor2": Law(2),
    "stress": Law(2, per_point=False),
    "pseudoscalar": Law(0, pseudo=True),
    "pseudovector": Law(1, pseudo=True),
    "pseudotensor2": Law(2, pseudo=True),
}
"""Names of the common laws. A force, a dipole or a velocity is a "vector"; a magnetic moment is a
"pseudovector"; a "stress" is a "tensor2" of the whole even where there are three points."""


def as_law(law: str | Law | None) -> Law | None:
    """The law of this name.

    :param law: one of :data:`LAWS`, a law, or None for an output that has none, such as hidden
        features
    :raises ArgumentError: there is no such name, or the rank is negative
    """
    if isinstance(law, str):
        if law not in LAWS:
            near = nearest(law, LAWS)
            hint = f"; did you mean {near!r}?" if near else ""
            known = ", ".join(LAWS)
            raise ArgumentError(
                "law", f"expects one of {known}, a Law or None, found {law!r}{hint}"
            )
        return LAWS[law]
    if law is not None and law.rank < 0:
        raise ArgumentError("law", f"expects a rank of 0 or more, found {law.rank}")
    return law


def sample_count(law: Law | None, shape: tuple[int, ...], points: int, name: str) -> int:
    """How many samples an output has whose errors are told apart: one for each point, or 1.

    :param law: of the output; None: as for a scalar
    :param shape: of the output
    :param points: how many points there are
    :param name: of the output, for messages
    :raises SymmetryError: the shape does not fit the law
    """
    rank, per_point = (law.rank, law.per_point) if law is not None else (0, None)
    leading = shape[: max(len(shape) - rank, 0)]
    if len(shape) < rank or any(length != 3 for length in shape[len(leading) :]):
        raise SymmetryError(
            f"{name} should be a tensor of rank {rank}, whose last {rank} axes have length 3; "
            f"found the shape {list(shape)}: choose another law"
        )
    fits = len(leading) > 0 and leading[0] == points
    if per_point and not fits:
        raise SymmetryError(
            f"{name} should have a value for each of the {points} points; found the shape "
            f"{list(shape)}: leave per_point out of its law"
        )
    return points if fits and per_point is not False else 1
