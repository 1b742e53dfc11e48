"""What a user of a built-in pair style takes for granted: every kind of run and input."""

import lammps_tools as tools
import models
import numpy as np
import pytest

from md_bridge.drift.judging.line import mean_estimate
from md_bridge.export.model_file import load_exported
from md_bridge.export.outputs import keep_outputs

BOX = tools.box(tools.argon(cells=(2, 2, 2), tilt=(1.0, 0.5, -0.5)), ["Ar"])
ORTHOGONAL = tools.box(tools.argon(cells=(2, 2, 2)), ["Ar"])
LJ_CUT = "pair_style lj/cut 8.5\npair_coeff * * 0.0104 3.4\n"
MOVE = "velocity all create 200 7\nneighbor 0.5 bin\ntimestep 0.003\n"
FAST = "velocity all create 2000 7\nneighbor 0.5 bin\ntimestep 0.002\n"
RESPA = "run_style respa 2 3 inner 1 3.0 4.0 outer 2\n"


def pair(path, keywords: str = "") -> str:
    return f"pair_style mdbridge {path} threads 1 {keywords}\npair_coeff * * Ar\n"


def end_of(*commands: str) -> tools.Results:
    with tools.lammps(*commands) as lmp:
        return tools.results(lmp)


@pytest.fixture(scope="module")
def curl(tmp_path_factory):
    return models.curl(size=0.02).export(tmp_path_factory.mktemp("curl") / "curl.pt")


@pytest.mark.parametrize(
    ("keywords", "style"),
    [("", "run_style verlet\n"), ("forces direct", "run_style verlet\n"), ("", RESPA)],
    ids=["conservative", "direct", "multiple time stepping"],
)
def test_restart_half_way(curl, tmp_path, keywords, style):
    """Settings, model and elements come back from the restart file alone."""
    whole = end_of(BOX, pair(curl, keywords), MOVE, style, "run 12\nrun 12")
    with tools.lammps(BOX, pair(curl, keywords), MOVE, style, "run 12") as lmp:
        lmp.command(f"write_restart {tmp_path}/half.restart")
    with tools.lammps(
        "atom_modify map array",
        f"read_restart {tmp_path}/half.restart",
        "fix nve all nve\nneighbor 0.5 bin\n",
        style,
        "run 12",
    ) as lmp:
        continued = tools.results(lmp)
    np.testing.assert_allclose(continued.velocities, whole.velocities, atol=1e-9)
    np.testing.assert_allclose(continued.forces, whole.forces, atol=1e-9)
    assert continued.energy == pytest.approx(whole.energy, abs=1e-9)


def test_restart_of_a_hybrid(curl, tmp_path):
    """As for every style in a hybrid, only pair_coeff must be given again."""
    coefficients = "pair_coeff * * mdbridge Ar\npair_coeff * * lj/cut 0.002 3.0\n"
    overlay = f"pair_style hybrid/overlay mdbridge {curl} threads 1 lj/cut 7.0\n" + coefficients
    whole = end_of(BOX, overlay, MOVE, "run 4\nrun 4")
    with tools.lammps(BOX, overlay, MOVE, "run 4") as lmp:
        lmp.command(f"write_restart {tmp_path}/half.restart")
    continued = end_of(
        "atom_modify map array",
        f"read_restart {tmp_path}/half.restart",
        coefficients,
        "fix nve all nve\nneighbor 0.5 bin\nrun 4",
    )
    np.testing.assert_allclose(continued.forces, whole.forces, atol=1e-9)
    assert continued.energy == pytest.approx(whole.energy, abs=1e-9)


def test_restart_finds_the_model_elsewhere_or_says_where_it_was(curl, tmp_path):
    there, here = tmp_path / "there", tmp_path / "here"
    there.mkdir()
    here.mkdir()
    (there / "model.pt").write_bytes(curl.read_bytes())
    run = tools.run_input(BOX + pair("model.pt") + "run 0\nwrite_restart r\n", there)
    assert run.returncode == 0, run.stdout
    read = "read_restart ../there/r\nrun 0\n"
    run = tools.run_input(read, here)
    assert run.returncode == 0, run.stdout
    (there / "model.pt").unlink()
    run = tools.run_input(read, here)
    assert run.returncode != 0
    assert f"neither here nor at {there}/model.pt" in run.stdout


