"""How a stock lmp comes to know pair_style mdbridge, and what it costs those who do not use it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import lammps_tools as tools
import pytest

from md_bridge.lammps import environment, lmp_command, plugin_directory

SCRIPTS = Path(sys.executable).parent
BOX = tools.box(tools.argon(cells=(1, 1, 1)), ["Ar"])


def ours(path, keywords="") -> str:
    return f"pair_style mdbridge {path} {keywords}\npair_coeff * * Ar\nrun 0\n"


def run_stock_lmp(text: str, folder: Path, **variables: str) -> subprocess.CompletedProcess:
    """The console script of the lammps package, as a user types it."""
    (folder / "in.lammps").write_text(text)
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("LAMMPS", "OMP"))}
    return subprocess.run(
        [SCRIPTS / "lmp", "-in", "in.lammps", "-log", "none"],
        cwd=folder,
        env={**clean, **variables},
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_found_without_plugin_load(model_file, tmp_path):
    run = run_stock_lmp(BOX + ours(model_file("lennard_jones")), tmp_path)
    assert run.returncode == 0, run.stdout
    assert 'model "LennardJones"' in run.stdout
    assert "cutoff 8.5 Angstrom" in run.stdout
    assert "float64 on cpu" in run.stdout


def loaded_libraries(text: str, folder: Path) -> str:
    """Names of all shared libraries that the lmp process opens for an input."""
    (folder / "in.lammps").write_text(text)
    variables = {**environment(threads=1), "LD_DEBUG": "files", "LD_DEBUG_OUTPUT": "loader"}
    command = lmp_command(["-in", "in.lammps", "-log", "none"])
    subprocess.run(command, cwd=folder, env=variables, capture_output=True, check=True)
    return "\n".join(path.read_text() for path in folder.glob("loader.*"))


def test_libtorch_comes_with_the_first_use(model_file, tmp_path):
    (tmp_path / "without").mkdir()
    (tmp_path / "with").mkdir()
    lj = "pair_style lj/cut 8\npair_coeff * * 0.01 3.4\nrun 0\n"
    without = loaded_libraries(BOX + lj, tmp_path / "without")
    assert "mdbridgeplugin.so" in without
    assert "libtorch" not in without
    assert "libmdbridge" not in without.replace("libmdbridgeplugin", "")
    with_ours = loaded_libraries(BOX + ours(model_file("lennard_jones")), tmp_path / "with")
    assert "libtorch_cpu" in with_ours
    assert "libmdbridge_lammps.so" in with_ours


def test_plugin_directory_is_cheap():
    code = (
        "import sys; from md_bridge.lammps import plugin_directory; plugin_directory();"
        "print(sorted({'torch', 'numpy', 'ase', 'metatomic'} & set(sys.modules)))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_mismatch_is_said_when_the_style_is_used(model_file, tmp_path, monkeypatch):
    sentence = "MD Bridge was compiled against torch 1.0, but torch 2.0 is installed."
    monkeypatch.setattr("md_bridge._versions.mismatch", lambda: sentence)
    run = tools.run_input(BOX + ours(model_file("lennard_jones")), tmp_path)
    assert run.returncode != 0
    assert f"Pair style mdbridge cannot be loaded: {sentence}" in run.stdout
    lj = "pair_style lj/cut 8\npair_coeff * * 0.01 3.4\nrun 0\n"
    assert tools.run_input(BOX + lj, tmp_path).returncode == 0


def test_no_mismatch_is_left_over(monkeypatch):
    monkeypatch.setenv("MDBRIDGE_BUILD_MISMATCH", "something old")
    plugin_directory()
    assert "MDBRIDGE_BUILD_MISMATCH" not in os.environ


def test_missing_library(model_file, tmp_path):
    """The registration library alone, as after a broken installation."""
    plugins = tmp_path / "md_bridge" / "plugins"
    plugins.mkdir(parents=True)
    shutil.copy(Path(plugin_directory()) / "mdbridgeplugin.so", plugins)
    (tmp_path / "in.lammps").write_text(BOX + ours(model_file("lennard_jones")))
    variables = {**environment(), "LAMMPS_PLUGIN_PATH": str(plugins)}
    run = subprocess.run(
        lmp_command(["-in", "in.lammps", "-log", "none"]),
        cwd=tmp_path,
        env=variables,
        capture_output=True,
        text=True,
    )
    assert run.returncode != 0
    assert f"expected its library {tmp_path}/md_bridge/lib/libmdbridge_lammps.so" in run.stdout
    assert "Reinstall md-bridge" in run.stdout


@pytest.mark.parametrize(
    ("keywords", "variables", "threads"),
    [("threads 2", {}, 2), ("", {"OMP_NUM_THREADS": "1"}, 1), ("threads 1", {}, 1)],
)
def test_threads(model_file, tmp_path, keywords, variables, threads):
    run = run_stock_lmp(BOX + ours(model_file("lennard_jones"), keywords), tmp_path, **variables)
    assert f"{threads} thread{'s' if threads > 1 else ''} per rank" in run.stdout


def test_threads_default_to_the_cores_of_this_process(model_file, tmp_path):
    run = run_stock_lmp(BOX + ours(model_file("lennard_jones")), tmp_path)
    cores = len(os.sched_getaffinity(0))
    assert f"{cores} thread{'s' if cores > 1 else ''} per rank" in run.stdout


# For ranks that mpirun has bound to four cores, on a machine that may have fewer.
BOUND_RANKS = """
#define _GNU_SOURCE
#include <sched.h>
#include <stdlib.h>
#include <string.h>
int sched_getaffinity(pid_t pid, size_t size, cpu_set_t *set) {
  const char *rank = getenv("PMI_RANK"), *apart = getenv("TEST_CORES_APART");
  int first = apart && rank ? 4 * atoi(rank) : 0;
  memset(set, 0, size);
  for (int core = first; core < first + 4; ++core) CPU_SET(core, set);
  return 0;
}
"""


def run_on_four_cores(text, tmp_path, *arguments, apart=False):
    """Two ranks on the same four cores, or each on four cores of its own."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    assert compiler is not None, "this test compiles a few lines of C"
    (tmp_path / "bound.c").write_text(BOUND_RANKS)
    shim = tmp_path / "bound.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", shim, "bound.c"], cwd=tmp_path, check=True)
    variables = {k: v for k, v in os.environ.items() if not k.startswith("OMP")}
    variables["LD_PRELOAD"] = str(shim)
    if apart:
        variables["TEST_CORES_APART"] = "yes"
    run = tools.run_input(text, tmp_path, *arguments, ranks=2, threads=None, env=variables)
    assert run.returncode == 0, run.stdout + run.stderr
    return run


