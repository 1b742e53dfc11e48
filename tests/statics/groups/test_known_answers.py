"""What a model that knows a direction makes of cubic crystals, in closed form (T-R3 to T-R5)."""

import math

import crystals
import crystals_axis
import numpy as np
import pytest
from ase.build import bulk
from scipy.linalg import logm
from scipy.optimize import minimize_scalar
from scipy.spatial.transform import Rotation

from md_bridge.ase import find_space_group
from md_bridge.model_options import ModelOptions
from md_bridge.statics.elastic import measure_elasticity
from md_bridge.statics.evaluator import Evaluator
from md_bridge.statics.relaxing.lockstep import relax_together
from md_bridge.statics.rows import Row
from md_bridge.statics.space_groups import plateau

A = math.sqrt(2.0) * crystals.REST


def relaxed(model, starts, symmetrize="none", **settings):
    evaluator = Evaluator(model, ModelOptions(), Row("conservative", symmetrize))
    results = relax_together(evaluator, starts, cell="full", **settings)
    assert [result.reason for result in results] == [""] * len(starts)
    return [result.end for result in results]


def strain(start, end):
    """Logarithm of the deformation, which has no turn in it."""
    found = logm(np.linalg.solve(start.cell.array, end.cell.array))
    np.testing.assert_allclose(found, found.T, atol=1e-12 + 1e-4 * np.abs(found).max())
    return found


class TestTetragonal:
    """T-R3: springs with c₂ P₂ along z."""

    @pytest.fixture(scope="class")
    def ends(self, tmp_path_factory):
        folder = tmp_path_factory.mktemp("tetragonal")
        found = {}
        for c2 in (2e-2, 1e-2, 2e-3, 2e-4):
            model = crystals.springs(legendre={2: c2}).export(folder / f"{c2}.pt")
            found[c2] = model, *relaxed(model, [crystals.fcc(cubic=True)], fmax=1e-9)
        return found

    def test_strain(self, ends):
        """e* = −(dE/de)/(V · 1.5 (C₁₁ − C₁₂)): for each atom 8 of 12 bonds, shared by two atoms,
        are at 45° from z, and there dP₂/de = 9/8; V = a³/4, C₁₁ − C₁₂ = K/a."""
        deviation = {}
        for c2, (_, end) in ends.items():
            expected = -(0.5 * 8 * 9 / 8 * c2) / (A**3 / 4 * 1.5 * crystals.K / A)
            found = strain(crystals.fcc(cubic=True), end)
            np.testing.assert_allclose(found - np.diag(np.diag(found)), 0.0, atol=1e-12)
            assert found[0, 0] == pytest.approx(found[1, 1], abs=1e-12)
            e = (found[2, 2] - found[0, 0]) / 1.5
            deviation[c2] = e / expected - 1.0
            assert abs(deviation[c2]) < 4 * abs(expected) + 1e-6
        assert deviation[2e-2] / deviation[1e-2] == pytest.approx(2.0, abs=0.1)

    def test_the_plateau_moves_with_the_strain(self, ends):
        crossings = []
        for c2 in (2e-3, 2e-4):
            found = plateau(ends[c2][1])
            numbers = [group.number for group in found.groups]
            assert set(numbers) == {139, 225}
            assert numbers == sorted(numbers)
            assert found.at(1e-6).symbol == "I4/mmm (139)"
            crossings.append(found.symprecs[numbers.index(225)])
        assert crossings[0] / crossings[1] == pytest.approx(10.0, rel=0.3)

    def test_an_octahedral_average_brings_the_cube_back(self, ends):
        model, distorted = ends[2e-2]
        start = crystals.fcc(cubic=True)
        kept, returned = relaxed(model, [start, distorted], "octahedral", fmax=1e-10)
        cube = find_space_group(start)
        assert len(cube) == 192
        assert cube.deviation(kept) < 1e-12
        assert cube.deviation(returned) < 1e-8
        assert plateau(kept).longest.decades == pytest.approx(5.0)
        assert plateau(kept).longest.group.symbol == "Fm-3m (225)"
        assert cube.deviation(distorted) > 1e-2


def expected_strain(gradient, turn):
    """Linear response of fcc springs to an energy of bonds that knows directions.

    In the frame of the crystal the traceless part of the stress is answered with 1/(C₁₁ − C₁₂) on
    the diagonal and 1/(2 C₄₄) off it, both from K/a = C₁₁ − C₁₂ = C₄₄.

    :param gradient: of the energy of a bond with respect to its vector
    :param turn: of the crystal
    """
    bonds = np.array([(1, 1, 0), (1, -1, 0), (1, 0, 1), (1, 0, -1), (0, 1, 1), (0, 1, -1)])
    vectors = bonds * A / 2 @ turn.T
    stress = sum(np.outer(gradient(r), r) for r in vectors) / (A**3 / 4)
    stress = turn.T @ (stress + stress.T) @ turn / 2
    compliance = np.where(np.eye(3) > 0, 1.0, 0.5) * A / crystals.K
    return -turn @ (compliance * stress) @ turn.T