def test_rerun(model_file, tmp_path):
    dump = f"dump d all custom 5 {tmp_path}/dump id type x y z\ndump_modify d format float %.17g\n"
    energies = []
    with tools.lammps(BOX, LJ_CUT, MOVE, dump, "run 10") as lmp:
        energies.append(lmp.get_thermo("pe"))
    with tools.lammps(BOX, pair(model_file("lennard_jones"))) as lmp:
        lmp.command(f"rerun {tmp_path}/dump dump x y z")
        energies.append(lmp.get_thermo("pe"))
    assert energies[1] == pytest.approx(energies[0], abs=1e-9)


def test_overlay_with_a_classical_style(model_file):
    """Energies and forces add up, also with two models at once."""
    lj = model_file("lennard_jones")
    zbl = "zbl 2.0 4.5"
    both = end_of(
        BOX,
        f"pair_style hybrid/overlay mdbridge {lj} threads 1 {zbl}\n"
        "pair_coeff * * mdbridge Ar\npair_coeff * * zbl 18 18\nrun 0",
    )
    ours = end_of(BOX, pair(lj), "run 0")
    theirs = end_of(BOX, f"pair_style {zbl}\npair_coeff * * 18 18\nrun 0")
    assert both.energy == pytest.approx(ours.energy + theirs.energy, abs=1e-9)
    np.testing.assert_allclose(both.forces, ours.forces + theirs.forces, atol=1e-10)
    np.testing.assert_allclose(both.pressure, ours.pressure + theirs.pressure, atol=1e-6)
    twice = end_of(
        BOX,
        f"pair_style hybrid/overlay mdbridge {lj} mdbridge {lj}\n"
        "pair_coeff * * mdbridge 1 Ar\npair_coeff * * mdbridge 2 Ar\nrun 0",
    )
    assert twice.energy == pytest.approx(2 * ours.energy, abs=1e-9)


def test_model_on_some_types(model_file):
    """Types that are NULL for the model are invisible to it."""
    atoms = tools.argon()
    atoms.symbols[1::2] = "He"
    argon = atoms[atoms.symbols == "Ar"]
    hybrid = (
        f"pair_style hybrid mdbridge {model_file('lennard_jones')} threads 1 lj/cut 6.0\n"
        "pair_coeff * * mdbridge Ar NULL\n"
        "pair_coeff 1*2 2 lj/cut 0.002 2.9\n"
    )
    reference = "pair_style lj/cut 8.5\npair_coeff 1 1 0.0104 3.4\npair_coeff 1*2 2 0.002 2.9 6.0\n"
    found, expected = (
        end_of(tools.box(atoms, ["Ar", "He"]), style, "run 0") for style in (hybrid, reference)
    )
    assert len(argon) < len(atoms)
    assert found.energy == pytest.approx(expected.energy, abs=1e-9)
    np.testing.assert_allclose(found.forces, expected.forces, atol=1e-10)


def test_overlay_with_levels_for_each_style(curl):
    """A classical style in the inner level, the model's conservative forces in the outer one."""
    overlay = (
        f"pair_style hybrid/overlay mdbridge {curl} threads 1 zbl 2.0 4.5\n"
        "pair_coeff * * mdbridge Ar\npair_coeff * * zbl 18 18\n"
    )
    with tools.lammps(BOX, overlay, MOVE, "run_style respa 2 3 hybrid 2 1\nrun 8") as lmp:
        found = tools.results(lmp)
        lmp.commands_string("run_style verlet\nrun 0")
        expected = tools.results(lmp)
    np.testing.assert_allclose(found.forces, expected.forces, atol=1e-9)
    assert found.energy == pytest.approx(expected.energy, abs=1e-9)


def overlay_with_lj(path) -> str:
    return (
        f"pair_style hybrid/overlay mdbridge {path} threads 1 lj/cut 7.0\n"
        "pair_coeff * * mdbridge Ar\npair_coeff * * lj/cut 0.002 3.0\n"
    )


