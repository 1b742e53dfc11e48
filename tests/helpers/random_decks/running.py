"""Runs decks by the batch in real LAMMPS, and compares what both sides wrote."""

import contextlib
import os
import subprocess
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from lammps_tools import PATIENCE

from md_bridge.lammps import lmp_command
from md_bridge.lammps.runner import environment
from random_decks import potential
from random_decks.generate import Deck, random_deck

TOLERANCE = 1e-9
RANKS = (1, 2, 1, 2, 1, 3, 1, 4)
"""On how many ranks the batches run, in turn."""
BATCH = 25
SIDES = ("lj", "mdbridge")
TIMEOUT = 240
FLOOR = {"energy": 0.01, "force": 0.1, "pressure": 100.0, "length": 1.0, "velocity": 1e-3}
"""Sizes below which a difference is not divided by less: eV for each atom, eV/Å, bar, Å, Å/fs."""


@dataclass
class Outcome:
    """What became of some decks.

    ``failures``: what differs or broke, by seed; ``refused``: what LAMMPS said of its own side;
    ``largest``: the largest relative difference of the decks that agree.
    """

    decks: int = 0
    runs: int = 0
    failures: dict[int, str] = field(default_factory=dict)
    refused: dict[int, str] = field(default_factory=dict)
    largest: float = 0.0
    features: Counter = field(default_factory=Counter)

    def add(self, other: "Outcome") -> None:
        """Take in the decks of another."""
        self.decks += other.decks
        self.runs += other.runs
        self.failures |= other.failures
        self.refused |= other.refused
        self.largest = max(self.largest, other.largest)
        self.features += other.features


def export_models(folder: Path) -> None:
    """Write the files of all models that decks name."""
    for each in potential.ALL:
        each.export(folder)


def ranks_of(batch: int) -> int:
    return RANKS[batch % len(RANKS)]


def decks_of(batch: int, size: int = BATCH) -> list[Deck]:
    """The decks of a batch, whose seeds follow from its number."""
    return [random_deck(batch * size + k, ranks_of(batch)) for k in range(size)]


def run_decks(decks: Sequence[Deck], models: Path, folder: Path) -> Outcome:
    """Run decks of one number of ranks one after the other, and compare.

    A side that stops ends the program; the decks after it are run by another one.

    :param models: folder with the files of :func:`export_models`
    :param folder: where everything is written
    """
    for each in potential.ALL:
        with contextlib.suppress(FileExistsError):
            (folder / each.file).symlink_to(models / each.file)
    for deck in decks:
        if deck.data is not None:
            (folder / f"{deck.seed}.data").write_text(deck.data)
    outcome = Outcome()
    waiting = list(decks)
    while waiting:
        waiting = waiting[start_some(waiting, folder, outcome) :]
    return outcome


def start_some(decks: Sequence[Deck], folder: Path, outcome: Outcome) -> int:
    """Run decks until one of them stops the program; returns how many have been dealt with."""
    text = "suffix off\n" + "".join(deck.text(side) for deck in decks for side in SIDES)
    (folder / "in.batch").write_text(text)
    arguments = ["-in", "in.batch", "-log", "none", "-nocite"]
    variables = environment(1, {**os.environ, **PATIENCE})
    command = lmp_command(arguments, decks[0].ranks)
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env=variables,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=TIMEOUT,
            check=False,
        )
        said, status = done.stdout + done.stderr, f"exit code {done.returncode}"
    except subprocess.TimeoutExpired as late:
        said, status = (late.stdout or b"").decode(errors="replace"), "no end"
    finished = {line[5:] for line in said.splitlines() if line.startswith("done ")}
    for number, deck in enumerate(decks):
        outcome.decks += 1
        outcome.features.update(set(deck.features))
        for side in SIDES:
            if f"{deck.seed}.{side}" not in finished:
                words = f"{side}: {status}: {last_words(said)}"
                (outcome.refused if side == "lj" else outcome.failures)[deck.seed] = words
                return number + 1
        difference, words = compare(deck, folder)
        outcome.runs += deck.saves
        if difference <= TOLERANCE:
            outcome.largest = max(outcome.largest, difference)
        else:
            outcome.failures[deck.seed] = words
    return len(decks)


def last_words(said: str) -> str:
    """The error, or the end of what was said."""
    lines = said.splitlines()
    for number, line in enumerate(lines):
        if line.startswith("ERROR"):
            return " ".join(lines[number : number + 4])
    return " ".join(lines[-4:])


def compare(deck: Deck, folder: Path) -> tuple[float, str]:
    """The largest difference in the units of its size, and where it is."""
    theirs, ours = (np.loadtxt(folder / f"{deck.seed}.{side}.thermo", ndmin=2) for side in SIDES)
    if theirs.shape != ours.shape:
        return np.inf, f"{len(ours)} saved states, expected {len(theirs)}"
    units = deck.units
    worst = (0.0, "")
    for number, (expected, found) in enumerate(zip(theirs, ours, strict=True), 1):
        if tuple(expected[:2]) != tuple(found[:2]):
            return np.inf, f"state {number}: step and atoms {found[:2]}, expected {expected[:2]}"
        n_atoms = max(1.0, expected[1])
        states = [load_dump(folder / f"{deck.seed}.{side}.{number}.dump") for side in SIDES]
        if not np.array_equal(states[0][:, :2], states[1][:, :2]):
            return np.inf, f"state {number}: other atoms or types"
        numbers = {
            "energy": (expected[2:4], found[2:4], FLOOR["energy"] * n_atoms * units.energy),
            "pressure": (expected[4:10], found[4:10], FLOOR["pressure"] * units.pressure),
            "volume": (expected[10:], found[10:], units.length**3),
        }
        sizes = {"length": units.length, "velocity": units.velocity, "force": units.force()}
        for k, (name, size) in enumerate(sizes.items()):
            columns = slice(2 + 3 * k, 5 + 3 * k)
            numbers[name] = (states[0][:, columns], states[1][:, columns], FLOOR[name] * size)
        for name, (theirs_of, ours_of, floor) in numbers.items():
            difference = relative(theirs_of, ours_of, floor)
            if not difference <= worst[0]:
                worst = (
                    difference,
                    f"state {number}: {name} differs by {difference:.1e} of its size",
                )
    return worst


def relative(expected: np.ndarray, found: np.ndarray, floor: float) -> float:
    """The largest difference over the largest number, or over a floor."""
    if expected.size == 0:
        return 0.0
    size = max(floor, float(np.abs(expected).max()))
    difference = float(np.abs(found - expected).max() / size)
    return difference if np.isfinite(difference) else np.inf


def load_dump(path: Path) -> np.ndarray:
    """Rows of id, type, x, v, f."""
    lines = path.read_text().splitlines()[9:]
    return np.array([line.split() for line in lines], dtype=float).reshape(-1, 11)


def keep(deck: Deck, models: Path, folder: Path) -> None:
    """Write a deck as a folder in which ``lmp -in in.mdbridge`` shows the failure."""
    place = folder / f"{deck.seed}-on-{deck.ranks}-ranks"
    place.mkdir(parents=True, exist_ok=True)
    for side in SIDES:
        (place / f"in.{side}").write_text(deck.text(side))
    if deck.data is not None:
        (place / f"{deck.seed}.data").write_text(deck.data)
    for each in potential.ALL:
        (place / each.file).write_bytes((models / each.file).read_bytes())
