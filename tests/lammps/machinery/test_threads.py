"""The keyword `threads` holds whatever else in the process sets the number of OpenMP threads."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).with_name("count_threads.cpp")
PROGRAM = """
import os, sys
import torch
from md_bridge.lammps import new_lammps

commands, *options = sys.argv[1:]
lmp = new_lammps(["-log", "none", "-screen", "none", *options])
lmp.commands_string(commands)
open(os.environ["COUNT_THREADS"], "w").close()
lmp.command("run 1")
print("left", torch.get_num_threads())
"""
# so large that torch shares out its work
BOX = """
    units metal
    lattice fcc 5.4
    region box block 0 6 0 6 0 6
    create_box 1 box
    create_atoms 1 box
    mass 1 39.948
    """


@pytest.fixture(scope="module")
def counter(tmp_path_factory):
    library = tmp_path_factory.mktemp("counter") / "count_threads.so"
    command = [os.environ.get("CXX", "c++"), "-shared", "-fPIC", str(SOURCE), "-o", str(library)]
    subprocess.run([*command, "-ldl"], check=True)
    return library


@pytest.mark.parametrize(
    ("threads", "options", "left"),
    [
        ([3], ["-sf", "omp"], 1),
        ([3], ["-sf", "omp", "-pk", "omp", "2"], 2),
        ([3, 1], [], 1),
    ],
)
def test_number_of_threads(model_file, counter, tmp_path, threads, options, left):
    styles = [f"mdbridge {model_file('curl')} threads {number}" for number in threads]
    if len(threads) == 1:
        pair = f"pair_style {styles[0]}\npair_coeff * * Ar\n"
    else:
        pair = f"pair_style hybrid/overlay {' '.join(styles)}\n"
        pair += "pair_coeff * * mdbridge 1 Ar\npair_coeff * * mdbridge 2 Ar\n"
    environment = {key: value for key, value in os.environ.items() if key != "OMP_NUM_THREADS"}
    environment |= {"LD_PRELOAD": str(counter), "COUNT_THREADS": str(tmp_path / "counts")}
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM, BOX + pair + "run 0\n", *options],
        capture_output=True,
        text=True,
        timeout=300,
        env=environment,
        cwd=tmp_path,
    )
    assert run.returncode == 0, run.stderr[-2000:]
    assert 3 in map(int, (tmp_path / "counts").read_text().split())
    # what else there is in LAMMPS has its own number again
    assert int(run.stdout.split("left")[1]) == left
