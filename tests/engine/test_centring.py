"""Where a structure is does not matter, in single precision either."""

import re

import ase.build
import ase.io
import lammps_tools
import numpy as np
import pytest
from ase.io import read
from ipi.utils.units import unit_to_internal

from md_bridge._paths import DATA
from md_bridge.engine import Engine, Pairs, Structure, structure_from_ase
from md_bridge.ipi.driver import MDBridgeDriver

WANTED = {"conservative_forces": True, "conservative_virial": True, "direct_forces": True}
ANGSTROM = unit_to_internal("length", "angstrom", 1.0)
FAR = (10.0, 1000.0, 1e4)


@pytest.fixture(scope="module")
def engine():
    return Engine(DATA / "water.pt")


@pytest.fixture(scope="module")
def water():
    atoms = read(DATA / "water-start.xyz")
    atoms.rattle(0.02, rng=np.random.default_rng(3))
    return atoms


def assert_same(found, expected, forces=6e-5, virial=3e-4):
    """To the rounding of single precision: eV, eV/Å."""
    assert found.energy == pytest.approx(expected.energy, abs=2e-4)
    for kind in ("conservative_forces", "direct_forces"):
        one, other = getattr(found, kind), getattr(expected, kind)
        np.testing.assert_allclose(one, other, atol=forces)
    np.testing.assert_allclose(found.conservative_virial, expected.conservative_virial, atol=virial)


@pytest.mark.parametrize("distance", FAR)
def test_far_from_the_origin(engine, water, distance):
    expected = engine.evaluate(structure_from_ase(water), **WANTED)
    water = water.copy()
    water.positions += distance * np.array([1.0, -0.7, 0.4])
    assert_same(engine.evaluate(structure_from_ase(water), **WANTED), expected)


@pytest.mark.parametrize("pbc", [True, (True, False, True), (False, True, False)])
def test_atoms_that_nobody_wrapped(engine, water, pbc):
    """Each in another cell, as after long dynamics of a liquid; tilted cells too."""
    water = water.copy()
    tilt = np.array([[0.0, 0.0, 0.0], [0.7, 0.0, 0.0], [-0.4, 0.9, 0.0]])
    water.set_cell(water.cell.array + tilt, scale_atoms=True)
    water.pbc = pbc
    expected = engine.evaluate(structure_from_ase(water), **WANTED)
    cells = np.random.default_rng(4).integers(-300, 300, size=(len(water), 3))
    water.positions += (cells * water.pbc) @ water.cell.array
    pairs = Pairs(1.0)
    for _ in range(2):  # the second time with the same list
        assert_same(engine.evaluate(structure_from_ase(water), pairs, **WANTED), expected)
    assert (pairs.builds, pairs.reuses) == (1, 1)


def test_a_molecule_far_out(engine):
    atoms = ase.build.molecule("H2O")
    expected = engine.evaluate(structure_from_ase(atoms), **WANTED)
    for distance in FAR:
        atoms.positions += distance
        found = engine.evaluate(structure_from_ase(atoms), **WANTED)
        assert_same(found, expected, virial=5e-5)


def test_rotated_copies_and_batches(water):
    engine = Engine(DATA / "water.pt", symmetrize="octahedral", atoms_per_forward=400)
    small = water[:30]
    expected = engine.evaluate(structure_from_ase(small), **WANTED)
    moved = small.copy()
    moved.positions += 5000.0
    found = engine.evaluate([structure_from_ase(a) for a in (moved, small)], **WANTED)
    for one in found:
        assert_same(one, expected)


def test_shifts_in_double_precision(model_file):
    """Lattice vectors are counted exactly: a lattice of four atoms, smaller than its cutoff."""
    engine = Engine(model_file("curl"))
    atoms = ase.build.bulk("Ar", "fcc", a=5.4, cubic=True)
    atoms.rattle(0.1, seed=1)
    expected = engine.evaluate(structure_from_ase(atoms), **WANTED)
    atoms.positions += [[3, 0, -2], [0, 0, 0], [-1, 7, 0], [0, 0, 100]] @ atoms.cell.array
    found = engine.evaluate(structure_from_ase(atoms), **WANTED)
    assert found.energy == pytest.approx(expected.energy, abs=1e-10)
    for kind in WANTED:
        np.testing.assert_allclose(getattr(found, kind), getattr(expected, kind), atol=1e-9)


