"""Elastic constants of crystals that are known: on paper, and in LAMMPS."""

import json

import crystals_silicon
import models
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.constraints import FixAtoms
from scipy.spatial.transform import Rotation

from md_bridge.ase.space_group import SpaceGroupError
from md_bridge.engine import ModelError
from md_bridge.errors import ArgumentError
from md_bridge.model_options import ModelOptions
from md_bridge.statics.elastic import ElasticRequest, measure_elasticity
from md_bridge.statics.elastic.tables import COLUMNS, independent, matrix_lines, rows
from md_bridge.statics.errors import StaticsError
from md_bridge.statics.evaluator import Evaluator
from md_bridge.statics.rows import Row

GPA = 160.21766208
K = 2.0
"""eV/Å², of the springs."""
SMALL = ElasticRequest(shear=(0.015, 0.03))
"""The usual shears are 2e-4 off where the stress is as anharmonic as in argon."""


def evaluator(path, forces="conservative", symmetrize="none"):
    return Evaluator(path, ModelOptions(), Row(forces, symmetrize))


def constants(stiffness):
    """C₁₁, C₁₂, C₄₄ in eV/Å³."""
    return stiffness.projected[[0, 0, 3], [0, 1, 3]] / GPA


def turned_crystal(atoms, q):
    copy = atoms.copy()
    copy.set_cell(atoms.cell.array @ q.T)
    copy.set_positions(atoms.positions @ q.T)
    return copy


@pytest.fixture(scope="module")
def springs(tmp_path_factory):
    """Nearest neighbours only."""
    path = tmp_path_factory.mktemp("springs") / "springs.pt"
    return evaluator(models.harmonic(K, 2.0, cutoff=2.4).export(path))


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    """Smooth Lennard-Jones with direct forces and stress that are the exact ones."""
    return models.curl(size=0.0).export(tmp_path_factory.mktemp("pairs") / "pairs.pt")


@pytest.fixture(scope="module")
def silicon(tmp_path_factory):
    path = tmp_path_factory.mktemp("silicon") / "sw.pt"
    return crystals_silicon.stillinger_weber().export(path)


def fcc_of_springs():
    return bulk("H", "fcc", a=2.0 * np.sqrt(2.0))


def test_springs(springs):
    """T-E1: C₁₁ = 2K/a, C₁₂ = C₄₄ = K/a."""
    atoms = fcc_of_springs()
    found = measure_elasticity(springs, atoms)
    a = 2.0 * np.sqrt(2.0)
    assert found.space_group == "Fm-3m (225)"
    np.testing.assert_allclose(constants(found.best), [2 * K / a, K / a, K / a], rtol=1e-4)
    assert found.best.averages.bulk / GPA == pytest.approx(4 * K / (3 * a), rel=1e-4)
    assert found.best.removed < 1e-4
    assert found.best.stable
    assert found.evaluations == 25 + 6  # strained cells, and the noise


def test_a_turned_crystal_has_the_same_constants(springs):
    q = Rotation.random(random_state=3).as_matrix()
    straight = measure_elasticity(springs, fcc_of_springs())
    turned = measure_elasticity(springs, turned_crystal(fcc_of_springs(), q))
    np.testing.assert_allclose(
        turned.best.eigenvalues, straight.best.eigenvalues, rtol=2e-4, atol=1e-6
    )
    assert abs(turned.best.projected[0, 4]) > 1.0  # C₁₅, none in a cube


@pytest.mark.parametrize(
    ("lattice", "sign"), [(5.2406, 0), (5.10, 1), (5.34, -1)], ids=["rest", "pressed", "drawn"]
)
@pytest.mark.parametrize("forces", ["conservative", "direct"])
def test_cauchys_relation(pairs, lattice, sign, forces):
    """T-E2: pair forces have C₁₂ = C₄₄, and under a pressure B₁₂ − B₄₄ = 2p."""
    found = measure_elasticity(evaluator(pairs, forces), bulk("Ar", "fcc", a=lattice), SMALL)
    if sign:
        assert np.sign(found.pressure) == sign
        assert abs(found.pressure) > 0.06
    b = found.best.projected
    scale = 1e-4 * b[0, 0]
    assert b[0, 1] - b[3, 3] == pytest.approx(2.0 * found.pressure, abs=scale)
    c = found.best.second_derivatives
    assert c[0, 1] == pytest.approx(c[3, 3], abs=scale)
    assert any("Birch" in line for line in found.sentences()) == bool(sign)


