"""Evaluates one model in a process of its own, and says how long that takes and how much memory.

Run as a module, with a line of JSON on the standard input: ``model``, ``options`` of it, ``start``,
``kinds`` of forces, ``threads``, and ``result``, the file for the answer.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from md_bridge.engine import Engine, set_threads
from md_bridge.export.checks.costs import evaluation_seconds
from md_bridge.model_options import ModelOptions
from md_bridge.processes import memory_of
from md_bridge.structures import read_structure

__all__ = ["main"]


def main() -> None:
    """Measure, and write the answer."""
    task = json.load(sys.stdin)
    set_threads(task["threads"])
    atoms = read_structure(task["start"])
    empty = memory_of(os.getpid())
    engine = Engine(task["model"], **ModelOptions(**task["options"]).engine_keywords())
    seconds = {kind: evaluation_seconds(engine, atoms, kind) for kind in task["kinds"]}
    memory = memory_of(os.getpid())
    answer: dict[str, object] = {"seconds": seconds, **memory}
    if memory:
        answer["of_model_MB"] = memory["rss_MB"] - empty["rss_MB"]
    Path(task["result"]).write_text(json.dumps(answer) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
