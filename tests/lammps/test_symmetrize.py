"""Keywords `symmetrize` and `seed` of the pair style: averages over orientations in real runs."""

import lammps_tools as tools
import models
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from md_bridge.engine import Engine, structure_from_ase

EV_PER_A3 = 1.6021765e6  # of LAMMPS: bar
RESPA = "run_style respa 2 {} inner 1 3.0 4.0 outer 2\n"
MOVE = "velocity all create 150 7 loop geom\nneighbor 0.5 bin\ntimestep 0.004\n"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """Energies that differ by direction up to l = 4, which no set of 24 rotations averages out."""
    path = tmp_path_factory.mktemp("anisotropic") / "anisotropic.pt"
    return models.anisotropic({1: 0.02, 2: -0.03, 4: 0.03}).export(path)


def crystal(cells=(1, 1, 1)) -> Atoms:
    atoms = bulk("Ar", "fcc", a=5.4, cubic=True) * cells
    atoms.symbols[1::2] = "Kr"
    tilt = np.array([[0, 0, 0], [0.6, 0, 0], [-0.4, 0.5, 0]])
    atoms.set_cell(atoms.cell.array + tilt, scale_atoms=True)
    atoms.rattle(0.1, seed=5)
    atoms.wrap()
    return atoms


def pair(path, keywords: str) -> str:
    return f"pair_style mdbridge {path} threads 1 {keywords}\npair_coeff * * Ar Kr\n"


def start(model, keywords: str, atoms: Atoms | None = None) -> str:
    return tools.box(atoms or crystal(), ["Ar", "Kr"]) + pair(model, keywords) + MOVE


@pytest.mark.parametrize("forces", ["conservative", "direct"])
@pytest.mark.parametrize("keywords", ["octahedral/inversion", "icosahedral", "random seed 5"])
def test_is_what_the_engine_says(model, keywords, forces):
    name, *seed = keywords.replace(" seed", "").split()
    atoms = crystal()
    engine = Engine(model, symmetrize=name, seed=int(seed[0]) if seed else None)
    energies = []
    with tools.lammps(start(model, f"symmetrize {keywords} forces {forces}", atoms)) as lmp:
        for step in (0, 1000):  # which draw a random rotation is follows from the step
            lmp.commands_string(f"reset_timestep {step}\nrun 0")
            found = tools.results(lmp)
            engine.set_rotation_counter(step)
            expected = engine.evaluate(
                structure_from_ase(atoms),
                **{f"{forces}_forces": True, f"{forces}_virial": True},
            )
            energies.append(expected.energy)
            assert found.energy == pytest.approx(expected.energy, abs=1e-11)
            np.testing.assert_allclose(
                found.forces, getattr(expected, f"{forces}_forces"), atol=1e-11
            )
            lmp.command("velocity all set 0 0 0")
            lmp.command("run 0")
            virial = getattr(expected, f"{forces}_virial") / atoms.get_volume() * EV_PER_A3
            voigt = virial.ravel()[[0, 4, 8, 1, 2, 5]]
            np.testing.assert_allclose(tools.results(lmp).pressure, voigt, atol=1e-5)
    assert (energies[0] == energies[1]) == (name != "random")


FINISH = """
dump end all custom 1 end.dump id x y z fx fy fz
dump_modify end sort id format float %.17g
run 0
"""


@pytest.mark.parametrize(
    ("keywords", "style", "steps"),
    [
        ("octahedral", "", 3),
        ("random seed 5", RESPA.format(3), 8),
        ("random seed 5 forces direct virial conservative", "", 8),
    ],
)
def test_two_ranks_give_what_one_gives(model, tmp_path, keywords, style, steps):
    box = tools.box_from_file(crystal((2, 2, 2)), ["Ar", "Kr"], tmp_path / "data")
    text = box + pair(model, f"symmetrize {keywords}") + MOVE + style + f"run {steps}" + FINISH
    states = []
    for ranks in (1, 2):
        run = tools.run_input(text, tmp_path, ranks=ranks)
        assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-1000:]
        states.append(np.loadtxt(tmp_path / "end.dump", skiprows=9)[:, 1:])
    tools.assert_same_positions(states[1][:, :3], states[0][:, :3], crystal((2, 2, 2)).cell, 1e-10)
    np.testing.assert_allclose(states[1][:, 3:], states[0][:, 3:], atol=1e-10)


