"""How far inner and conservative forces are apart where a run begins: what hosts say of it."""

from __future__ import annotations

import re
from collections.abc import Iterable

from md_bridge.forces import NO_FORCE, ForceAgreement

__all__ = [
    "agreement_in",
    "agreement_sentences",
]

# what the pair style and the driver print, see csrc/engine/checks/force_agreement.cpp
_LINE = re.compile(
    r"forces differ from the conservative ones by ([0-9.e+-]+), these are ([0-9.e+-]+) eV/Angstrom"
)


def agreement_in(text: str) -> ForceAgreement | None:
    """What the log of a run says; None without multiple time stepping, or if the atoms were at
    rest.

    :param text: of LAMMPS or i-PI
    """
    found = _LINE.search(text)
    if found is None:
        return None
    return ForceAgreement(conservative=float(found.group(2)), correction=float(found.group(1)))


def agreement_sentences(runs: Iterable[tuple[bool, ForceAgreement | None]]) -> list[str]:
    """One for the runs with one model, one for those with two; none where nothing is known.

    :param runs: whether each has two models, and how its forces agree
    """
    known = [(two, agreement) for two, agreement in runs if agreement is not None]
    sentences = []
    for two in (False, True):
        found = [agreement for of_two, agreement in known if of_two == two]
        if found:
            worst = max(found, key=lambda agreement: agreement.correction)
            inner = "the forces of the inner model" if two else "direct forces"
            percent = 100 * worst.correction / max(worst.conservative, NO_FORCE)
            share = "" if worst.at_rest else f" ({percent:.3g} %)"
            sentences.append(
                f"At the first outer step of multiple time stepping {inner} differ from the "
                f"conservative ones by {1000 * worst.correction:.3g} meV/Å, these are "
                f"{1000 * worst.conservative:.3g} meV/Å{share}; root mean squares"
                f"{', of the run where it is most' if len(found) > 1 else ''}."
            )
    return sentences
