"""Averages over rotated copies: the sets, what they are exact for, and that forces stay forces."""

import itertools

import models
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from scipy.spatial.transform import Rotation
from scipy.special import eval_legendre, sph_harm_y

from md_bridge import _core
from md_bridge.ase import MDBridgeCalculator
from md_bridge.engine import (
    ROTATION_GRIDS,
    SYMMETRIZATIONS,
    Engine,
    EngineError,
    FusedForces,
    NonFiniteError,
    Structure,
    rotation_group,
    structure_from_ase,
)

GROUPS = [name for name in SYMMETRIZATIONS if name not in ("none", "random")]
ORDERS = {"octahedral": 24, "octahedral/inversion": 48, "icosahedral": 60}
ORDERS |= {"icosahedral/inversion": 120, "hexagonal": 12, "hexagonal/inversion": 24}
EXACT_UP_TO = {"octahedral": 3, "icosahedral": 5}
EVERYTHING = {
    "conservative_forces": True,
    "conservative_virial": True,
    "direct_forces": True,
    "direct_virial": True,
    "atomic_energies": True,
    "uncertainty": True,
}
CONTENT = {1: 0.02, 2: -0.03, 3: 0.02, 4: 0.03, 5: 0.01, 6: 0.04}


@pytest.fixture(scope="module")
def export(tmp_path_factory):
    """A function from the c_l of an anisotropic model to its exported file."""
    folder = tmp_path_factory.mktemp("anisotropic")

    def write(coefficients, dtype="float64"):
        name = "-".join(f"{degree}_{c}" for degree, c in coefficients.items())
        path = folder / f"{name}-{dtype}.pt"
        return path if path.exists() else models.anisotropic(coefficients).export(path, dtype)

    return write


def crystal(periodic=(True, True, True)) -> Atoms:
    """16 argon and 16 krypton atoms, rattled, in a sheared cell that is smaller than 2 cutoffs."""
    atoms = bulk("Ar", "fcc", a=5.4, cubic=True) * (2, 2, 2)
    atoms.symbols[1::2] = "Kr"
    atoms.rattle(0.15, seed=5)
    atoms.set_cell(atoms.cell.array @ [[1, 0, 0], [0.08, 1, 0], [-0.05, 0.1, 1]], scale_atoms=True)
    atoms.pbc = periodic
    return atoms


def dimer(direction, distance=3.9) -> Structure:
    """Argon at the origin, krypton at this distance in this direction."""
    position = distance * np.asarray(direction) / np.linalg.norm(direction)
    return Structure([18, 36], [[0, 0, 0], position], np.zeros((3, 3)), [False] * 3)


def rotated(structure: Structure, rotation: np.ndarray, owned: int = -1) -> Structure:
    positions, cell = structure.positions @ rotation.T, structure.cell @ rotation.T
    return Structure(structure.types, positions, cell, structure.periodic, owned)


def directions(count: int, seed: int = 0) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(count, 3))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def group_means(matrices: np.ndarray, degree: int) -> np.ndarray:
    """Mean of Y_lm(R n) over the matrices, for some n and all m.

    As R turns Y_lm into a sum of the Y_lm' by the Wigner matrix D^l(R), all of them vanish if and
    only if the mean of D^l does.
    """
    x, y, z = np.moveaxis(directions(12) @ np.swapaxes(matrices, 1, 2), -1, 0)
    polar, azimuth = np.arccos(np.clip(z, -1, 1)), np.arctan2(y, x)
    orders = range(-degree, degree + 1)
    return np.array([sph_harm_y(degree, m, polar, azimuth).mean(axis=0) for m in orders])


