"""Which space group a structure has, as far as which distance; what became of it."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, fcc111
from ase.spacegroup import crystal

from md_bridge.ase import space_group_type
from md_bridge.engine import EngineError
from md_bridge.statics.errors import StaticsError
from md_bridge.statics.space_groups import (
    CHANGES,
    MATBENCH_SYMPRECS,
    change,
    hexagonal_problem,
    plateau,
    reading_problem,
    standardised,
)


def shaken(size=1e-3):
    """fcc with each atom displaced by so much, in a direction of its own."""
    atoms = bulk("Al", "fcc", a=4.05, cubic=True)
    directions = np.random.default_rng(2).normal(size=(len(atoms), 3))
    atoms.positions += size * directions / np.linalg.norm(directions, axis=1, keepdims=True)
    return atoms


class TestPlateau:
    def test_a_shaken_crystal(self):
        """T-R6. Atoms that are 1e-3 Å from their places are up to four times that from where an
        operation takes others: two atoms, and one that the operation is aligned by, twice."""
        found = plateau(shaken())
        groups = dict(zip(found.symprecs, found.groups, strict=True))
        assert len(groups) == 51
        assert {group.number for symprec, group in groups.items() if symprec > 4e-3} == {225}
        assert {group.number for symprec, group in groups.items() if symprec < 1e-4} == {1}
        assert [found.runs[0].group.number, found.runs[-1].group.number] == [1, 225]
        assert found.runs[-1].group.operations == 192
        assert found.runs[0].first == pytest.approx(1e-6)
        assert found.runs[-1].last == pytest.approx(0.1)
        assert 1.3 < found.runs[-1].decades < 1.7
        assert found.longest is found.runs[0]
        assert str(found).startswith("P1 (1) from 1e-06 to ")

    def test_a_perfect_crystal(self):
        found = plateau(bulk("Si"))
        assert found.longest.group.symbol == "Fd-3m (227)"
        assert found.longest.group.operations == 48
        assert found.longest.decades == pytest.approx(5.0)
        assert found.at(1e-4) == found.longest.group
        assert str(found) == "Fd-3m (227) from 1e-06 to 0.1 Å (5.0 decades)"

    def test_of_a_slab_its_layer_group_counts(self):
        """Whatever its cell is across: with the height of three layers it were all of the crystal,
        whose translations take a layer to the next one."""
        slab = fcc111("Al", (1, 1, 3), a=4.05, vacuum=6.0)
        for height in (slab.cell[2, 2], 4.05 * np.sqrt(3.0)):
            slab.cell[2, 2] = height
            assert {group.operations for group in plateau(slab, [1e-5, 1e-3]).groups} == {12}
        slab.pbc = True
        assert {group.operations for group in plateau(slab, [1e-5, 1e-3]).groups} == {36}

    def test_where_spglib_finds_nothing(self):
        double = bulk("Ar", "fcc", a=5.4) + bulk("Ar", "fcc", a=5.4)
        double.positions[1] += [1e-4, 0.0, 0.0]
        found = plateau(double)
        assert found.groups[-1] is None
        assert found.groups[0] is not None
        assert found.longest.last < 1.1e-4
        double.positions[1] = double.positions[0]
        assert plateau(double).longest is None
        assert str(plateau(double)) == "no space group"


class TestChange:
    def test_as_matbench_counts(self):
        start = bulk("Al", "fcc", a=4.05, cubic=True)
        tetragonal = start.copy()
        tetragonal.set_cell(start.cell.array * [1.0, 1.0, 1.001], scale_atoms=True)
        at = MATBENCH_SYMPRECS
        assert [change(start, tetragonal, symprec).verdict for symprec in at] == ["lowered", "kept"]
        assert [change(tetragonal, start, symprec).verdict for symprec in at] == ["raised", "kept"]
        found = change(start, tetragonal, at[0])
        assert (found.start.operations, found.end.operations) == (192, 64)
        assert str(found) == "Fm-3m (225) → I4/mmm (139): lowered"
        assert str(change(start, tetragonal, at[1])) == "Fm-3m (225): kept"

    def test_the_number_decides_not_the_operations(self):
        """A cell of four times the volume has four times the operations, of the same group."""
        cubic, primitive = (bulk("Al", "fcc", a=4.05, cubic=cubic) for cubic in (True, False))
        found = change(cubic, primitive, 1e-5)
        assert (found.start.operations, found.end.operations) == (192, 48)
        assert found.verdict == "kept"

    def test_others(self):
        """Two groups with as many operations; and one that cannot be read."""
        p2 = crystal("Ar", [(0.1, 0.2, 0.3)], spacegroup=3, cellpar=[5, 6, 7, 90, 105, 90])
        pm = crystal("Ar", [(0.1, 0.2, 0.3)], spacegroup=6, cellpar=[5, 6, 7, 90, 105, 90])
        for atoms in (p2, pm):
            extra = crystal("Kr", [(0.31, 0.07, 0.45)], spacegroup=3 if atoms is p2 else 6,
                            cellpar=[5, 6, 7, 90, 105, 90])  # fmt: skip
            atoms += extra
        found = change(p2, pm, 1e-5)
        assert (found.start.number, found.end.number) == (3, 6)
        assert found.verdict == "other"
        twice = p2 + p2
        assert change(p2, twice, 1e-5).verdict == "unknown"
        assert {found.verdict, "unknown"} <= set(CHANGES)


class TestStandardised:
    def test_of_a_shaken_crystal(self):
        """T-R6: a to 1e-6, and the atoms where they belong."""
        cell = standardised(shaken())
        np.testing.assert_allclose(cell.cell.cellpar(), [4.05] * 3 + [90] * 3, atol=1e-6)
        assert len(cell) == 4
        assert space_group_type(cell, 1e-8).number == 225
        assert cell.info["space_group"] == "Fm-3m (225)"
        primitive = standardised(shaken(), primitive=True)
        assert len(primitive) == 1
        assert primitive.cell.volume == pytest.approx(4.05**3 / 4, abs=1e-6)

    def test_atoms_are_where_the_group_has_them(self):
        atoms = crystal(
            ["Ti", "O"],
            [(0, 0, 0), (0.305, 0.305, 0)],
            spacegroup=136,
            cellpar=[4.6, 4.6, 2.96, 90, 90, 90],
        )
        atoms.rattle(1e-3, seed=1)
        assert space_group_type(atoms, 1e-5).number == 1
        for primitive in (False, True):
            cell = standardised(atoms, 1e-2, primitive=primitive)
            assert space_group_type(cell, 1e-8).number == 136

    def test_what_has_none(self):
        with pytest.raises(
            StaticsError, match=r"periodic in x, y and z, found pbc \[True, True, F"
        ):
            standardised(fcc111("Al", (1, 1, 3), vacuum=6.0))
        twice = bulk("Al") + bulk("Al")
        with pytest.raises(StaticsError, match=r"Atoms 0 and 1 \(counted from 0\) are 0 Å apart"):
            standardised(twice)


class TestReading:
    def test_sentences(self):
        assert reading_problem(bulk("Si")) is None
        flat = Atoms("Ar", cell=[[5, 0, 0], [0, 5, 0], [5, 5, 0]], pbc=True)
        assert "needs cell vectors along these directions" in reading_problem(flat)
        lost = bulk("Si")
        lost.positions[1, 2] = np.nan
        assert reading_problem(lost) == "the position of atom 1 is not finite"
        assert "without atoms" in reading_problem(Atoms(cell=[1, 1, 1], pbc=True))


class TestHexagonal:
    HCP = bulk("Ti", "hcp", a=2.95, c=4.68)

    @pytest.mark.parametrize("symmetrize", ["octahedral", "icosahedral/inversion", "lebedev:4"])
    def test_a_set_without_its_axis(self, symmetrize):
        found = hexagonal_problem(self.HCP, symmetrize)
        assert found.startswith("P6_3/mmc (194) has a 6-fold axis along (0, 0, 1), and the set ")
        assert f"the set {symmetrize} has none there" in found

    @pytest.mark.parametrize(
        "symmetrize", ["none", "hexagonal", "hexagonal/inversion", "hexagonal:3"]
    )
    def test_a_set_with_it(self, symmetrize):
        assert hexagonal_problem(self.HCP, symmetrize) is None

    def test_a_crystal_that_lies(self):
        lying = self.HCP.copy()
        lying.rotate(90, "y", rotate_cell=True)
        assert "6-fold axis along (1, 0, 0)" in hexagonal_problem(lying, "hexagonal")

    def test_others_have_none(self):
        assert hexagonal_problem(bulk("Si"), "octahedral") is None
        calcite = crystal(
            ["Ca", "C", "O"],
            [(0, 0, 0), (0, 0, 0.25), (0.257, 0, 0.25)],
            spacegroup=167,
            cellpar=[4.99, 4.99, 17.06, 90, 90, 120],
        )
        assert "R-3c (167) has a 3-fold axis along (0, 0, 1)" in hexagonal_problem(
            calcite, "octahedral"
        )
        # along (1, 1, 1) a cube has one, too
        cube = bulk("NaCl", "rocksalt", a=5.6)
        cube.set_cell(cube.cell.array @ (np.eye(3) + 0.01 * np.ones((3, 3))), scale_atoms=True)
        assert space_group_type(cube).number == 166
        assert hexagonal_problem(cube, "octahedral") is None

    def test_an_unknown_set(self):
        with pytest.raises(EngineError, match="octahedral"):
            hexagonal_problem(self.HCP, "octahedrl")
