"""`pair_style mdbridge outer.pt inner inner.pt` under rRESPA, on any number of ranks."""

import math
import re

import lammps_tools as tools
import mts_reference
import numpy as np
import pytest
from argon_levels import ATOMS, INNER_STEP, MASSES, assert_same, forces_of, pair, velocities

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


@pytest.mark.parametrize("both", [False, True])
def test_symmetrization_of_the_outer_model_or_both(folder, box, both):
    keywords = "symmetrize octahedral" + (" inner_symmetrize octahedral" if both else "")
    with tools.lammps(
        box, pair(folder, "anisotropic", "anisotropic", keywords), MOVE, RESPA, "run 10"
    ) as lmp:
        end = tools.results(lmp)
    average = {"symmetrize": "octahedral"}
    frame = reference(
        folder,
        "anisotropic",
        "anisotropic",
        steps=10,
        outer_options=average,
        **(average if both else {}),
    )
    assert_same(end.positions, end.velocities, frame)


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
    for place, text in ((there, first + end), (here, second + end)):
        done = tools.run_input(text, place)
        assert done.returncode == 0, done.stdout[-3000:]
    frame = reference(folder, "strong_curl", "stand_in", "conservative")
    for place in (there, here):
        found = np.loadtxt(place / "end.dump", skiprows=9)[:, 1:]
        assert_same(found[:, :3], found[:, 3:], frame)
    (there / "stand_in.pt").unlink()
    done = tools.run_input(second + "run 0\n", here)
    assert done.returncode != 0
    warning = next(line for line in done.stdout.splitlines() if line.startswith("WARNING"))
    assert "written with the model 'stand_in.pt', which is neither here nor at" in warning
    assert str(there / "stand_in.pt") in warning


@pytest.mark.parametrize("ranks", [1, 2])
def test_constant_pressure_uses_the_outer_virial(folder, box, tmp_path, ranks):
    npt = "unfix nve\nfix npt all npt temp 200 200 0.2 tri 0 0 1.0\n"
    thermo = "$(pe:%.17g) $(pxx:%.17g) $(pyy:%.17g) $(pxy:%.17g)"
    text = box + pair(folder, "strong_curl", "stand_in") + MOVE + npt + RESPA + "run 20\n"
    text += f'print "$(vol:%.17g) {thermo}" file found screen no\n'
    text += pair(folder, "strong_curl") + "run_style verlet\nrun 0\n"
    text += f'print "$(vol:%.17g) {thermo}" file expected screen no\n'
    done = tools.run_input(text, tmp_path, ranks=ranks)
    assert done.returncode == 0, done.stdout[-3000:]
    found, expected = (np.loadtxt(tmp_path / name) for name in ("found", "expected"))
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-7)
    assert abs(found[0] / ATOMS.get_volume() - 1.0) > 1e-4
    # the same on all ranks
    np.testing.assert_allclose(found[0], 5064.6, rtol=1)


def test_hybrid(folder, box):
    """Beside a style without forces, which rRESPA asks for its inner and outer ones too."""
    models_of = pair(folder, "strong_curl", "stand_in").replace("mdbridge", "", 1)
    path = models_of.split("\n")[0].removeprefix("pair_style").strip()
    hybrid = f"pair_style hybrid/overlay mdbridge {path} lj/cut 7.0\n"
    hybrid += "pair_coeff * * mdbridge Ar\npair_coeff * * lj/cut 0.0 3.0\n"
    with tools.lammps(box, hybrid, MOVE, RESPA, "run 10") as lmp:
        end = tools.results(lmp)
    assert_same(
        end.positions, end.velocities, reference(folder, "strong_curl", "stand_in", steps=10)
    )


@pytest.mark.parametrize("style", [RESPA, "run_style verlet\n"])
def test_compute_of_the_inner_forces_and_the_correction(folder, box, style):
    quantities = "conservative direct inner correction"
    with tools.lammps(
        box,
        pair(folder, "strong_curl", "stand_in"),
        MOVE,
        style,
        f"compute c all mdbridge/atom {quantities}\nrun 3",
        "compute m all reduce max c_c[1]\nrun 1",
    ) as lmp:
        lmp.command("run 0")
        x = tools.results(lmp).positions
        found = np.array(lmp.gather("c_c", 1, 12)).reshape(-1, 12)
    outer = forces_of(folder / "strong_curl.pt", "conservative")(x)
    direct = forces_of(folder / "strong_curl.pt", "direct")(x)
    inner = forces_of(folder / "stand_in.pt", "direct")(x)
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


def test_a_broken_force_of_the_inner_model_stops_the_run(folder, box):
    style = pair(folder, "strong_curl", "nan_direct")
    message = "the inner model returned a force"
    with (
        tools.lammps(box, style, MOVE, RESPA) as lmp,
        pytest.raises(Exception, match=message) as found,
    ):
        lmp.command("run 50")
    assert re.search(r"in step \d+ .* on atom ID \d+ \(element Ar, type 1\)", str(found.value))