class TestGroups:
    @pytest.mark.parametrize("name", GROUPS)
    def test_axioms(self, name):
        matrices = rotation_group(name)
        assert len(matrices) == ORDERS[name]
        identities = matrices @ np.swapaxes(matrices, 1, 2)
        np.testing.assert_allclose(
            identities, np.broadcast_to(np.eye(3), identities.shape), atol=4e-16
        )
        np.testing.assert_array_equal(matrices[0], np.eye(3))
        assert {tuple(m.round(9).ravel() + 0.0) for m in matrices} == {
            tuple((a @ b).round(9).ravel() + 0.0) for a in matrices for b in matrices
        }
        proper = np.linalg.det(matrices) > 0
        assert proper.sum() == (len(matrices) // 2 if "inversion" in name else len(matrices))

    def test_the_octahedral_group_is_free_of_rounding(self):
        assert set(np.unique(rotation_group("octahedral/inversion"))) == {-1.0, 0.0, 1.0}

    @pytest.mark.parametrize(("name", "highest"), EXACT_UP_TO.items())
    def test_exact_up_to_an_angular_momentum_and_not_beyond(self, name, highest):
        matrices = rotation_group(name)
        for degree in range(1, highest + 1):
            assert np.abs(group_means(matrices, degree)).max() < 1e-14
        assert np.abs(group_means(matrices, highest + 1)).max() > 0.05

    def test_no_group_without_one(self):
        assert len(rotation_group("none")) == len(rotation_group("random")) == 0

    def test_unknown(self, export):
        known = ", ".join([*SYMMETRIZATIONS, *ROTATION_GRIDS])
        with pytest.raises(EngineError, match=f"one of {known} .*, found 'cubic'"):
            Engine(export(CONTENT), symmetrize="cubic")


class TestRandomRotations:
    def test_known_answer(self):
        """Philox4x32-10 of key 0 and counter 0 (Random123, kat_vectors)."""
        words = np.array([0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8], dtype=np.uint64)
        u, a, b = (words[:3] + 0.5) / 2.0**32 * [1, 2 * np.pi, 2 * np.pi]
        quaternion = [
            np.sqrt(1 - u) * np.sin(a),
            np.sqrt(1 - u) * np.cos(a),
            np.sqrt(u) * np.sin(b),
            np.sqrt(u) * np.cos(b),
        ]
        expected = Rotation.from_quat(quaternion).as_matrix()  # real part last; even word: proper
        np.testing.assert_allclose(_core.random_rotation(0, 0), expected, atol=1e-14)

    def test_uniform(self):
        """Each mean of n independent Y_lm has the standard deviation 1/sqrt(4 pi n): none of
        these 12 x 24 means beyond 5 of them, which happens by chance once in 6000 seeds.
        """
        count = 4000
        matrices = np.array([_core.random_rotation(7, draw) for draw in range(count)])
        np.testing.assert_allclose(np.abs(np.linalg.det(matrices)), 1.0, atol=1e-14)
        proper = (np.linalg.det(matrices) > 0).sum()
        assert abs(proper - count / 2) < 5 * np.sqrt(count) / 2
        for degree in range(1, 5):
            means = group_means(matrices, degree)
            assert np.abs(means).max() < 5 / np.sqrt(4 * np.pi * count)

    def test_every_seed_and_draw_is_another_one(self):
        large = [0, 1, 2**31, 2**32, 2**63, 2**64 - 1]
        found = {
            _core.random_rotation(seed, draw).tobytes()
            for seed, draw in itertools.product(large, large)
        }
        assert len(found) == len(large) ** 2


class TestKnownMeans:
    """A dimer whose energy depends on its direction by one Legendre polynomial."""

    @pytest.mark.parametrize("degree", range(1, 7))
    def test_energy(self, export, degree):
        model = export({degree: 0.05})
        weight = 0.05 * (1 - (3.9 / 6.0) ** 2) ** 3
        (direction,) = directions(1, seed=degree)
        isotropic = Engine(export({0: 0.0})).evaluate(dimer(direction)).energy
        golden = (1 + np.sqrt(5)) / 2
        even = [(0, 1, 2), (1, 2, 0), (2, 0, 1)]
        axes = {
            "none": [[0, 0, 1]],
            # the z axis is turned into all the axes of the octahedron, which is a 2-fold axis ...
            "octahedral": np.eye(3),
            # ... and into the vertices of the icosidodecahedron
            "icosahedral": [
                *np.eye(3),
                *(
                    np.array([1, golden * s, t / golden])[list(places)] / 2
                    for places in even
                    for s in (1, -1)
                    for t in (1, -1)
                ),
            ],
        }
        assert len(axes["icosahedral"]) == 15
        for name, vectors in axes.items():
            cosines = np.concatenate(
                [np.asarray(vectors) @ direction, -np.asarray(vectors) @ direction]
            )
            if name == "none":
                cosines = cosines[:1]
            expected = isotropic + weight * eval_legendre(degree, cosines).mean()
            found = Engine(model, symmetrize=name).evaluate(dimer(direction)).energy
            assert found == pytest.approx(expected, abs=1e-15)
            if degree <= EXACT_UP_TO.get(name, 0):
                assert found == pytest.approx(isotropic, abs=1e-15)
            elif name == "none" or degree in (4, 6):
                assert abs(found - isotropic) > 1e-5

    def test_direct_forces_stress_and_uncertainty(self, export):
        """Vectors and tensors: means of R^T z z^T R, and of its square with the icosahedron."""
        (n,) = directions(1, seed=3)
        size = 0.1 * (1 - (3.9 / 6.0) ** 2) ** 3
        pair = dimer(n)
        box = Structure(pair.types, pair.positions, 30 * np.eye(3), [True] * 3)

        def anisotropic_part(symmetrize):
            model = export({0: 0.0})
            wanted = {"direct_forces": True, "direct_virial": True, "conservative_forces": True}
            result = Engine(model, symmetrize=symmetrize).evaluate(
                box, **wanted, conservative_virial=True, uncertainty=True
            )
            stress = -(result.direct_virial - result.conservative_virial) / box.volume
            return result.direct_forces - result.conservative_forces, stress, result.uncertainty

        forces, stress, uncertainty = anisotropic_part("icosahedral")
        np.testing.assert_allclose(forces, size / 3 * np.array([n, -n]), atol=1e-15)
        expected = size / 15 * (np.eye(3) + 2 * np.outer(n, n))
        np.testing.assert_allclose(stress, expected, atol=1e-13)
        np.testing.assert_allclose(uncertainty, [size / 30, 0.0], atol=1e-15)
        forces, stress, _ = anisotropic_part("octahedral")
        np.testing.assert_allclose(forces, size / 3 * np.array([n, -n]), atol=1e-15)
        assert np.abs(stress - expected).max() > 1e-3  # holds l = 4


def mean_by_hand(path, structure: Structure, matrices, owned: int = -1) -> dict[str, np.ndarray]:
    """Each copy evaluated by itself, rotated back, averaged; then the net force removed."""
    engine = Engine(path, remove_net_force=False)
    wanted = dict(EVERYTHING, direct_virial=all(structure.periodic))
    sums: dict[str, np.ndarray] = {"energy": np.zeros(())}
    for matrix in matrices:
        copy = engine.evaluate(rotated(structure, matrix, owned), **wanted)
        values = {
            "energy": np.array(copy.energy),
            "conservative_forces": copy.conservative_forces @ matrix,
            "direct_forces": copy.direct_forces @ matrix,
            "conservative_virial": matrix.T @ copy.conservative_virial @ matrix,
            "atomic_energies": copy.atomic_energies,
            "uncertainty": copy.uncertainty,
        }
        if wanted["direct_virial"]:
            values["direct_virial"] = matrix.T @ copy.direct_virial @ matrix
        for name, value in values.items():
            sums[name] = sums.get(name, 0.0) + value / len(matrices)
    sums["direct_forces"] = _core.remove_net_force(sums["direct_forces"])
    if not any(structure.periodic):
        sums["direct_forces"] = _core.remove_net_torque(structure.positions, sums["direct_forces"])
    return sums


def assert_equal(result, expected, tolerance=1e-12) -> None:
    for name, value in expected.items():
        np.testing.assert_allclose(getattr(result, name), value, atol=tolerance, err_msg=name)


class TestAverage:
    @pytest.mark.parametrize("name", GROUPS)
    def test_is_the_mean_of_the_copies(self, export, name):
        structure = structure_from_ase(crystal())
        result = Engine(export(CONTENT), symmetrize=name).evaluate(structure, **EVERYTHING)
        expected = mean_by_hand(export(CONTENT), structure, rotation_group(name))
        assert_equal(result, expected)
        plain = Engine(export(CONTENT)).evaluate(structure, **EVERYTHING)
        assert np.abs(plain.conservative_forces - result.conservative_forces).max() > 1e-3

    @pytest.mark.parametrize("periodic", [(True, True, False), (False, True, False), (False,) * 3])
    def test_with_open_directions(self, export, periodic):
        structure = structure_from_ase(crystal(periodic))
        wanted = dict(EVERYTHING, direct_virial=False)
        result = Engine(export(CONTENT), symmetrize="octahedral").evaluate(structure, **wanted)
        assert_equal(result, mean_by_hand(export(CONTENT), structure, rotation_group("octahedral")))

    def test_of_the_owned_atoms(self, export):
        """Ghosts turn with their owners."""
        atoms = crystal((False,) * 3)
        structure = Structure(atoms.numbers, atoms.positions, np.zeros((3, 3)), [False] * 3, 11)
        wanted = dict(EVERYTHING, direct_virial=False)
        engine = Engine(export(CONTENT), symmetrize="octahedral")
        result = engine.evaluate(structure, **wanted)
        matrices = rotation_group("octahedral")
        assert_equal(result, mean_by_hand(export(CONTENT), structure, matrices, owned=11))
        assert np.all(result.atomic_energies[11:] == 0.0)

    @pytest.mark.parametrize("atoms_per_forward", [1, 100, 100000])
    def test_does_not_depend_on_how_many_copies_run_together(self, export, atoms_per_forward):
        one, other = structure_from_ase(crystal()), dimer([1, 2, 3])
        engine = Engine(export(CONTENT), symmetrize="octahedral")
        options = {"symmetrize": "octahedral", "atoms_per_forward": atoms_per_forward}
        wanted = dict(EVERYTHING, direct_virial=False)
        results = Engine(export(CONTENT), **options).evaluate([one, other], **wanted)
        for structure, result in zip([one, other], results, strict=True):
            alone = engine.evaluate(structure, **wanted)
            names = ["energy", *(name for name, asked in wanted.items() if asked)]
            assert_equal(result, {name: getattr(alone, name) for name in names}, 1e-14)

    def test_single_precision(self, export):
        structure = structure_from_ase(crystal())
        single, double = (
            Engine(export(CONTENT, dtype), symmetrize="icosahedral").evaluate(
                structure, **EVERYTHING
            )
            for dtype in ("float32", "float64")
        )
        np.testing.assert_allclose(single.direct_forces, double.direct_forces, atol=1e-6)
        np.testing.assert_allclose(
            single.conservative_forces, double.conservative_forces, atol=2e-6
        )
        assert single.energy == pytest.approx(double.energy, abs=1e-5)

    @pytest.mark.parametrize("name", ["octahedral", "icosahedral/inversion"])
    def test_turns_with_the_structure_for_rotations_of_the_group(self, export, name):
        structure = structure_from_ase(crystal())
        engine = Engine(export(CONTENT), symmetrize=name)
        result = engine.evaluate(structure, **EVERYTHING)

        def deviation(matrix):
            turned = engine.evaluate(rotated(structure, matrix), **EVERYTHING)
            virial = matrix @ result.direct_virial @ matrix.T
            return max(
                abs(turned.energy - result.energy),
                np.abs(turned.direct_forces - result.direct_forces @ matrix.T).max(),
                np.abs(turned.conservative_forces - result.conservative_forces @ matrix.T).max(),
                np.abs(turned.direct_virial - virial).max(),
            )

        for matrix in rotation_group(name)[1::17]:
            assert deviation(matrix) < 1e-12
        assert deviation(Rotation.random(random_state=1).as_matrix()) > 1e-4

    def test_forces_and_virial_are_derivatives_of_the_averaged_energy(self, export):
        engine = Engine(export(CONTENT), symmetrize="octahedral")
        atoms = crystal()
        result = engine.evaluate(structure_from_ase(atoms), **EVERYTHING)

        def energy(positions, cell):
            return engine.evaluate(Structure(atoms.numbers, positions, cell, [True] * 3)).energy

        for atom, axis in [(0, 0), (9, 1), (31, 2)]:
            step = np.zeros((32, 3))
            step[atom, axis] = 1e-4
            ends = [energy(atoms.positions + s * step, atoms.cell.array) for s in (1, -1)]
            slope = (ends[1] - ends[0]) / 2e-4
            assert result.conservative_forces[atom, axis] == pytest.approx(slope, abs=1e-7)
        for a, b in [(0, 0), (0, 2), (1, 2)]:
            strain = np.zeros((3, 3))
            strain[a, b] = strain[b, a] = 1e-5
            ends = [
                energy(*(x @ (np.eye(3) + s * strain) for x in (atoms.positions, atoms.cell.array)))
                for s in (1, -1)
            ]
            expected = (ends[1] - ends[0]) / (2e-5 if a == b else 4e-5)
            assert result.conservative_virial[a, b] == pytest.approx(expected, abs=1e-6)

    def test_a_number_that_is_none_in_one_orientation_stops_it(self, tmp_path):
        path = models.nan_when_close(3.0, where="direct").export(tmp_path / "nan.pt")
        atoms = Atoms("Ar3", [[0, 0, 0], [9, 0, 0], [11, 0, 0]])
        with pytest.raises(NonFiniteError, match=r"direct force that is not finite on atom 1 .*Ar"):
            Engine(path, symmetrize="octahedral").evaluate(
                structure_from_ase(atoms), direct_forces=True
            )


class TestRandom:
    def test_is_one_rotation_chosen_by_seed_and_draw(self, export):
        structure = structure_from_ase(crystal())
        engine = Engine(export(CONTENT), symmetrize="random", seed=11)
        proper = set()
        for draw in (0, 1, 2, 3):
            matrix = _core.random_rotation(11, draw)
            proper.add(np.linalg.det(matrix) > 0)
            engine.set_rotation_counter(draw)
            expected = mean_by_hand(export(CONTENT), structure, [matrix])
            assert_equal(engine.evaluate(structure, **EVERYTHING), expected)
        assert proper == {True, False}  # rotations and rotoinversions

    def test_by_itself_goes_by_the_positions(self, export):
        """One energy for a structure, and another rotation for the next one."""
        engine = Engine(export(CONTENT), symmetrize="random", seed=11)
        atoms = crystal()
        first = engine.evaluate(structure_from_ase(atoms), **EVERYTHING)
        moved = atoms.copy()
        moved.positions[5, 1] += 1e-4
        other, again = engine.evaluate([structure_from_ase(moved), structure_from_ase(atoms)])
        assert again.energy == first.energy
        assert abs(other.energy - first.energy) > 1e-2  # the model changes by 1e-5 at most

    def test_both_kinds_of_forces_have_one_rotation(self, export):
        """Also if they come from two evaluations, as at an outer step that was not foreseen."""
        engine = Engine(export(CONTENT), symmetrize="random", seed=11)
        structure = structure_from_ase(crystal())
        for draw in (None, 5):
            if draw is not None:
                engine.set_rotation_counter(draw)
            together = engine.evaluate(structure, conservative_forces=True, direct_forces=True)
            fused = FusedForces(engine, 0.0)
            direct = fused.inner([structure])[0].direct_forces.copy()
            result = fused.outer([structure])[0]
            assert (fused.counts.inner_only, fused.counts.outer_only) == (1, 1)
            np.testing.assert_allclose(direct, together.direct_forces, atol=1e-14)
            np.testing.assert_allclose(result.direct_forces, together.direct_forces, atol=1e-14)
            np.testing.assert_allclose(
                result.conservative_forces, together.conservative_forces, atol=1e-14
            )

    def test_a_new_draw_is_a_new_evaluation(self, export):
        """Atoms may stand still from one step to the next."""
        engine = Engine(export(CONTENT), symmetrize="random", seed=11)
        structures = [structure_from_ase(crystal())]
        fused = FusedForces(engine, 0.0)
        engine.set_rotation_counter(1)
        before = fused.outer(structures)[0].energy
        engine.set_rotation_counter(2)
        after = fused.outer(structures)[0].energy
        assert fused.counts.reused == 0
        assert abs(after - before) > 1e-3

    def test_ase_sees_one_energy_surface(self, export):
        """Forces, and the stress asked for later, belong to the energy of the same orientation."""
        atoms = crystal()
        options = {"symmetrize": "random", "seed": 11}
        atoms.calc = MDBridgeCalculator(export(CONTENT), **options)
        forces, stress = atoms.get_forces(), atoms.get_stress(voigt=False)
        structure = structure_from_ase(atoms)
        expected = Engine(export(CONTENT), **options).evaluate(structure, **EVERYTHING)
        assert atoms.get_potential_energy() == pytest.approx(expected.energy, abs=1e-12)
        np.testing.assert_allclose(forces, expected.conservative_forces, atol=1e-12)
        np.testing.assert_allclose(
            stress, -expected.conservative_virial / atoms.get_volume(), atol=1e-12
        )

    @pytest.mark.parametrize("seed", [-1, 2**64])
    def test_seed_out_of_range(self, export, seed):
        with pytest.raises(EngineError, match=f"from 0 to 2\\*\\*64 - 1, found {seed}"):
            Engine(export(CONTENT), symmetrize="random", seed=seed)

    def test_seed_of_nothing(self, export):
        with pytest.raises(EngineError, match="a seed has no effect without symmetrize random"):
            Engine(export(CONTENT), symmetrize="octahedral", seed=3)


def test_no_set_has_the_axis_of_a_hexagonal_crystal(export):
    """docs/symmetry.md: a set can break what a model that knows one direction only has kept."""
    path = export({1: 0.02, 2: -0.03, 4: 0.03, 6: 0.03})
    hcp = bulk("Ar", "hcp", a=3.75, c=3.75 * np.sqrt(8 / 3)) * (2, 2, 1)
    fcc = bulk("Ar", "fcc", a=5.3, cubic=True)
    largest = {}
    for name, atoms in (("hcp", hcp), ("fcc", fcc)):
        for method in ("none", "octahedral", "icosahedral"):
            engine = Engine(path, symmetrize=method)
            found = engine.evaluate(structure_from_ase(atoms), conservative_forces=True)
            largest[name, method] = np.abs(found.conservative_forces).max()
    assert max(largest["fcc", method] for method in ("none", "octahedral", "icosahedral")) < 1e-14
    assert largest["hcp", "none"] < 1e-14
    assert largest["hcp", "octahedral"] == pytest.approx(6.2e-3, abs=5e-5)
    assert largest["hcp", "icosahedral"] == pytest.approx(11.5e-3, abs=5e-5)