def native_slopes(crystal, pair, component, minimise=False):
    """∂σ/∂e in LAMMPS itself, by small steps, eV/Å³, in Voigt's order."""
    step, stresses = 2e-4, []
    more = ["min_modify norm max", "minimize 0 1e-9 1000 10000"] if minimise else []
    for sign in (1.0, -1.0):
        strain = np.zeros((3, 3))
        if component == 0:
            strain[0, 0] = sign * step
        else:
            strain[1, 2] = strain[2, 1] = 0.5 * sign * step
        atoms = crystal.copy()
        atoms.set_cell(atoms.cell.array @ (np.eye(3) + strain), scale_atoms=True)
        stresses.append(crystals_silicon.native(atoms, pair, *more).pressure)
    slopes = (stresses[0] - stresses[1]) / (2.0 * step)
    return slopes[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]]


def test_argon_as_lammps_has_it(tmp_path):
    """``lj/cut``: by strained cells of its own, and by its sums over pairs on paper."""
    path = crystals_silicon.argon_model().export(tmp_path / "argon.pt")
    atoms, pair = crystals_silicon.argon(), crystals_silicon.pair_lj()
    found = measure_elasticity(evaluator(path), atoms, SMALL)
    normal, shear = (native_slopes(atoms, pair, component) for component in (0, 3))
    expected = [normal[0], normal[1], shear[3]]
    np.testing.assert_allclose(constants(found.best), expected, rtol=1e-4)
    pressure = -np.trace(crystals_silicon.native(atoms, pair).pressure) / 3.0
    assert found.pressure == pytest.approx(pressure * GPA, rel=1e-6)
    c = found.best.second_derivatives[[0, 0, 3], [0, 1, 3]] / GPA
    np.testing.assert_allclose(c, crystals_silicon.lattice_sums(), rtol=1e-4)


def test_silicon_as_lammps_has_it(silicon):
    """Clamped atoms, and relaxed ones, which are softer in shear by a half, with usual strains."""
    request = ElasticRequest(fmax=1e-6)
    atoms, pair = crystals_silicon.silicon(), crystals_silicon.pair_sw()
    found = measure_elasticity(evaluator(silicon), atoms, request)
    assert found.converged
    for stiffness, minimise in ((found.clamped, False), (found.relaxed, True)):
        normal, shear = (native_slopes(atoms, pair, component, minimise) for component in (0, 3))
        np.testing.assert_allclose(
            constants(stiffness), [normal[0], normal[1], shear[3]], rtol=1e-4
        )
    # of the potential: E. R. Cowley, Phys. Rev. Lett. 60, 2379 (1988)
    np.testing.assert_allclose(
        found.best.projected[[0, 0, 3], [0, 1, 3]], [151.4, 76.4, 56.4], rtol=5e-3
    )


def test_what_a_model_without_symmetry_lacks(tmp_path):
    """The projection takes off what the group forbids, and an average leaves none of it."""
    atoms = bulk("Ar", "fcc", a=5.23)
    path = models.anisotropic({2: 3e-2}, axis=(1.0, 2.0, 3.0)).export(tmp_path / "anisotropic.pt")
    request = ElasticRequest(at_rest=1.0)
    plain = measure_elasticity(evaluator(path), atoms, request)
    averaged = measure_elasticity(evaluator(path, symmetrize="octahedral"), atoms, request)
    assert plain.best.removed > 0.1
    assert averaged.best.removed < 1e-4
    np.testing.assert_allclose(
        plain.best.projected[[0, 0, 3], [0, 1, 3]],
        averaged.best.projected[[0, 0, 3], [0, 1, 3]],
        rtol=2e-3,
    )
    assert any("no pressure" in line for line in plain.sentences())


def test_a_crystal_that_is_not_stable(pairs):
    """Pair forces hold no simple cubic lattice."""
    atoms = bulk("Ar", "sc", a=3.75)
    found = measure_elasticity(evaluator(pairs), atoms)
    assert not found.best.stable
    assert any("is not stable" in line for line in found.sentences())
    assert rows([found])[0][-1] == "NO"


