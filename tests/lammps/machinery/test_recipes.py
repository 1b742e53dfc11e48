"""The recipes of the manual page run as they stand there, and give the forces that they promise."""

import re
from pathlib import Path

import lammps_tools as tools
import models
import numpy as np
import pytest

MANUAL = Path(__file__).parents[3] / "docs" / "pair_style_mdbridge.md"
SECTION = re.search(
    r"^## Recipes\n(.*?)^## ", MANUAL.read_text(encoding="utf-8"), flags=re.M | re.S
)[1]
CHARGES, DISPERSION, THREE, THREE_AND_CHARGES = re.findall(
    r"^```lammps\n(.*?)^```$", SECTION, flags=re.M | re.S
)
MOVE = "velocity all create 100 7\ntimestep 0.002\nneighbor 1.0 bin\n"
STYLES = {
    "mdbridge": "pair_style mdbridge model.pt\npair_coeff * * O H\n",
    "coul/long": "pair_style coul/long 8.0\npair_coeff * *\nkspace_style pppm 1e-5\n",
    "dispersion/d3": "pair_style dispersion/d3 original pbe 30.0 20.0\npair_coeff * * O H\n"
    "neigh_modify one 20000 page 200000\n",
}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """In double precision, with direct forces that are no gradient."""
    path = tmp_path_factory.mktemp("anisotropic") / "anisotropic.pt"
    return models.anisotropic({1: 0.02, 2: -0.03}, direct=0.02).export(path)


def crystal() -> str:
    """Argon and krypton with charges."""
    atoms = tools.argon(cells=(2, 2, 2))
    atoms.symbols[1::2] = "Kr"
    box = tools.box(atoms, ["Ar", "Kr"]).replace("atom_style atomic", "atom_style charge")
    return box + "set type 1 charge 0.1\nset type 2 charge -0.1\n"


def run(model, *blocks: str) -> tools.Results:
    """After these lines, with this model in the place of that of the manual."""
    lines = [
        block.replace("model.pt", f"{model} threads 1").replace("O H", "Ar Kr") for block in blocks
    ]
    with tools.lammps(crystal(), *lines) as lmp:
        return tools.results(lmp)


@pytest.mark.parametrize(
    ("recipe", "styles"),
    [(CHARGES, ("mdbridge", "coul/long")), (DISPERSION, ("mdbridge", "dispersion/d3"))],
    ids=["coul/long", "dispersion/d3"],
)
def test_styles_beside_the_model_add_up(model, recipe, styles):
    found = run(model, recipe, MOVE, "run 0")
    parts = [run(model, STYLES[name], MOVE, "run 0") for name in styles]
    assert min(np.abs(part.forces).max() for part in parts) > 1e-4
    np.testing.assert_allclose(found.forces, sum(part.forces for part in parts), atol=1e-9)
    assert found.energy == pytest.approx(sum(part.energy for part in parts), abs=1e-8)


@pytest.mark.parametrize(
    "recipe",
    [CHARGES, DISPERSION, THREE, THREE_AND_CHARGES],
    ids=["coul/long", "dispersion/d3", "three instances", "three instances and coul/long"],
)
def test_levels_of_a_recipe_sum_up_to_its_forces(model, recipe):
    found = run(model, recipe, MOVE, "run 3")
    expected = run(model, recipe, MOVE, "run 3", "run_style verlet\nrun 0")
    np.testing.assert_allclose(found.forces, expected.forces, atol=1e-9)
    assert found.energy == pytest.approx(expected.energy, abs=1e-9)
    # they move as without levels, but for the error of a longer step
    verlet = run(model, recipe, MOVE, "run_style verlet\ntimestep 0.0005\nrun 12")
    assert found.energy == pytest.approx(verlet.energy, abs=2e-3)


def test_three_instances_are_the_two_levels_of_one(model):
    fused = STYLES["mdbridge"] + "run_style respa 2 4 inner 1 3.0 4.0 outer 2\n"
    found, expected = (run(model, style, MOVE, "run 6") for style in (THREE, fused))
    direct = run(model, STYLES["mdbridge"] + MOVE + "timestep 0.0005\nrun 24")
    np.testing.assert_allclose(found.positions, expected.positions, atol=1e-11)
    np.testing.assert_allclose(found.forces, expected.forces, atol=1e-11)
    np.testing.assert_allclose(found.pressure, expected.pressure, rtol=1e-9)
    assert found.energy == pytest.approx(expected.energy, abs=1e-11)
    # the levels are not those of one force only
    assert np.abs(found.positions - direct.positions).max() > 1e-8


def test_three_instances_on_several_ranks(model, tmp_path):
    """With the words that the manual adds for them."""
    assert "add `virial conservative` to the first two" in SECTION
    recipe = THREE.replace("forces direct", "forces direct virial conservative")
    lines = recipe.replace("model.pt", f"{model} threads 1").replace("O H", "Ar Kr")
    ends = []
    for ranks in (1, 2):
        end = f'run 4\nprint "$(pe:%.15g) $(press:%.15g)" file {ranks}.txt\n'
        done = tools.run_input(crystal() + lines + MOVE + end, tmp_path, ranks=ranks)
        assert done.returncode == 0, done.stdout[-2000:]
        ends.append(np.loadtxt(tmp_path / f"{ranks}.txt"))
    np.testing.assert_allclose(ends[1], ends[0], rtol=1e-9)
