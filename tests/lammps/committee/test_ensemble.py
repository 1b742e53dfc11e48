"""The ensemble of one model (`energy_ensemble`) in LAMMPS, whose own forces drive."""

import re

import ase.build
import lammps_tools as tools
import numpy as np
import pytest
from argon_committees import COMPUTES, DUMP, PRINT, THERMO, numbers, run
from pet_models import uncertain_pet_checkpoint

from md_bridge.ase import CommitteeCalculator
from md_bridge.export import export_file

RESPA = "run_style respa 2 2 inner 1 3.0 4.0 outer 2\n"


@pytest.fixture(scope="module")
def ensemble(tmp_path_factory):
    """One model whose last layer has five members."""
    folder = tmp_path_factory.mktemp("ensemble")
    return export_file(uncertain_pet_checkpoint(folder / "m.ckpt", members=5), folder / "m.pt")


@pytest.fixture(scope="module")
def water():
    atoms = ase.build.molecule("H2O")
    atoms.set_cell([5.0, 5.2, 5.4])
    atoms.pbc = True
    atoms = atoms * (2, 2, 1)
    atoms.rattle(0.1, seed=0)
    atoms.wrap()
    return atoms


@pytest.fixture
def commands(ensemble, water, tmp_path):
    box = tools.box_from_file(water, ["O", "H"], tmp_path / "box.data")
    style = f"pair_style mdbridge {ensemble} threads 1 {{}}\npair_coeff * * O H\n"
    return box + style + "neighbor 1.0 bin\ntimestep 0.0002\n"


@pytest.mark.parametrize("style", ["run_style verlet\n", RESPA], ids=["verlet", "respa"])
@pytest.mark.parametrize("ranks", [1, 2])
def test_deviations_as_in_ase(ensemble, water, commands, tmp_path, ranks, style):
    text = commands.format("max_correction 1e6") + style + COMPUTES + THERMO
    run(text + f"run 2\n{PRINT}write_dump all custom end {DUMP}", tmp_path, ranks)
    end = np.loadtxt(tmp_path / "end", skiprows=9)[:, 1:]
    atoms = water.copy()
    atoms.positions = end[:, :3]
    atoms.calc = committee = CommitteeCalculator(ensemble)
    deviation = committee.get_property("forces_std", atoms)
    assert deviation.max() > 1e-3
    np.testing.assert_allclose(end[:, 6:], deviation, rtol=2e-3, atol=2e-5)
    found = numbers(tmp_path)
    energy_std = committee.get_property("energy_std", atoms)
    assert found["energy_std"] == pytest.approx(energy_std, rel=1e-3)
    assert found["pe"] == pytest.approx(atoms.get_potential_energy(), abs=1e-4)
    norms = np.linalg.norm(deviation, axis=1)
    assert found["scalar"] == pytest.approx(norms.max(), rel=2e-3)


def test_energies_alone(commands, tmp_path):
    """`forces no`: the deviation of the energy is the scalar too, and there are no others."""

    def columns(forces, thermo):
        compute = f"compute dev all mdbridge/committee forces {forces}\n"
        text = commands.format("") + compute + f"thermo_style custom step {thermo}\n"
        return tools.run_input(text + "thermo_modify format float %.10g\nrun 0\n", tmp_path)

    row = r"^ +0 +(\S+) +(\S+)"
    without = re.search(row, columns("no", "c_dev c_dev[1]").stdout, flags=re.M)
    with_forces = re.search(row, columns("yes", "c_dev c_dev[1]").stdout, flags=re.M)
    assert without[1] == without[2] != with_forces[1]
    assert float(without[2]) == pytest.approx(float(with_forces[2]), rel=1e-5)
    assert columns("no", "c_dev[3]").returncode == 1


def test_a_warning_of_forces_in_each_step(commands, tmp_path):
    text = commands.format("uncertainty/forces 1e-4") + "run 2\n"
    out = run(text, tmp_path)
    for step in range(3):
        assert f"in step {step} the force uncertainty of 12 atoms is above 0.0001" in out


def test_an_ensemble_has_no_direct_forces(commands, tmp_path):
    text = commands.format("forces direct") + "compute dev all mdbridge/committee\nrun 0\n"
    done = tools.run_input(text, tmp_path)
    assert done.returncode == 1
    said = " ".join(done.stdout.split())
    assert "cannot give direct forces of the members of its committee" in said
