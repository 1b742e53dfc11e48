"""Which fixes of LAMMPS leave TotEng or Econserve what the forces make of it."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence

__all__ = [
    "exchanging_fix",
    "silent_fix",
    "unknown_fixes",
]

_ACCELERATOR = re.compile(r"/(omp|kk|kk/host|kk/device|gpu|intel|opt)$")
_YES = ("yes", "on", "true")

# They integrate, constrain, look or write; none does work on the atoms.
_HARMLESS = re.compile(
    r"nve(/sphere|/asphere|/body|/line|/tri)?|rigid(/nve)?(/small)?|shake|rattle"
    r"|momentum|recenter|ave/.*|print|vector|balance|halt|store/.*|property/atom|dt/reset"
    r"|pair|numdiff(/virial)?"
)
# They exchange energy with the atoms (thermostats, barostats, friction, a cell that is driven).
_EXCHANGING = re.compile(
    r"(rigid/)?(nvt|npt|nph)(/.*)?|langevin(/.*)?|temp/.*|press/.*|gle|gld|ttm(/.*)?|nve/limit"
    r"|viscous(/.*)?|heat|ehex|bocs|nphug|msst|qbmsst|qtb|nvk|brownian(/.*)?|dpd/energy|tgn.t/.*"
    r"|pimd/.*|thermal/conductivity|viscosity|deform|flow/gauss|damping/cundall"
)
# Of those, the ones whose exchange LAMMPS adds to `ecouple`, so that Econserve is conserved.
_IN_ECONSERVE = re.compile(
    r"(rigid/)?(nvt|npt|nph)(/small|/sphere|/asphere|/body|/eff|/cauchy)?"
    r"|langevin|temp/(berendsen|csld|csvr|rescale)|gle|bocs|nphug|msst"
)


def exchanging_fix(fixes: Mapping[str, Sequence[str]]) -> str | None:
    """The first fix that exchanges energy with the atoms, so that TotEng is not conserved.

    :param fixes: style and arguments by ID
    :returns: its ID; None if there is none
    """
    return next((i for i, words in fixes.items() if _EXCHANGING.fullmatch(_style(words))), None)


def silent_fix(fixes: Mapping[str, Sequence[str]]) -> str | None:
    """The first fix that exchanges energy which Econserve lacks.

    :param fixes: style and arguments by ID
    :returns: its ID; None if there is none
    """
    for identifier, words in fixes.items():
        style = _style(words)
        if style == "langevin":
            if not _says_yes(words, "tally"):
                return identifier
        elif _EXCHANGING.fullmatch(style) and not _IN_ECONSERVE.fullmatch(style):
            return identifier
    return None


def unknown_fixes(fixes: Mapping[str, Sequence[str]]) -> list[str]:
    """IDs of the fixes that may act on the atoms without their energy being in TotEng.

    Neither are they known to be harmless, nor to exchange energy, nor did ``fix_modify energy yes``
    add their energy.

    :param fixes: style and arguments by ID, ``energy yes`` of ``fix_modify`` among them
    """
    return [
        identifier
        for identifier, words in fixes.items()
        if not _HARMLESS.fullmatch(_style(words))
        and not _EXCHANGING.fullmatch(_style(words))
        and not _says_yes(words, "energy")
    ]


def _style(words: Sequence[str]) -> str:
    return _ACCELERATOR.sub("", words[0])


def _says_yes(words: Sequence[str], keyword: str) -> bool:
    """The last value counts, as in LAMMPS."""
    answers = [value for name, value in itertools.pairwise(words) if name == keyword]
    return bool(answers) and answers[-1] in _YES