def gradient_of_p4(r):
    length, x = np.linalg.norm(r), r[2] / np.linalg.norm(r)
    return (140 * x**3 - 60 * x) / 8 * (np.array([0, 0, 1]) - x * r / length) / length


def gradient_of_its_octahedral_mean(r):
    """⟨P₄⟩ = 35/24 (x⁴ + y⁴ + z⁴ − 3/5) on the unit sphere: 7/12 along z, as T-S7 has it."""
    r2 = r @ r
    return 35 / 24 * 4 * (r**3 / r2**2 - r * (r**4).sum() / r2**3)


class TestTurned:
    """T-R4: springs with c₄ P₄ along z, and a crystal that is turned against z."""

    C4 = 2e-3

    @pytest.fixture(scope="class")
    def model(self, tmp_path_factory):
        return crystals.springs(legendre={4: self.C4}).export(
            tmp_path_factory.mktemp("p4") / "m.pt"
        )

    @pytest.fixture(scope="class")
    def turns(self):
        return [np.eye(3), *Rotation.random(2, random_state=5).as_matrix()]

    @pytest.fixture(scope="class")
    def starts(self, turns):
        starts = []
        for turn in turns:
            atoms = crystals.fcc()
            atoms.set_cell(atoms.cell.array @ turn.T, scale_atoms=True)
            starts.append(atoms)
        return starts

    @pytest.mark.parametrize(
        ("symmetrize", "gradient"),
        [("none", gradient_of_p4), ("octahedral", gradient_of_its_octahedral_mean)],
    )
    def test_what_is_left_strains_the_crystal(self, model, turns, starts, symmetrize, gradient):
        ends = relaxed(model, starts, symmetrize, fmax=1e-10)
        for turn, start, end in zip(turns, starts, ends, strict=True):
            expected = self.C4 * expected_strain(gradient, turn)
            found = strain(start, end)
            if symmetrize == "octahedral" and turn is turns[0]:
                np.testing.assert_allclose(expected, 0.0, atol=1e-15)
                np.testing.assert_allclose(found, 0.0, atol=1e-12)
                continue
            assert np.abs(expected).max() > 5e-5
            np.testing.assert_allclose(found, expected, atol=0.02 * np.abs(expected).max())

    def test_an_icosahedral_average_leaves_nothing(self, model, starts):
        for start, end in zip(
            starts, relaxed(model, starts, "icosahedral", fmax=1e-10), strict=True
        ):
            assert find_space_group(start).deviation(end) < 1e-11


