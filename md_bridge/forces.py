"""Kinds of forces that drive dynamics, and M, the number of inner steps: parsed once. Whether inner
and outer forces belong together, and how exactly forces are computed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from md_bridge.errors import ArgumentError
from md_bridge.text import nearest

if TYPE_CHECKING:
    from ase import Atoms
    from numpy.typing import ArrayLike

__all__ = [
    "CONSERVATIVE",
    "DIRECT",
    "FORCES",
    "LARGEST_CORRECTION",
    "NO_FORCE",
    "SMALL_FORCE",
    "ForceAgreement",
    "Kind",
    "force_noise",
    "forces_text",
    "parse_kind",
    "parse_kinds",
    "rounds_as_double",
]

CONSERVATIVE = "conservative"
DIRECT = "direct"
FORCES = (CONSERVATIVE, DIRECT)
"""What a model gives: minus the gradient of its energy, or forces that it predicts."""

LARGEST_CORRECTION = 0.7
"""Of the conservative forces: inner forces that are off by more belong to another potential energy
surface, and no outer step is short enough to correct that. LAMMPS has the same number."""
SMALL_FORCE = 0.3
"""Conservative forces of less are taken for this (eV/Å, rms): they vanish in a crystal at rest."""

NO_FORCE = 0.005
"""Atoms with smaller conservative forces are at rest: there is nothing to compare (eV/Å, rms)."""

_SHIFTS = 6
_LONGEST = 0.5
"""Å: enough to round every coordinate anew, whatever its precision."""

_STEP = 2e-4  # Å
_DIFFERENCES, _WAYS = 6, 3
_ROUNDING = 1e-12
"""Of the energy or of the largest force, and in eV or eV/Å for each atom: single precision rounds
to 10⁻⁷ of it, and what is noisier spoils differences over the short steps of double precision."""

Kind = tuple[str, int | None]
"""``conservative``, ``direct`` or ``mts``, and M for ``mts``."""

_EXAMPLES = (*FORCES, "mts:2", "mts:4", "mts:8")


def parse_kind(text: str, least: int = 2) -> Kind:
    """``conservative``, ``direct`` or ``mts:4`` (direct forces in four inner steps, corrected by
    conservative ones) as a kind of forces with its M.

    :param text: one word, blanks around it allowed
    :param least: smallest M
    :returns: the kind, and M of ``mts``, else None
    :raises ArgumentError: an unknown kind, named with the nearest valid one, or an M that is no
        whole number from ``least`` on
    """
    word = text.strip()
    if word in FORCES:
        return word, None
    kind, colon, number = word.partition(":")
    if kind == "mts" and colon:
        if not (number.isascii() and number.isdecimal() and int(number) >= least):
            raise ArgumentError(
                "forces",
                f"'{word}': M, the number of inner steps in an outer step, must be a whole number "
                f"above {least - 1}, as in mts:4",
            )
        return "mts", int(number)
    if not word:
        raise ArgumentError(
            "forces", "must be one of conservative, direct and mts:M; found nothing"
        )
    near = "mts:4" if word.startswith("mts") else nearest(word, _EXAMPLES)
    hint = f", did you mean {near}?" if near else ""
    raise ArgumentError("forces", f"'{word}' is none of conservative, direct and mts:M{hint}")


def parse_kinds(text: str) -> tuple[Kind, ...]:
    """``conservative,direct,mts:4`` as kinds of forces with their M.

    :param text: words with commas between them
    :raises ArgumentError: as :func:`parse_kind`, or a kind given twice
    """
    kinds = [parse_kind(word) for word in text.split(",")]
    for kind in kinds:
        if kinds.count(kind) > 1:
            raise ArgumentError("forces", f"'{forces_text([kind])}' is given twice")
    return tuple(kinds)


def forces_text(kinds: Sequence[Kind]) -> str:
    """What :func:`parse_kinds` reads.

    :param kinds: kinds of forces with their M
    """
    return ",".join(kind if m is None else f"{kind}:{m}" for kind, m in kinds)


@dataclass(frozen=True)
class ForceAgreement:
    """How far the inner forces of multiple time stepping are from the conservative ones, which they
    are to stand in for: root mean squares over components, eV/Å."""

    conservative: float
    """Of the conservative forces."""
    correction: float
    """Of conservative minus inner forces."""

    @staticmethod
    def of(conservative: ArrayLike, inner: ArrayLike) -> ForceAgreement:
        """Of forces at the same positions.

        :param conservative: of the outer level, shape (N, 3), eV/Å
        :param inner: of the inner level, the same shape
        """
        import numpy as np  # a plain lmp imports this module on every start, and needs no numpy

        outside, inside = np.asarray(conservative, float), np.asarray(inner, float)
        sizes = [np.sqrt(np.mean(f**2)) if f.size else 0.0 for f in (outside, outside - inside)]
        return ForceAgreement(*map(float, sizes))

    @property
    def at_rest(self) -> bool:
        """Whether there are no forces yet that could be compared."""
        return self.conservative < NO_FORCE

    def allowed(self, largest: float = LARGEST_CORRECTION) -> float:
        """Largest correction of forces that belong to one potential energy surface (eV/Å).

        :param largest: in terms of the conservative forces
        """
        return largest * max(self.conservative, SMALL_FORCE)

    def __str__(self) -> str:
        share = None if self.at_rest else 100 * self.correction / self.conservative
        return (
            f"the inner forces differ from the conservative ones by {self.correction:.3g}, these "
            f"are {self.conservative:.3g} eV/Å{f' ({share:.3g} %)' if share is not None else ''} "
            "(root mean squares)"
        )


def force_noise(forces: Callable[[Sequence[Atoms]], ArrayLike], atoms: Atoms) -> float:
    """The rounding of the forces of an atom: by how much they change when all atoms are shifted.

    A model sees distances only, so that a shift changes nothing but how they are rounded. Net
    forces are taken off, as the engine does of direct ones.

    :param forces: of n structures of N atoms, [n, N, 3], eV/Å
    :param atoms: N of them, at least one, Å
    :returns: root mean square over atoms of the length of the deviation from the mean, eV/Å; that
        of a component is smaller by √3
    """
    import numpy as np

    generator = np.random.default_rng(0)
    copies = []
    for shift in generator.uniform(-_LONGEST, _LONGEST, (_SHIFTS, 3)):
        copy = atoms.copy()
        copy.positions += shift
        copies.append(copy)
    found = np.array(forces(copies), dtype=np.float64)
    found -= found.mean(axis=1, keepdims=True)
    deviations = found - found.mean(axis=0)
    # of the mean over few samples: n - 1 in place of n
    squares = (deviations**2).sum(axis=(0, 2)) / (_SHIFTS - 1)
    return float(np.sqrt(squares.mean()))


def rounds_as_double(values: Callable[[Atoms], ArrayLike], structures: Iterable[Atoms]) -> bool:
    """Whether numbers have the digits of double precision: what Python evaluates does not say.

    Of a smooth function at points 0.0002 Å apart the sixth differences are far below any rounding.
    Where pairs pass a cutoff on the way it is not smooth, which another way may not have.

    :param values: of a structure, as many for each: its energy, eV, or its forces, eV/Å
    :param structures: Å; those without atoms are passed over
    """
    return all(_is_smooth(values, atoms) for atoms in structures if len(atoms) > 0)


def _is_smooth(values: Callable[[Atoms], ArrayLike], atoms: Atoms) -> bool:
    import numpy as np

    generator = np.random.default_rng(0)
    for _ in range(_WAYS):
        direction = generator.standard_normal((len(atoms), 3))
        found = []
        for place in range(_DIFFERENCES + 3):
            moved = atoms.copy()
            moved.positions += place * _STEP * direction
            found.append(np.array(values(moved), dtype=np.float64))
        differences = np.diff(found, _DIFFERENCES, axis=0)
        noise = math.sqrt(
            float(np.mean(differences**2)) / math.comb(2 * _DIFFERENCES, _DIFFERENCES)
        )
        if noise <= _ROUNDING * (float(np.abs(found[0]).max()) + len(atoms)):
            return True
    return False
