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
        exact = finite_differences(evaluator, crystal, 1e-4)
        sizes = np.geomspace(0.01, 0.16, 5)
        errors = [
            np.linalg.norm(
                finite_differences(evaluator, crystal, each, one_sided=one_sided) - exact
            )
            for each in sizes
        ]
        found = np.polyfit(np.log(sizes), np.log(errors), 1)[0]
        assert found == pytest.approx(slope, abs=0.1)

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

    @pytest.mark.parametrize("text", ["0.1", "0.3:0.1", "a:b", "0.1:0.3:2", "0:1", "1:2:3:4"])
    def test_a_scan_that_cannot_be(self, text):
        with pytest.raises(ArgumentError, match=r"scan must be two displacements .* found '"):
            parse_scan(text)

    def test_points_of_a_scan(self):
        assert len(parse_scan("0.001:0.3")) == 9
        assert parse_scan("0.01:1:3") == pytest.approx([0.01, 0.1, 1.0])


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
