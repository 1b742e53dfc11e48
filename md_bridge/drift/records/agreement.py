"""How far inner and conservative forces are apart where a run begins: what hosts say of it."""

from __future__ import annotations

import re
from collections.abc import Iterable

from md_bridge.forces import NO_FORCE, ForceAgreement
from md_bridge.text import significant

__all__ = [
    "agreement_in",
    "agreement_sentences",
]

# what the pair style and the driver print, see csrc/engine/checks/force_agreement.cpp
_LINE = re.compile(
    r"forces differ from the conservative ones by ([0-9.e+-]+), these are ([0-9.e+-]+) eV/Angstrom"
)


def agreement_in(text: str) -> ForceAgreement | None:
    """What the log of a run says where the atoms first were not at rest, else at rest; None without
    multiple time stepping.

    :param text: of LAMMPS or i-PI
    """
    found = [
        ForceAgreement(conservative=float(conservative), correction=float(correction))
        for correction, conservative in _LINE.findall(text)
    ]
    moving = [agreement for agreement in found if not agreement.at_rest]
    return next(iter(moving or found), None)


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
                f"conservative ones by {significant(1000 * worst.correction, 3)} meV/Å, these are "
                f"{significant(1000 * worst.conservative, 3)} meV/Å{share}; root mean squares"
                f"{', of the run where it is most' if len(found) > 1 else ''}."
            )
    return sentences
