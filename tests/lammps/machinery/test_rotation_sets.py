"""Grids and hexagonal sets in real runs, and how far forces scatter over the copies."""

import lammps_tools as tools
import models
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from md_bridge.engine import Engine, structure_from_ase

RESPA = "run_style respa 2 2 inner 1 3.0 4.0 outer 2\n"
UNEQUAL = "lebedev:4"  # the first that has several weights
MOVE = "velocity all create 150 7 loop geom\nneighbor 0.5 bin\ntimestep 0.004\n"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("anisotropic") / "anisotropic.pt"
    return models.anisotropic({1: 0.02, 2: -0.03, 4: 0.03}).export(path)


def crystal(cells=(1, 1, 1)) -> Atoms:
    atoms = bulk("Ar", "fcc", a=5.4, cubic=True) * cells
    atoms.symbols[1::2] = "Kr"
    atoms.rattle(0.1, seed=5)
    atoms.wrap()
    return atoms


def pair(path, keywords: str) -> str:
    return f"pair_style mdbridge {path} threads 1 {keywords}\npair_coeff * * Ar Kr\n"


def start(model, keywords: str) -> str:
    return tools.box(crystal(), ["Ar", "Kr"]) + pair(model, keywords) + MOVE


def per_atom(lmp, columns: int) -> np.ndarray:
    return np.array(lmp.gather("c_c", 1, columns)).reshape(-1, columns)


@pytest.mark.parametrize("name", ["lebedev:2", "hexagonal:2/inversion"])
def test_is_what_the_engine_says_also_after_a_restart(model, tmp_path, name):
    """The name goes into restart files as all keywords do."""
    engine = Engine(model, symmetrize=name)
    expected = engine.evaluate(structure_from_ase(crystal()), conservative_forces=True)
    with tools.lammps(start(model, f"symmetrize {name}") + "run 0") as lmp:
        lmp.command(f"write_restart {tmp_path}/a.restart")
        first = tools.results(lmp)
    restart = ["atom_modify map array", f"read_restart {tmp_path}/a.restart", "run 0"]
    with tools.lammps(*restart) as lmp:
        again = tools.results(lmp)
    for found in (first, again):
        assert found.energy == pytest.approx(expected.energy, abs=1e-11)
        np.testing.assert_allclose(found.forces, expected.conservative_forces, atol=1e-11)


@pytest.mark.parametrize("units", ["metal", "real"])
@pytest.mark.parametrize("style", ["run_style verlet\n", RESPA])
@pytest.mark.parametrize("forces", ["conservative", "direct"])
def test_spread_is_what_the_engine_says(model, forces, style, units):
    """Of a set whose copies do not have the same weight."""
    if (forces == "direct" and style == RESPA) or (units == "real" and style == RESPA):
        pytest.skip("no such run, or nothing new")
    keywords = f"symmetrize {UNEQUAL} forces {forces}"
    box = tools.box(crystal(), ["Ar", "Kr"], units=units)
    move = MOVE if units == "metal" else ""
    compute = "compute c all mdbridge/atom spread conservative\n"
    steps = "run 0" if units == "real" else "run 2"
    with tools.lammps(box, pair(model, keywords), move, style, compute, steps) as lmp:
        found = per_atom(lmp, 4)
        atoms = crystal()
        atoms.positions = tools.results(lmp).positions
    wanted = {f"{forces}_forces_rot_std": True, "conservative_forces": True}
    expected = Engine(model, symmetrize=UNEQUAL).evaluate(structure_from_ase(atoms), **wanted)
    factor = tools.KCAL_PER_MOL if units == "real" else 1.0
    norms = np.linalg.norm(getattr(expected, f"{forces}_forces_rot_std"), axis=1)
    assert norms.min() > 1e-3
    np.testing.assert_allclose(found[:, 0], factor * norms, rtol=1e-6)
    np.testing.assert_allclose(found[:, 1:], factor * expected.conservative_forces, atol=1e-8)


@pytest.mark.parametrize("forces", ["conservative", "direct"])
def test_four_ranks_give_what_one_gives(model, tmp_path, forces):
    """A force of one copy is a sum over ranks before it is squared: with forces of ghosts on both
    sides of each border. Each rank has atoms of its own, or none.
    """
    text = (
        tools.box_from_file(crystal((2, 2, 1)), ["Ar", "Kr"], tmp_path / "data")
        + pair(model, f"symmetrize lebedev:2 forces {forces}")
        + MOVE
        + "compute c all mdbridge/atom spread\n"
        + "thermo_style custom step temp pe\n"  # several ranks have no direct stress
        + "dump d all custom 1 {} id c_c fx fy fz\ndump_modify d sort id format float %.17g\n"
        + "run 2\n"
    )
    dumps = []
    for ranks in (1, 4):
        run = tools.run_input(text.format(f"dump.{ranks}"), tmp_path, ranks=ranks)
        assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-1000:]
        lines = (tmp_path / f"dump.{ranks}").read_text().splitlines()[-16:]
        dumps.append(np.array([line.split() for line in lines], dtype=float))
    np.testing.assert_allclose(dumps[1], dumps[0], atol=1e-9)
    assert dumps[0][:, 1].min() > 1e-4


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ("symmetrize lebedv:6", "found 'lebedv:6' (did you mean 'lebedev:L'?)"),
        ("symmetrize lebedev:77", "lebedev:L takes a whole number L from 1 to 31"),
        (
            "symmetrize none",
            "needs several of them in each evaluation, and symmetrize none has one",
        ),
    ],
)
def test_bad_input(model, tmp_path, keywords, message):
    text = start(model, keywords) + "compute c all mdbridge/atom spread\n"
    text += "dump d all custom 1 d id c_c\nrun 0\n"
    run = tools.run_input(text, tmp_path)
    assert run.returncode != 0
    assert message in " ".join(run.stdout.split())
