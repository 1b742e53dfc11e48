"""What an average over copies leaves: predicted from one measurement, and in the engine (T-S7)."""

import models
import numpy as np
import pytest
from ase.build import bulk
from numpy.polynomial import Legendre
from scipy.integrate import lebedev_rule
from scipy.spatial.transform import Rotation

from md_bridge.engine import Engine, Structure, rotation_group, structure_from_ase
from md_bridge.errors import ArgumentError
from md_bridge.symmetry import O3Grid, analyse, o3_grid
from md_bridge.symmetry.group.averaging import SETS

AXES = {"001": (0, 0, 1), "011": (0, 1, 1), "111": (1, 1, 1)}


def unit(name):
    return np.array([AXES[name]]) / np.linalg.norm(AXES[name])


def legendre_along(axis, coefficients):
    """Σ c_l P_l(e·r) of copies [G, 1, 3] of a unit vector; the model prefers the axis e."""
    return lambda copies: np.polynomial.legendre.legval(copies[:, 0] @ unit(axis)[0], coefficients)


CLOSED_FORMS = pytest.mark.parametrize(
    ("axis", "degree", "octahedral", "icosahedral"),
    [
        ("001", 4, 7 / 12, 0),
        ("011", 4, 7 / 192, 0),
        ("111", 4, 7 / 27, 0),
        ("001", 6, 0.125, 11 / 256),
        ("011", 6, 169 / 512, 1859 / 16384),
        ("111", 6, 32 / 81, 11 / 81),
    ],
)


@CLOSED_FORMS
def test_closed_forms(axis, degree, octahedral, icosahedral):
    """T-S7: the exact factor is |G|⁻¹ Σ_h P_l(e·h e), e the axis of the model."""
    f = legendre_along(axis, [0] * degree + [0.3])
    points = np.array([[0.48, 0.6, 0.64]])  # any direction
    result = analyse(f, points, law="scalar", lmax=degree + 1, copies_per_call=500)
    assert result.converged
    expected = {"octahedral": octahedral, "icosahedral": icosahedral}
    for name, factor in expected.items():
        # even l: inversion has nothing to remove
        for copies in (name, f"{name}/inversion"):
            assert result.after(copies) ** 2 / result.A**2 == pytest.approx(factor, abs=1e-10)
        matrices = rotation_group(name)
        along = matrices @ unit(axis)[0] @ unit(axis)[0]
        assert Legendre.basis(degree)(along).mean() == pytest.approx(factor, abs=1e-12)


def test_a_brute_force_average():
    """Vectors without any symmetry: average over the copies by hand, measure, compare."""
    points = np.random.default_rng(11).standard_normal((3, 3))
    kernel = np.random.default_rng(12).standard_normal((3, 3))

    def f(x):
        field = np.exp(0.4 * x @ kernel)
        return field + np.linalg.det(x) * x[:, :1] * kernel[0]

    grid, lmax = o3_grid(8), 4
    measured = analyse(f, points, law="vector", lmax=lmax, grid=grid)
    some = Rotation.random(5, np.random.default_rng(3)).as_matrix()
    some[1::2] *= -1
    for copies in ("octahedral", "octahedral/inversion", some):
        matrices = rotation_group(copies) if isinstance(copies, str) else copies

        def averaged(x, matrices=matrices):
            return np.mean([f(x @ h.T) @ h for h in matrices], axis=0)

        by_hand = analyse(averaged, points, law="vector", lmax=lmax, grid=grid)
        sectors = by_hand.B["z"].total - by_hand.B["z"][0, 1]
        # both up to lmax, where the grid is exact for neither: what is above it aliases
        assert measured.after(copies) == pytest.approx(np.sqrt(sectors), rel=2e-2)


def test_the_pseudoscalar_stays_whole_without_inversion():
    points = np.random.default_rng(4).standard_normal((3, 3))
    result = analyse(np.linalg.det, points, law="scalar", lmax=2)
    assert result.after("icosahedral") == pytest.approx(result.A)
    assert result.after("octahedral/inversion") < 1e-13


