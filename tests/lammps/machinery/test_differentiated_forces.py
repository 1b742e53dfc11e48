"""Commands that differentiate forces by displacing atoms, outside of any run."""

import lammps_tools as tools
import numpy as np
import pytest

ARGON = tools.argon(cells=(1, 1, 1))
WARNING = "rounding errors that drown the differences"


def pair(path, keywords: str = "") -> str:
    return f"pair_style mdbridge {path} threads 1 {keywords}\npair_coeff * * Ar\n"


def differentiate(folder, path, command: str, keywords: str = "", ranks: int = 1):
    box = tools.box_from_file(ARGON, ["Ar"], folder / "argon.data")
    return tools.run_input(box + pair(path, keywords) + command + "\n", folder, ranks=ranks)


@pytest.mark.parametrize("command", ["dynamical_matrix", "third_order"])
def test_direct_forces_are_refused(model_file, tmp_path, command):
    """They are the gradient of nothing: their matrix is not symmetric."""
    command = f"{command} all regular 0.01 file out.dat"
    run = differentiate(tmp_path, model_file("curl"), command, "forces direct virial conservative")
    assert run.returncode == 1
    assert "needs forces that are the gradient of the energy" in run.stdout


@pytest.mark.parametrize(
    ("dtype", "displacement", "ranks", "warned"),
    [
        ("float32", 1e-6, 1, True),
        ("float32", 1e-3, 2, True),
        ("float32", 0.01, 1, False),
        ("float64", 1e-6, 1, False),
    ],
)
def test_displacements_in_single_precision(
    model_file, tmp_path, dtype, displacement, ranks, warned
):
    command = f"dynamical_matrix all regular {displacement} file out.dat"
    run = differentiate(tmp_path, model_file("curl", dtype), command, ranks=ranks)
    assert run.returncode == 0, run.stdout[-2000:]
    assert run.stdout.count(WARNING) == int(warned)
    matrix = np.loadtxt(tmp_path / "out.dat").reshape(12, 12)
    noise = np.abs(matrix - matrix.T).max() / np.abs(matrix).max()
    assert (noise > 1e-3) == (displacement < 1e-5 and dtype == "float32"), noise


def test_runs_are_not_meant(model_file, tmp_path):
    run = differentiate(tmp_path, model_file("curl", "float32"), "run 2")
    assert run.returncode == 0
    assert WARNING not in run.stdout
