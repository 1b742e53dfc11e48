"""Structures as people have them for i-PI: its own format, isotopes, names that ASE misreads."""

import ase.io
import ipi_tools
import numpy as np
import pytest
from ase import Atoms
from ase.build import molecule
from ipi.engine.simulation import Simulation
from ipi_tools import ANGSTROM, argon, ffdirect

from md_bridge.engine import EngineError
from md_bridge.ipi.input import write_input
from md_bridge.ipi.plan import make_plan
from md_bridge.ipi.template import describe_template, read_template
from md_bridge.structures import StructureError, read_structures

UNITS = {"angstrom": 1.0, "atomic_unit": ANGSTROM, "meter": 1e-10}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def ipi_xyz(atoms: Atoms, unit: str, cell_unit: str, kind: str = "abcABC", title: str = "") -> str:
    """A frame as i-PI prints it, with the digits of a double."""
    scale, cell_scale = UNITS[unit], UNITS[cell_unit]
    vectors = atoms.cell.array.T * cell_scale
    lengths, angles = np.split(atoms.cell.cellpar(), 2)
    cell = [*lengths * cell_scale, *angles] if kind == "abcABC" else vectors.ravel()
    numbers = " ".join(f"{x:.15g}" for x in cell)
    title = title or f"positions{{{unit}}} cell{{{cell_unit}}}"
    rows = "".join(
        f"{symbol:>8} {x:.15g} {y:.15g} {z:.15g}\n"
        for symbol, (x, y, z) in zip(atoms.symbols, atoms.positions * scale, strict=True)
    )
    return f"{len(atoms)}\n# CELL({kind}): {numbers}  Step: 0  Bead: 0 {title}\n{rows}"


def ipi_system(path):
    """What i-PI makes of an input, without running it: its first system."""
    with open(path) as stream:
        simulation = Simulation.load_from_xml(stream, read_only=True, custom_verbosity="quiet")
    return simulation.syslist[0]


def write(start, model, name="input.xml"):
    return write_input(start.parent / name, start, model, make_plan(), overwrite=True)


def read_by_ipi(written):
    """Positions and cell (Å, vectors in rows) that i-PI starts from."""
    system = ipi_system(written.input)
    return system.beads.q[0].reshape(-1, 3) / ANGSTROM, system.cell.h.T / ANGSTROM


class TestIPiFormat:
    """i-PI's own xyz, with its cell and units in the comment line."""

    @pytest.mark.parametrize("kind", ["abcABC", "H", "GENH"])
    @pytest.mark.parametrize(("unit", "cell_unit"), [("angstrom", "atomic_unit"), ("meter",) * 2])
    def test_units_and_cell(self, folder, model_file, unit, cell_unit, kind):
        atoms = argon()
        start = folder / "start.xyz"
        start.write_text(ipi_xyz(atoms, unit, cell_unit, kind))
        positions, cell = read_by_ipi(write(start, model_file("curl")))
        np.testing.assert_allclose(positions, atoms.positions, atol=1e-9)
        np.testing.assert_allclose(cell, atoms.cell.array, atol=1e-9)
        [read] = read_structures(start)
        np.testing.assert_allclose(read.positions, atoms.positions, atol=1e-9)
        np.testing.assert_allclose(read.cell.array, atoms.cell.array, atol=1e-9)
        assert read.pbc.all()

    def test_bohr_if_nothing_is_said(self, folder):
        atoms = argon()
        start = folder / "start.xyz"
        start.write_text(ipi_xyz(atoms, "atomic_unit", "atomic_unit", title="nothing"))
        [read] = read_structures(start)
        np.testing.assert_allclose(read.positions, atoms.positions, atol=1e-9)

    def test_a_cell_that_i_pi_cannot_have_is_turned(self, folder, model_file):
        atoms = argon()
        atoms.rotate(30, "z", rotate_cell=True)
        start = folder / "start.xyz"
        start.write_text(ipi_xyz(atoms, "angstrom", "angstrom", "H"))
        written = write(start, model_file("curl"))
        assert written.start.name == "input-start.xyz"
        positions, _ = read_by_ipi(written)
        np.testing.assert_allclose(
            np.linalg.norm(positions[0] - positions[-1]), atoms.get_distance(0, -1), atol=1e-7
        )

    def test_several_frames(self, folder):
        start = folder / "start.xyz"
        frame = ipi_xyz(argon(), "angstrom", "angstrom")
        start.write_text(frame + frame)
        assert len(read_structures(start)) == 2

    @pytest.mark.parametrize(
        ("title", "sentence"),
        [
            ("velocities{atomic_unit} cell{angstrom}", "expected positions, found velocities"),
            ("positions{furlong} cell{angstrom}", "atomic_unit, meter, found furlong"),
        ],
    )
    def test_what_is_no_structure(self, folder, title, sentence):
        start = folder / "start.xyz"
        start.write_text(ipi_xyz(argon(), "angstrom", "angstrom", title=title))
        with pytest.raises(StructureError, match=sentence):
            read_structures(start)


