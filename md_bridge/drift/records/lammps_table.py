"""The thermodynamic tables of a LAMMPS log, one a run, with the settings that were valid then."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from md_bridge.drift.records.errors import ReadError

__all__ = [
    "Settings",
    "ThermoRun",
    "thermo_runs",
]

_LOOP = re.compile(r"^Loop time of (\S+) on .* for (\d+) steps with (\d+) atoms")
_MULTI = re.compile(r"^-+ Step +(\d+) -+ CPU = +(\S+) \(sec\) -+")
_PAIRS = re.compile(r"(\S+) += +(\S+)")
_BEFORE_TABLE = ("Per MPI rank memory", "Memory usage per processor")
_ITEMS = re.compile(r"\[(.*)\]")
_NOT_NUMBERS = ("nan", "-nan", "inf", "-inf")


@dataclass
class Settings:
    """Input commands that decide what the numbers of a run mean."""

    units: str | None = None
    timestep: float | None = None
    """In the log's unit of time; None: LAMMPS's default."""
    per_atom: bool | None = None
    """``thermo_modify norm``; None: LAMMPS's default."""
    fixes: dict[str, list[str]] = field(default_factory=dict)
    """By ID: style and arguments."""

    def copy(self) -> Settings:
        """The settings as they are now."""
        return Settings(self.units, self.timestep, self.per_atom, dict(self.fixes))


@dataclass
class ThermoRun:
    """One ``run`` (or ``minimize``) of a log."""

    settings: Settings
    columns: list[str] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)
    """Numbers as they were printed."""
    wall_s: float | None = None
    """None if the run did not reach its end."""
    atom_count: int | None = None
    error: str | None = None
    """LAMMPS's own message, if it stopped in this run."""
    minimisation: bool = False

    @property
    def is_dynamics(self) -> bool:
        """Whether there is a series in it; ``run 0`` and ``minimize`` have none."""
        return not self.minimisation and (len(self.rows) > 1 or self.error is not None)

    def describe(self) -> str:
        """``steps 0 to 500 (51 samples)``."""
        steps = [row[self.columns.index("Step")] for row in self.rows] if self._has_steps else []
        kind = "minimisation, " if self.minimisation else ""
        span = f"steps {steps[0]} to {steps[-1]}" if steps else "steps not printed"
        return f"{kind}{span} ({len(self.rows)} sample{'' if len(self.rows) == 1 else 's'})"

    @property
    def _has_steps(self) -> bool:
        return bool(self.rows) and "Step" in self.columns


def thermo_runs(log: Path) -> list[ThermoRun]:
    """All runs of a log, in order; thermo styles one, custom, multi and yaml.

    :param log: what LAMMPS wrote, finished or not
    :raises ReadError: the file cannot be read, or a line of a table has another number of columns
    """
    try:
        text = log.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise ReadError(f"cannot read {log}: {error.strerror}") from error
    parser = _Parser(log)
    # without a newline LAMMPS was stopped, or still is, in the middle of the last line
    whole = text[: text.rfind("\n") + 1]
    for number, line in enumerate(whole.splitlines(), 1):
        parser.read(number, line)
    parser.end()
    return parser.runs


class _Parser:
    """Goes through the log line by line; a table is open from its heading to its loop time."""

    def __init__(self, log: Path) -> None:
        self.runs: list[ThermoRun] = []
        self._log = log
        self._settings = Settings()
        self._open: ThermoRun | None = None
        self._multi = False
        self._heading_next = False

    def read(self, number: int, line: str) -> None:
        words = line.split()
        if not words or (self._heading_next and words[0] == "WARNING:"):
            return
        is_heading = words[0] == "Step" or (
            self._heading_next and not line.startswith(("---", "keywords:"))
        )
        self._heading_next = line.startswith(_BEFORE_TABLE)
        if line.startswith("Minimization stats") and self.runs:
            self.runs[-1].minimisation = True
        elif line.startswith("ERROR") and self.runs and self.runs[-1].wall_s is None:
            self.runs[-1].error = line.strip()
            self.end()
        elif is_heading and not any(_is_number(word) for word in words):
            self._start(words)
        elif line.startswith("keywords: ["):
            self._start(list(_yaml_items(line)))
        elif (multi := _MULTI.match(line)) is not None:
            self._multi_block(multi)
        elif (loop := _LOOP.match(line)) is not None:
            self._finish(loop)
        elif self._open is not None:
            self._row(number, line, words)
        else:
            self._command(words)

    def end(self) -> None:
        """Close the table; the last block of style multi may be incomplete."""
        run = self._open
        if run is not None and run.rows and len(run.rows[-1]) != len(run.columns):
            del run.rows[-1]
        self._open = None

    def _start(self, columns: list[str]) -> None:
        self._open = ThermoRun(self._settings.copy(), columns)
        self._multi = False
        self.runs.append(self._open)

    def _finish(self, loop: re.Match[str]) -> None:
        if self._open is not None:
            self._open.wall_s = float(loop[1])
            self._open.atom_count = int(loop[3])
        self.end()

    def _multi_block(self, match: re.Match[str]) -> None:
        if self._open is None:
            self._start(["Step", "CPU"])
            self._multi = True
        assert self._open is not None
        self._open.rows.append([match[1], match[2]])

    def _row(self, number: int, line: str, words: list[str]) -> None:
        assert self._open is not None
        if self._multi:
            for name, value in _PAIRS.findall(line):
                if len(self._open.rows) == 1:
                    self._open.columns.append(name)
                self._open.rows[-1].append(value)
            return
        if line.lstrip().startswith("- ["):
            words = list(_yaml_items(line))
        if not _is_number(words[0]):
            return  # a warning, or what a fix prints
        if len(words) != len(self._open.columns):
            if not all(_is_number(word) for word in words):
                return
            raise ReadError(
                f"{self._log}, line {number}: expected {len(self._open.columns)} numbers "
                f"({' '.join(self._open.columns)}), found {len(words)}: {line.strip()!r}"
            )
        self._open.rows.append(words)

    def _command(self, words: list[str]) -> None:
        """Commands are echoed as they are written, then again with variables replaced."""
        settings = self._settings
        if words[0] == "units" and len(words) == 2:
            settings.units = words[1]
        elif words[0] == "timestep" and len(words) == 2 and _is_number(words[1]):
            settings.timestep = float(words[1])
        elif words[0] == "fix" and len(words) >= 4:
            settings.fixes[words[1]] = words[3:]
        elif words[0] == "unfix" and len(words) == 2:
            settings.fixes.pop(words[1], None)
        elif words[0] == "thermo_modify" and "norm" in words[:-1]:
            settings.per_atom = words[words.index("norm") + 1] in ("yes", "on", "true")
        elif words[0] == "clear":
            self._settings = Settings()


def _yaml_items(line: str) -> Iterator[str]:
    items = _ITEMS.search(line)
    if items is not None:
        yield from (item.strip().strip("'\"") for item in items[1].split(",") if item.strip())


def _is_number(word: str) -> bool:
    if word.lower() in _NOT_NUMBERS:
        return True
    try:
        float(word)
    except ValueError:
        return False
    return True