@pytest.mark.parametrize("box", ["orthogonal", "triclinic"])
def test_overlay_with_inner_and_outer_levels(curl, box):
    """lj/cut splits its own forces by the two cutoffs; one inner step is velocity Verlet."""
    start = (ORTHOGONAL if box == "orthogonal" else BOX, overlay_with_lj(curl), FAST)
    single = "run_style respa 2 1 inner 1 3.0 4.0 outer 2\n"
    found, expected = (end_of(*start, style, "run 40") for style in (single, "run_style verlet\n"))
    assert np.abs(expected.positions - end_of(*start, "run 0").positions).max() > 0.5
    np.testing.assert_allclose(found.positions, expected.positions, atol=1e-9)
    np.testing.assert_allclose(found.pressure, expected.pressure, atol=1e-5)
    with tools.lammps(*start, RESPA, "run 20") as lmp:
        found = tools.results(lmp)
        lmp.commands_string("run_style verlet\nrun 0")
        expected = tools.results(lmp)
    np.testing.assert_allclose(found.forces, expected.forces, atol=1e-10)
    assert found.energy == pytest.approx(expected.energy, abs=1e-10)


def test_model_on_some_types_with_inner_and_outer_levels(curl):
    atoms = tools.argon()
    atoms.symbols[1::2] = "He"
    hybrid = (
        f"pair_style hybrid mdbridge {curl} threads 1 lj/cut 6.0\n"
        "pair_coeff * * mdbridge Ar NULL\n"
        "pair_coeff 1*2 2 lj/cut 0.002 2.9\n"
    )
    with tools.lammps(tools.box(atoms, ["Ar", "He"]), hybrid, FAST, RESPA, "run 20") as lmp:
        found = tools.results(lmp)
        lmp.commands_string("run_style verlet\nrun 0")
        expected = tools.results(lmp)
    np.testing.assert_allclose(found.forces, expected.forces, atol=1e-10)
    assert found.energy == pytest.approx(expected.energy, abs=1e-10)


@pytest.mark.parametrize(
    ("overlay", "style", "words"),
    [
        # LAMMPS's own sentence
        (
            "zbl 2.0 4.5\npair_coeff * * mdbridge Ar\npair_coeff * * zbl 18 18\n",
            RESPA,
            "does not support rRESPA",
        ),
        (
            "lj/cut 6.0\npair_coeff * * mdbridge Ar\npair_coeff * * lj/cut 0.002 3.0\n",
            "run_style respa 3 2 2 inner 1 3.0 4.0 middle 2 5.0 5.5 outer 3\n",
            "middle level needs a model of its own for the inner level",
        ),
    ],
    ids=["a style without levels", "a middle level without an inner model"],
)
def test_overlays_that_cannot_have_levels(curl, tmp_path, overlay, style, words):
    text = BOX + f"pair_style hybrid/overlay mdbridge {curl} {overlay}" + style + "run 1\n"
    run = tools.run_input(text, tmp_path)
    assert run.returncode == 1
    assert words in run.stdout
    assert "ERROR" in run.stdout


def test_excluded_pairs(model_file):
    group = "group left id 1:16\ngroup right id 17:32\nneigh_modify exclude group left right\n"
    found = end_of(BOX, pair(model_file("lennard_jones")), group, "run 0")
    expected = end_of(BOX, LJ_CUT, group, "run 0")
    whole = end_of(BOX, LJ_CUT, "run 0")
    np.testing.assert_allclose(found.forces, expected.forces, atol=1e-10)
    assert np.abs(found.forces - whole.forces).max() > 1e-3


def test_pairs_excluded_between_runs_of_multiple_time_stepping(curl):
    """The positions are those of the last evaluation, the pairs are not."""
    exclude = "group left id 1:16\ngroup right id 17:32\nneigh_modify exclude group left right\n"
    found = end_of(BOX, pair(curl), RESPA, "run 0", exclude, "run 0")
    expected = end_of(BOX, pair(curl), exclude, "run 0")
    whole = end_of(BOX, pair(curl), "run 0")
    assert found.energy == pytest.approx(expected.energy, abs=1e-10)
    assert abs(found.energy - whole.energy) > 1e-3