def test_isotopes_keep_their_mass(folder, water_model):
    water = molecule("H2O", vacuum=4, pbc=True)
    start = folder / "start.xyz"
    ase.io.write(start, water)
    start.write_text(start.read_text().replace("\nH ", "\nD "))
    written = write(start, water_model)
    system = ipi_system(written.input)
    np.testing.assert_allclose(system.beads.m / system.beads.m[0], [1, 0.125886, 0.125886], 1e-4)
    [read] = read_structures(start)
    np.testing.assert_allclose(read.get_masses()[1:], 2.0141)


@pytest.mark.parametrize("name", ["POSCAR.xml", "my-OUTCAR.xml", "CONTCAR_2.xml"])
def test_names_that_ase_takes_for_other_programs(folder, model_file, name):
    """The copy of a start has a name by which i-PI reads it."""
    start = folder / "start.cif"
    ase.io.write(start, argon())
    positions, _ = read_by_ipi(write(start, model_file("curl"), name))
    assert len(positions) == len(argon())


def test_a_start_with_such_a_name_is_copied(folder, model_file):
    start = folder / "POSCAR.xyz"
    ase.io.write(start, argon(), format="extxyz")
    positions, _ = read_by_ipi(write(start, model_file("curl")))
    np.testing.assert_allclose(positions, argon().positions, atol=1e-6)


def test_a_data_file_of_lammps(folder, model_file):
    start = folder / "water.data"
    ase.io.write(start, argon(), format="lammps-data", masses=True)
    with pytest.raises(StructureError, match=r"is a data file of LAMMPS.*ase convert"):
        write(start, model_file("curl"))


class TestTemplate:
    """What may say which elements i-PI's atoms are."""

    def simulation(self, folder, model) -> ipi_tools.Simulation:
        forces = '<force forcefield="one"/>'
        forcefield = ffdirect("one", model, "conservative", template="RESTART")
        return ipi_tools.Simulation(argon(), [forcefield], forces, steps=2)

    def test_restart(self, folder, model_file):
        """A run from the RESTART of another one, which is the template, too."""
        first = self.simulation(folder, model_file("curl"))
        first.forcefields = [ffdirect("one", model_file("curl"), "conservative")]
        first.run(folder, timeout=120)
        template = read_template(folder / "RESTART")
        assert list(template.symbols) == list(argon().symbols)
        assert template.pbc.all()
        again = self.simulation(folder, model_file("curl")).run(folder, timeout=120)
        assert again.status == 0, again.log[-2000:]
        assert "32 atoms (Ar32) in the order of the template RESTART: Ar Ar" in again.log

    def test_input_that_holds_its_atoms(self, folder, model_file):
        """As Monte Carlo inputs do: labels, and no file."""
        self.simulation(folder, model_file("curl")).write(folder)
        template = read_template(folder / "input.xml")
        assert list(template.symbols) == list(argon().symbols)
        assert template.pbc.all()

    def test_input_that_names_its_file(self, folder, model_file):
        ase.io.write(folder / "start.xyz", argon())
        write(folder / "start.xyz", model_file("curl"))
        assert len(read_template(folder / "input.xml")) == len(argon())

    @pytest.mark.parametrize(("name", "element"), [("D", "H"), ("T", "H"), ("O", "O")])
    def test_isotopes(self, folder, name, element):
        labels = f"<labels mode='manual'> [{name}, O] </labels>"
        text = f"<simulation><system><initialize>{labels}</initialize></system></simulation>"
        (folder / "input.xml").write_text(text)
        assert list(read_template(folder / "input.xml").symbols) == [element, "O"]

    def test_names_that_are_no_elements(self, folder):
        labels = "<labels mode='manual'> [Q1, O] </labels>"
        text = f"<simulation><system><initialize>{labels}</initialize></system></simulation>"
        (folder / "input.xml").write_text(text)
        with pytest.raises(EngineError, match="atoms named Q1, which is no element"):
            read_template(folder / "input.xml")

    def test_the_log_says_the_order(self, folder):
        ase.io.write(folder / "start.xyz", molecule("CH3CH2OH"))
        line = describe_template(folder / "start.xyz")
        assert line.startswith("9 atoms (C2H6O) in the order of the template ")
        assert line.endswith("start.xyz: C C O H H H H H H")
