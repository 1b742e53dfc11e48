"""`pair_style mdbridge outer.pt inner inner.pt` under rRESPA, on any number of ranks."""

import math
import re

import lammps_tools as tools
import mts_reference
import numpy as np
import pytest
from argon_levels import (
    ATOMS,
    INNER_STEP,
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

from md_bridge.export.model_file import load_exported
from md_bridge.export.outputs import keep_outputs

M, STEPS = 4, 50
RESPA = f"run_style respa 2 {M} inner 1 3.0 4.0 outer 2\n"
MOVE = f"neighbor 1.0 bin\ntimestep {M * INNER_STEP}\n"


def reference(folder, outer, inner, kind="direct", steps=STEPS, outer_options=None, **options):
    """The last frame of the plain scheme."""
    return mts_reference.multiple_time_step(
        ATOMS.positions,
        velocities(),
        MASSES,
        forces_of(folder / f"{outer}.pt", "conservative", **(outer_options or {})),
        forces_of(folder / f"{inner}.pt", kind, **options),
        INNER_STEP,
        M,
        steps,
    )[-1]


# outer and inner model: the longer range outside; the longer cutoff inside and the more layers
# outside; the longer range, and more layers, inside
PAIRS = [("strong_curl", "stand_in"), ("two_layers", "stand_in"), ("stand_in", "two_layers")]


@pytest.fixture(scope="module")
def references(folder):
    return {names: reference(folder, *names) for names in PAIRS}


@pytest.mark.parametrize("ranks", [1, 2, 3, 4])
def test_follows_the_reference_on_any_number_of_ranks(folder, box, references, tmp_path, ranks):
    # more than the cores here take long
    pairs = PAIRS if ranks < 3 else PAIRS[ranks - 3 : ranks - 2]
    text = ""
    for number, (outer, inner) in enumerate(pairs):
        text += box + pair(folder, outer, inner) + MOVE + RESPA + f"run {STEPS}\n"
        text += f"write_dump all custom {number}.dump id x y z vx vy vz "
        text += "modify sort id format float %.17g\nclear\n"
    done = tools.run_input(text, tmp_path, ranks=ranks)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    for number, names in enumerate(pairs):
        end = np.loadtxt(tmp_path / f"{number}.dump", skiprows=9)[:, 1:]
        assert np.abs(end[:, :3] - ATOMS.positions).max() > 0.3
        assert_same(end[:, :3], end[:, 3:], references[names])


def test_conservative_inner_forces(folder, box):
    keywords = "inner_forces conservative"
    with tools.lammps(
        box, pair(folder, "strong_curl", "stand_in", keywords), MOVE, RESPA, f"run {STEPS}"
    ) as lmp:
        end = tools.results(lmp)
    frame = reference(folder, "strong_curl", "stand_in", "conservative")
    assert_same(end.positions, end.velocities, frame)


def test_conservative_forces_of_an_inner_model_without_direct_ones(folder, box, tmp_path):
    log = tmp_path / "log"
    with tools.lammps(
        box, pair(folder, "strong_curl", "lennard_jones"), MOVE, RESPA, "run 5", log=str(log)
    ) as lmp:
        end = tools.results(lmp)
    frame = reference(folder, "strong_curl", "lennard_jones", "conservative", steps=5)
    assert_same(end.positions, end.velocities, frame)
    assert "forces conservative" in log.read_text().split("inner model")[1]


@pytest.mark.parametrize(("inside", "ranks"), [(False, 2), (True, 1), (True, 2)])
def test_symmetrization_of_the_outer_model_or_both(folder, box, tmp_path, inside, ranks):
    keywords = "symmetrize octahedral" + (" inner_symmetrize octahedral" if inside else "")
    text = box + pair(folder, "anisotropic", "anisotropic", keywords) + MOVE + RESPA + "run 10\n"
    average = {"symmetrize": "octahedral"}
    frame = reference(
        folder,
        "anisotropic",
        "anisotropic",
        steps=10,
        outer_options=average,
        **(average if inside else {}),
    )
    assert_same(*run_to_end(text, tmp_path, ranks), frame)


def test_the_same_model_inside_is_one_model(folder, box, tmp_path):
    ends, logs = [], []
    for number, inner in enumerate(("", "strong_curl")):
        log = tmp_path / f"log.{number}"
        with tools.lammps(
            box,
            pair(folder, "strong_curl", inner, "timing yes"),
            MOVE,
            RESPA,
            f"run {STEPS}",
            log=str(log),
        ) as lmp:
            ends.append(tools.results(lmp))
        logs.append(re.findall(r"direct only \d+, both at once \d+.*", log.read_text()))
    for name in ("energy", "forces", "pressure", "positions", "velocities"):
        np.testing.assert_array_equal(getattr(ends[0], name), getattr(ends[1], name))
    assert (
        logs[0]
        == logs[1]
        == [f"direct only {(M - 1) * STEPS}, both at once {STEPS + 1}, conservative only 0"]
    )


def test_a_line_for_each_model_in_the_timing_table(folder, box, tmp_path):
    log = tmp_path / "log"
    with tools.lammps(
        box,
        pair(folder, "strong_curl", "stand_in", "timing yes"),
        MOVE,
        RESPA,
        "run 7",
        log=str(log),
    ):
        pass
    text = log.read_text()
    # nothing is evaluated twice
    assert re.search(r"outer model +[\d.]+ +[\d.]+ % +evaluations 8\n", text)
    assert re.search(rf"inner model +[\d.]+ +[\d.]+ % +evaluations {1 + 7 * M}\n", text)


def test_without_levels_the_outer_model_alone_drives(folder, box, tmp_path):
    ends, log = [], tmp_path / "log"
    for inner in ("", "stand_in"):
        with tools.lammps(
            box,
            pair(folder, "strong_curl", inner),
            "neighbor 1.0 bin\ntimestep 0.002\n",
            "run 10\nrun 10",
            log=str(log) if inner else "none",
        ) as lmp:
            ends.append(tools.results(lmp))
    np.testing.assert_allclose(ends[1].positions, ends[0].positions, rtol=0, atol=1e-11)
    assert ends[1].energy == pytest.approx(ends[0].energy, abs=1e-11)
    note = "the outer model .*strong_curl.* alone drives; the inner one is not used"
    assert len(re.findall(note, log.read_text())) == 1


def test_restart_finds_both_models(folder, box, tmp_path):
    """By the names in the input, else where they were; in another folder than the first run."""
    there, here = tmp_path / "there", tmp_path / "here"
    for name in (there, here):
        name.mkdir()
    for name in ("strong_curl", "stand_in"):
        (there / f"{name}.pt").write_bytes((folder / f"{name}.pt").read_bytes())
    style = (
        "pair_style mdbridge strong_curl.pt threads 1 inner stand_in.pt inner_forces conservative\n"
    )
    first = box + style + "pair_coeff * * Ar\n" + MOVE + RESPA + "run 25\nwrite_restart half\n"
    first += "clear\n" + "atom_modify map array sort 0 0\nread_restart half\n"
    second = "atom_modify map array sort 0 0\nread_restart ../there/half\n"
    end = "fix nve all nve\nneighbor 1.0 bin\n" + RESPA + "run 25\n"
    end += "write_dump all custom end.dump id x y z vx vy vz modify sort id format float %.17g\n"
    # what two ranks have written is read by two, and by one
    for place, text, ranks in ((there, first + end, 2), (here, second + end, 1)):
        done = tools.run_input(text, place, ranks=ranks)
        assert done.returncode == 0, done.stdout[-3000:]
    frame = reference(folder, "strong_curl", "stand_in", "conservative")
    for place in (there, here):
        found = np.loadtxt(place / "end.dump", skiprows=9)[:, 1:]
        assert_same(found[:, :3], found[:, 3:], frame)
    (there / "stand_in.pt").unlink()
    done = tools.run_input(second + "run 0\n", here)
    assert done.returncode != 0
    lines = done.stdout.splitlines()
    warning = next(line for line in lines if line.startswith("WARNING: Pair style"))
    assert "written with the model 'stand_in.pt', which is neither here nor at" in warning
    assert str(there / "stand_in.pt") in warning


def test_constant_pressure_uses_the_outer_virial(folder, box, tmp_path):
    """The box moves as that of the outer model alone where both make the same steps, and as that
    of one model where the inner one is a copy of it."""
    one_step = f"run_style respa 2 1 inner 1 3.0 4.0 outer 2\ntimestep {INNER_STEP}\n"
    runs = {
        "one step": pair(folder, "strong_curl", "stand_in") + MOVE + one_step,
        "outer alone": pair(folder, "strong_curl") + MOVE + f"timestep {INNER_STEP}\n",
        "copy": pair(folder, "strong_curl", "copy") + MOVE + RESPA,
        "one model": pair(folder, "strong_curl") + MOVE + RESPA,
        "two models": pair(folder, "strong_curl", "stand_in") + MOVE + RESPA,
    }
    npt = "unfix nve\nfix npt all npt temp 200 200 0.2 tri 0 0 1.0\n"
    shape = "$(vol:%.17g) $(lx:%.17g) $(ly:%.17g) $(lz:%.17g) $(xy:%.17g) $(xz:%.17g) $(yz:%.17g)"
    there = "$(pe:%.17g) $(pxx:%.17g) $(pyy:%.17g) $(pxy:%.17g)"
    end = f'print "{shape} {there}" append found screen no\nclear\n'
    text = "".join(f"{box}{models}{npt}run 20\n{end}" for models in runs.values())
    last = end.removesuffix("clear\n")
    text = text.removesuffix(end) + last + pair(folder, "strong_curl") + "run_style verlet\nrun 0\n"
    on_ranks = []
    for ranks in (1, 2):
        done = tools.run_input(text + last, tmp_path, ranks=ranks)
        assert done.returncode == 0, done.stdout[-3000:]
        on_ranks.append(np.loadtxt(tmp_path / "found"))
        (tmp_path / "found").unlink()
    same = {"rtol": 1e-9, "atol": 1e-8}
    np.testing.assert_allclose(*on_ranks, **same)
    *rows, at_end = on_ranks[0]
    found = dict(zip(runs, rows, strict=True))
    np.testing.assert_allclose(found["one step"], found["outer alone"], **same)
    np.testing.assert_allclose(found["copy"], found["one model"], **same)
    np.testing.assert_allclose(found["two models"], at_end, **same)
    for row in rows:
        assert abs(row[0] / ATOMS.get_volume() - 1.0) > 1e-4


@pytest.fixture(scope="module")
def beside_another(folder):
    """The last frame of the plain scheme with two potentials."""
    frame = mts_reference.multiple_time_step(
        ATOMS.positions,
        velocities(),
        MASSES,
        both(forces_of(folder / "strong_curl.pt", "conservative"), companion()),
        both(forces_of(folder / "stand_in.pt", "direct"), companion(3.0, 4.0)),
        INNER_STEP,
        M,
        10,
    )[-1]
    without = reference(folder, "strong_curl", "stand_in", steps=10)
    assert np.abs(without.positions - frame.positions).max() > 0.01
    return frame


@pytest.mark.parametrize("ranks", [1, 2])
def test_beside_another_pair_style(folder, box, beside_another, tmp_path, ranks):
    """Whose forces LAMMPS splits between the levels by distance, and ours by model."""
    models = beside_companion(pair(folder, "strong_curl", "stand_in"))
    found = run_to_end(box + models + MOVE + RESPA + "run 10\n", tmp_path, ranks)
    assert_same(*found, beside_another)


@pytest.mark.parametrize(
    ("style", "kind", "ranks"),
    [
        (RESPA, "direct", 1),
        (RESPA, "conservative", 2),
        ("run_style verlet\n", "direct", 2),
        ("run_style verlet\n", "conservative", 1),
    ],
)
def test_compute_of_the_inner_forces_and_the_correction(folder, box, tmp_path, style, kind, ranks):
    keywords = f"inner_forces {kind}"
    text = box + pair(folder, "strong_curl", "stand_in", keywords) + MOVE + style
    text += "compute c all mdbridge/atom conservative direct inner correction\nrun 3\n"
    text += "compute m all reduce max c_c[1]\nrun 1\nrun 0\n"
    text += "write_dump all custom found id x y z c_c[*] modify sort id format float %.17g\n"
    done = tools.run_input(text, tmp_path, ranks=ranks)
    assert done.returncode == 0, done.stdout[-3000:]
    x, found = np.split(np.loadtxt(tmp_path / "found", skiprows=9)[:, 1:], [3], axis=1)
    outer = forces_of(folder / "strong_curl.pt", "conservative")(x)
    direct = forces_of(folder / "strong_curl.pt", "direct")(x)
    inner = forces_of(folder / "stand_in.pt", kind)(x)
    expected = np.hstack([outer, direct, inner, outer - inner])
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-11)