def test_images_that_a_shrinking_box_brings_near_stop_the_run(model_file, tmp_path):
    """LAMMPS rebuilds its list when atoms move; here only the box does."""
    atoms = tools.argon(cells=(1, 1, 1))[:1]
    atoms.set_cell([9.2, 20, 20])
    text = (
        tools.box(atoms, ["Ar"])
        + pair(model_file("lennard_jones"))
        + "neighbor 0.3 bin\nneigh_modify delay 0 every 1 check yes\n"
        + "fix squeeze all deform 1 x final 0.0 8.3 units box remap none\nrun 100\n"
    )
    run = tools.run_input(text, tmp_path)
    assert run.returncode == 1
    assert "have moved so far since the neighbour list was built" in run.stdout
    assert "If temperature or energy have risen" in run.stdout


def test_atoms_deleted_before_a_dump_of_the_correction(curl, tmp_path):
    text = (
        BOX
        + pair(curl)
        + "compute both all mdbridge/atom correction\nrun 0\ngroup gone id 3\n"
        + "delete_atoms group gone compress no\nwrite_dump all custom d.dump id c_both[1]\n"
    )
    run = tools.run_input(text, tmp_path)
    assert run.returncode == 1
    assert "atoms were added or deleted, or have gone to other ranks" in run.stdout


def test_deleted_and_isolated_atoms(model_file):
    remove = "group gone id 3 7 20\nrun 3\ndelete_atoms group gone compress no\nrun 3\n"
    ends = []
    for style in (LJ_CUT, pair(model_file("lennard_jones"))):
        with tools.lammps(BOX, style, MOVE, remove) as lmp:
            ends.append(lmp.get_thermo("pe"))
    assert ends[1] == pytest.approx(ends[0], abs=1e-9)
    alone = tools.argon(cells=(1, 1, 1))[:1]
    alone.set_cell([40, 40, 40])
    assert tools.evaluate(alone, pair(model_file("lennard_jones")), ["Ar"]).energy == 0.0


def test_lost_atom(model_file, tmp_path):
    """LAMMPS's own error, not a crash."""
    flat = tools.box(tools.argon(cells=(2, 2, 1)), ["Ar"], boundary="p p f")
    text = flat + pair(model_file("lennard_jones")) + "velocity all set 0 0 90\nrun 200\n"
    run = tools.run_input(text, tmp_path)
    assert run.returncode != 0
    assert "Lost atoms" in run.stdout


@pytest.mark.parametrize(
    "ensemble",
    [
        "fix i all nvt temp 500 500 0.05",
        "fix i all npt temp 200 200 0.1 iso 500 500 0.5",
        "fix i all npt temp 200 200 0.1 tri 0 0 1.0",
    ],
    ids=["nvt", "npt", "npt tri"],
)
def test_one_inner_step_is_verlet_in_every_ensemble(curl, ensemble):
    """The direct forces, the correction, the thermostat and the barostat at their proper places."""
    ends = []
    for style in ("run_style respa 2 1 inner 1 3.0 4.0 outer 2\n", "run_style verlet\n"):
        start = (BOX, pair(curl), "velocity all create 200 7", "timestep 0.002", style)
        with tools.lammps(*start, "unfix nve", ensemble, "run 30") as lmp:
            words = ("temp", "pe", "econserve", "vol", "press")
            ends.append([lmp.get_thermo(word) for word in words])
    np.testing.assert_allclose(ends[0], ends[1], rtol=1e-9)


@pytest.mark.parametrize(
    ("ensemble", "tolerances"),
    [
        (
            "fix i all npt temp 200 200 0.1 iso 500 500 0.5",
            {"vol": 1.0, "etotal": 1e-3, "econserve": 1e-3},
        ),
        ("fix i all nvt temp 500 500 0.05", {"temp": 0.1, "etotal": 1e-3, "econserve": 1e-3}),
        # LAMMPS takes the velocities of another moment of the step for its friction
        ("fix i all nve\nfix l all langevin 500 500 0.05 48279", {"temp": 0.5}),
    ],
    ids=["npt", "nvt", "langevin"],
)
def test_ensembles_under_multiple_time_stepping(curl, ensemble, tolerances):
    """Box, temperature, energy and conserved quantity follow those of conservative dynamics."""
    ends = {}
    for name, style, keywords in (
        ("multiple time step", RESPA, ""),
        ("conservative", "run_style verlet\n", ""),
        ("direct", "run_style verlet\n", "forces direct"),
    ):
        start = (BOX, pair(curl, keywords), "velocity all create 200 7", "timestep 0.002")
        # by default the bins follow the cutoff of the list, which is longer under rRESPA: random
        # numbers go to atoms in their order
        style += "atom_modify sort 1000 3.0\n"
        with tools.lammps(*start, style, "unfix nve\n" + ensemble, "run 100") as lmp:
            ends[name] = np.array([lmp.get_thermo(word) for word in tolerances])
    tolerance = list(tolerances.values())
    error = np.abs(ends["multiple time step"] - ends["conservative"])
    assert (error < tolerance).all(), error
    assert not (np.abs(ends["direct"] - ends["conservative"]) < tolerance).all()


