"""The thermodynamic tables of a LAMMPS log, one a run, with the settings that were valid then."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
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
_SETUP = re.compile(r"^ +(Unit style|Time steps?) +: +(\S.*)")
"""What LAMMPS tells the screen, not the log, when it sets up a run."""
_ENDS = ("LAMMPS (", "Total wall time:")
"""Between them are the commands of one process; a log may hold several."""
_BANNER = r"LAMMPS \(\d{1,2} [A-Z][a-z]{2} \d{4}[^)\n]*\)$"
_GLUED = re.compile(rf"""^[^"'\n]+(?={_BANNER})""", re.MULTILINE)
"""What a process that was killed had written of its last line, where the next one went on."""
_TORN_ROW = re.compile(r"^\s*[-+.\d][-+.\deE\s]*(?=[a-z])")
"""The same, where the log of the next process begins with a command."""
_PRINT = re.compile(r"""^print\s+("{3}|["'])(.*)\1""")
_IDENTIFIER = re.compile(r"\w+")
"""Of a fix. `read_restart` prints lines such as "fix style: nvt, fix ID: 1"."""
_YES = ("yes", "on", "true")
_NOT_NUMBERS = ("nan", "-nan", "inf", "-inf")


@dataclass
class Settings:
    """Input commands that decide what the numbers of a run mean."""

    units: str | None = None
    timestep: float | None = None
    """In the log's unit of time; None: LAMMPS's default if the commands are known."""
    commands_are_known: bool = False
    """Whether the commands since the start of LAMMPS are in the file: a captured screen has none, a
    log that another one began, or a restart file, hides those before."""
    per_atom: bool | None = None
    """``thermo_modify norm``; None: LAMMPS's default."""
    fixes: dict[str, list[str]] = field(default_factory=dict)
    """By ID: style and arguments."""

    def copy(self) -> Settings:
        """The settings as they are now."""
        return replace(self, fixes=dict(self.fixes))


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
    text = _GLUED.sub("", text)
    # without a newline LAMMPS was stopped, or still is, in the middle of the last line
    lines = text[: text.rfind("\n") + 1].splitlines()
    for number, (line, following) in enumerate(itertools.zip_longest(lines, lines[1:]), 1):
        parser.read(number, line, following or "")
    parser.end()
    return parser.runs


class _Parser:
    """Goes through the log line by line; a table is open from its heading to its loop time, or to
    the next heading or start of LAMMPS if the run was killed."""

    def __init__(self, log: Path) -> None:
        self.runs: list[ThermoRun] = []
        self._log = log
        self._settings = Settings()
        self._open: ThermoRun | None = None
        self._multi = False
        self._heading_next = False
        self._continued = ""
        """The beginning of a command that goes on in the next line."""
        self._printed: str | None = None
        """How the line begins that the echoed command `print` is about to print."""

    def read(self, number: int, line: str, following: str) -> None:
        words = line.split()
        if not words or (self._heading_next and words[0] == "WARNING:"):
            return
        is_heading = self._is_heading(line, following)
        self._heading_next = line.startswith(_BEFORE_TABLE)
        printed, self._printed = self._printed, None
        if printed is not None and line.startswith(printed):
            return
        if line.startswith(_ENDS):
            self.end()
            self._settings = Settings()
        elif line.startswith("Minimization stats") and self.runs:
            self.runs[-1].minimisation = True
        elif line.startswith("ERROR") and self._open is not None:
            self._open.error = line.strip()
            self.end()
        elif is_heading:
            self._start(words)
        elif line.startswith("keywords: ["):
            self._start(list(_yaml_items(line)))
        elif (multi := _MULTI.match(line)) is not None:
            self._multi_block(multi)
        elif (loop := _LOOP.match(line)) is not None:
            self._finish(loop)
        elif (setup := _SETUP.match(line)) is not None:
            self._set_up(setup)
        elif self._open is None:
            self._command(line)
        elif not self._row(number, line, words, torn=following.startswith(_ENDS)):
            self._command(_TORN_ROW.sub("", line))

    def _is_heading(self, line: str, following: str) -> bool:
        """Headings follow a line on memory; after `run ... pre no` there is none, only numbers
        below. Other lines may begin with "Step", too."""
        words = line.split()
        if any(_is_number(word) for word in words):
            return False
        if self._heading_next:
            return not line.startswith(("---", "keywords:"))
        numbers = following.split()
        return (
            words[0] == "Step"
            and len(numbers) == len(words)
            and all(_is_number(number) for number in numbers)
        )

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

    def _row(self, number: int, line: str, words: list[str], torn: bool) -> bool:
        """Whether the line belongs to the open table; one that is ``torn`` may be incomplete."""
        assert self._open is not None
        if self._multi:
            pairs = _PAIRS.findall(line)
            for name, value in pairs:
                if len(self._open.rows) == 1:
                    self._open.columns.append(name)
                self._open.rows[-1].append(value)
            return bool(pairs)
        if line.lstrip().startswith("- ["):
            words = list(_yaml_items(line))
        if not _is_number(words[0]):
            return False  # a warning, what a fix prints, or a command after a run that was killed
        if len(words) != len(self._open.columns):
            if torn or not all(_is_number(word) for word in words):
                return False
            raise ReadError(
                f"{self._log}, line {number}: expected {len(self._open.columns)} numbers "
                f"({' '.join(self._open.columns)}), found {len(words)}: {line.strip()!r}"
            )
        self._open.rows.append(words)
        return True

    def _set_up(self, match: re.Match[str]) -> None:
        """``Unit style : metal``; ``Time step : 0.002``; r-RESPA: ``Time steps : 1:0.001 2:0.002``,
        the last of which is the outer one."""
        name, value = match[1], match[2].split()[-1]
        if name == "Unit style":
            self._settings.units = value
        elif _is_number(step := value.split(":")[-1]):
            self._settings.timestep = float(step)

    def _command(self, line: str) -> None:
        """Commands are echoed as they are written, then again with variables replaced."""
        line = self._continued + line
        self._continued = ""
        if line.rstrip().endswith("&"):
            self._continued = line.rstrip()[:-1] + " "
            return
        printed = _PRINT.match(line)
        if printed is not None:
            self._printed = printed[2].split("$")[0]  # variables are not replaced in the echo
        words = line.split("#")[0].split()
        if len(words) >= 2 or words == ["clear"]:
            self._set(words[0], words[1:])

    def _set(self, command: str, words: list[str]) -> None:
        settings = self._settings
        if command == "units" and len(words) == 1:
            # the first command of a process that has any effect; it sets the time step, too
            self._settings = Settings(units=words[0], commands_are_known=True)
        elif command == "timestep" and len(words) == 1 and _is_number(words[0]):
            settings.timestep = float(words[0])
        elif command == "read_restart":  # brings a time step of its own
            settings.timestep = None
            settings.commands_are_known = False
        elif command == "fix" and len(words) >= 3 and _IDENTIFIER.fullmatch(words[0]):
            settings.fixes[words[0]] = words[2:]
        elif command == "fix_modify" and words[0] in settings.fixes:
            settings.fixes[words[0]] = [*settings.fixes[words[0]], *words[1:]]
        elif command == "unfix" and len(words) == 1:
            settings.fixes.pop(words[0], None)
        elif command == "thermo_style":  # which resets what thermo_modify set
            settings.per_atom = None
        elif command == "thermo_modify" and "norm" in words[:-1]:
            settings.per_atom = words[words.index("norm") + 1] in _YES
        elif command == "clear":
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
