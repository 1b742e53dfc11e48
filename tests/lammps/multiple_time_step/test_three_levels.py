"""Three levels of `run_style respa`: an inner model, then direct forces, then conservative ones."""

import re

import lammps_tools as tools
import mts_reference
import numpy as np
import pytest
from argon_levels import ATOMS, FEMTOSECOND, MASSES, assert_same, forces_of, pair, velocities

INSIDE, MIDDLE, STEPS = 3, 2, 40
INNER_STEP = 1.0 * FEMTOSECOND
RESPA = f"run_style respa 3 {INSIDE} {MIDDLE} inner 1 3.0 4.0 middle 2 5.0 6.0 outer 3\n"
MOVE = f"neighbor 1.0 bin\ntimestep {INSIDE * MIDDLE * INNER_STEP}\n"
DUMP = "id x y z vx vy vz modify sort id format float %.17g\n"


def reference(folder, outer, inner, kind="direct", steps=STEPS, **options):
    """The last frame of the plain scheme; the options are those of the outer model."""
    outer = folder / f"{outer}.pt"
    forces = [
        forces_of(folder / f"{inner}.pt", kind),
        forces_of(outer, "direct", **options),
        forces_of(outer, "conservative", **options),
    ]
    return mts_reference.nested_time_step(
        ATOMS.positions, velocities(), MASSES, forces, INNER_STEP, [INSIDE, MIDDLE], steps
    )[-1]


# the longer range outside, and inside
PAIRS = [("two_layers", "stand_in", "direct"), ("strong_curl", "two_layers", "conservative")]


@pytest.fixture(scope="module")
def references(folder):
    return [reference(folder, *names) for names in PAIRS]


@pytest.mark.parametrize("ranks", [1, 2])
def test_follows_the_reference(folder, box, references, tmp_path, ranks):
    text = ""
    for number, (outer, inner, kind) in enumerate(PAIRS):
        # two_layers attracts where the others repel: not what a run would begin with
        keywords = f"inner_forces {kind} max_correction 1e6"
        text += box + pair(folder, outer, inner, keywords) + MOVE + RESPA
        # the list is taken anew in between, and in the second run
        text += f"run {STEPS - 10}\nrun 10\nwrite_dump all custom {number}.dump {DUMP}clear\n"
    done = tools.run_input(text, tmp_path, ranks=ranks)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    for number, frame in enumerate(references):
        end = np.loadtxt(tmp_path / f"{number}.dump", skiprows=9)[:, 1:]
        assert np.abs(end[:, :3] - ATOMS.positions).max() > 0.3
        assert_same(end[:, :3], end[:, 3:], frame)


def test_nothing_is_evaluated_twice(folder, box, tmp_path):
    log = tmp_path / "log"
    with tools.lammps(
        box, pair(folder, "strong_curl", "stand_in", "timing yes"), MOVE, RESPA, log=str(log)
    ) as lmp:
        lmp.command("run 7")
    text = log.read_text()
    both = f"direct only {7 * (MIDDLE - 1)}, both at once 8, conservative only 0"
    assert re.search(rf"outer model .* evaluations {7 * MIDDLE + 1}: {both}\n", text)
    assert re.search(rf"inner model .* evaluations {7 * MIDDLE * INSIDE + 1}\n", text)


def test_both_lower_levels_are_compared_with_the_conservative_forces(folder, box, tmp_path):
    log = tmp_path / "log"
    with tools.lammps(
        box, pair(folder, "strong_curl", "stand_in"), MOVE, RESPA, "run 0", log=str(log)
    ):
        pass
    found = re.findall(r"(\S+ \S+|\S+'s) forces differ from .* ones by (\S+),", log.read_text())
    conservative, direct = (
        forces_of(folder / "strong_curl.pt", kind)(ATOMS.positions)
        for kind in ("conservative", "direct")
    )
    inner = forces_of(folder / "stand_in.pt", "direct")(ATOMS.positions)
    expected = [np.sqrt(np.mean((conservative - lower) ** 2)) for lower in (direct, inner)]
    assert [float(value) for _, value in found] == pytest.approx(expected, rel=6e-3)
    assert expected[0] != pytest.approx(expected[1], rel=0.05)


@pytest.mark.parametrize("levels", [RESPA, "run_style respa 2 4 inner 1 3.0 4.0 outer 2\n"])
def test_a_run_after_one_with_other_levels(folder, box, levels):
    """Two levels after three begin anew, and three after two."""
    other = RESPA if levels != RESPA else "run_style respa 2 4 inner 1 3.0 4.0 outer 2\n"
    models = pair(folder, "strong_curl", "stand_in")
    ends = []
    for before in (other, "run_style verlet\n"):
        with tools.lammps(box, models, MOVE, before, "run 0", levels, "run 3") as lmp:
            ends.append(tools.results(lmp))
    assert_same(ends[0].positions, ends[0].velocities, ends[1], 1e-13)
    assert ends[0].energy == pytest.approx(ends[1].energy, abs=1e-12)


