"""What converges with the displacement and what does not: T-P3, T-P4, T-P10; the reduced set."""

import crystals_phonons as crystals
import numpy as np
import pytest
from ase.build import bulk
from crystals_phonons import K

from md_bridge.errors import ArgumentError
from md_bridge.model_options import ModelOptions
from md_bridge.statics.errors import StaticsError
from md_bridge.statics.evaluator import Evaluator
from md_bridge.statics.phonons.band_path import make_path
from md_bridge.statics.phonons.crystal import make_crystal
from md_bridge.statics.phonons.dynamical_matrix import dynamical_matrices, hermitian
from md_bridge.statics.phonons.force_constants import (
    count_displacements,
    finite_differences,
    reduced_differences,
)
from md_bridge.statics.phonons.operations import find_operations
from md_bridge.statics.phonons.scan import fitted_slopes, parse_scan, scan_displacements
from md_bridge.statics.phonons.violations import measure_violations
from md_bridge.statics.rows import Row


@pytest.fixture
def evaluators(tmp_path):
    """Of an analytic model, one for each kind of forces."""

    def make(model, *kinds):
        path = model.export(tmp_path / "model.pt")
        return [Evaluator(path, ModelOptions(), Row(kind)) for kind in kinds]

    return make


def scan(evaluator, crystal, sizes):
    q = make_path(crystal, "auto", 1e-2).qpoints[::20]
    return scan_displacements(evaluator, crystal, q, sizes, mesh=2, temperature=300.0)


class TestQuarticBond:
    """T-P3: forces are polynomials of third order, so that the error is δ² and nothing else."""

    QUARTIC = 0.02

    @pytest.fixture
    def evaluator(self, evaluators):
        return evaluators(crystals.bonds(quartic=self.QUARTIC), "conservative")[0]

    @pytest.mark.parametrize(("one_sided", "slope"), [(False, 2.0), (True, 1.0)])
    def test_order(self, evaluator, one_sided, slope):
        crystal = make_crystal(crystals.fcc(), (3, 3, 3))
        q = np.random.default_rng(4).uniform(-0.5, 0.5, (8, 3))
        sizes = np.array([1e-4, *np.geomspace(0.01, 0.16, 5)])
        constants = np.array(
            [finite_differences(evaluator, crystal, each, one_sided=one_sided) for each in sizes]
        )
        matrices = [dynamical_matrices(crystal, compact, q) for compact in constants]
        squares = np.array([np.linalg.eigvalsh(hermitian(each)) for each in matrices])

        def order(values):
            errors = [np.linalg.norm(each - values[0]) for each in values[1:]]
            return np.polyfit(np.log(sizes[1:]), np.log(errors), 1)[0]

        assert order(constants) == pytest.approx(slope, abs=0.1)
        # at a centre of inversion what is of first order has no part in Hermitian matrices
        assert order(squares) == pytest.approx(2.0, abs=0.1)

    def test_scan(self, evaluator):
        found = scan(evaluator, make_crystal(crystals.fcc(), (2, 2, 2)), np.geomspace(0.01, 0.3, 6))
        assert np.isnan(found.slopes[0])
        assert found.slopes[1] == pytest.approx(2.0, abs=0.1)


class TestRipple:
    """T-P4: direct forces with a fine ripple, on springs that are harmonic."""

    RIPPLE, WAVE = 2e-3, 900.0

    def test_error_of_force_constants(self, evaluators):
        """−√2 ε cos(κ x) sin(κδ)/δ for a bond with the component x, in closed form."""
        direct, conservative = evaluators(
            crystals.bonds(ripple=self.RIPPLE, wave=self.WAVE), "direct", "conservative"
        )
        crystal = make_crystal(crystals.fcc(), (3, 3, 3))
        vectors, weights = crystal.shortest
        apart = np.einsum("ikm,ikmc->ikc", weights, vectors) @ crystal.primitive.cell.array
        bonded = np.abs(np.linalg.norm(apart[0], axis=1) - crystals.BOND) < 0.1
        exact = np.zeros((1, len(bonded), 3, 3))
        exact[0, bonded] = -K * np.eye(3)
        exact[0, crystal.first[0]] = 12 * K * np.eye(3)
        # the crests of the envelope
        sizes = (np.array([2, 5, 11, 23, 46]) + 0.5) * np.pi / self.WAVE
        rms = []
        for each in sizes:
            found = finite_differences(direct, crystal, each) - exact
            diagonal = np.einsum("kaa->ka", found[0][bonded])
            crest = np.sin(self.WAVE * each) / each
            expected = -np.sqrt(2) * self.RIPPLE * np.cos(self.WAVE * apart[0][bonded]) * crest
            assert diagonal == pytest.approx(expected, rel=1e-5, abs=1e-9)
            rms.append(np.sqrt(np.mean(diagonal**2)))
            assert np.abs(finite_differences(conservative, crystal, each) - exact).max() < 1e-8
        assert np.polyfit(np.log(sizes), np.log(rms), 1)[0] == pytest.approx(-1.0, abs=1e-3)

    def test_scan_tells_the_two_apart(self, evaluators):
        model = crystals.bonds(quartic=0.02, ripple=self.RIPPLE, wave=self.WAVE)
        direct, conservative = evaluators(model, "direct", "conservative")
        crystal = make_crystal(crystals.fcc(), (2, 2, 2))
        crests = (np.array([2, 4, 8, 16, 32, 64, 128]) + 0.5) * np.pi / self.WAVE
        rough, smooth = (scan(each, crystal, crests) for each in (direct, conservative))
        assert rough.slopes[0] == pytest.approx(-1.0, abs=0.2)
        assert smooth.slopes[1] == pytest.approx(2.0, abs=0.1)
        assert rough.changes[0] > 100 * smooth.changes[0]


