"""Ranks that have to share an accelerator, and one rank that has it for itself: the stock ``lmp``
on two emulated devices."""

import os
import subprocess

import emulated_device
import lammps_tools as tools
import models
import numpy as np
import pytest

from md_bridge.lammps.runner import environment, lmp_command, mpiexec

SHARED = "2 ranks of a node compute on a device of the same name"


@pytest.fixture(scope="module")
def preloaded():
    """The environment of a program that finds the emulated devices."""
    try:
        library = emulated_device.build()
    except emulated_device.NoEmulationError as error:
        pytest.skip(str(error))
    return {**os.environ, **tools.PATIENCE, "LD_PRELOAD": str(library)}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("shared") / "model.pt"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("md_bridge.export.options.DEVICES", ("cpu", "cuda", "xpu"))
        return models.lennard_jones().export(path, devices=["xpu", "cuda", "cpu"])


def run(folder, model, preloaded, ranks, device="auto"):
    """What it printed, and its energies."""
    box = tools.box_from_file(tools.argon(cells=(3, 3, 3)), ["Ar"], folder / "box.data")
    text = f"""{box}
pair_style mdbridge {model} device {device}
pair_coeff * * Ar
velocity all create 100 7 loop geom
timestep 0.002
fix move all nve
thermo 1
thermo_style custom step pe etotal
{tools.THERMO}
run 3
"""
    done = tools.run_input(text, folder, warm=False, ranks=ranks, env=preloaded)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = [line.split() for line in done.stdout.splitlines()]
    numbers = [[float(x) for x in row] for row in rows if len(row) == 3 and row[0].isdigit()]
    return done.stdout, np.array(numbers)


def test_ranks_that_share_a_device_are_told_so(tmp_path, model, preloaded):
    """Three on two devices, of which the first and the third have the same one."""
    said, numbers = run(tmp_path, model, preloaded, 3)
    assert "on xpu:0" in said
    assert said.count(SHARED) == 1
    _, expected = run(tmp_path, model, preloaded, 1, "cpu")
    assert len(expected) == 4
    np.testing.assert_allclose(numbers, expected, rtol=1e-10)


@pytest.mark.parametrize(("ranks", "device"), [(2, "auto"), (1, "auto"), (3, "cpu")])
def test_each_with_its_own_are_not(tmp_path, model, preloaded, ranks, device):
    said, numbers = run(tmp_path, model, preloaded, ranks, device)
    assert f"on {'xpu:0' if device == 'auto' else 'cpu'}" in said
    assert "device of the same name" not in said
    assert len(numbers) == 4


def test_ranks_that_see_other_devices_are_not(tmp_path, model, preloaded):
    """As under a launcher that gives each rank a GPU, the first one that it sees."""
    (tmp_path / "each").write_text('ZE_AFFINITY_MASK=$PMI_RANK exec "$@"')
    ours = [str(word) for word in lmp_command([])]
    box = tools.box_from_file(tools.argon(cells=(3, 3, 3)), ["Ar"], tmp_path / "box.data")
    text = f"{box}\npair_style mdbridge {model}\npair_coeff * * Ar\nrun 0\n"
    (tmp_path / "in.lammps").write_text(text)
    words = [*ours, "-in", "in.lammps", "-log", "none"]
    warned = []
    for wrapper in ([], ["sh", "each"]):
        done = subprocess.run(
            [str(mpiexec()), "-n", "3", *wrapper, *words], cwd=tmp_path,
            env=environment(1, preloaded), capture_output=True, text=True, timeout=300,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        warned.append(SHARED in done.stdout)
    assert warned == [True, False]