def test_constant_pressure_and_computes(folder, box):
    """Energy and pressure at outer steps are the conservative ones, and so are those of atoms."""
    npt = "unfix nve\nfix npt all npt temp 200 200 0.2 tri 0 0 1.0\n"
    models = pair(folder, "strong_curl", "stand_in")
    compute = "compute c all mdbridge/atom conservative direct inner correction\n"
    compute += "compute e all pe/atom\ncompute m all reduce sum c_c[1] c_c[12] c_e\n"
    compute += "thermo 1\nthermo_style custom step c_m[1] c_m[2] c_m[3] pe press\n"
    with tools.lammps(box, models, MOVE, npt, compute, RESPA, "run 5") as lmp:
        end = tools.results(lmp)
        atoms = ATOMS.copy()
        found = np.array(lmp.gather("c_c", 1, 12)).reshape(-1, 12)
        energies = np.array(lmp.gather("c_e", 1, 1))
        lmp.commands_string("run_style verlet\nrun 0")
        expected = tools.results(lmp)
        forces = np.array(lmp.gather("c_c", 1, 12)).reshape(-1, 12)
        assert lmp.get_thermo("vol") != pytest.approx(atoms.get_volume(), rel=1e-4)
    assert end.energy == pytest.approx(expected.energy, abs=1e-10)
    assert energies.sum() == pytest.approx(expected.energy, abs=1e-10)
    np.testing.assert_allclose(end.pressure, expected.pressure, rtol=1e-9, atol=1e-6)
    np.testing.assert_allclose(found, forces, rtol=0, atol=1e-10)
    np.testing.assert_allclose(found[:, 9:], found[:, :3] - found[:, 6:9], rtol=0, atol=1e-12)


# outer and inner model -> what the message must hold
REFUSED = {
    "an outer model without direct forces": (
        ("lennard_jones", "stand_in"),
        ["cannot give direct forces", "the middle level of run_style respa"],
    ),
    "the same model inside": (
        ("strong_curl", "strong_curl"),
        ["needs a model of its own for the inner level"],
    ),
    "direct forces of another surface": (
        ("unrelated", "stand_in"),
        ["the direct forces of the model differ", "leave out the middle level", "variant/direct"],
    ),
    "an inner model of another surface": (
        ("strong_curl", "unrelated"),
        ["the forces of the inner model differ", "another inner model (keyword inner)"],
    ),
}


@pytest.mark.parametrize("ranks", [1, 2])
@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(folder, box, tmp_path, name, ranks):
    names, parts = REFUSED[name]
    done = tools.run_input(
        box + pair(folder, *names) + MOVE + RESPA + "run 1\n", tmp_path, ranks=ranks
    )
    assert done.returncode == 1
    error = " ".join(line for line in done.stdout.splitlines() if "ERROR" in line)
    for part in parts:
        assert part in error


def test_symmetrization_of_the_outer_model(folder, box):
    models = pair(folder, "anisotropic", "stand_in", "symmetrize octahedral max_correction 1e6")
    with tools.lammps(box, models, MOVE, RESPA, "run 10") as lmp:
        end = tools.results(lmp)
    frame = reference(folder, "anisotropic", "stand_in", steps=10, symmetrize="octahedral")
    assert_same(end.positions, end.velocities, frame)
    plain = reference(folder, "anisotropic", "stand_in", steps=10)
    assert np.abs(plain.positions - frame.positions).max() > 1e-8


def test_restart(folder, box, tmp_path):
    begin = box + pair(folder, "strong_curl", "stand_in") + MOVE + RESPA
    again = "clear\natom_modify map array sort 0 0\nread_restart half\nfix nve all nve\n"
    text = begin + f"run 15\nwrite_restart half\n{again}neighbor 1.0 bin\n{RESPA}run 15\n"
    done = tools.run_input(f"{text}write_dump all custom end.dump {DUMP}", tmp_path)
    assert done.returncode == 0, done.stdout[-3000:]
    end = np.loadtxt(tmp_path / "end.dump", skiprows=9)[:, 1:]
    assert_same(end[:, :3], end[:, 3:], reference(folder, "strong_curl", "stand_in", steps=30))


def test_bonds_in_a_level_of_their_own(folder, box):
    """The first guess of how many middle steps there are is then wrong, and no force is."""
    style = (
        f"run_style respa 4 1 {INSIDE} {MIDDLE} bond 1 inner 2 3.0 4.0 middle 3 5.0 6.0 outer 4\n"
    )
    with tools.lammps(box, pair(folder, "strong_curl", "stand_in"), MOVE, style, "run 10") as lmp:
        end = tools.results(lmp)
    frame = reference(folder, "strong_curl", "stand_in", steps=10)
    assert_same(end.positions, end.velocities, frame)
