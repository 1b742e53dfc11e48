"""What is compared: forces of a kind, averaged over a set or not, one row of a table each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from md_bridge.errors import ArgumentError
from md_bridge.forces import FORCES
from md_bridge.text import nearest

__all__ = ["Row", "make_rows", "require_fixed_set"]

_RANDOM = "random"


@dataclass(frozen=True)
class Row:
    """Forces of one kind, with one correction."""

    forces: str
    """``conservative``, ``direct``, or a name that the task adds to these two."""
    symmetrize: str = "none"
    """Set of rotated copies to average over."""

    @property
    def label(self) -> str:
        """As tables show it: ``direct, octahedral``."""
        return self.forces if self.symmetrize == "none" else f"{self.forces}, {self.symmetrize}"

    @property
    def file_name(self) -> str:
        """The same for names of files: ``direct-lebedev-6``."""
        return self.label.replace(", ", "-").replace("/", "-").replace(":", "-")


def make_rows(
    forces: Sequence[str], symmetrize: Sequence[str], kinds: Sequence[str] = FORCES
) -> list[Row]:
    """Each kind of forces with each set, in the order given.

    :param forces: of ``kinds``
    :param symmetrize: sets of :data:`md_bridge.engine.SYMMETRIZATIONS`, or grids
    :param kinds: of forces that the task knows
    :raises ArgumentError: an unknown kind, naming the nearest one; one named twice; or random
        copies, with which a structure has no forces of its own
    """
    for name, values in (("forces", forces), ("symmetrize", symmetrize)):
        if not values or len(set(values)) < len(values):
            raise ArgumentError(
                name, f"must be different names with commas between them, found {','.join(values)}"
            )
    for kind in forces:
        if kind not in kinds:
            near = nearest(kind, kinds)
            hint = f"did you mean {near!r}?" if near else f"there are {', '.join(kinds)}"
            raise ArgumentError("forces", f"found {kind!r}: {hint}")
    for name in symmetrize:
        require_fixed_set(name)
    return [Row(kind, name) for name in symmetrize for kind in forces]


def require_fixed_set(symmetrize: str) -> None:
    """Refuse copies that are drawn anew each time.

    :param symmetrize: name of a set
    :raises ArgumentError: it is random
    """
    if symmetrize == _RANDOM:
        raise ArgumentError(
            "symmetrize",
            "random draws another rotation at every evaluation, so that the same structure has "
            "other forces each time: no minimum can be found and nothing differentiated. Choose a "
            "fixed set, such as octahedral",
        )
