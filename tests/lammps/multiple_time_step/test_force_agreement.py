"""Direct forces that have nothing to do with the conservative ones are noticed at the start."""

import re

import lammps_tools as tools
import models
import numpy as np
import pytest

from md_bridge.engine import Engine, structure_from_ase

ARGON = tools.argon(cells=(3, 2, 2))
RESPA = "run_style respa 2 2 inner 1 3.0 4.0 outer 2\ntimestep 0.002\n"
LINE = re.compile(
    r"differ from the conservative ones by (\S+), these are (\S+) eV/Angstrom(?: \((\S+) %\))?"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("agreement")
    models.curl(size=0.02).export(folder / "good.pt")
    models.curl(size=5.0).export(folder / "unrelated.pt")
    models.stand_in(size=0.02).export(folder / "student.pt")
    return folder


def pair(words: str) -> str:
    return f"pair_style mdbridge {words} threads 1\npair_coeff * * Ar\n"


def box(folder, atoms=ARGON) -> str:
    return tools.box_from_file(atoms, ["Ar"], folder / "argon.data")


@pytest.mark.parametrize("ranks", [1, 2])
def test_a_line_in_the_log(folder, ranks):
    text = box(folder) + pair("good.pt") + RESPA + "run 1\nrun 1\n"
    run = tools.run_input(text, folder, ranks=ranks)
    assert run.returncode == 0, run.stdout[-2000:]
    (line,) = LINE.findall(run.stdout)  # once
    both = Engine(folder / "good.pt").evaluate(
        structure_from_ase(ARGON), conservative_forces=True, direct_forces=True
    )
    exact = np.array(both.conservative_forces)
    rms = np.sqrt(np.mean(exact**2))
    off = np.sqrt(np.mean((exact - np.array(both.direct_forces)) ** 2))
    np.testing.assert_allclose([float(n) for n in line], [off, rms, 100 * off / rms], rtol=6e-3)


@pytest.mark.parametrize("ranks", [1, 2])
def test_unrelated_forces_stop_the_run(folder, ranks):
    run = tools.run_input(
        box(folder) + pair("unrelated.pt") + RESPA + "run 5\n", folder, ranks=ranks
    )
    assert run.returncode == 1
    error = " ".join(line for line in run.stdout.splitlines() if "ERROR" in line)
    assert "do not belong to one potential energy surface" in error
    assert "max_correction" in error
    assert len(LINE.findall(run.stdout)) == 1


@pytest.mark.parametrize("ranks", [1, 2])
@pytest.mark.parametrize("kind", ["direct", "conservative"])
def test_the_numbers_of_two_models(folder, kind, ranks):
    """Conservative forces of an inner model lie on ghosts of other ranks, too."""
    text = box(folder) + pair(f"good.pt inner student.pt inner_forces {kind}")
    run = tools.run_input(text + RESPA + "run 1\n", folder, ranks=ranks)
    assert run.returncode == 0, run.stdout[-2000:]
    assert run.stdout.count("the inner model's forces differ") == 1
    (line,) = LINE.findall(run.stdout)
    structure, outer = structure_from_ase(ARGON), Engine(folder / "good.pt")
    exact = outer.evaluate(structure, conservative_forces=True).conservative_forces
    inner = Engine(folder / "student.pt").evaluate(structure, **{f"{kind}_forces": True})
    off = np.sqrt(np.mean((exact - getattr(inner, f"{kind}_forces")) ** 2))
    rms = np.sqrt(np.mean(exact**2))
    np.testing.assert_allclose([float(n) for n in line], [off, rms, 100 * off / rms], rtol=6e-3)


@pytest.mark.parametrize("ranks", [1, 2])
def test_unrelated_inner_model_stops_the_run(folder, ranks):
    run = tools.run_input(
        box(folder) + pair("good.pt inner unrelated.pt") + RESPA + "run 5\n", folder, ranks=ranks
    )
    assert run.returncode == 1
    error = " ".join(line for line in run.stdout.splitlines() if "ERROR" in line)
    assert "forces of the inner model differ" in error
    assert "another inner model (keyword inner)" in error


def test_what_is_allowed_stays_allowed_in_a_restart(folder):
    allowed = box(folder) + pair("unrelated.pt max_correction 1e3") + RESPA
    read = "read_restart r\nfix nve all nve\n" + RESPA
    for text in (allowed + "run 0\nwrite_restart r\n", read + "run 0\n"):
        run = tools.run_input(text, folder)
        assert run.returncode == 0, run.stdout[-2000:]


def test_a_crystal_at_rest(folder):
    """Its conservative forces are zero, which says nothing of the direct ones."""
    perfect = tools.argon(cells=(2, 2, 2))
    perfect.set_scaled_positions(np.round(4 * perfect.get_scaled_positions()) / 4)
    text = box(folder, perfect) + pair("unrelated.pt") + RESPA + "run 0\n"
    run = tools.run_input(text, folder)
    assert run.returncode == 0, run.stdout[-2000:]
    ((_, size, part),) = LINE.findall(run.stdout)
    assert float(size) < 1e-6
    assert part == ""


@pytest.mark.parametrize("value", ["0", "-1", "much", "1x"])
def test_a_bad_value(folder, value):
    run = tools.run_input(box(folder) + pair(f"good.pt max_correction {value}"), folder)
    assert run.returncode == 1
    assert f"'max_correction' expects a positive number, found '{value}'" in run.stdout
