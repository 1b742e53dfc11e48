"""The file of a benchmark: what was asked, on which machine, and every number of every round."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from md_bridge.bench.errors import BenchError
from md_bridge.bench.panels import PanelKey, PanelResult
from md_bridge.text import replace_atomically

__all__ = ["FILE_NAME", "SCHEMA", "Results"]

SCHEMA = 3
_EARLIER = 2
"""In which the machine, not each panel, had its circumstances."""
FILE_NAME = "bench.json"


@dataclass
class Results:
    """All panels so far."""

    settings: dict[str, Any]
    """What was asked for, as JSON has it."""
    machine: dict[str, Any]
    """Of :func:`md_bridge.bench.machine.machine_facts`."""
    panels: list[PanelResult] = field(default_factory=list)
    complete: bool = False
    """Whether nothing is missing that was asked for."""

    def done(self) -> dict[PanelKey, PanelResult]:
        """Panels by their keys."""
        return {panel.key: panel for panel in self.panels}

    def add(self, panel: PanelResult) -> None:
        """Take a panel in, in the place of an earlier one of the same name unless that has more.

        :param panel: with its numbers
        """
        for place, known in enumerate(self.panels):
            if known.key == panel.key:
                if panel.measured >= known.measured:
                    self.panels[place] = panel
                return
        self.panels.append(panel)

    def merge(self, other: Results) -> None:
        """Take all panels of another benchmark of the same machine in.

        :param other: measured later
        :raises BenchError: it is of another machine, or of other versions
        """
        for name in ("processor", "cores_for_us", "versions"):
            ours, theirs = self.machine.get(name), other.machine.get(name)
            if ours != theirs:
                raise BenchError(
                    f"results of one machine and the same versions can be merged only: {name} is "
                    f"{ours} in one and {theirs} in the other; measure again into another folder"
                )
        self.machine = other.machine
        self.settings = other.settings
        self.complete = self.complete and other.complete
        for panel in other.panels:
            self.add(panel)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "schema": SCHEMA,
            "complete": self.complete,
            "settings": self.settings,
            "machine": self.machine,
            "panels": [panel.as_dict() for panel in self.panels],
        }

    def write(self, path: Path) -> None:
        """Write the file, whole or not at all.

        :param path: of the file
        """
        text = json.dumps(self.as_dict(), indent=1, allow_nan=False) + "\n"
        replace_atomically(path, lambda target: target.write_text(text, encoding="utf-8"))

    @classmethod
    def from_dict(cls, content: Mapping[str, Any], name: str = FILE_NAME) -> Results:
        """From :meth:`as_dict`.

        :param name: of the file, for the message
        :raises BenchError: it is not such a file, or of another version
        :param content: what it returned
        """
        schema = content.get("schema") if isinstance(content, Mapping) else None
        if schema not in (SCHEMA, _EARLIER):
            raise BenchError(
                f'{name} is no result of md-bridge bench: expected "schema": {SCHEMA}, '
                f"found {schema!r}; measure again, or move the file"
            )
        try:
            machine = dict(content["machine"])
            common: dict[str, Any] = {}
            if schema == _EARLIER:
                # files from before panels said it have one device, that of the settings
                common["device"] = content["settings"].get("device", "cpu")
                names = ("measured", "commit", "cores", "busy_cores")
                common["circumstances"] = {name: machine.get(name) for name in names}
                for name in ("measured", "commit", "busy_cores", "load"):
                    machine.pop(name, None)
            panels = [PanelResult.from_dict({**common, **panel}) for panel in content["panels"]]
            return cls(content["settings"], machine, panels, content["complete"])
        except (AttributeError, KeyError, TypeError) as error:
            raise BenchError(f"{name} is damaged ({error}): move it and measure again") from error

    @classmethod
    def read(cls, path: Path) -> Results:
        """Read the file.

        :param path: of the file
        :raises BenchError: it cannot be read, or is not such a file
        """
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise BenchError(f"cannot read {path}: {error}") from error
        return cls.from_dict(content, str(path))
