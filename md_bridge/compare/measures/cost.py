"""Time of an evaluation for each atom, and memory: each model in a process of its own, in which
nothing else is loaded."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict
from typing import Any

from md_bridge.certify.findings import failure_words
from md_bridge.compare.errors import CompareError
from md_bridge.compare.findings import Figure, Found
from md_bridge.compare.measures.base import Measure, Task, smallest
from md_bridge.processes import kill_with_parent
from md_bridge.structures import read_structure

__all__ = ["MEASURE"]

_PROGRAM = "md_bridge.compare.measures.evaluating"


def _make(task: Task) -> Found:
    request = task.request
    assert request.start is not None
    count = len(read_structure(request.start))
    numbers = _in_a_process(task)
    times = {kind: 1e6 * seconds / count for kind, seconds in numbers["seconds"].items()}
    figures = [smallest(f"time, {kind} forces", "µs/atom", time) for kind, time in times.items()]
    for name, key in (
        ("memory, resident", "rss_MB"),
        ("memory, of that the model's", "of_model_MB"),
        ("memory, at most", "peak_MB"),
    ):
        if key in numbers:
            figures.append(Figure(name, "MB", f"{numbers[key]:.0f}", numbers[key], "smaller"))
    return Found(
        tuple(figures),
        (),
        {
            **numbers,
            "microseconds_per_atom": times,
            "atoms": count,
            "threads": task.threads,
            "load": os.getloadavg()[0],
        },
    )


def _in_a_process(task: Task) -> dict[str, Any]:
    """What :mod:`md_bridge.compare.measures.evaluating` answers.

    :raises CompareError: the process failed, with its last word
    """
    result = task.folder / "cost.json"
    result.unlink(missing_ok=True)
    content = {
        "model": str(task.subject.model),
        "options": asdict(task.subject.options),
        "start": str(task.request.start),
        "kinds": list(task.subject.kinds),
        "threads": task.threads,
        "result": str(result),
    }
    task.progress("time and memory", 0.0)
    done = subprocess.run(
        [sys.executable, "-m", _PROGRAM],
        input=json.dumps(content),
        capture_output=True,
        text=True,
        preexec_fn=kill_with_parent,
    )
    if done.returncode != 0 or not result.exists():
        raise CompareError(
            f"the process that measures it ended with status {done.returncode}: "
            f"{failure_words(done.stderr)}"
        )
    found: dict[str, object] = json.loads(result.read_text(encoding="utf-8"))
    return found


MEASURE = Measure(settings=lambda request: {}, make=_make, weight=1.0, of_machine=True)
"""Median times with a pair list that is kept, as in dynamics, and resident memory."""