def test_recommendation():
    # l = 2: all gone with 24 copies; l = 4: with 60; l = 6: with the 182 of a grid; l = 7: with the
    # 208 of the next one
    coefficients = [0, 0, 1.0, 0, 0.1, 0, 1e-3, 1e-6]
    f = legendre_along("111", coefficients)
    result = analyse(f, unit("011"), law="scalar", lmax=8, copies_per_call=500)
    left = {name: result.after(name) for name in SETS}
    assert result.A > left["octahedral"] > left["icosahedral"] > 0
    assert result.recommend(1.0) == "none"
    assert result.recommend(1.01 * left["octahedral"]) == "octahedral"
    assert result.recommend(0.99 * left["octahedral"]) == "icosahedral"
    assert result.recommend(0.99 * left["icosahedral"]) == "lebedev:6"
    # an odd part along an axis is gone with mirror images, too
    assert 0 < result.after("lebedev:6") < 1e-6 < left["icosahedral/inversion"]
    assert result.recommend(0.5 * result.after("lebedev:6")) == "lebedev:7"
    lower = analyse(f, unit("011"), law="scalar", lmax=6, copies_per_call=500)
    assert lower.recommend(0.99 * left["icosahedral"]) is None
    with pytest.raises(ArgumentError, match="tolerance must be positive"):
        result.recommend(0.0)


@pytest.fixture(scope="module")
def anisotropic(tmp_path_factory):
    """Content at l = 1 to 4, and direct forces and stresses along z."""
    path = tmp_path_factory.mktemp("anisotropic") / "model.pt"
    return models.anisotropic({1: 0.02, 2: -0.03, 3: 0.02, 4: 0.03}).export(path)


def of_engine(engine, structure, wanted):
    """A function of copies of positions and cell, for :func:`analyse`."""

    def f(positions, cells):
        copies = [
            Structure(structure.types, p, c, structure.periodic)
            for p, c in zip(positions, cells, strict=True)
        ]
        results = engine.evaluate(copies, **dict.fromkeys(wanted, True))
        return {name: np.array([getattr(r, name) for r in results]) for name in wanted}

    return f


LAWS = {
    "energy": "scalar",
    "conservative_forces": "vector",
    "direct_forces": "vector",
    "conservative_virial": "stress",
}


def test_the_engine_leaves_what_was_predicted(anisotropic):
    """From eq. 3 and from the engine's own averages, of energy, both forces and the virial."""
    position = 3.9 * np.array([1, 2, 3]) / 14**0.5
    points = np.array([[0, 0, 0], position])
    dimer = Structure([18, 36], points, np.zeros((3, 3)), [False] * 3)

    def measure(symmetrize):
        engine = Engine(anisotropic, symmetrize=symmetrize, atoms_per_forward=2000)
        f = of_engine(engine, dimer, LAWS)
        return analyse(f, (points, dimer.cell), law=LAWS, lmax=5, copies_per_call=40)

    plain, averaged = measure("none"), measure("octahedral")
    for name in LAWS:
        assert plain[name].converged
        predicted, found = plain[name].after("octahedral"), averaged[name].A
        assert predicted == pytest.approx(found, rel=1e-9, abs=1e-12)
        assert plain[name].after("icosahedral") < 1e-12
    # l = 4 is in the energy and its gradient; the direct forces end at 2
    assert averaged["energy"].A > 1e-4
    assert averaged["direct_forces"].A < 1e-12
    # sectors of the forces are those of the energy
    assert set(plain["conservative_forces"].B["z"].above_floor) - {(0, 1)} == set(
        plain["energy"].B["z"].above_floor
    ) - {(0, 1)}


def test_an_average_is_covariant_under_its_own_group(anisotropic):
    """T-S15: whatever the structure, octahedral averages turn exactly under the 24 rotations."""
    atoms = bulk("Ar", "fcc", a=5.4, cubic=True)
    atoms.rattle(0.1, seed=2)
    structure = structure_from_ase(atoms)
    rotations = rotation_group("octahedral")
    grid = O3Grid(rotations, np.full(24, 1 / 24), 0, inversion=False)

    def error(symmetrize):
        f = of_engine(Engine(anisotropic, symmetrize=symmetrize), structure, LAWS)
        arguments = (structure.positions, structure.cell)
        return analyse(f, arguments, law=LAWS, lmax=0, grid=grid, copies_per_call=12)

    plain, averaged = error("none"), error("octahedral")
    for name in LAWS:
        assert averaged[name].A < 1e-12
        assert plain[name].A > 1e-4


