"""The colours of curves: one method keeps its colour in every picture and on every page."""

from __future__ import annotations

from collections.abc import Sequence

from md_bridge.drift.runs.analysis import MethodResult

__all__ = [
    "OKABE_ITO",
    "on_dark",
    "run_colours",
]

# Okabe and Ito's colours, told apart by colour-blind readers.
OKABE_ITO = ("#0072B2", "#D55E00", "#009E73", "#000000", "#CC79A7", "#E69F00", "#56B4E9")

_USUAL = {
    "lammps-conservative": "#000000",
    "lammps-direct": "#D55E00",
    "lammps-mts-2": "#009E73",
    "lammps-mts-4": "#0072B2",
    "lammps-mts-8": "#E69F00",
    "i-pi-mts-4": "#CC79A7",
}
_OTHERS = (
    *("#56B4E9", "#8C6D00", "#7F7F7F", "#882255", "#332288"),
    *("#44AA99", "#AA4499", "#999933", "#117733", "#CC6677"),
)
# too dark for a dark page
_LIGHTER = {"#000000": "#e4e8ec", "#332288": "#8f86d6", "#882255": "#d1739f", "#0072B2": "#4da3dc"}


def run_colours(results: Sequence[MethodResult]) -> dict[str, str]:
    """Colour of each method by its name: fixed for the usual ones, the next free one for others.

    :param results: one a method, in the order of the page
    :returns: ``#rrggbb`` on a light page, by :attr:`MethodResult.name`
    """
    free = iter(_OTHERS * (len(results) // len(_OTHERS) + 1))
    return {
        result.name: _USUAL[result.name] if result.name in _USUAL else next(free)
        for result in results
    }


def on_dark(colour: str) -> str:
    """The colour that stands for ``colour`` (``#rrggbb``) on a dark page.

    :param colour: one of :func:`run_colours`
    :returns: ``#rrggbb``; the colour itself where it does for both
    """
    return _LIGHTER.get(colour, colour)
