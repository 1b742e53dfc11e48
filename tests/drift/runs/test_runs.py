"""Starting engines for NVE runs: start files, watching a program, reading what it leaves."""

import contextlib
import re
import subprocess
import sys
import time
from pathlib import Path

import ase.io
import ase.units
import numpy as np
import pytest
from ase import Atoms
from ase.cell import Cell
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution, Stationary
from programs import wait_until

from md_bridge.drift.records.errors import ReadError
from md_bridge.drift.records.method import Method
from md_bridge.drift.runs.ipi import read_properties, run_in_ipi
from md_bridge.drift.runs.lammps import TRAJECTORY, lammps_input_text, read_log, write_data_file
from md_bridge.drift.runs.plan import Run
from md_bridge.lammps import environment, lmp_command
from md_bridge.processes import LineCounter, Program, RunError, find_program, watch
from md_bridge.structures import standard_orientation

MTS = Run(Method("lammps", "mts", 4, 0.5), 10)


@pytest.fixture
def tilted():
    """Two molecules in a triclinic cell that no host would take as it stands."""
    rng = np.random.default_rng(3)
    cell = Cell([[0.5, 5.0, 0.1], [-6.0, 1.0, 0.4], [0.3, 1.2, 7.0]])
    positions = rng.uniform(0, 1, (6, 3)) @ cell.array
    atoms = Atoms("H2OH2O", positions=positions, cell=cell, pbc=True)
    MaxwellBoltzmannDistribution(atoms, temperature_K=300, rng=rng)
    Stationary(atoms)
    return atoms


def test_orientation_keeps_distances_and_velocities(tilted):
    turned = standard_orientation(tilted)
    assert np.allclose(turned.cell.array[np.triu_indices(3, 1)], 0.0, atol=1e-12)
    assert turned.get_volume() == pytest.approx(tilted.get_volume())
    np.testing.assert_allclose(
        turned.get_all_distances(mic=True), tilted.get_all_distances(mic=True), atol=1e-10
    )
    # v·r between all pairs is what a rotation of both leaves alone
    np.testing.assert_allclose(
        turned.get_velocities() @ turned.get_positions().T,
        tilted.get_velocities() @ tilted.get_positions().T,
        atol=1e-10,
    )


def test_orientation_leaves_a_cube_untouched():
    atoms = Atoms("H", positions=[[1.1, 2.2, 3.3]], cell=[4.0] * 3, pbc=True)
    assert standard_orientation(atoms) == atoms


def test_lammps_reads_the_start_with_its_velocities(tilted, tmp_path):
    """Temperature, kinetic energy and a ballistic step of the real LAMMPS are those of ASE."""
    write_data_file(tilted, tmp_path / "start.data", ["H", "O"])
    run = Run(Method("lammps", "conservative", None, 2.0), 5)
    text = lammps_input_text(tilted, Path("none"), run, frame_interval=5)
    text = text.replace("mdbridge none", "zero 2.0").replace("pair_coeff * * H O", "pair_coeff * *")
    (tmp_path / "in.lammps").write_text(text)
    subprocess.run(
        lmp_command(["-in", "in.lammps", "-log", "log.lammps", "-screen", "none"]),
        cwd=tmp_path,
        env=environment(),
        check=True,
        stdout=subprocess.DEVNULL,
    )
    record = read_log(tmp_path / "log.lammps", run, tilted)
    kinetic = tilted.get_kinetic_energy()
    assert record.conserved_energy == pytest.approx(np.full(6, kinetic), rel=1e-5)
    temperature = 2 * kinetic / (3 * 6 - 3) / ase.units.kB
    assert record.temperature == pytest.approx(np.full(6, temperature), rel=1e-5)
    momenta, masses = tilted.get_momenta(), tilted.get_masses()
    for element, count in (("H", 4), ("O", 2)):
        chosen = np.array(tilted.get_chemical_symbols()) == element
        kinetic = 0.5 * np.sum(momenta[chosen] ** 2 / masses[chosen, None])
        free = 3 * count - 3 * masses[chosen].sum() / masses.sum()
        expected = 2 * kinetic / free / ase.units.kB
        assert record.element_temperatures[element] == pytest.approx(np.full(6, expected), rel=1e-5)
    assert record.time_ps == pytest.approx(0.002 * np.arange(6))
    assert record.wall_s > 0
    expected = standard_orientation(tilted)
    expected.positions += expected.get_velocities() * 10 * ase.units.fs
    last = ase.io.read(tmp_path / TRAJECTORY, index=-1, format="lammps-dump-text")
    np.testing.assert_allclose(last.positions, expected.positions, atol=1e-6)