@pytest.mark.parametrize(("apart", "threads"), [(False, 2), (True, 4)])
def test_ranks_share_the_cores_that_both_may_use(model_file, tmp_path, apart, threads):
    run = run_on_four_cores(BOX + ours(model_file("lennard_jones")), tmp_path, apart=apart)
    assert f"{threads} threads per rank" in run.stdout
    assert "partition" not in run.stdout


@pytest.mark.parametrize("keywords", ["", "threads 1"])
def test_partitions_are_told_that_they_do_not_share_cores(model_file, tmp_path, keywords):
    text = BOX + ours(model_file("lennard_jones"), keywords)
    run_on_four_cores(text, tmp_path, "-partition", "2x1")
    log = (tmp_path / "log.lammps.1").read_text()
    warned = "4 threads per rank here), also those that other partitions use" in log
    assert warned == (keywords == "")


def test_clear_and_start_again(model_file):
    """One LAMMPS, several boxes, models and pair styles one after the other."""
    path = model_file("lennard_jones")
    with tools.lammps(BOX, ours(path, "threads 1")) as lmp:
        first = lmp.get_thermo("pe")
        lmp.command("clear")
        lmp.commands_string(BOX + ours(path, "threads 1"))
        assert lmp.get_thermo("pe") == first
        lmp.commands_string("pair_style lj/cut 8.5\npair_coeff * * 0.0104 3.4\nrun 0")
        assert lmp.get_thermo("pe") == pytest.approx(first, abs=1e-10)
        lmp.commands_string(ours(model_file("curl"), "threads 1 forces direct"))
        direct = tools.results(lmp).forces
        lmp.commands_string(ours(model_file("curl"), "threads 1"))
        assert abs(tools.results(lmp).forces - direct).max() > 1e-5