def test_mean_volume_at_constant_pressure(curl, tmp_path):
    """Multiple time stepping has that of conservative dynamics, direct forces have another."""
    npt = "unfix nve\nfix i all npt temp 20 20 0.1 iso 1000 1000 0.3\n"
    volumes = {}
    for name, style, keywords in (
        ("multiple time step", "run_style respa 2 2 inner 1 3.0 4.0 outer 2\n", ""),
        ("conservative", "run_style verlet\n", ""),
        ("direct", "run_style verlet\n", "forces direct"),
    ):
        file = tmp_path / f"{name[:3]}.txt"
        write = f"thermo 1\nfix out all print 1 '$(vol:%.10g)' file {file} screen no title ''\n"
        start = (ORTHOGONAL, pair(curl, keywords), "velocity all create 40 7\nneighbor 1.0 bin")
        with tools.lammps(*start, "timestep 0.004", style, npt + write, "run 800"):
            pass
        volumes[name] = np.loadtxt(file)[240:]
    mean = {name: volume.mean() for name, volume in volumes.items()}
    conservative = mean_estimate(volumes["conservative"])
    assert np.isfinite(conservative.stderr)
    # the same start stays near the same path in this cold crystal: closer than the error of a mean
    difference = abs(mean["multiple time step"] - mean["conservative"])
    assert difference < 0.2 * conservative.stderr
    assert abs(mean["direct"] - mean["conservative"]) > 5 * difference


def test_box_relax(model_file):
    relax = "fix r all box/relax aniso 0.0\nminimize 1e-10 1e-6 100 1000\n"
    found, expected = (
        end_of(BOX, style, relax) for style in (pair(model_file("lennard_jones")), LJ_CUT)
    )
    assert found.energy == pytest.approx(expected.energy, abs=1e-5)


@pytest.mark.parametrize(
    ("boundary", "ranks", "reason"),
    [
        ("p p f", 1, "periodic in x, y and z only"),
        ("p p p", 2, "cannot be put together from several MPI ranks"),
        ("p p p", 1, "no_stress.pt' cannot give a direct stress"),
    ],
)
def test_direct_forces_without_a_direct_stress(curl, tmp_path, boundary, ranks, reason):
    """They need no pressure as long as nobody reads it, though LAMMPS asks at each output."""
    model = curl
    if "no_stress" in reason:
        model = tmp_path / "no_stress.pt"
        exported = load_exported(curl)
        kept = ["energy", "non_conservative_force"]
        keep_outputs(exported, outputs=kept, devices=None, metadata=exported.metadata()).save(
            str(model)
        )
    atoms = tools.argon(cells=(2, 2, 2))
    text = tools.box_from_file(atoms, ["Ar"], tmp_path / "box.data", boundary=boundary)
    text += f"pair_style mdbridge {model} forces direct threads 1\npair_coeff * * Ar\n"
    text += "timestep 0.001\nthermo 1\nthermo_style custom step pe etotal\nrun 3\nrun 3\n"
    done = tools.run_input(text, tmp_path, ranks=ranks)
    assert done.returncode == 0, done.stdout[-2000:]
    warnings = [line for line in done.stdout.splitlines() if line.startswith("WARNING: Pair")]
    assert len(warnings) == 1
    assert reason in warnings[0]
    assert "leave press out of thermo_style" in warnings[0]
    assert "virial conservative" in warnings[0]
    done = tools.run_input(text.replace("step pe", "step pe press"), tmp_path, ranks=ranks)
    assert done.returncode != 0
    assert "Virial was not tallied" in done.stdout
