"""What subjects cost, foreseen from what they cost in smaller boxes."""

from __future__ import annotations

from dataclasses import dataclass

from md_bridge.bench.panels import Panel, Subject

__all__ = ["Cost", "Costs"]

_FIRST_STEPS = 6
"""About so many are made before a subject is ready."""


@dataclass(frozen=True)
class Cost:
    """Of a subject in a box of some size."""

    atoms: int
    open_s: float
    """From its start until it has made its first steps."""
    step_s: float
    """Of a step of the host."""
    turn_s: float = 0.0
    """Of a turn, besides its steps."""
    memory_mb: float = 0.0

    def at(self, atoms: int) -> Cost:
        """The same in a box of another size, if all grows as the number of atoms does.

        :param atoms: of that box
        """
        ratio = atoms / self.atoms
        more = max(0.0, ratio - 1)
        return Cost(
            atoms,
            self.open_s + _FIRST_STEPS * more * self.step_s,
            self.step_s * ratio,
            self.turn_s,
            self.memory_mb * max(1.0, ratio),
        )


class Costs:
    """By what is measured, not by the size of the box."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, ...], Cost] = {}

    def note(self, panel: Panel, subject: Subject, cost: Cost) -> None:
        """Keep what was seen.

        :param panel: of the subject
        :param subject: that was started
        :param cost: of it
        """
        self._known[_key(panel, subject)] = cost

    def expected(self, panel: Panel, subject: Subject) -> Cost | None:
        """What to expect of a subject; None if nothing is known of the like.

        :param panel: of the subject
        :param subject: that is to be started
        """
        known = self._known.get(_key(panel, subject))
        return None if known is None else known.at(subject.atoms or panel.atoms)


def _key(panel: Panel, subject: Subject) -> tuple[str, ...]:
    # subjects with atoms of their own are one thing in boxes of several sizes
    name = "" if subject.atoms else subject.name
    return (panel.group, panel.title, panel.model, str(panel.threads), name)