class TestOptimum:
    """T-P4: between a ripple, whose error falls as A/δ, and a quartic bond, whose error grows as
    B δ², the best displacement is δ* = (A/√2 B)^⅓, ∼ (ε/φ⁗)^⅓."""

    QUARTIC, WAVE = 0.5, 9000.0
    STEP = np.sqrt(2.0)
    """Of one displacement to the next, as nearly as crests of the ripple allow."""

    @pytest.fixture(scope="class")
    def sizes(self):
        """Where the ripple has its crests of one sign."""
        wanted = 0.008 * self.STEP ** np.arange(13)
        return (2 * np.round(wanted * self.WAVE / (2 * np.pi)) + 0.5) * np.pi / self.WAVE

    @pytest.fixture
    def both(self, evaluators):
        def make(ripple):
            model = crystals.bonds(quartic=self.QUARTIC, ripple=ripple, wave=self.WAVE)
            return evaluators(model, "direct", "conservative")

        return make

    def cosines(self, crystal):
        """Of the ripple, for each bond and each component, and which atoms have bonds."""
        vectors, weights = crystal.shortest
        apart = np.einsum("ikm,ikmc->ikc", weights, vectors) @ crystal.primitive.cell.array
        bonded = np.abs(np.linalg.norm(apart[0], axis=1) - crystals.BOND) < 0.1
        return np.cos(self.WAVE * apart[0][bonded]), bonded

    def test_of_force_constants(self, both, sizes):
        """−√2 ε cos(κ x)/δ of the ripple and −φ δ² of the bond, each element as it should be."""
        ripple = 2e-3
        direct, conservative = both(ripple)
        crystal = make_crystal(crystals.fcc(), (3, 3, 3))
        exact = finite_differences(conservative, crystal, 1e-4)
        cosines, bonded = self.cosines(crystal)
        errors = []
        for each in sizes:
            found = finite_differences(direct, crystal, each) - exact
            diagonal = np.einsum("kaa->ka", found[0][bonded])
            expected = -np.sqrt(2) * ripple * cosines / each - self.QUARTIC * each**2
            assert diagonal == pytest.approx(expected, rel=1e-4, abs=1e-6)
            errors.append(np.sqrt(np.mean(diagonal**2)))
        best = (ripple * np.sqrt(np.mean(cosines**2)) / self.QUARTIC) ** (1 / 3)
        place = int(np.argmin(errors))
        assert sizes[place] == pytest.approx(best, rel=self.STEP - 1)
        assert errors[0] > 5 * errors[place] < errors[-1]

    def test_of_the_scan(self, both, sizes):
        """It changes least at δ*; a sixty-fourth of the ripple moves that to a quarter."""
        crystal = make_crystal(crystals.fcc(), (2, 2, 2))
        cosines, _ = self.cosines(make_crystal(crystals.fcc(), (3, 3, 3)))
        # of one displacement to the next: A (1/δ₁ − 1/δ₂) and B (δ₂² − δ₁²), δ₂/δ₁ the step
        shares = (self.STEP**0.5 - self.STEP**-0.5) / (self.STEP - 1 / self.STEP)
        found = []
        for ripple in (2e-3, 2e-3 / 64):
            rough, smooth = (scan(each, crystal, sizes) for each in both(ripple))
            least = int(np.argmin(rough.changes))
            best = (shares * ripple * np.sqrt(np.mean(cosines**2)) / self.QUARTIC) ** (1 / 3)
            assert 0.5 < rough.middles[least] / best < 2.0  # of a cube root
            found.append(rough.middles[least])
            assert int(np.argmin(smooth.changes)) == 0
        assert found[0] / found[1] == pytest.approx(4.0, rel=0.1)


