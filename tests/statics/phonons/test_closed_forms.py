"""Phonons that are known in closed form: T-P1, T-P2, T-P7, T-P9, T-P11 of the specification."""

import crystals_phonons as crystals
import models
import numpy as np
import pytest
from ase import units
from ase.build import bulk
from crystals_phonons import BOND, K
from phonopy.physical_units import get_physical_units
from scipy import constants

from md_bridge.engine import Engine
from md_bridge.model_options import ModelOptions
from md_bridge.statics.evaluator import Evaluator
from md_bridge.statics.phonons.crystal import make_crystal
from md_bridge.statics.phonons.dynamical_matrix import (
    THZ,
    complex_frequencies,
    dynamical_matrices,
    real_frequencies,
)
from md_bridge.statics.phonons.force_constants import finite_differences
from md_bridge.statics.phonons.growth import measure_growth
from md_bridge.statics.phonons.modes import modes_at_gamma
from md_bridge.statics.phonons.operations import find_operations
from md_bridge.statics.phonons.thermal import thermal_functions
from md_bridge.statics.phonons.violations import measure_violations
from md_bridge.statics.rows import Row

CONSERVATIVE, DIRECT = Row("conservative"), Row("direct")


@pytest.fixture
def differentiated(tmp_path):
    """Crystal, compact force constants and evaluator of an analytic model."""

    def differentiate(model, atoms, multiples, row=CONSERVATIVE, **options):
        path = model.export(tmp_path / "model.pt")
        evaluator = Evaluator(path, ModelOptions(), row)
        if options:
            evaluator.engine = Engine(path, **options)
        crystal = make_crystal(atoms, multiples)
        return crystal, finite_differences(evaluator, crystal, 0.01), evaluator

    return differentiate


def frequencies(crystal, compact, qpoints):
    return real_frequencies(dynamical_matrices(crystal, compact, np.array(qpoints)))


def test_diatomic_chain(differentiated):
    """T-P1: both branches, for each of the three directions of motion, at any wave vector."""
    crystal, compact, _ = differentiated(crystals.bonds(), crystals.chain(), (4, 1, 1))
    q = np.linspace(0.0, 0.5, 9)
    found = frequencies(crystal, compact, np.stack([q, 0 * q, 0 * q], axis=1))
    m1, m2 = crystal.primitive.get_masses()
    inverse = 1 / m1 + 1 / m2
    root = np.sqrt(inverse**2 - 4 * np.sin(np.pi * q) ** 2 / (m1 * m2))
    # of rounding the acoustic frequency at Γ is a root
    acoustic, optical = (THZ * np.sqrt(np.abs(K * (inverse + s * root))) for s in (-1, 1))
    assert found[:, :3] == pytest.approx(np.repeat(acoustic[:, None], 3, axis=1), abs=2e-5)
    assert found[:, 3:] == pytest.approx(np.repeat(optical[:, None], 3, axis=1), abs=1e-8)
    edge = THZ * np.sqrt(2 * K / np.array([m2, m1]))
    assert found[-1] == pytest.approx(np.repeat(edge, 3), abs=1e-8)
    gamma = modes_at_gamma(crystal, compact)
    reduced = m1 * m2 / (m1 + m2)
    assert gamma.acoustic == pytest.approx((0, 0, 0), abs=2e-5)
    assert gamma.optical == pytest.approx([THZ * np.sqrt(2 * K / reduced)] * 3, abs=1e-8)


def test_fcc_with_springs_of_nearest_neighbours(differentiated):
    """T-P2: ω_L = √(8K/m) |sin(ka/4)| and ω_T = √(4K/m) |sin(ka/4)| along [100]."""
    k, rest = 2.0, 2.0
    atoms = bulk("H", "fcc", a=np.sqrt(2.0) * rest)
    model = models.harmonic(k, rest, cutoff=1.2 * rest)
    crystal, compact, _ = differentiated(model, atoms, (3, 3, 3))
    along = np.linspace(0.1, 1.0, 7)  # of 2π/a along x
    cartesian = along[:, None] * [1.0 / (np.sqrt(2.0) * rest), 0.0, 0.0]
    found = frequencies(crystal, compact, cartesian @ crystal.primitive.cell.array.T)
    mass = atoms.get_masses()[0]
    sine = THZ * np.sin(0.5 * np.pi * along)
    # an error of δ²: springs of a finite length are not harmonic across
    assert found[:, 2] == pytest.approx(np.sqrt(8 * k / mass) * sine, rel=1e-4)
    for transverse in (found[:, 0], found[:, 1]):
        assert transverse == pytest.approx(np.sqrt(4 * k / mass) * sine, rel=1e-4)
    assert found[:, 0] == pytest.approx(found[:, 1], abs=1e-7)
    assert found[-1, 2] / found[-1, 0] == pytest.approx(np.sqrt(2.0), rel=1e-4)


