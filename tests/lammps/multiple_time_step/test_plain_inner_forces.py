"""`symmetrize SET symmetrize/direct none`: outer forces are averages, inner ones are not."""

import re

import argon_levels as argon
import lammps_tools as tools
import mts_reference
import numpy as np
import pytest
from argon_levels import assert_same, forces_of, pair, run_to_end

M, STEPS = 3, 6
RESPA = f"run_style respa 2 {M} inner 1 3.0 4.0 outer 2\n"
MOVE = f"neighbor 1.0 bin\ntimestep {M * argon.INNER_STEP}\n"
OPTION = "symmetrize octahedral symmetrize/direct none"
THREE = "run_style respa 3 2 2 inner 1 3.0 4.0 middle 2 5.0 6.0 outer 3\n"


def reference(forces, steps, inside, timestep=argon.INNER_STEP):
    """The last frame of the plain scheme with these functions, innermost first."""
    return mts_reference.nested_time_step(
        argon.ATOMS.positions, argon.velocities(), argon.MASSES, forces, timestep, inside, steps
    )[-1]


@pytest.fixture(scope="module")
def levels(folder):
    """Functions of positions: plain direct forces and averaged conservative ones."""
    path = folder / "anisotropic.pt"
    return [forces_of(path, "direct"), forces_of(path, "conservative", symmetrize="octahedral")]


@pytest.mark.parametrize("ranks", [1, 2])
def test_follows_the_reference(folder, box, levels, tmp_path, ranks):
    text = box + pair(folder, "anisotropic", "", OPTION) + MOVE + RESPA + f"run {STEPS}\n"
    end = run_to_end(text, tmp_path, ranks)
    assert_same(*end, reference(levels, STEPS, [M]))
    averaged = forces_of(folder / "anisotropic.pt", "direct", symmetrize="octahedral")
    other = reference([averaged, levels[1]], STEPS, [M])
    assert np.abs(end[1] - other.velocities).max() > 1e-6  # it would be seen


@pytest.mark.parametrize("ranks", [1, 2])
def test_three_levels_have_plain_direct_forces_in_the_middle(folder, box, levels, tmp_path, ranks):
    models = pair(folder, "anisotropic", "stand_in", f"{OPTION} max_correction 1e6")
    timestep = f"neighbor 1.0 bin\ntimestep {4 * argon.INNER_STEP}\n"
    end = run_to_end(f"{box}{models}{timestep}{THREE}run {STEPS}\n", tmp_path, ranks)
    inner = forces_of(folder / "stand_in.pt", "direct")
    assert_same(*end, reference([inner, *levels], STEPS, [2, 2]))


def test_with_one_inner_step_it_is_velocity_verlet_of_the_averages(folder, box):
    ends = []
    for style in ("run_style verlet\n", "run_style respa 2 1 inner 1 3.0 4.0 outer 2\n"):
        with tools.lammps(
            box, pair(folder, "anisotropic", "", OPTION), MOVE, style, "run 6"
        ) as lmp:
            ends.append(tools.results(lmp))
    np.testing.assert_allclose(ends[1].velocities, ends[0].velocities, atol=1e-10)
    assert ends[1].energy == pytest.approx(ends[0].energy, abs=1e-11)


def test_restart(folder, box, tmp_path):
    start = (box, pair(folder, "anisotropic", "", OPTION), MOVE, RESPA)
    with tools.lammps(*start, "run 4\nrun 4") as lmp:
        whole = tools.results(lmp)
    with tools.lammps(*start, "run 4") as lmp:
        lmp.command(f"write_restart {tmp_path}/half.restart")
    begin = f"atom_modify map array\nread_restart {tmp_path}/half.restart\nfix nve all nve\n"
    with tools.lammps(begin, MOVE, RESPA, "run 4") as lmp:
        continued = tools.results(lmp)
    np.testing.assert_allclose(continued.velocities, whole.velocities, atol=1e-9)


def energy_fluctuation(folder, box, outer_step: float) -> float:
    """Standard deviation of etotal over 0.24 ps."""
    steps = round(0.24 / outer_step)
    energies = []
    settings = f"neighbor 1.0 bin\ntimestep {outer_step}\nthermo {steps // 10}\n"
    with tools.lammps(box, pair(folder, "anisotropic", "", OPTION), settings, RESPA) as lmp:
        for _ in range(10):
            lmp.command(f"run {steps // 10} post no")
            energies.append(lmp.get_thermo("etotal"))
    return float(np.std(energies))


def test_the_energy_of_the_averages_is_conserved(folder, box):
    """To the order of the integrator, though the inner forces know a direction."""
    coarse, fine = (energy_fluctuation(folder, box, step) for step in (0.008, 0.004))
    assert 3.0 < coarse / fine < 5.0  # quartered with half the step


def test_the_log_says_what_is_averaged_and_evaluated(folder, box, tmp_path):
    log = tmp_path / "log"
    models = pair(folder, "anisotropic", "", f"{OPTION} timing yes")
    with tools.lammps(box, models, MOVE, RESPA, log=str(log)) as lmp:
        lmp.command("run 5")
    text = log.read_text()
    assert "averaged over 24 orientations (octahedral), direct forces over none" in text
    assert re.search(rf"direct only {5 * (M - 1)}, both at once 6, conservative only 0\n", text)
    found = float(re.search(r"direct forces differ from .* ones by (\S+),", text)[1])
    conservative = forces_of(folder / "anisotropic.pt", "conservative", symmetrize="octahedral")(
        argon.ATOMS.positions
    )
    plain = forces_of(folder / "anisotropic.pt", "direct")(argon.ATOMS.positions)
    assert found == pytest.approx(np.sqrt(np.mean((conservative - plain) ** 2)), rel=6e-3)


def test_the_compute_shows_the_plain_direct_forces(folder, box, levels, tmp_path):
    text = box + pair(folder, "anisotropic", "", OPTION) + MOVE + RESPA
    text += "compute c all mdbridge/atom direct inner correction\nrun 1\n"
    text += "write_dump all custom found id x y z c_c[*] modify sort id format float %.17g\n"
    done = tools.run_input(text, tmp_path)
    assert done.returncode == 0, done.stdout[-3000:]
    x, found = np.split(np.loadtxt(tmp_path / "found", skiprows=9)[:, 1:], [3], axis=1)
    direct, conservative = (force(x) for force in levels)
    expected = np.hstack([direct, direct, conservative - direct])
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ("symmetrize/direct octahedral", "found symmetrize none and octahedral for them"),
        ("symmetrize random seed 3 symmetrize/direct none", "with symmetrize random the direct"),
        ("symmetrize octahedral symmetrize/direct noe", "found 'noe' (did you mean 'none'?)"),
        (
            "symmetrize octahedral inner_symmetrize none",
            "one model: 'symmetrize/direct none'",
        ),
    ],
)
def test_bad_input(folder, box, tmp_path, keywords, message):
    error = argon.error_of(box + pair(folder, "anisotropic", "", keywords), tmp_path, 1)
    assert message in error