def test_lammps_input_of_each_kind(tilted):
    model = Path("/models/water.pt")
    conservative = lammps_input_text(
        tilted, model, Run(Method("lammps", "conservative", None, 0.5), 7)
    )
    assert "pair_style mdbridge /models/water.pt\npair_coeff * * H O\n" in conservative
    assert "timestep 0.0005\n" in conservative
    assert "respa" not in conservative
    assert "group O type 2\ncompute temperature_O O temp\n" in conservative
    assert conservative.endswith("run 7\n")
    direct = lammps_input_text(tilted, model, Run(Method("lammps", "direct", None, 0.5), 7))
    assert "pair_style mdbridge /models/water.pt forces direct virial conservative\n" in direct
    mts = lammps_input_text(tilted, Path("/my models/water.pt"), MTS, frame_interval=5)
    assert 'pair_style mdbridge "/my models/water.pt"\n' in mts
    assert "timestep 0.002\n" in mts
    assert "run_style respa 2 4 inner 1 3.0 4.0 outer 2\n" in mts
    assert "dump frames all custom 5" in mts


@pytest.mark.parametrize("name", ["a,b.pt", "{a.pt", "a}.pt"])
def test_a_model_path_that_ipi_cannot_read_is_refused(tilted, tmp_path, name):
    run = Run(Method("i-pi", "mts", 4, 0.5), 10)
    with pytest.raises(RunError, match=rf"{re.escape(name)}, has a '.', which i-PI cannot read"):
        run_in_ipi(tilted, tmp_path / name, run, tmp_path / "run", lambda steps: None, 1)


@pytest.mark.parametrize("lines", [9, 12])
def test_a_log_with_another_number_of_samples_is_refused(tilted, tmp_path, lines):
    log = tmp_path / "log.lammps"
    rows = "".join(f"{i} {0.002 * i} -100.5 300.25 301 299\n" for i in range(lines))
    log.write_text(rows + "Loop time of 1.5 on 1 procs for 10 steps with 6 atoms\n")
    with pytest.raises(RunError, match=f"expected 11 lines .* found {lines} lines and a loop"):
        read_log(log, MTS, tilted)
    log.write_text("".join(f"{i} {0.002 * i} -100.5 300.25 301 299\n" for i in range(11)))
    with pytest.raises(RunError, match="found 11 lines and no loop time"):
        read_log(log, MTS, tilted)


def test_nine_digits_of_i_pi_may_be_too_few(tilted, tmp_path):
    """All-electron energies of heavy atoms: the last digit is worth 2 meV/atom."""
    run = Run(Method("i-pi", "conservative", None, 0.5), 40)
    rows = "".join(f"{0.0005 * i:.8e} -3.0000000{i % 2}e+06 1.5 1.0 0.5\n" for i in range(41))
    (tmp_path / "properties").write_text(f"# time conserved\n{rows}")
    times = "".join(f"# Average timings at MD step {i}. t/step: 0.1\n" for i in range(1, 41))
    (tmp_path / "log").write_text(times)
    record = read_properties(tmp_path / "properties", tmp_path / "log", run, tilted)
    assert record.resolution == pytest.approx(0.01)
    with pytest.raises(ReadError, match=r"in steps of 1\.7 meV/atom.*i-PI prints nine digits"):
        record.statistics()


def run_python(code, folder, count=lambda: 0, progress=lambda steps: None):
    command = [sys.executable, "-c", code]
    program = Program("python", command, folder / "log.txt", environment={"MARK": "7"})
    watch(program, count, progress)


def test_a_watched_program_gets_its_environment_and_reports_progress(tmp_path):
    seen = []
    code = (
        "import os, sys, time\n"
        "for i in range(3): print('step', os.environ['MARK'], flush=True); time.sleep(0.3)"
    )
    counter = LineCounter(tmp_path / "log.txt", lambda line: line.startswith(b"step 7"))
    run_python(code, tmp_path, counter, seen.append)
    assert counter() == 3
    assert seen == sorted(seen)
    assert {1, 2} <= set(seen)


