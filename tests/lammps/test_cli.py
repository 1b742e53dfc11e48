"""md-bridge lammps."""

import subprocess
import sys
from pathlib import Path

import lammps_tools as tools
import pytest
from programs import programs_in, wait_until

BOX = tools.box(tools.argon(cells=(2, 1, 1)), ["Ar"])


def md_bridge_lammps(*arguments: str, cwd: Path) -> subprocess.CompletedProcess:
    script = Path(sys.executable).parent / "md-bridge"
    return subprocess.run(
        [script, "lammps", *arguments], cwd=cwd, capture_output=True, text=True, timeout=120
    )


@pytest.mark.parametrize("ranks", [1, 2])
def test_runs_with_ranks_threads_and_arguments_of_lmp(model_file, tmp_path, ranks):
    text = BOX + f"pair_style mdbridge {model_file('lennard_jones')}\npair_coeff * * Ar\n"
    (tmp_path / "in.argon").write_text(text + "run ${steps}\n")
    run = md_bridge_lammps(
        *("--ranks", str(ranks), "--threads", "1"),
        *("-in", "in.argon", "-log", "none", "-echo", "none", "-var", "steps", "3"),
        cwd=tmp_path,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "1 thread per rank" in run.stdout
    assert f"on {ranks} procs for 3 steps with 8 atoms" in run.stdout


def test_exit_code_is_that_of_lmp(tmp_path):
    (tmp_path / "in.bad").write_text("units nonsense\n")
    assert md_bridge_lammps("-in", "in.bad", cwd=tmp_path).returncode == 1


@pytest.mark.parametrize("ranks", [1, 2])
def test_sigterm_leaves_nothing_behind(tmp_path, ranks):
    (tmp_path / "in.long").write_text("print started file started\nlabel again\njump SELF again\n")
    script = Path(sys.executable).parent / "md-bridge"
    command = [script, "lammps", "--ranks", str(ranks), "-in", "in.long", "-log", "none"]
    with subprocess.Popen(command, cwd=tmp_path, start_new_session=True) as process:
        wait_until((tmp_path / "started").exists, 60)
        assert len(programs_in(tmp_path)) >= ranks
        process.terminate()
        assert process.wait(timeout=30) != 0
    wait_until(lambda: not programs_in(tmp_path), 30)
    assert programs_in(tmp_path) == []


def test_help_shows_an_example():
    run = md_bridge_lammps("--help", cwd=Path.cwd())
    assert run.returncode == 0
    assert "md-bridge lammps -in in.water" in run.stdout


def test_python_module(model_file):
    """The library and the program agree."""
    with tools.lammps(
        BOX,
        f"pair_style mdbridge {model_file('lennard_jones')}\npair_coeff * * Ar\nrun 0",
    ) as lmp:
        assert lmp.get_natoms() == 8
        assert lmp.get_thermo("pe") < 0