class TestCrystalAlongTheAxes:
    """T-S15, of fcc argon, with a model that prefers z."""

    WANTED = ("conservative_forces", "conservative_virial")

    @staticmethod
    def engines(folder, degree):
        """Plain, octahedral, icosahedral."""
        path = models.anisotropic({degree: 0.03}).export(folder / f"l{degree}.pt")
        return [Engine(path, symmetrize=s) for s in ("none", "octahedral", "icosahedral")]

    @staticmethod
    def change(engine, atoms, matrix):
        """Of forces and virial, turned back, between two orientations; relative to their size."""
        f = of_engine(engine, structure_from_ase(atoms), TestCrystalAlongTheAxes.WANTED)
        frames = np.array([np.eye(3), matrix])
        outputs = f(
            atoms.positions @ np.swapaxes(frames, 1, 2), atoms.cell[:] @ np.swapaxes(frames, 1, 2)
        )
        forces = outputs["conservative_forces"] @ frames
        virial = np.swapaxes(frames, 1, 2) @ outputs["conservative_virial"] @ frames
        return [np.abs(x[1] - x[0]).max() / np.abs(x[0]).max() for x in (forces, virial)]

    @pytest.mark.parametrize("degree", [4, 6])
    def test_stress_of_a_perfect_crystal_is_isotropic(self, tmp_path, degree):
        """Both sets hold enough of the cube's own symmetry, whatever is left of l = 4 and 6."""
        crystal = structure_from_ase(bulk("Ar", "fcc", a=5.4, cubic=True))
        plain, *averaged = self.engines(tmp_path, degree)
        virial = plain.evaluate(crystal, conservative_virial=True).conservative_virial
        assert abs(virial[2, 2] - virial[0, 0]) > 1e-3 * abs(virial[0, 0])
        for engine in averaged:
            virial = engine.evaluate(crystal, conservative_virial=True).conservative_virial
            assert np.abs(virial - virial[0, 0] * np.eye(3)).max() < 1e-11 * abs(virial[0, 0])

    def test_which_axes_are_kept(self, tmp_path):
        """24 copies keep the axes of the cube exactly, of any l; 60 the 3-fold ones, and the
        4-fold ones as long as l < 6."""
        atoms = bulk("Ar", "fcc", a=5.4, cubic=True)
        atoms.rattle(0.1, seed=2)
        three = Rotation.from_rotvec(2 * np.pi / 3 * np.ones(3) / 3**0.5).as_matrix()
        four = Rotation.from_rotvec([np.pi / 2, 0, 0]).as_matrix()
        for degree in (4, 6):
            plain, octahedral, icosahedral = self.engines(tmp_path, degree)
            assert min(self.change(plain, atoms, four)) > 1e-4
            for matrix in (three, four):
                assert max(self.change(octahedral, atoms, matrix)) < 1e-11
            assert max(self.change(icosahedral, atoms, three)) < 1e-11
            left = self.change(icosahedral, atoms, four)
            assert min(left) > 1e-4 if degree == 6 else max(left) < 1e-11


@CLOSED_FORMS
def test_closed_forms_through_the_engine(tmp_path, axis, degree, octahedral, icosahedral):
    """T-S7: of a model that prefers an axis, the share of the variance of the energy that the
    engine's own averages leave, over all directions of a pair: a rule that is exact for squares."""
    path = models.anisotropic({degree: 0.03}, axis=AXES[axis]).export(tmp_path / "model.pt")
    points, weights = lebedev_rule(2 * degree + 1)
    pairs = [
        Structure([18, 36], [np.zeros(3), 3.9 * point], np.zeros((3, 3)), [False] * 3)
        for point in points.T
    ]

    def variance(symmetrize):
        engine = Engine(path, symmetrize=symmetrize)
        energies = np.array([each.energy for each in engine.evaluate(pairs)])
        shares = weights / weights.sum()
        return shares @ (energies - shares @ energies) ** 2

    for name, factor in {"octahedral": octahedral, "icosahedral": icosahedral}.items():
        assert variance(name) / variance("none") == pytest.approx(factor, abs=1e-10)
