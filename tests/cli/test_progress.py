"""Progress of long work where the output is no terminal: a line a stage, and each tenth."""

import io

from rich.console import Console

from md_bridge.cli.progress import ProgressBar, TaskBar
from md_bridge.drift.runs.tasks import Task


def screen(terminal=False):
    return Console(file=io.StringIO(), force_terminal=terminal, width=200)


def lines(console):
    return console.file.getvalue().splitlines()


def test_a_line_for_each_stage():
    console = screen()
    with ProgressBar(console) as bar:
        for stage in ("loading", "checking: forces", "checking: forces", "checking: [stress]"):
            bar.update(stage)
    assert lines(console) == ["loading", "checking: forces", "checking: [stress]"]


def test_a_line_for_each_tenth_of_one_stage():
    console = screen()
    with ProgressBar(console) as bar:
        for step in range(1001):
            bar.update("i-PI", step / 1000, f"step {step} of 1000")
    found = lines(console)
    assert len(found) == 11
    assert found[0] == "i-PI step 0 of 1000 (0% of all)"
    assert found[5] == "i-PI step 500 of 1000 (50% of all)"


def test_tasks_that_were_done_before_are_counted():
    console = screen()
    first, second = Task("first", 10, 1.0), Task("second", 10, 3.0)
    with TaskBar({first: True, second: False}, console) as bar:
        for steps in range(1, 11):
            bar.steps_done(second, steps)
    found = lines(console)
    assert found[0] == "second (32% of all)"
    assert found[-1] == "second (100% of all)"


def test_on_a_terminal_it_is_a_bar():
    console = screen(terminal=True)
    with ProgressBar(console) as bar:
        bar.update("loading", 0.5)
    assert "(50% of all)" not in console.file.getvalue()
    assert "loading" in console.file.getvalue()
