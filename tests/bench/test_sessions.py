"""Processes that are measured sleep between their turns, may hang, and are never left behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from md_bridge.bench.errors import UnavailableError
from md_bridge.bench.groups import ipi
from md_bridge.bench.sessions import lammps
from md_bridge.bench.sessions.child import Child
from md_bridge.bench.sessions.process import Work, WorkerSession

SPIN = "import sys\nprint(sys.stdin.readline().strip(), flush=True)\nwhile True: pass"
FAMILY = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "while True: pass"])
print(child.pid, flush=True)
while True: pass
"""


def started(tmp_path, code):
    command = [sys.executable, "-c", code]
    return Child(command, tmp_path, tmp_path / "log", os.environ, answers=True)


def state(pid):
    """R, S, T (stopped), Z; empty when it is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    return text.rpartition(")")[2].split()[0]


def processor_ticks(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def until(condition, seconds=10.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


LOG = """\
Loop time of 2.0 on 1 procs for 10 steps with 81 atoms

Section |  min time  |  avg time  |  max time  |%varavg| %total
---------------------------------------------------------------
Pair    | 1.8        | 1.8        | 1.8        |   0.0 | 90.00
Modify  | 0.1        | 0.1        | 0.1        |   0.0 |  5.00

Pair style mdbridge: time in s (mean over ranks)
  pairs                 0.200000   10.00 %
  forward               0.900000   45.00 %
  backward              0.700000   35.00 %
  ghosts and forces     0.200000   10.00 %
  total                 2.000000  100.00 %
"""
"""In forward and backward are 0.8 of the pair style's time, which is 0.9 of the loop."""


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        (LOG, 0.28),
        (LOG.replace("  backward              0.700000   35.00 %\n", ""), 1 - 0.45 * 0.9),
        # the table of an earlier run does not count
        (LOG.replace("0.900000", "0.100000").replace("of 2.0 on", "of 9.0 on") + LOG, 0.28),
    ],
)
def test_overhead_is_all_but_forward_and_backward(log, expected):
    assert lammps._overhead(log)["overhead"] == pytest.approx(expected)


def test_no_overhead_without_tables():
    assert lammps._overhead("Loop time of 2.0 on 1 procs for 10 steps with 81 atoms\n") == {}


def test_what_is_not_in_turn_takes_no_time(tmp_path):
    child = started(tmp_path, SPIN)
    try:
        with child.awake():
            child.send("hello\n")
            assert child.answer(20.0) == "hello\n"
        until(lambda: state(child.pid) == "T")
        before = processor_ticks(child.pid)
        time.sleep(0.2)
        assert processor_ticks(child.pid) == before
        with child.awake():
            until(lambda: processor_ticks(child.pid) > before)
    finally:
        child.close()
    assert state(child.pid) == ""


def test_what_a_process_has_started_sleeps_and_ends_with_it(tmp_path):
    child = started(tmp_path, FAMILY)
    try:
        grandchild = int(child.answer(20.0))
        child.sleep()
        until(lambda: state(grandchild) == "T")
    finally:
        child.close()
    until(lambda: state(grandchild) in ("", "Z"))


def test_a_stopped_process_ends_when_the_benchmark_is_killed(tmp_path):
    code = f"""
import os, sys, time
from pathlib import Path
from md_bridge.bench.sessions.child import Child
child = Child([sys.executable, "-c", {SPIN!r}], Path("."), Path("log"), os.environ, answers=True)
child.sleep()
print(child.pid, flush=True)
time.sleep(60)
"""
    parent = subprocess.Popen(
        [sys.executable, "-c", code], cwd=tmp_path, stdout=subprocess.PIPE, text=True
    )
    pid = int(parent.stdout.readline())
    until(lambda: state(pid) == "T")
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    until(lambda: state(pid) in ("", "Z"))


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """Modules that a worker finds, in place of those of the benchmark."""
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("PYTHONPATH", str(folder))

    def write(run):
        (folder / "task.py").write_text(
            "import os, time\n"
            "def open_work(task): return Work()\n"
            "class Work:\n"
            "    first, details = None, {'rss_MB': 1.0}\n"
            f"    def run(self, count): {run}\n"
        )
        work = Work({"kind": "task"}, 1, tmp_path / "run", leftovers=[tmp_path / "socket"])
        return WorkerSession(work, 30.0)

    return write


def test_a_worker_answers(programs):
    session = programs("return 2.0 * count")
    found = session.run(3, 30.0)
    session.close()
    assert (found.seconds, found.details["rss_MB"]) == (2.0, 1.0)


def test_a_worker_that_hangs(programs):
    session = programs("time.sleep(60)")
    with pytest.raises(UnavailableError, match="did not answer within 0 s"):
        session.run(1, 0.3)
    session.close()


@pytest.mark.parametrize(
    ("run", "message"),
    [
        ("os.kill(os.getpid(), 9)", "was ended by SIGKILL"),
        ("os._exit(3)", r"ended \(status 3\): it wrote nothing"),
        ("raise MemoryError('too large')", "MemoryError: too large"),
    ],
)
def test_a_worker_that_dies(programs, run, message):
    session = programs(run)
    with pytest.raises(UnavailableError, match=message):
        session.run(1, 30.0)
    session.close()


def test_what_it_left_is_removed(programs, tmp_path):
    session = programs("return 1.0")
    (tmp_path / "socket").touch()
    session.close()
    assert not (tmp_path / "socket").exists()


def test_a_program_that_is_not_there(tmp_path):
    with pytest.raises(UnavailableError, match="cannot start no-such-program"):
        Child(["no-such-program"], tmp_path, tmp_path / "log", os.environ)


def test_sockets_of_killed_benchmarks_are_removed(tmp_path, monkeypatch):
    monkeypatch.setattr(ipi, "_SOCKETS", str(tmp_path / "ipi_"))
    ours = tmp_path / f"ipi_mdbridge-bench-{os.getpid()}-a-direct"
    ended = subprocess.Popen(["true"])
    ended.wait()
    dead = tmp_path / f"ipi_mdbridge-bench-{ended.pid}-a-direct"
    others = tmp_path / "ipi_driver"
    for path in (ours, dead, others):
        path.touch()
    ipi.remove_dead_sockets()
    assert sorted(tmp_path.iterdir()) == sorted([ours, others])