def test_restart_half_way_repeats_the_rotations(model, tmp_path):
    style = RESPA.format(3)
    begin = start(model, "symmetrize random seed 5")
    with tools.lammps(begin, style, "run 4\nrun 4") as lmp:
        whole = tools.results(lmp)
    with tools.lammps(begin, style, "run 4") as lmp:
        lmp.command(f"write_restart {tmp_path}/half.restart")
    with tools.lammps(
        "atom_modify map array",
        f"read_restart {tmp_path}/half.restart",
        "fix nve all nve\nneighbor 0.5 bin\n",
        style,
        "run 4",
    ) as lmp:
        continued = tools.results(lmp)
    np.testing.assert_allclose(continued.velocities, whole.velocities, atol=1e-9)
    np.testing.assert_allclose(continued.forces, whole.forces, atol=1e-9)


@pytest.mark.parametrize("keywords", ["octahedral", "random seed 5"])
def test_both_terms_of_the_correction_have_the_same_rotations(model, keywords):
    """With one inner step per outer one the direct forces cancel, so MTS is velocity Verlet."""
    ends = []
    for style in ("run_style verlet\n", RESPA.format(1)):
        with tools.lammps(start(model, f"symmetrize {keywords}"), style, "run 6") as lmp:
            ends.append(tools.results(lmp))
    np.testing.assert_allclose(ends[1].velocities, ends[0].velocities, atol=1e-10)
    assert ends[1].energy == pytest.approx(ends[0].energy, abs=1e-11)


def energy_fluctuation(model, keywords: str, style: str, timestep: float) -> float:
    """Standard deviation of etotal over 0.24 ps."""
    steps = round(0.24 / timestep)
    settings = f"timestep {timestep}\nthermo {steps // 10}\n"
    energies = []
    with tools.lammps(start(model, keywords), settings, style) as lmp:
        for _ in range(10):
            lmp.command(f"run {steps // 10} post no")
            energies.append(lmp.get_thermo("etotal"))
    return float(np.std(energies))


def test_energy_is_conserved_with_a_fixed_set_but_not_with_random_rotations(model):
    for style in ("run_style verlet\n", RESPA.format(2)):
        coarse, fine = (
            energy_fluctuation(model, "symmetrize octahedral", style, step)
            for step in (0.008, 0.004)
        )
        assert 3.3 < coarse / fine < 4.7  # quartered with half the step
        assert coarse < 1e-4
    assert energy_fluctuation(model, "symmetrize random seed 5", "", 0.004) > 1e-3


def test_finite_differences_agree_in_each_orientation(model, tmp_path):
    run = tools.run_input(start(model, "symmetrize random seed 5 check yes") + "run 0\n", tmp_path)
    (line,) = (line for line in run.stdout.splitlines() if "largest deviation" in line)
    force, virial = float(line.split()[3]), float(line.split()[6])
    assert force < 1e-6
    assert virial < 1e-5


def test_the_log_says_what_is_averaged(model, tmp_path):
    text = start(model, "symmetrize octahedral") + "run 0\n" + "minimize 0 1e-6 3 9\n"
    text += pair(model, "symmetrize random seed 5") + "run 0\nrun 0\n"
    run = tools.run_input(text, tmp_path)
    assert run.returncode == 0, run.stdout[-2000:]
    assert "forces conservative, averaged over 24 orientations (octahedral)" in run.stdout
    assert "forces conservative, in a random orientation in each step" in run.stdout
    assert run.stdout.count("WARNING: Pair style mdbridge: symmetrize random takes") == 1


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ("symmetrize octahedrl", "found 'octahedrl' (did you mean 'octahedral'?)"),
        ("symmetrize random", "'symmetrize random' needs a seed: add 'seed N'"),
        ("seed 5", "keyword 'seed' has no effect without 'symmetrize random'"),
        ("symmetrize octahedral seed 5", "found 'symmetrize octahedral': leave it out"),
        ("symmetrize random seed 0", "keyword 'seed' expects a positive whole number, found '0'"),
        ("symmetrize random seed 5", "minimize needs one energy for all steps"),
    ],
)
def test_bad_input(model, tmp_path, keywords, message):
    run = tools.run_input(start(model, keywords) + "minimize 0 1e-6 5 10\n", tmp_path)
    assert run.returncode != 0
    assert message in " ".join(run.stdout.split())