class TestForcesWithoutPotential:
    """T-P7: a swirl τ ẑ × r_ij of each bond. D(q) = (k + τ [ẑ]×) Σ (1 − cos q·R)/m."""

    SWIRL = 0.06

    @pytest.fixture
    def swirling(self, differentiated):
        model = crystals.bonds(swirl=self.SWIRL)
        return differentiated(model, crystals.fcc(), (2, 2, 2), DIRECT)

    def test_asymmetry(self, swirling):
        crystal, compact, _ = swirling
        found = measure_violations(crystal, find_operations(crystal, 1e-3), compact)
        # of each bond and of the atom itself ‖[ẑ]×‖² = 2 and ‖1‖² = 3
        expected = np.sqrt(2) * self.SWIRL / np.sqrt(3 * K**2 + 2 * self.SWIRL**2)
        assert found.permutation == pytest.approx(expected, rel=1e-8)
        assert found.acoustic < 1e-9
        assert found.net_force < 1e-9

    def test_complex_frequencies(self, swirling):
        crystal, compact, _ = swirling
        q = np.array([[0.31, 0.12, -0.2]])
        found = complex_frequencies(dynamical_matrices(crystal, compact, q))[0]
        lattice = self.neighbours(crystal)
        stiffness = np.sum(1 - np.cos(2 * np.pi * lattice @ q[0])) / crystal.primitive.get_masses()
        expected = THZ * np.sqrt(
            stiffness * np.array([K + 1j * self.SWIRL, K - 1j * self.SWIRL, K])
        )
        assert np.sort_complex(found) == pytest.approx(np.sort_complex(expected), rel=1e-8)
        hidden = real_frequencies(dynamical_matrices(crystal, compact, q))[0]
        assert hidden == pytest.approx([THZ * np.sqrt(stiffness[0] * K)] * 3, rel=1e-8)

    @staticmethod
    def neighbours(crystal):
        """[12, 3], in terms of the primitive cell vectors."""
        near = np.array(np.meshgrid(*[[-1, 0, 1]] * 3)).reshape(3, -1).T
        length = np.linalg.norm(near @ crystal.primitive.cell.array, axis=1)
        return near[(length > 0.1) & (length < 1.1 * BOND)]

    def test_phonopy_does_not_see_it(self, swirling, differentiated):
        crystal, compact, _ = swirling
        same, without, _ = differentiated(crystals.bonds(), crystals.fcc(), (2, 2, 2), DIRECT)
        q = np.array([[0.31, 0.12, -0.2], [0.5, 0.0, 0.0]])
        found = []
        for each, constants_ in ((crystal, compact), (same, without)):
            each.phonopy.force_constants = constants_
            each.phonopy.run_qpoints(q)
            found.append(np.array(each.phonopy.qpoints.frequencies))
        assert found[0] == pytest.approx(found[1], rel=1e-9)
        assert found[0] == pytest.approx(frequencies(crystal, compact, q), rel=1e-6)

    def test_dynamics_heat_at_that_rate(self, swirling):
        """Velocity Verlet with the direct forces, from the growing mode at an edge of the zone."""
        crystal, compact, evaluator = swirling
        q = np.array([0.5, 0.0, 0.0])
        found = complex_frequencies(dynamical_matrices(crystal, compact, q[None]))[0]
        grows = found[np.argmax(np.abs(found.imag))]
        rate = 2 * np.pi * abs(grows.imag)  # 1/ps
        assert rate / (2 * np.pi * grows.real) == pytest.approx(0.5 * self.SWIRL / K, rel=0.02)
        omega = 2 * np.pi * (grows.real + 1j * abs(grows.imag)) / (1e3 * units.fs)  # growing
        wave = np.exp(2j * np.pi * crystal.lattice @ q)
        # of the two circular modes that one whose ω² has a positive imaginary part
        mode = wave[:, None] * np.array([1.0, -1j, 0.0])
        atoms = crystal.supercell.copy()
        at_rest = atoms.positions.copy()
        atoms.positions += 0.01 * mode.real
        velocities = 0.01 * (-1j * omega * mode).real
        period = 1e3 * units.fs / grows.real
        steps, step = 150, period / 60
        mass = atoms.get_masses()[:, None]

        def forces():
            return evaluator([atoms])[0].forces

        force = forces()
        for _ in range(steps):
            velocities += 0.5 * step * force / mass
            atoms.positions += step * velocities
            force = forces()
            velocities += 0.5 * step * force / mass
        overlap = np.vdot(mode, atoms.positions - at_rest)
        growth = np.log(abs(overlap) / abs(np.vdot(mode, 0.01 * mode.real)))
        time = steps * step / (1e3 * units.fs)
        assert growth == pytest.approx(rate * time, rel=0.02)
        assert growth > 0.5

    def test_summary(self, swirling):
        crystal, compact, _ = swirling
        growth = measure_growth(crystal, compact, 4)
        # the same ratio for all modes: |Im ω| = ω τ/2k, to first order; the stiffest are fastest
        assert growth.largest == pytest.approx(
            2 * np.pi * growth.frequency * self.SWIRL / (2 * K), rel=0.01
        )
        assert 0 < growth.rms < growth.largest
        assert growth.heating > 1.0
        assert growth.doubling == pytest.approx(np.log(2) / (2 * growth.largest))


