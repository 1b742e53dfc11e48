"""A restart file whose model or device is absent can still be read."""

import lammps_tools as tools
import models
import pytest

BOX = tools.box(tools.argon(cells=(1, 1, 1), lattice=6.0), ["Ar"])
LJ_CUT = "pair_style lj/cut 8.5\npair_coeff * * 0.0104 3.4\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """``alone`` and ``hybrid``: restart files of a model that is gone."""
    folder = tmp_path_factory.mktemp("restart")
    models.curl().export(folder / "curl.pt")
    alone = "pair_style mdbridge curl.pt\npair_coeff * * Ar\nrun 0\nwrite_restart alone\n"
    hybrid = (
        "pair_style hybrid/overlay mdbridge curl.pt lj/cut 6.0\npair_coeff * * mdbridge Ar\n"
        "pair_coeff * * lj/cut 0.002 3.0\nrun 0\nwrite_restart hybrid\n"
    )
    for commands in (alone, hybrid):
        run = tools.run_input(BOX + commands, folder)
        assert run.returncode == 0, run.stdout[-2000:]
    (folder / "curl.pt").unlink()
    return folder


@pytest.mark.parametrize("name", ["alone", "hybrid"])
@pytest.mark.parametrize("ranks", [1, 2])
def test_another_pair_style(folder, name, ranks):
    run = tools.run_input(f"read_restart {name}\n{LJ_CUT}run 0\n", folder, ranks=ranks)
    assert run.returncode == 0, run.stdout[-2000:]
    assert "WARNING: Pair style mdbridge" in run.stdout
    assert "written with the model 'curl.pt'" in run.stdout


def test_conversion_to_a_data_file(folder):
    run = tools.run_lmp(
        ["-restart2data", "alone", "out.data", "-log", "none"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        threads=1,
    )
    assert run.returncode == 0, run.stdout[-2000:]
    assert "4 atoms" in (folder / "out.data").read_text()


@pytest.mark.parametrize(
    "commands",
    [
        "read_restart alone\n",
        "read_restart alone\npair_coeff * * Ar\n",
        "read_restart hybrid\npair_coeff * * mdbridge Ar\n",
    ],
)
def test_no_run_without_a_model(folder, commands):
    run = tools.run_input(commands + "run 0\n", folder)
    assert run.returncode == 1
    error = " ".join(line for line in run.stdout.splitlines() if "ERROR" in line)
    assert "pair_style and pair_coeff after read_restart" in error or "pair coeffs" in error


def test_a_device_that_is_not_there(folder, tmp_path):
    """Written where the device was: the file's settings are changed to say so."""
    models.curl().export(tmp_path / "curl.pt")
    write = "pair_style mdbridge curl.pt device cpu\npair_coeff * * Ar\nrun 0\nwrite_restart r\n"
    run = tools.run_input(BOX + write, tmp_path)
    assert run.returncode == 0, run.stdout[-2000:]
    restart = tmp_path / "r"
    changed = restart.read_bytes().replace(b"\x03\x00\x00\x00cpu", b"\x07\x00\x00\x00cuda:97")
    assert changed != restart.read_bytes()
    restart.write_bytes(changed)
    run = tools.run_input(f"read_restart r\n{LJ_CUT}run 0\n", tmp_path)
    assert run.returncode == 0, run.stdout[-2000:]
    assert "WARNING: Pair style mdbridge" in run.stdout
