"""Python programs that begin at once: forks of a process that has imported what they need.

i-PI with a model imports for four seconds of a core, LAMMPS loads torch for half of one, and tests
start them a thousand times. What runs is the same program, with arguments, a folder, an environment
and output of its own; of LAMMPS it is the library, with the command line of ``lmp``.
"""

import atexit
import ctypes
import multiprocessing
import multiprocessing.forkserver
import os
import runpy
import signal
import subprocess
import sys
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

_IMPORTED = ["ipi.engine.simulation", "ipi.scripting", "md_bridge.ipi.driver", "md_bridge.cli"]
_IMPORTED += ["warm_starts.lammps_library"]


_READ_AT_START = ("OMP_", "GOMP_", "MKL_", "LD_PRELOAD", "PYTHON", "MDBRIDGE", "CUDA")
"""Beginnings of variables that a program reads while it imports."""
_LAMMPS = "lmp of the library"


def _at_start(environment: Mapping[str, str]) -> dict[str, str]:
    return {
        name: value
        for name, value in environment.items()
        if name.startswith(_READ_AT_START) and name not in ("PYTHONUNBUFFERED", "OMP_WAIT_POLICY")
    }


_AT_START = _at_start({**os.environ, "OMP_NUM_THREADS": "1"})


class Started:
    """A running program, to be waited for or killed as one of :mod:`subprocess`.

    :param words: a script or the name of a module, and its arguments
    :param folder: where it runs
    :param environment: all of its environment
    :param output: file for what it prints
    :param messages: file for what it prints on stderr; None: the same
    """

    def __init__(
        self,
        words: Sequence[str],
        folder: Path,
        environment: Mapping[str, str],
        output: Path,
        messages: Path | None = None,
    ) -> None:
        self.words = list(words)
        arguments = (self.words, folder, dict(environment), output, messages)
        self._process = _server(environment).Process(target=_become, args=arguments)
        self._process.start()

    def wait(self, timeout: float) -> int:
        """Its exit status, negative for a signal.

        :param timeout: in seconds
        """
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired(self.words, timeout)
        return self._process.exitcode

    def kill(self) -> None:
        """End it, if it has not ended."""
        self._process.kill()


def start(command: Sequence[str], **options: Any) -> "Program | subprocess.Popen[bytes]":
    """In place of :class:`subprocess.Popen` in :class:`md_bridge.processes.Program`.

    i-PI, scripts of Python and LAMMPS on one rank begin at once, where their environment is that of
    these tests; all else is started as ever.

    :param command: words of the command line
    :param options: of :class:`subprocess.Popen`
    """
    words = list(command)
    if words[0] == sys.executable:
        words = words[1:]
        words = words[1:] if words[0] == "-m" else words
    elif Path(words[0]).name == "lmp" and "-in" in words:
        words[0] = _LAMMPS
    elif Path(words[0]).name != "i-pi":
        return subprocess.Popen(command, **options)
    if words[0].startswith("-") or _at_start(options["env"]) != _AT_START:
        return subprocess.Popen(command, **options)
    return Program(words, options["cwd"] or Path.cwd(), options["env"], options["stdout"])


def run_lammps(
    arguments: Sequence[str], folder: Path, environment: Mapping[str, str], timeout: float
) -> "subprocess.CompletedProcess[str] | None":
    """``lmp`` on one rank, with what it printed; None where it is to be started as ever.

    :param arguments: of ``lmp``, with ``-in``
    :param folder: where it runs
    :param environment: all of its environment
    :param timeout: in seconds
    """
    if _at_start(environment) != _AT_START:
        return None
    return run([_LAMMPS, *arguments], folder, environment, timeout)


def run(
    words: Sequence[str], folder: Path, environment: Mapping[str, str], timeout: float
) -> "subprocess.CompletedProcess[str]":
    """A program to its end, with what it printed.

    :param words: as of :class:`Started`
    :param folder: where it runs
    :param environment: all of its environment
    :param timeout: in seconds
    """
    files = folder / "printed.out", folder / "printed.messages"
    started = Started(words, folder, environment, *files)
    try:
        status = started.wait(timeout)
    finally:
        started.kill()
    texts = [file.read_text() for file in files]
    for file in files:
        file.unlink()
    return subprocess.CompletedProcess(words, status, *texts)


class Program:
    """What of :class:`subprocess.Popen` a :class:`md_bridge.processes.Program` asks for.

    In a session of its own, with no standard input, and ended with this process.

    :param words: as of :class:`Started`
    :param folder: where it runs
    :param environment: all of its environment
    :param stream: file, open for writing, for what it prints
    """

    def __init__(
        self, words: Sequence[str], folder: Path, environment: Mapping[str, str], stream: Any
    ) -> None:
        context = _server(environment)
        ready, says_so = context.Pipe(duplex=False)
        output = Path(stream.name).absolute()
        arguments = (says_so, list(words), folder, dict(environment), output)
        self._words = list(words)
        self._process = context.Process(target=_become_a_program, args=arguments)
        self._process.start()
        says_so.close()
        self.pid = self._process.pid
        with ready:
            ready.recv()  # its session is its own: signals to it reach nobody else

    def poll(self) -> int | None:
        """Its exit status; None while it runs."""
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """As of :class:`subprocess.Popen`.

        :param timeout: in seconds
        """
        self._process.join(timeout)
        if self._process.exitcode is None:
            assert timeout is not None
            raise subprocess.TimeoutExpired(self._words, timeout)
        return self._process.exitcode


def _server(environment: Mapping[str, str]) -> Any:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_IMPORTED)
    # OpenMP reads it when it is loaded, Python when it begins
    with patch.dict(os.environ, {**environment, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}):
        multiprocessing.forkserver.ensure_running()
    return context


def _become_a_program(
    ready: Any, words: list[str], folder: Path, environment: dict[str, str], output: Path
) -> None:
    """As ``python words[0] …`` would of :class:`md_bridge.processes.Program`."""
    os.setsid()
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    ready.send(True)
    ready.close()
    # helpers of tests are of no other program
    tests = str(Path(__file__).parents[2])
    script = Path(words[0])
    beginning = str(script.parent if script.is_file() else folder)
    sys.path[:] = [beginning, *(path for path in sys.path if not path.startswith(tests))]
    _become(words, folder, environment, output, None, os.O_APPEND)


def _become(
    words: list[str],
    folder: Path,
    environment: dict[str, str],
    output: Path,
    messages: Path | None,
    how: int = os.O_TRUNC,
) -> None:
    """As ``python words[0] …`` or ``python -m words[0] …`` would."""
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    flags = os.O_WRONLY | os.O_CREAT | how
    os.dup2(os.open(output, flags), 1)
    os.dup2(1 if messages is None else os.open(messages, flags), 2)
    sys.argv = list(words)
    status = 1
    try:
        if words[0] == _LAMMPS:
            _run_lammps(words[1:])
        elif Path(words[0]).is_file():
            runpy.run_path(words[0], run_name="__main__")
        else:
            runpy.run_module(words[0], run_name="__main__", alter_sys=True)
        status = 0
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
        else:
            status = int(end.code or 0)
    except BaseException:
        traceback.print_exc()
    finally:
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _run_lammps(arguments: list[str]) -> None:
    from md_bridge.lammps.inside import LammpsError, run_inside

    try:
        run_inside(arguments)
    except LammpsError:  # which it has printed
        raise SystemExit(1) from None
    finally:
        ctypes.CDLL(None).fflush(None)