class TestOnSiteSprings:
    """T-P9: an Einstein crystal, whose thermal functions are those of an oscillator."""

    @pytest.fixture
    def einstein(self, differentiated):
        atoms = bulk("Ar", "sc", a=4.0)
        return differentiated(crystals.on_site(), atoms, (2, 2, 2))[:2]

    def test_force_constants(self, einstein):
        crystal, compact = einstein
        found = measure_violations(crystal, find_operations(crystal, 1e-3), compact)
        assert found.acoustic == pytest.approx(1.0, abs=1e-8)
        assert max(found.permutation, found.space_group) < 1e-8
        omega = THZ * np.sqrt(K / crystal.primitive.get_masses()[0])
        q = np.random.default_rng(0).uniform(-0.5, 0.5, (5, 3))
        assert frequencies(crystal, compact, q) == pytest.approx(np.full((5, 3), omega), rel=1e-8)

    @pytest.mark.parametrize("temperature", [10.0, 300.0])
    def test_thermal_functions(self, einstein, temperature):
        crystal, compact = einstein
        exact = np.zeros_like(compact)
        exact[0, crystal.first[0]] = K * np.eye(3)
        found = thermal_functions(crystal, exact, 3, temperature)
        unit = get_physical_units()  # of phonopy, which has constants of an earlier year
        energy = unit.DefaultToTHz * unit.THzToEv * np.sqrt(K / crystal.primitive.get_masses()[0])
        x = energy / (unit.KB * temperature)
        n = 1 / np.expm1(x)
        gas = 1e3 * unit.KB * unit.EvTokJmol
        free = 3 * gas * temperature * (0.5 * x + np.log1p(-np.exp(-x)))
        entropy = 3 * gas * (x * n - np.log1p(-np.exp(-x)))
        heat = 3 * gas * x**2 * np.exp(x) * n**2
        assert found.free_energy == pytest.approx(1e-3 * free, rel=1e-8)
        assert found.entropy == pytest.approx(entropy, rel=1e-8)
        assert found.heat_capacity == pytest.approx(heat, rel=1e-8)

    def test_classical_limit(self, einstein):
        crystal, compact = einstein
        found = thermal_functions(crystal, compact, 2, 1e5)
        assert found.heat_capacity == pytest.approx(3 * constants.R, rel=1e-5)


class TestNetForce:
    """T-P11: pushes that do not cancel. Forces on argon have springs k + p, on krypton k − p."""

    PUSH = 0.2

    def differentiate(self, differentiated, **options):
        model = crystals.bonds(push=self.PUSH)
        return differentiated(model, crystals.rock_salt(), (2, 2, 2), DIRECT, **options)

    def test_acoustic_modes_come_back_and_nothing_else_changes(self, differentiated):
        crystal, before, _ = self.differentiate(differentiated, remove_net_force=False)
        _, after, _ = self.differentiate(differentiated)
        operations = find_operations(crystal, 1e-3)
        rules = [measure_violations(crystal, operations, each) for each in (before, after)]
        # translations change nothing in either: it is the sum over forces that is wrong
        assert max(each.acoustic for each in rules) < 1e-8
        # Σ_i Φ_ij = 2 · 6 p, against 6 (k − p) of krypton itself
        assert rules[0].net_force == pytest.approx(2 * self.PUSH / (K - self.PUSH), rel=1e-8)
        assert rules[1].net_force < 1e-8

        m1, m2 = crystal.primitive.get_masses()
        matrix = 6 * np.array(
            [
                [(K + self.PUSH) / m1, -K / np.sqrt(m1 * m2)],
                [-K / np.sqrt(m1 * m2), (K - self.PUSH) / m2],
            ]
        )
        low = np.linalg.eigvalsh(matrix)[0]
        assert low < 0
        expected = [-THZ * np.sqrt(-low)] * 3
        assert modes_at_gamma(crystal, before).acoustic == pytest.approx(expected, rel=1e-7)
        assert modes_at_gamma(crystal, after).acoustic == pytest.approx((0, 0, 0), abs=1e-4)

        # at wave vectors that the supercell has, uniform forces have no part
        q = [[0.5, 0.0, 0.0], [0.5, 0.5, 0.0], [0.5, 0.5, 0.5]]
        assert frequencies(crystal, before, q) == pytest.approx(
            frequencies(crystal, after, q), rel=1e-9
        )
