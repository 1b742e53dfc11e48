"""Python programs that begin at once: forks of a process that has imported what they need.

i-PI with a model imports for four seconds of a core, and tests start it a hundred times. What runs
is the same program, with arguments, a folder, an environment and output of its own.
"""

import atexit
import multiprocessing
import multiprocessing.forkserver
import os
import runpy
import subprocess
import sys
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from unittest.mock import patch

_IMPORTED = ["ipi.engine.simulation", "ipi.scripting", "md_bridge.ipi.driver", "md_bridge.cli"]


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
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(_IMPORTED)
        with patch.dict(os.environ, environment):  # OpenMP reads it when it is loaded
            multiprocessing.forkserver.ensure_running()
        self.words = list(words)
        arguments = (self.words, folder, dict(environment), output, messages)
        self._process = context.Process(target=_become, args=arguments)
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


def _become(
    words: list[str],
    folder: Path,
    environment: dict[str, str],
    output: Path,
    messages: Path | None,
) -> None:
    """As ``python words[0] …`` or ``python -m words[0] …`` would."""
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    os.dup2(os.open(output, flags), 1)
    os.dup2(1 if messages is None else os.open(messages, flags), 2)
    sys.argv = list(words)
    status = 1
    try:
        if Path(words[0]).is_file():
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
