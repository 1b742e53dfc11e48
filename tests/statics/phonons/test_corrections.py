"""Projections of force constants, and what the violations say of them: T-P5, T-P6."""

from dataclasses import replace

import crystals_phonons as crystals
import models
import numpy as np
import pytest
from ase.build import bulk
from scipy.spatial.transform import Rotation

from md_bridge.engine import rotation_set
from md_bridge.errors import ArgumentError
from md_bridge.model_options import ModelOptions
from md_bridge.statics.evaluator import Evaluator
from md_bridge.statics.phonons.crystal import make_crystal
from md_bridge.statics.phonons.dynamical_matrix import dynamical_matrices, real_frequencies
from md_bridge.statics.phonons.force_constants import finite_differences
from md_bridge.statics.phonons.modes import modes_at_gamma, splitting
from md_bridge.statics.phonons.operations import find_operations, lacking_rotations
from md_bridge.statics.phonons.projectors import CORRECTIONS, correct, require_corrections
from md_bridge.statics.phonons.violations import measure_violations, transposed
from md_bridge.statics.rows import Row


@pytest.fixture(scope="module")
def diamond():
    """Crystal, operations, random force constants."""
    crystal = make_crystal(bulk("Si", "diamond", a=5.43), (2, 2, 2))
    shape = (len(crystal.primitive), len(crystal.supercell), 3, 3)
    compact = np.random.default_rng(7).normal(size=shape)
    return crystal, find_operations(crystal, 1e-3), compact


class TestRandomForceConstants:
    """T-P5."""

    @pytest.mark.parametrize("name", CORRECTIONS)
    def test_taken_twice_it_is_the_same(self, diamond, name):
        crystal, operations, compact = diamond
        once = correct(crystal, operations, compact, name)
        twice = correct(crystal, operations, once, name)
        assert twice == pytest.approx(once, abs=1e-8)
        changes = np.abs(once - compact).max()
        assert (changes > 0.1) == (name != "raw")

    @pytest.mark.parametrize(
        ("name", "kept"),
        [
            ("raw", ()),
            ("permutation", ("permutation",)),
            ("asr", ("acoustic",)),
            ("space-group", ("space_group",)),
            ("symfc", ("permutation", "acoustic", "net_force", "space_group")),
        ],
    )
    def test_each_keeps_its_rule(self, diamond, name, kept):
        crystal, operations, compact = diamond
        found = measure_violations(crystal, operations, correct(crystal, operations, compact, name))
        rules = ("permutation", "acoustic", "net_force", "space_group")
        assert {rule for rule in rules if getattr(found, rule) < 1e-7} >= set(kept)
        if name != "space-group":  # in this supercell the group makes Φ symmetric, too
            assert {rule for rule in rules if getattr(found, rule) > 1e-2} == {*rules} - {*kept}

    def test_projections_are_orthogonal(self, diamond):
        """What is taken away has no part in what is left."""
        crystal, operations, compact = diamond
        for name in ("permutation", "space-group", "symfc"):
            left = correct(crystal, operations, compact, name)
            overlap = np.sum((compact - left) * left) / np.sum(compact**2)
            assert overlap == pytest.approx(0.0, abs=1e-8), name

    def test_all_at_once_gives_the_modes_of_the_group(self, diamond):
        """Three acoustic ones of zero, and three optical ones that are the same (T2g)."""
        crystal, operations, compact = diamond
        raw = modes_at_gamma(crystal, compact)
        assert max(map(abs, raw.acoustic)) > 1.0
        corrected = correct(crystal, operations, compact, "symfc")
        gamma = modes_at_gamma(crystal, corrected)
        assert gamma.acoustic == pytest.approx((0, 0, 0), abs=1e-4)
        assert np.ptp(gamma.optical) < 1e-6
        along = np.linspace(0.0, 0.45, 4)[:, None] * [0.0, 1.0, 1.0]  # Γ-X: 4 transverse, in pairs
        assert splitting(crystal, operations, compact, along) > 0.1
        assert splitting(crystal, operations, corrected, along) < 1e-5

    def test_transposed_twice(self, diamond):
        crystal, _, compact = diamond
        assert np.array_equal(transposed(crystal, transposed(crystal, compact)), compact)

    def test_transposed_is_that_of_the_full_matrix(self, diamond):
        crystal, _, compact = diamond
        full = crystal.full(compact)
        assert np.array_equal(crystal.compact(full), compact)
        matrix = full.transpose(0, 2, 1, 3).reshape(3 * len(full), -1)
        assert np.array_equal(crystal.compact(matrix), compact)
        other = crystal.full(transposed(crystal, compact))
        assert np.array_equal(other, full.transpose(1, 0, 3, 2))

    def test_dynamical_matrix_is_that_of_phonopy(self, diamond):
        crystal, _, compact = diamond
        q = np.random.default_rng(1).uniform(-0.5, 0.5, (4, 3))
        crystal.phonopy.force_constants = compact
        crystal.phonopy.run_qpoints(q)
        found = real_frequencies(dynamical_matrices(crystal, compact, q))
        assert found == pytest.approx(np.array(crystal.phonopy.qpoints.frequencies), rel=1e-6)