# pair_style and pair_coeff -> what the message must hold
CASES = {
    "no inner model": ("strong_curl.pt inner nowhere.pt", "Ar", ["no model file 'nowhere.pt'"]),
    "forces direct": (
        "strong_curl.pt forces direct inner stand_in.pt",
        "Ar",
        ["'inner'", "cannot be used with 'forces direct'"],
    ),
    "inner_forces alone": (
        "strong_curl.pt inner_forces direct",
        "Ar",
        ["keyword 'inner_forces'", "add 'inner model.pt'"],
    ),
    "no direct forces": (
        "strong_curl.pt inner lennard_jones.pt inner_forces direct",
        "Ar",
        ["lennard_jones.pt' cannot give direct forces"],
    ),
    "no such variant": (
        "strong_curl.pt inner stand_in.pt inner_variant pbe",
        "Ar",
        ["stand_in.pt' cannot give", "/pbe"],
    ),
    "no such element": (
        "strong_curl.pt inner harmonic_direct.pt",
        "Ar",
        ["'Ar'", "not in the model", "harmonic_direct.pt", "which knows H"],
    ),
    "no forces at all": (
        "strong_curl.pt inner no_forces.pt",
        "Ar",
        ["no_forces.pt' cannot give", "energy"],
    ),
    "bad kind": (
        "strong_curl.pt inner stand_in.pt inner_forces dircet",
        "Ar",
        ["'inner_forces' expects direct or conservative, found 'dircet'", "did you mean 'direct'"],
    ),
    "of another variant": (
        "strong_curl.pt inner of_pbe.pt",
        "Ar",
        ["of_pbe.pt' was made for another variant", "('pbe')", "strong_curl.pt", "the default one"],
    ),
    "random rotations without a seed": (
        "strong_curl.pt inner stand_in.pt inner_symmetrize random",
        "Ar",
        ["'inner_symmetrize random' needs a seed"],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_bad_input(folder, box, name, monkeypatch):
    monkeypatch.chdir(folder)
    words, elements, parts = CASES[name]
    style = f"pair_style mdbridge {words}\npair_coeff * * {elements}\n"
    with tools.lammps(box) as lmp, pytest.raises(Exception, match="Pair style") as found:
        lmp.commands_string(style)
    for part in parts:
        assert part in str(found.value)


def test_an_inner_model_without_a_range(folder, box, tmp_path):
    """What one rank can hold is not what two can."""
    curl = load_exported(folder / "stand_in.pt")
    options = {"outputs": None, "devices": None, "metadata": curl.metadata()}
    everywhere = keep_outputs(curl, **options, interaction_range=math.inf)
    everywhere.save(str(folder / "long-range.pt"))
    text = box + pair(folder, "strong_curl", "long-range") + MOVE + RESPA + "run 3\n"
    text += 'variable x equal x[1]\nprint "$(v_x:%.17g)" file x\n'
    done = tools.run_input(text, tmp_path)
    assert done.returncode == 0, done.stdout[-3000:]
    expected = reference(folder, "strong_curl", "stand_in", steps=3).positions[0, 0]
    assert np.loadtxt(tmp_path / "x") == pytest.approx(expected, abs=1e-10)
    done = tools.run_input(text, tmp_path, ranks=2)
    assert done.returncode != 0
    assert "long-range.pt' states an infinite interaction range" in done.stdout


@pytest.mark.parametrize("ranks", [1, 2])
def test_a_broken_force_of_the_inner_model_stops_the_run(folder, box, tmp_path, ranks):
    text = box + pair(folder, "strong_curl", "nan_direct") + MOVE + RESPA + "run 50\n"
    error = error_of(text, tmp_path, ranks)
    assert "the inner model returned a force that is not finite" in error
    assert re.search(r"in step \d+ .* on atom ID \d+ \(element Ar, type 1\)", error)
