"""Elements in another order than the atom types: their masses tell."""

import lammps_tools as tools
import pytest
from ase import Atoms

WATER = tools.box(
    Atoms("OHH", [(5, 5, 5), (5.97, 5, 5), (4.76, 5.94, 5)], cell=[10] * 3, pbc=True), ["O", "H"]
)
ARGON = tools.box(tools.argon(cells=(1, 1, 1), lattice=6.0), ["Ar"])


def warnings(path, elements: str, box: str, folder, *setup: str, style: str = "") -> list[str]:
    """Of a deck with two runs."""
    pair = f"pair_style {style} mdbridge {path} threads 1\npair_coeff * * {elements}\n"
    run = tools.run_input("".join([box, *setup, pair, "run 0\nrun 0\n"]), folder)
    assert run.returncode == 0, run.stdout[-2000:]
    return [line for line in run.stdout.splitlines() if "the mass of atom type" in line]


def test_swapped_elements(water_model, tmp_path):
    oxygen, hydrogen = warnings(water_model, "H O", WATER, tmp_path)
    assert "WARNING: Pair style mdbridge" in oxygen
    assert "the mass of atom type 1 is 15.999 g/mol" in oxygen
    assert "it is H, of mass 1.008: this is the mass of O" in oxygen
    assert "the mass of atom type 2 is 1.008 g/mol" in hydrogen
    assert "it is O, of mass 15.999: this is the mass of H" in hydrogen


@pytest.mark.parametrize("masses", [(15.9994, 1.00794), (16, 1), (17.999, 2.014), (15.9, 3.016)])
def test_right_elements_and_isotopes(water_model, tmp_path, masses):
    setup = "mass 1 {}\nmass 2 {}\n".format(*masses)
    assert warnings(water_model, "O H", WATER, tmp_path, setup) == []


def test_a_mass_of_no_element(model_file, tmp_path):
    """As in decks for Lennard-Jones units."""
    (warning,) = warnings(model_file("lennard_jones"), "Ar", ARGON, tmp_path, "mass 1 0.83\n")
    assert "it is Ar, of mass 39.948: no element has this mass" in warning


def test_types_that_the_model_does_not_see(model_file, tmp_path):
    text = (
        ARGON.replace("create_box 1", "create_box 2")
        + "mass 2 1.0\npair_style hybrid/overlay lj/cut 5.0 "
        + f"mdbridge {model_file('lennard_jones')} threads 1\n"
        + "pair_coeff * * lj/cut 0.01 3.4\npair_coeff * * mdbridge Ar NULL\nrun 0\n"
    )
    run = tools.run_input(text, tmp_path)
    assert run.returncode == 0, run.stdout[-2000:]
    assert "the mass of atom type" not in run.stdout