def test_ghosts(engine, water):
    """Owned atoms alone give energies; the ghosts of a far sub-domain too."""
    base = structure_from_ase(water)
    shifted = water.copy()
    shifted.positions += 1e4
    far = structure_from_ase(shifted)
    found = [
        engine.evaluate(
            Structure(s.types, s.positions, s.cell, s.periodic, owned=30), conservative_forces=True
        )
        for s in (base, far)
    ]
    assert found[0].energy == pytest.approx(found[1].energy, abs=2e-4)
    np.testing.assert_allclose(
        found[0].conservative_forces, found[1].conservative_forces, atol=6e-5
    )


DECK = """
units metal
atom_modify map array
read_data {data}
pair_style mdbridge {model} threads 1
pair_coeff * * O H
thermo_style custom step pe press
thermo_modify format float %.12g norm no
run 0
write_dump all custom water.dump id fx fy fz modify sort id format float %.12g
"""


def shifted(data, shift):
    """A data file with its box and atoms elsewhere."""
    head, atoms = data.split("Atoms")
    for axis, by in zip("xyz", shift, strict=True):
        low, high = re.search(rf"^(\S+) (\S+) {axis}lo", head, re.MULTILINE).groups()
        head = head.replace(
            f"{low} {high} {axis}lo", f"{float(low) + by} {float(high) + by} {axis}lo"
        )
    title, *rows = atoms.split("\n")
    moved = [title]
    for row in rows:
        words = row.split()
        if len(words) == 5:
            words[2:] = [f"{float(x) + by:.17g}" for x, by in zip(words[2:], shift, strict=True)]
        moved.append(" ".join(words))
    return "Atoms".join([head, "\n".join(moved)])


@pytest.mark.parametrize("ranks", [1, 2])
def test_lammps(tmp_path, water, ranks):
    """A box that does not begin at 0."""
    lammps_tools.box_from_file(water, ["O", "H"], tmp_path / "near.data")
    far = shifted((tmp_path / "near.data").read_text(), np.array([8000.0, -8000.0, 4000.0]))
    (tmp_path / "far.data").write_text(far)
    found = []
    for data in ("near.data", "far.data"):
        deck = DECK.format(data=data, model=DATA / "water.pt")
        done = lammps_tools.run_input(deck, tmp_path, ranks=ranks)
        assert done.returncode == 0, done.stdout
        energy, pressure = map(float, done.stdout.split("Press")[1].split()[1:3])
        found.append((energy, pressure, np.loadtxt(tmp_path / "water.dump", skiprows=9)[:, 1:]))
    (energy, pressure, forces), (far_energy, far_pressure, far_forces) = found
    assert far_energy == pytest.approx(energy, abs=3e-4)
    assert far_pressure == pytest.approx(pressure, abs=2.0)  # bar
    np.testing.assert_allclose(far_forces, forces, atol=6e-5)


def test_ipi(tmp_path, water):
    """i-PI never wraps, and does not mind where the atoms are."""
    ase.io.write(tmp_path / "start.xyz", water)
    driver = MDBridgeDriver(model=DATA / "water.pt", template=tmp_path / "start.xyz")
    cell = water.cell.array.T * ANGSTROM
    cells = np.random.default_rng(4).integers(-300, 300, size=(len(water), 3))
    moved = water.positions + 5000.0 + cells @ water.cell.array
    found = [driver(cell, positions * ANGSTROM) for positions in (water.positions, moved)]
    (energy, forces, virial, _), (far_energy, far_forces, far_virial, _) = found
    assert far_energy == pytest.approx(energy, abs=1e-5)
    np.testing.assert_allclose(far_forces, forces, atol=3e-6)
    np.testing.assert_allclose(far_virial, virial, atol=1e-5)
