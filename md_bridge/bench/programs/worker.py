"""Answers the benchmark over its standard input and output, a line of JSON each.

The first line says what to open: ``kind`` is a module beside this file, whose ``open_work`` takes
the whole line and returns an object with ``first`` (energy and forces, where it has them),
``run(count)``, the seconds of so many evaluations, and ``details``, what else was seen so far.
Every further line is ``{"run": count}``.

Run by path: modules beside this file are found, and MD Bridge is not imported.
"""

import importlib
import json
import os
import sys
import traceback
from typing import IO, Any

__all__ = ["main"]


def main() -> None:
    """Serve until the input ends."""
    # what libraries print must not come between the answers
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    task = json.loads(sys.stdin.readline())
    try:
        work = importlib.import_module(task["kind"]).open_work(task)
        _answer(answers, {"first": work.first})
        for line in sys.stdin:
            seconds = work.run(json.loads(line)["run"])
            _answer(answers, {"seconds": seconds, "details": work.details})
    except Exception as error:  # becomes the reason that the report prints
        traceback.print_exc()
        lines = str(error).strip().splitlines() or [""]
        _answer(answers, {"error": f"{type(error).__name__}: {lines[-1]}"})
        sys.stdout.flush()
        os._exit(1)
    sys.stdout.flush()
    os._exit(0)  # threads of i-PI would keep the process


def _answer(file: IO[str], content: dict[str, Any]) -> None:
    """Send a line."""
    print(json.dumps(content), file=file, flush=True)


if __name__ == "__main__":
    main()
