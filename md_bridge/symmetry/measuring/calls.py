"""Calling the function that is measured: turned copies in, checked numpy arrays out."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from md_bridge.errors import ArgumentError
from md_bridge.symmetry.errors import SymmetryError

__all__ = ["Calls", "Outputs", "Points"]

Points = np.ndarray | tuple[np.ndarray, ...]
Outputs = dict[str, np.ndarray]

_SAME = 1e-5
"""Two calls may differ by this, relative to the largest value: sums on a GPU have no fixed order
in single precision. More than that is dropout, or a random rotation."""


class Calls:
    """A function on one set of points, called for copies of it.

    :param f: of one copy (positions [N, 3], and what else turns with it, each an argument), or, for
        ``copies_per_call``, of several: all arrays have one axis more, the first. Returns an array,
        or a mapping from names to arrays; numpy or torch
    :param points: [N, 3], or a tuple of arrays [..., 3] that begins with it
    :param copies_per_call: at most so many copies go into one call; 0: ``f`` takes one copy, alone
    :raises ArgumentError: the points are no such arrays
    """

    def __init__(self, f: Callable[..., Any], points: Points, copies_per_call: int = 0) -> None:
        arrays = points if isinstance(points, tuple) else (points,)
        self.arrays = tuple(np.asarray(array, dtype=float) for array in arrays)
        shapes = [list(array.shape) for array in self.arrays]
        if not shapes or len(shapes[0]) != 2 or any(s[-1:] != [3] or 0 in s for s in shapes):
            raise ArgumentError(
                "points", f"must be an array [N, 3], or several [..., 3], found shapes {shapes}"
            )
        if not all(np.isfinite(array).all() for array in self.arrays):
            raise ArgumentError("points", "must be finite, found NaN or infinity")
        if copies_per_call < 0:
            raise ArgumentError("copies_per_call", f"must not be negative, found {copies_per_call}")
        self.f, self.copies_per_call = f, copies_per_call
        self.to_input = _converter(f)
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.epsilon: dict[str, float] = {}
        self.count = 0

    @property
    def point_count(self) -> int:
        """How many points there are."""
        return len(self.arrays[0])

    def turned(self, matrices: np.ndarray) -> Outputs:
        """The outputs for turned copies.

        :param matrices: [G, 3, 3]; every copy is x ↦ g x
        :returns: for each name an array [G, ...] in double precision
        :raises SymmetryError: as :meth:`of`
        """
        return self.of([np.einsum("gij,...j->g...i", matrices, a) for a in self.arrays])

    def of(self, copies: list[np.ndarray]) -> Outputs:
        """The outputs for copies.

        :param copies: each of the arrays with one axis more, [G, ..., 3]
        :returns: for each name an array [G, ...] in double precision
        :raises SymmetryError: an output is not finite, or its shape changes from copy to copy
        """
        total, step = len(copies[0]), self.copies_per_call or 1
        parts = []
        for begin in range(0, total, step):
            piece = [array[begin : begin + step] for array in copies]
            if not self.copies_per_call:
                piece = [array[0] for array in piece]
            outputs = self._named(self.f(*(self.to_input(array) for array in piece)))
            if not self.copies_per_call:
                outputs = {name: value[None] for name, value in outputs.items()}
            self._check(outputs, min(step, total - begin))
            parts.append(outputs)
        self.count += total
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def require_determinism(self, first: Outputs) -> None:
        """Call again without turning, and compare.

        :param first: what came out before
        :raises SymmetryError: something else comes out
        """
        again = self.turned(np.eye(3)[None])
        for name, values in first.items():
            change = float(np.abs(again[name] - values).max(initial=0.0))
            scale = float(np.abs(values).max(initial=0.0))
            if change > _SAME * scale:
                raise SymmetryError(
                    f"{name} must be the same whenever it is computed for the same points; two "
                    f"calls differ by {change:.2g}, where the largest value is {scale:.2g}. Switch "
                    "off dropout (module.eval()), random rotations and other random numbers"
                )

    def _named(self, result: Any) -> Outputs:
        named = result if isinstance(result, Mapping) else {"the output": result}
        outputs = {}
        for name, value in named.items():
            array = np.asarray(value.detach().cpu() if hasattr(value, "detach") else value)
            if array.dtype.kind not in "fiub":
                raise SymmetryError(f"{name} should be real numbers, found {array.dtype}")
            kind: Any = array.dtype if array.dtype.kind == "f" else float
            self.epsilon.setdefault(name, float(np.finfo(kind).eps))
            outputs[name] = array.astype(float)
        return outputs

    def _check(self, outputs: Outputs, copies: int) -> None:
        for name, values in outputs.items():
            if self.copies_per_call and values.shape[:1] != (copies,):
                raise SymmetryError(
                    f"{name} should have a value for each of the {copies} copies in a call; found "
                    f"the shape {list(values.shape)}: leave copies_per_call out, or return an "
                    "array whose first axis counts the copies"
                )
            known = self.shapes.setdefault(name, values.shape[1:])
            if known != values.shape[1:]:
                raise SymmetryError(
                    f"{name} should have one shape, whatever the orientation; found "
                    f"{list(known)} and {list(values.shape[1:])}"
                )
            if not np.isfinite(values).all():
                raise SymmetryError(f"{name} should be finite, found NaN or infinity in a copy")
        if set(outputs) != set(self.shapes):
            raise SymmetryError(
                f"the outputs should be the same in each call; found {sorted(outputs)} after "
                f"{sorted(self.shapes)}"
            )


def _converter(f: Callable[..., Any]) -> Callable[[np.ndarray], Any]:
    """What makes a function's input of an array: a tensor of its own precision for a module."""
    torch = sys.modules.get("torch")
    if torch is None or not isinstance(f, torch.nn.Module):
        return lambda array: array
    tensors = (*f.parameters(), *f.buffers())
    own = next((tensor for tensor in tensors if tensor.is_floating_point()), None)
    dtype = torch.float64 if own is None else own.dtype
    device = "cpu" if own is None else own.device
    return lambda array: torch.as_tensor(array, dtype=dtype, device=device)