class TestCap:
    """T-P10: neighbours that a cap or a cutoff throws out at once."""

    @pytest.fixture
    def crystal(self):
        """hcp: no atom has inversion, which would make any Φ symmetric; two shells of six."""
        return make_crystal(bulk("Ar", "hcp", a=3.72, c=6.2), (2, 2, 2))

    @pytest.fixture
    def operations(self, crystal):
        return find_operations(crystal, 1e-3)

    def test_smooth(self, crystal, operations, evaluators):
        (evaluator,) = evaluators(crystals.lennard_jones(), "conservative")
        compact = finite_differences(evaluator, crystal, 0.01)
        # of the error of finite differences
        assert measure_violations(crystal, operations, compact).permutation < 1e-4
        found = scan(evaluator, crystal, np.geomspace(0.003, 0.03, 5))
        assert found.slopes[1] == pytest.approx(2.0, abs=0.1)

    def test_cap(self, crystal, operations, evaluators):
        """12 neighbours of two shells, and the nearest few of the third one."""
        (evaluator,) = evaluators(crystals.lennard_jones(neighbours=14), "conservative")
        compact = finite_differences(evaluator, crystal, 0.01)
        assert measure_violations(crystal, operations, compact).permutation > 0.05
        found = scan(evaluator, crystal, np.geomspace(0.001, 0.03, 5))
        assert found.slopes[0] == pytest.approx(-1.0, abs=0.2)

    def test_hard_cutoff(self, evaluators):
        """At the second shell: π says nothing of it, for both atoms of a pair see it."""
        crystal = make_crystal(bulk("Ar", "fcc", a=5.26), (2, 2, 2))
        (evaluator,) = evaluators(crystals.lennard_jones(5.26, smooth=False), "conservative")
        found = scan(evaluator, crystal, np.geomspace(0.001, 0.03, 5))
        assert found.slopes[0] == pytest.approx(-1.0, abs=0.2)


class TestSlopes:
    SIZES = np.geomspace(1e-3, 0.3, 9)

    def test_both_sides(self):
        below, above = fitted_slopes(self.SIZES, 1e-5 / self.SIZES + 3 * self.SIZES**2)
        assert below == pytest.approx(-1.0, abs=0.1)
        assert above == pytest.approx(2.0, abs=0.1)

    @pytest.mark.parametrize(("power", "place"), [(2.0, 1), (-1.0, 0)])
    def test_one_side(self, power, place):
        found = fitted_slopes(self.SIZES, self.SIZES**power)
        assert found[place] == pytest.approx(power)
        assert np.isnan(found[1 - place])
        few = fitted_slopes(self.SIZES[:3], self.SIZES[:3] ** power)
        assert few[place] == pytest.approx(power)

    @pytest.mark.parametrize(
        "text", ["0.1", "0.3:0.1", "a:b", "0.1:0.3:2", "0:1", "1:2:3:4", "0.001:5"]
    )
    def test_a_scan_that_cannot_be(self, text):
        with pytest.raises(ArgumentError, match=r"scan must be two displacements .* found '"):
            parse_scan(text)

    def test_points_of_a_scan(self):
        assert len(parse_scan("0.001:0.3")) == 9
        assert parse_scan("0.009:0.9:3") == pytest.approx([0.009, 0.09, 0.9])


def test_reduced_set_gives_the_same(evaluators):
    """Of forces that have the symmetry; one displacement in place of six, forth and back."""
    (evaluator,) = evaluators(crystals.bonds(), "conservative")
    for atoms, fewest in ((crystals.fcc(), 2), (crystals.rock_salt(), 4)):
        crystal = make_crystal(atoms, (2, 2, 2))
        assert count_displacements(crystal, fast=True) == fewest
        assert count_displacements(crystal) == 6 * len(crystal.primitive)
        everything = finite_differences(evaluator, crystal, 0.01)
        before = evaluator.evaluations
        reduced = reduced_differences(evaluator, crystal, 0.01)
        assert evaluator.evaluations - before == fewest
        assert reduced == pytest.approx(everything, abs=1e-9)


def test_reduced_set_has_the_force_first(evaluators):
    """As the full one: forces on argon and krypton differ, and phonopy has them transposed."""
    (evaluator,) = evaluators(crystals.bonds(push=0.2), "direct")
    crystal = make_crystal(crystals.rock_salt(), (2, 2, 2))
    everything = finite_differences(evaluator, crystal, 0.01)
    assert reduced_differences(evaluator, crystal, 0.01) == pytest.approx(everything, abs=1e-9)


def test_a_displacement_below_the_noise(evaluators):
    (evaluator,) = evaluators(crystals.bonds(), "conservative")
    crystal = make_crystal(crystals.fcc(), (2, 2, 2))
    message = "1e-05 Å changes forces by .* and their noise is 0.0001 .*: choose a larger one"
    for differences in (finite_differences, reduced_differences):
        with pytest.raises(StaticsError, match=message):
            differences(evaluator, crystal, 1e-5, noise=1e-4)