def test_a_failed_program_is_named_with_the_end_of_its_log(tmp_path):
    with pytest.raises(RunError, match=r"failed with exit status 3") as caught:
        run_python("print('ERROR: no such model'); raise SystemExit(3)", tmp_path)
    assert "ERROR: no such model" in str(caught.value)
    assert str(tmp_path / "log.txt") in str(caught.value)
    with pytest.raises(RunError, match=r"was killed by SIGKILL[^$]*it is empty"):
        run_python("import os; os.kill(os.getpid(), 9)", tmp_path)
    program = Program("nothing", ["/no/such/program"], tmp_path / "log.txt")
    with pytest.raises(RunError, match="cannot start nothing, /no/such/program: No such file"):
        watch(program, int, lambda steps: None)


def test_leaving_by_an_exception_ends_the_program_and_its_children(tmp_path):
    """Like the console script `lmp`, whose child is the real LAMMPS."""
    code = (
        "import subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "print(child.pid, flush=True); child.wait()"
    )

    def interrupt(steps):
        if steps:
            raise KeyboardInterrupt

    log = tmp_path / "log.txt"
    with pytest.raises(KeyboardInterrupt):
        run_python(code, tmp_path, LineCounter(log, lambda line: True), interrupt)
    child = int(log.read_text())
    deadline = time.monotonic() + 10
    while _running(child) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _running(child)


STUBBORN = (
    "import signal, subprocess, sys\n"
    "child = subprocess.Popen([sys.executable, '-c', 'import signal, time\\n"
    "signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True); time.sleep(600)'],"
    " stdout=subprocess.PIPE)\n"
    "child.stdout.readline(); print(child.pid, flush=True)\n"
)
"""A child that SIGTERM does not end: what `lmp` starts may be in the hands of its MPI."""


@pytest.mark.parametrize("leader", ["child.wait()", ""], ids=["is stopped", "ends by itself"])
def test_a_child_that_ignores_sigterm_is_killed(tmp_path, leader):
    def interrupt(steps):
        if steps and leader:
            raise KeyboardInterrupt

    log = tmp_path / "log.txt"
    counter = LineCounter(log, lambda line: True)
    with pytest.raises(KeyboardInterrupt) if leader else contextlib.nullcontext():
        run_python(STUBBORN + leader, tmp_path, counter, interrupt)
    wait_until(lambda: not _running(int(log.read_text())), 10)
    assert not _running(int(log.read_text()))


def test_a_program_that_hangs_is_stopped(tmp_path):
    """One that is slow, but prints or makes steps, is not."""
    code = "import time\nfor _ in range(4): print(1, flush=True); time.sleep(0.4)\n"
    program = Program("python", [sys.executable, "-c", code], tmp_path / "log.txt")
    watch(program, lambda: 0, lambda steps: None, stall_minutes=0.02)
    program = Program("lmp", [sys.executable, "-c", f"{code}time.sleep(600)"], tmp_path / "log.txt")
    with pytest.raises(RunError, match=r"lmp has made no step and printed nothing for 0.02 min"):
        watch(program, lambda: 0, lambda steps: None, stall_minutes=0.02)
    assert program.status is not None


def _running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_lines_are_counted_once_and_only_when_whole(tmp_path):
    path = tmp_path / "grows.txt"
    counter = LineCounter(path, lambda line: line in (b"1", b"2", b"34", b"5"))
    assert counter() == 0
    path.write_bytes(b"# head\n1\n2\n3")
    assert counter() == 2
    with path.open("ab") as stream:
        stream.write(b"4\n5\n")
    assert counter() == 4
    assert counter() == 4


def test_a_missing_program_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    with pytest.raises(
        RunError, match=r"i-pi does not exist, and there is no i-pi on the PATH either"
    ):
        find_program("i-pi", "ipi")


def test_a_program_on_the_path_is_second_choice(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "executable", str(tmp_path / "environment" / "python"))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    for folder in ("bin", "environment"):
        program = tmp_path / folder / "i-pi"
        program.parent.mkdir()
        program.write_text("#!/bin/sh\n")
        program.chmod(0o755)
        assert find_program("i-pi", "ipi") == program


@pytest.mark.parametrize(
    ("forces", "multiplicity", "step", "message"),
    [
        ("mts", None, 0.5, "multiplicity M belongs to forces 'mts'"),
        ("direct", 4, 0.5, "multiplicity M belongs to forces 'mts'"),
        ("mts", 0, 0.5, "must be positive"),
        ("direct", None, -0.5, "must be positive"),
    ],
)
def test_impossible_runs_are_refused(forces, multiplicity, step, message):
    with pytest.raises(ValueError, match=message):
        Run(Method("lammps", forces, multiplicity, step), 10)