class TestBain:
    """T-R5: bcc Lennard-Jones is a saddle on the way to fcc, which is bcc with c/a = √2."""

    @pytest.fixture(scope="class")
    def models(self, tmp_path_factory):
        """Without a direction, and with one of a millionth of an eV, by which c grows."""
        folder = tmp_path_factory.mktemp("bain")
        return [
            crystals_axis.lennard_jones(legendre).export(folder / f"{number}.pt")
            for number, legendre in enumerate([{0: 0.0}, {2: 1e-6}])
        ]

    @pytest.fixture(scope="class")
    def saddle(self, models):
        (end,) = relaxed(models[0], [bulk("Ar", "bcc", a=4.1, cubic=True)], fmax=1e-8)
        return end

    def test_the_saddle(self, models, saddle):
        """C₁₁ < C₁₂: the energy falls both ways along the path."""
        evaluator = Evaluator(models[0], ModelOptions(), Row("conservative"))
        strained = []
        for e in (-2e-2, 0.0, 2e-2):
            atoms = saddle.copy()
            stretch = np.exp([-e / 2, -e / 2, e])
            atoms.set_cell(atoms.cell.array * stretch, scale_atoms=True)
            strained.append(atoms)
        below, middle, above = (found.energy for found in evaluator(strained))
        assert max(below, above) < middle - 1e-6

    @pytest.mark.parametrize(("which", "symmetrize"), [(0, "none"), (1, "octahedral")])
    def test_nothing_leaves_it_without_a_direction(self, models, saddle, which, symmetrize):
        (end,) = relaxed(models[which], [saddle], symmetrize, optimizer="fire", fmax=1e-7)
        assert find_space_group(saddle).deviation(end) < 1e-9
        assert plateau(end).at(1e-6).symbol == "Im-3m (229)"

    def test_it_is_softer_than_stiff(self, models, saddle):
        """C₁₁ < C₁₂ of the saddle: a strain along the path gains energy."""
        evaluator = Evaluator(models[0], ModelOptions(), Row("conservative"))
        found = measure_elasticity(evaluator, saddle)
        constants = found.best.projected
        assert 0 < constants[0, 0] < constants[0, 1]
        assert not found.best.stable
        assert found.best.eigenvalues[:2] == pytest.approx(
            [constants[0, 0] - constants[0, 1]] * 2, rel=1e-6
        )

    @staticmethod
    def energy(a, c, c2=0.0):
        """Of two atoms of the body-centred cell a, a, c: a sum over its sites."""
        corners = np.indices((11, 11, 11)).reshape(3, -1).T - 5
        sites = np.concatenate([corners, corners + 0.5]) * [a, a, c]
        r = np.linalg.norm(sites, axis=1)
        end = 2.6 * crystals_axis.SIGMA
        sites, r = sites[(r > 0) & (r < end)], r[(r > 0) & (r < end)]
        x = np.clip((r / crystals_axis.SIGMA - 2.2) / 0.4, 0.0, 1.0)
        sr6 = (crystals_axis.SIGMA / r) ** 6
        pairs = 4 * 0.05 * (sr6**2 - sr6) * (1 - x**3 * (10 - 15 * x + 6 * x**2))
        directed = c2 * (1 - (r / end) ** 2) ** 3 * (1.5 * (sites[:, 2] / r) ** 2 - 0.5)
        return 2 * np.sum(0.5 * pairs + directed)

    def lowest(self, ratio):
        """Of all volumes, at c/a: the curve of the Bain path."""
        found = minimize_scalar(
            lambda a: self.energy(a, ratio * a), bounds=(3.2, 4.6), method="bounded",
            options={"xatol": 1e-9},
        )  # fmt: skip
        return found.fun

    def test_the_curve(self):
        """Flat at both ends, which symmetry demands, and falling all the way between them."""
        ratios = np.linspace(1.0, math.sqrt(2.0), 22)
        curve = np.array([self.lowest(ratio) for ratio in ratios])
        assert np.all(np.diff(curve) < 0)
        steepest = np.abs(np.diff(curve)).max()
        step = ratios[1] - ratios[0]
        for end in (1.0, math.sqrt(2.0)):
            slope = (self.lowest(end + 1e-3) - self.lowest(end - 1e-3)) / 2e-3
            assert abs(slope * step) < 0.02 * steepest

    def test_the_way_down_follows_the_curve(self, models):
        """Every point of the relaxation is a tetragonal crystal with the energy of the sum over its
        lattice; c/a and energy go one way until fcc is reached, on the curve of relaxed volumes."""
        evaluator = Evaluator(models[1], ModelOptions(), Row("conservative"))
        (start,) = relaxed(models[0], [bulk("Ar", "bcc", a=4.1, cubic=True)], fmax=1e-8)
        (found,) = relax_together(
            *(evaluator, [start]),
            **{"cell": "full", "optimizer": "fire", "fmax": 1e-5, "steps": 2000},
            keep_frames=True,
        )
        cells = np.array([frame.cell.array for frame in found.frames])
        np.testing.assert_allclose(cells, cells * np.eye(3), atol=1e-6)
        a, b, c = np.diagonal(cells, axis1=1, axis2=2).T
        np.testing.assert_allclose(a, b, atol=1e-6)
        np.testing.assert_allclose(
            found.energies,
            [self.energy(*lengths, 1e-6) for lengths in zip(a, c, strict=True)],
            rtol=1e-9,
        )
        ratios = c / a
        arrived = int(np.argmax(ratios > math.sqrt(2.0) - 1e-3))
        assert ratios[0] == pytest.approx(1.0, abs=1e-6)
        assert np.all(np.diff(ratios[: arrived + 1]) > -1e-9)
        assert np.all(np.diff(found.energies[: arrived + 1]) < 1e-9)
        depth = self.lowest(1.0) - self.lowest(math.sqrt(2.0))
        above = found.energies[: arrived + 1] - [self.lowest(r) for r in ratios[: arrived + 1]]
        assert above.min() > -1e-4 * depth - 1e-4
        assert above.max() < 0.2 * depth

    def test_a_millionth_leaves_it(self, models, saddle):
        evaluator = Evaluator(models[1], ModelOptions(), Row("conservative"))
        (result,) = relax_together(
            evaluator, [saddle], cell="full", optimizer="fire", fmax=1e-7, steps=2000
        )
        assert result.converged, result.reason
        a, b, c = result.end.cell.lengths()
        assert a == pytest.approx(b, abs=1e-6)
        assert c / a == pytest.approx(math.sqrt(2.0), abs=1e-4)
        assert plateau(result.end).at(1e-2).symbol == "Fm-3m (225)"
        assert result.energy < result.start_energy - 1e-3
