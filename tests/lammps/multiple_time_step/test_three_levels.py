"""Three levels of `run_style respa`: an inner model, then direct forces, then conservative ones."""

import re

import lammps_tools as tools
import mts_reference
import numpy as np
import pytest
from argon_levels import (
    ATOMS,
    DUMP,
    FEMTOSECOND,
    MASSES,
    assert_same,
    beside_companion,
    both,
    companion,
    error_of,
    forces_of,
    pair,
    run_to_end,
    velocities,
)

INSIDE, MIDDLE, STEPS = 3, 2, 40
INNER_STEP = 1.0 * FEMTOSECOND
RESPA = f"run_style respa 3 {INSIDE} {MIDDLE} inner 1 3.0 4.0 middle 2 5.0 6.0 outer 3\n"
MOVE = f"neighbor 1.0 bin\ntimestep {INSIDE * MIDDLE * INNER_STEP}\n"


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


@pytest.mark.parametrize("ranks", [2])
def test_constant_pressure(folder, box, tmp_path, ranks):
    """The box moves as that of the outer model alone where all levels make the same steps; and
    energy and pressure at outer steps are the conservative ones."""
    one_step = "run_style respa 3 1 1 inner 1 3.0 4.0 middle 2 5.0 6.0 outer 3\n"
    one_step = f"{one_step}timestep {INNER_STEP}\n"
    outer = pair(folder, "strong_curl")
    two = pair(folder, "strong_curl", "stand_in")
    npt = "unfix nve\nfix npt all npt temp 200 200 0.2 tri 0 0 1.0\n"
    shape = "$(vol:%.17g) $(lx:%.17g) $(ly:%.17g) $(lz:%.17g) $(xy:%.17g) $(xz:%.17g) $(yz:%.17g)"
    there = "$(pe:%.17g) $(pxx:%.17g) $(pyy:%.17g) $(pxy:%.17g)"
    end = f'print "{shape} {there}" append found screen no\n'
    text = f"{box}{two}{MOVE}{npt}{one_step}run 20\n{end}clear\n"
    text += f"{box}{outer}{MOVE}{npt}timestep {INNER_STEP}\nrun 20\n{end}clear\n"
    text += f"{box}{two}{MOVE}{npt}{RESPA}run 20\n{end}{outer}run_style verlet\nrun 0\n{end}"
    done = tools.run_input(text, tmp_path, ranks=ranks)
    assert done.returncode == 0, done.stdout[-3000:]
    found, expected, levels, at_end = np.loadtxt(tmp_path / "found")
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-8)
    np.testing.assert_allclose(levels, at_end, rtol=1e-9, atol=1e-8)
    for row in (found, levels):
        assert abs(row[0] / ATOMS.get_volume() - 1.0) > 1e-4


@pytest.mark.parametrize("ranks", [2])
def test_computes(folder, box, tmp_path, ranks):
    text = box + pair(folder, "strong_curl", "stand_in") + MOVE + RESPA
    text += "compute c all mdbridge/atom conservative direct inner correction\n"
    text += "compute e all pe/atom\ncompute m all reduce sum c_c[1] c_c[12] c_e\n"
    text += "thermo 1\nthermo_style custom step c_m[1] c_m[2] c_m[3] pe press\nrun 5\n"
    text += "write_dump all custom found id x y z c_c[*] modify sort id format float %.17g\n"
    text += 'variable e equal c_m[3]\nprint "$(v_e:%.17g) $(pe:%.17g)" file energies\n'
    done = tools.run_input(text, tmp_path, ranks=ranks)
    assert done.returncode == 0, done.stdout[-3000:]
    x, found = np.split(np.loadtxt(tmp_path / "found", skiprows=9)[:, 1:], [3], axis=1)
    outer, direct = (
        forces_of(folder / "strong_curl.pt", kind)(x) for kind in ("conservative", "direct")
    )
    inner = forces_of(folder / "stand_in.pt", "direct")(x)
    expected = np.hstack([outer, direct, inner, outer - inner])
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-10)
    of_atoms, whole = np.loadtxt(tmp_path / "energies")
    assert of_atoms == pytest.approx(whole, abs=1e-10)


@pytest.fixture(scope="module")
def beside_another(folder):
    """The last frame of the plain scheme with two potentials."""
    outer = folder / "strong_curl.pt"
    forces = [
        both(forces_of(folder / "stand_in.pt", "direct"), companion(3.0, 4.0)),
        both(forces_of(outer, "direct"), companion(5.0, 6.0)),
        both(forces_of(outer, "conservative"), companion()),
    ]
    start = (ATOMS.positions, velocities(), MASSES)
    frame = mts_reference.nested_time_step(*start, forces, INNER_STEP, [INSIDE, MIDDLE], 10)[-1]
    without = reference(folder, "strong_curl", "stand_in", steps=10)
    assert np.abs(without.positions - frame.positions).max() > 0.01
    return frame


@pytest.mark.parametrize("ranks", [1, 4])
def test_beside_another_pair_style(folder, box, beside_another, tmp_path, ranks):
    """Whose forces LAMMPS splits between the three levels by distance."""
    models = beside_companion(pair(folder, "strong_curl", "stand_in"))
    found = run_to_end(box + models + MOVE + RESPA + "run 10\n", tmp_path, ranks)
    assert_same(*found, beside_another)


@pytest.mark.parametrize("ranks", [1, 2])
def test_a_broken_direct_force_in_the_middle_level_stops_the_run(folder, box, tmp_path, ranks):
    """Of the outer model, whose conservative forces are in order."""
    text = box + pair(folder, "nan_direct", "stand_in", "max_correction 1e6") + MOVE + RESPA
    error = error_of(text + "run 50\n", tmp_path, ranks)
    assert "the model returned a force that is not finite" in error
    assert "inner model" not in error.replace("an inner model", "")
    assert re.search(r"in step [1-9]\d* .* on atom ID \d+ \(element Ar, type 1\)", error)


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


@pytest.mark.parametrize("ranks", [2])
def test_restart(folder, box, tmp_path, ranks):
    begin = box + pair(folder, "strong_curl", "stand_in") + MOVE + RESPA
    again = "clear\natom_modify map array sort 0 0\nread_restart half\nfix nve all nve\n"
    text = begin + f"run 15\nwrite_restart half\n{again}neighbor 1.0 bin\n{RESPA}run 15\n"
    found = run_to_end(text, tmp_path, ranks)
    assert_same(*found, reference(folder, "strong_curl", "stand_in", steps=30))


def test_bonds_in_a_level_of_their_own(folder, box):
    """The first guess of how many middle steps there are is then wrong, and no force is."""
    style = (
        f"run_style respa 4 1 {INSIDE} {MIDDLE} bond 1 inner 2 3.0 4.0 middle 3 5.0 6.0 outer 4\n"
    )
    with tools.lammps(box, pair(folder, "strong_curl", "stand_in"), MOVE, style, "run 10") as lmp:
        end = tools.results(lmp)
    frame = reference(folder, "strong_curl", "stand_in", steps=10)
    assert_same(end.positions, end.velocities, frame)
