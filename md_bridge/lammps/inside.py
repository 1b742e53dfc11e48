"""LAMMPS inside of this process, run with the command line of ``lmp``."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Sequence

from md_bridge.errors import ArgumentError, MDBridgeError
from md_bridge.lammps.runner import new_lammps

__all__ = ["LammpsError", "run_inside"]

_INPUT = ("-in", "-i")
_STANDARD_INPUT = "-"


class LammpsError(MDBridgeError, RuntimeError):
    """LAMMPS has stopped with an error, which it has printed."""


def run_inside(arguments: Sequence[str], threads: int | None = None) -> None:
    """What ``lmp`` does with these arguments, with LAMMPS as a library of this process.

    Models that Python evaluates can then be named in the input, if :mod:`md_bridge.engine` was
    imported.

    :param arguments: of ``lmp``, ``-in`` among them; ``-in -`` takes commands from the standard
        input as they come, a line each (``&`` at its end goes on in the next)
    :param threads: of models; None leaves the choice to the pair style
    :raises ArgumentError: there is no ``-in``
    :raises LammpsError: LAMMPS stops
    """
    words = list(arguments)
    place = next((i for i, word in enumerate(words) if word in _INPUT), None)
    if place is None or place + 1 == len(words):
        raise ArgumentError(
            "arguments",
            "need -in FILE: inside of Python LAMMPS does not read from the terminal by itself "
            "(-in - makes it)",
        )
    script = words[place + 1]
    del words[place : place + 2]
    if threads is not None:
        os.environ["OMP_NUM_THREADS"] = str(threads)
    lmp = new_lammps(words)
    try:
        if script == _STANDARD_INPUT:
            for command in _commands(sys.stdin):
                lmp.command(command)
        else:
            lmp.file(script)
    except Exception as error:  # LAMMPS's own module raises nothing more special
        raise LammpsError(str(error).strip()) from error
    finally:
        lmp.close()


def _commands(lines: Iterable[str]) -> Iterator[str]:
    """Lines with those that they go on in."""
    begun = ""
    for line in lines:
        text = begun + line.rstrip("\n")
        if text.endswith("&"):
            begun = text[:-1]
            continue
        begun = ""
        yield text
    if begun:
        yield begun