def test_table_and_numbers(springs):
    request = ElasticRequest(relax_ions=False, degree=1)
    found = measure_elasticity(springs, fcc_of_springs(), request)
    assert found.relaxed is None
    (line,) = rows([found])
    assert len(line) == len(COLUMNS)
    assert line[:2] == ("conservative", "clamped")
    assert line[2].startswith("C11 2")
    assert len(matrix_lines(found.best)) == 6
    summary = json.loads(json.dumps(found.summary(), allow_nan=False))
    assert summary["relaxed"] is None
    assert summary["clamped"]["bulk"]["hill"] == pytest.approx(found.best.averages.bulk)
    assert set(independent(found.best.projected)) == {"C11", "C12", "C44"}


def test_atoms_that_do_not_come_to_rest(silicon):
    request = ElasticRequest(steps=1, fmax=1e-6)
    found = measure_elasticity(evaluator(silicon), crystals_silicon.silicon(), request)
    assert not found.converged
    assert any("did not come to rest" in line for line in found.sentences())


def test_a_slab_has_none(springs):
    atoms = fcc_of_springs()
    atoms.pbc = [True, True, False]
    with pytest.raises(StaticsError, match="open along c"):
        measure_elasticity(springs, atoms)


def test_a_crystal_that_is_not_at_rest(silicon):
    atoms = crystals_silicon.silicon()
    atoms.rattle(0.1, seed=1)
    with pytest.raises(StaticsError, match=r"not at rest: its largest force is .*md-bridge relax"):
        measure_elasticity(evaluator(silicon), atoms)


def test_atoms_that_are_held_follow_no_strain(silicon):
    """Constraints of a file are those of a relaxation, not of the crystal."""
    request = ElasticRequest(normal=(0.005,), shear=(0.02,), degree=1)
    free, held = crystals_silicon.silicon(), crystals_silicon.silicon()
    held.set_constraint(FixAtoms([0, 1]))
    expected, found = (
        measure_elasticity(evaluator(silicon), each, request) for each in (free, held)
    )
    np.testing.assert_allclose(found.relaxed.projected, expected.relaxed.projected, atol=1e-3)
    assert expected.relaxed.projected[3, 3] < 0.8 * expected.clamped.projected[3, 3]


def test_fmax_below_the_noise(tmp_path):
    path = models.curl().export(tmp_path / "single.pt", dtype="float32")
    atoms = bulk("Ar", "fcc", a=5.23, cubic=True)
    words = (
        r"below 3 times the rounding .*take the model in double precision \(--double\), or in Py"
    )
    with pytest.raises(StaticsError, match=words):
        measure_elasticity(evaluator(path), atoms, ElasticRequest(fmax=1e-12))


def test_no_direct_stress(tmp_path):
    path = models.swirling_springs().export(tmp_path / "swirl.pt")
    with pytest.raises(ModelError, match="stress"):
        measure_elasticity(evaluator(path, "direct"), Atoms("H", cell=[1.3] * 3, pbc=True))


def test_random_copies_are_refused(pairs):
    with pytest.raises(ArgumentError, match="random draws another rotation"):
        measure_elasticity(evaluator(pairs, symmetrize="random"), bulk("Ar", "fcc", a=5.2406))


def test_a_cell_that_spglib_cannot_read(springs):
    atoms = Atoms("H2", [[0, 0, 0], [0, 0, 1e-4]], cell=[4.0] * 3, pbc=True)
    with pytest.raises(SpaceGroupError, match="nearer to each other than that"):
        measure_elasticity(springs, atoms, ElasticRequest(relax_ions=False))


def test_a_hexagonal_crystal_and_a_set_without_its_axis(pairs):
    """Said of octahedral copies, not of hexagonal ones; nothing of a cubic crystal."""
    hexagonal, cubic = bulk("Ar", "hcp", a=3.7, c=6.04), bulk("Ar", "fcc", a=5.2406)
    request = ElasticRequest(relax_ions=False, at_rest=1.0)
    for atoms, symmetrize, count in (
        (hexagonal, "octahedral", 1),
        (hexagonal, "hexagonal", 0),
        (cubic, "octahedral", 0),
    ):
        found = measure_elasticity(evaluator(pairs, symmetrize=symmetrize), atoms, request)
        told = [line for line in found.sentences() if "6-fold axis" in line]
        assert len(told) == count
        assert all("trust the projected constants" in line for line in told)


def test_nothing_has_no_constants(springs):
    with pytest.raises(StaticsError, match="without atoms"):
        measure_elasticity(springs, Atoms(cell=[3.0] * 3, pbc=True))
