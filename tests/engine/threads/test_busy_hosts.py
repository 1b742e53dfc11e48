"""LAMMPS and i-PI, started as a user does, notice other programs on their cores.

The tests of hosts else set how threads wait (``lammps_tools.PATIENCE``), which switches this off.
"""

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import ipi_tools
import pytest

from md_bridge._paths import DATA
from md_bridge.lammps.runner import environment, lmp_command

EXAMPLES = Path(__file__).parents[3] / "examples"
OF_WAITING = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "OMP_PROC_BIND", "GOMP_CPU_AFFINITY")
DECK = f"""
units metal
read_data {EXAMPLES}/lammps/water.data
pair_style mdbridge {DATA}/water.pt
pair_coeff * * O H
timestep 0.0005
fix nve all nve
thermo_style custom step pe
thermo 1
thermo_modify flush yes
run 100000
"""
LONGEST_S = 120.0


def lammps(folder: Path, water) -> tuple[list[str], Path]:
    """Its command, and the file that has a line for each step."""
    (folder / "in.lammps").write_text(DECK)
    return lmp_command(["-in", "in.lammps", "-log", "log.lammps"]), folder / "log.lammps"


def i_pi(folder: Path, water) -> tuple[list[str], Path]:
    """As :func:`lammps`."""
    forcefield = ipi_tools.ffdirect("water", DATA / "water.pt", "conservative")
    one_force = '<force forcefield="water"/>'
    simulation = ipi_tools.Simulation(water, [forcefield], one_force, 100000, 0.5)
    simulation.checkpoint_stride = 100000
    simulation.properties = {"step": "step", "potential": "potential"}
    simulation.write(folder)
    return [*ipi_tools.I_PI, "input.xml"], folder / "run.properties"


@contextmanager
def running(
    folder: Path, host: Callable, water, variables: Mapping[str, str]
) -> Iterator[subprocess.Popen]:
    """The host on two threads, from its third step on."""
    folder.mkdir()
    command, steps = host(folder, water)
    inherited = {name: value for name, value in os.environ.items() if name not in OF_WAITING}
    with open(folder / "said", "w") as said:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**environment(2, inherited), **variables},
            stdout=said,
            stderr=said,
        )
    try:
        wait_for(lambda: count_steps(steps) > 2, process, folder / "said")
        yield process
    finally:
        process.kill()
        process.wait()


def count_steps(path: Path) -> int:
    """Lines of a step and a potential energy, which is negative."""
    if not path.exists():
        return 0
    return len(re.findall(r"^ *[\d.e+]+ +-[\d.e+]+", path.read_text(), flags=re.M))


def count_threads(process: subprocess.Popen) -> int:
    return len(os.listdir(f"/proc/{process.pid}/task"))


def wait_for(condition: Callable[[], bool], process: subprocess.Popen, said: Path) -> None:
    deadline = time.monotonic() + LONGEST_S
    while not condition():
        assert process.poll() is None, said.read_text()
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


@contextmanager
def busy_neighbours() -> Iterator[None]:
    count = 2 * len(os.sched_getaffinity(0))
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for process in busy:
            process.kill()
            process.wait()


@pytest.mark.skipif(
    not 2 <= len(os.sched_getaffinity(0)) <= 64, reason="threads there spin, or wait for no core"
)
@pytest.mark.parametrize("host", [lammps, i_pi], ids=["LAMMPS", "i-PI"])
def test_waiting_threads_sleep_beside_busy_processes(tmp_path, water, host):
    """What makes them sleep is a second team of threads, which are seen from outside; one that was
    told how threads wait never has it."""
    told = {"OMP_WAIT_POLICY": "passive"}
    with running(tmp_path / "told", host, water, told) as process:
        usual = count_threads(process)
    with running(tmp_path / "as it is", host, water, {}) as process, busy_neighbours():
        begin = time.monotonic()
        said = tmp_path / "as it is" / "said"
        wait_for(lambda: count_threads(process) > usual, process, said)
        noticed_after = time.monotonic() - begin
    with running(tmp_path / "told again", host, water, told) as process, busy_neighbours():
        time.sleep(max(3.0, 1.5 * noticed_after))
        assert process.poll() is None
        assert count_threads(process) <= usual