def test_conventional_cell_has_the_same_phonons(tmp_path):
    """Its supercell has other atoms; the primitive cell is found in it."""
    path = crystals.bonds(swirl=0.1).export(tmp_path / "model.pt")
    evaluator = Evaluator(path, ModelOptions(), Row("direct"))
    conventional = bulk("ArKr", "rocksalt", a=2 * crystals.BOND, cubic=True)
    found = []
    for atoms, multiples in ((crystals.rock_salt(), (4, 4, 4)), (conventional, (2, 2, 2))):
        crystal = make_crystal(atoms, multiples)
        assert len(crystal.primitive) == 2
        q = np.array([[0.1, 0.2, 0.3]]) @ crystal.primitive.cell.array.T
        compact = finite_differences(evaluator, crystal, 0.01)
        values = np.linalg.eigvals(dynamical_matrices(crystal, compact, q))[0]
        found.append(sorted(values, key=lambda value: (round(value.real, 6), value.imag)))
    assert found[0] == pytest.approx(found[1], abs=1e-9)


class TestAverages:
    """T-P6: force constants of averaged forces are averaged force constants, but for the error of
    finite differences; a set leaves what its angular momenta leave."""

    @pytest.fixture(scope="class")
    def path(self, tmp_path_factory):
        model = models.anisotropic({4: 0.02, 6: 0.02})
        return model.export(tmp_path_factory.mktemp("averages") / "model.pt")

    @staticmethod
    def crystal(turn):
        atoms = bulk("Ar", "fcc", a=5.26)
        atoms.set_cell(atoms.cell.array @ turn.T, scale_atoms=True)
        return make_crystal(atoms, (2, 2, 2))

    @staticmethod
    def differentiate(path, crystal, symmetrize="none"):
        evaluator = Evaluator(path, ModelOptions(), Row("conservative", symmetrize))
        return finite_differences(evaluator, crystal, 0.003)

    @pytest.fixture(scope="class")
    def turn(self):
        return Rotation.from_rotvec([0.4, -0.7, 0.3]).as_matrix()

    def test_of_averaged_forces(self, path, turn):
        crystal = self.crystal(turn)
        averaged = self.differentiate(path, crystal, "octahedral")
        mean = np.zeros_like(averaged)
        rotations, weights = rotation_set("octahedral")
        for rotation, weight in zip(rotations, weights, strict=True):
            turned = crystal.supercell.copy()
            turned.set_cell(turned.cell.array @ rotation.T, scale_atoms=True)
            found = self.differentiate(path, replace(crystal, supercell=turned))
            mean += weight * rotation.T @ found @ rotation
        single = self.differentiate(path, crystal)
        assert np.linalg.norm(single - mean) > 1e-2 * np.linalg.norm(mean)
        assert averaged == pytest.approx(mean, abs=5e-6)

    def test_what_sets_leave(self, path, turn):
        crystal = self.crystal(turn)
        operations = find_operations(crystal, 1e-3)

        def left(symmetrize):
            compact = self.differentiate(path, crystal, symmetrize)
            return measure_violations(crystal, operations, compact).space_group

        none, octahedral, icosahedral = map(left, ("none", "octahedral", "icosahedral"))
        assert none > octahedral > icosahedral > 1e-5
        assert lacking_rotations(operations, "octahedral") == (23, 24)

    def test_aligned(self, path):
        """A group's own rotations are exact whatever angular momenta there are."""
        crystal = self.crystal(np.eye(3))
        operations = find_operations(crystal, 1e-3)
        compact = self.differentiate(path, crystal, "octahedral")
        # mirrors are in it, too: all angular momenta of this model are even
        assert measure_violations(crystal, operations, compact).space_group < 1e-9
        assert lacking_rotations(operations, "octahedral") == (0, 24)
        assert lacking_rotations(operations, "none") == (0, 0)


def test_a_supercell_that_lacks_operations():
    crystal = make_crystal(bulk("Si", "diamond", a=5.43, cubic=True), (1, 1, 2))
    operations = find_operations(crystal, 1e-3)
    assert len(operations) == 16
    assert operations.left_out == 32
    compact = np.random.default_rng(3).normal(size=(2, len(crystal.supercell), 3, 3))
    once = correct(crystal, operations, compact, "space-group")
    assert correct(crystal, operations, once, "space-group") == pytest.approx(once, abs=1e-10)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("simfc",), "found 'simfc': did you mean 'symfc'?"),
        (("everything",), "found 'everything': there are raw, permutation, asr"),
        (("raw", "raw"), "different names with commas between them, found raw,raw"),
        ((), "different names"),
    ],
)
def test_unknown_corrections(names, message):
    with pytest.raises(ArgumentError) as found:
        require_corrections(names)
    assert message in str(found.value)
