"""Standard deviations over the rotated copies of an average, while it is made."""

import models
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from md_bridge.ase import MDBridgeCalculator
from md_bridge.engine import (
    Engine,
    EngineError,
    FusedForces,
    Structure,
    Wanted,
    rotation_set,
    structure_from_ase,
)

DEVIATIONS = {
    "energy_rot_std": "energy",
    "conservative_forces_rot_std": "conservative_forces",
    "conservative_virial_rot_std": "conservative_virial",
    "direct_forces_rot_std": "direct_forces",
    "direct_virial_rot_std": "direct_virial",
}
CONTENT = {1: 0.02, 2: -0.03, 4: 0.03}
DISTANCE, CUTOFF, DIRECT = 3.9, 6.0, 0.1
ALL = dict.fromkeys(DEVIATIONS, True)


@pytest.fixture(scope="module")
def export(tmp_path_factory):
    """A function from the c_l of an anisotropic model to its exported file."""
    folder = tmp_path_factory.mktemp("anisotropic")

    def write(coefficients, dtype="float64"):
        name = "-".join(f"{degree}_{c}" for degree, c in coefficients.items())
        path = folder / f"{name}-{dtype}.pt"
        return path if path.exists() else models.anisotropic(coefficients).export(path, dtype)

    return write


def dimer(direction=(1, 2, 3)) -> Structure:
    """Argon and krypton in a large box."""
    position = DISTANCE * np.asarray(direction) / np.linalg.norm(direction)
    return Structure([18, 36], [[0, 0, 0], position], 30 * np.eye(3), [True] * 3)


def crystal() -> Atoms:
    atoms = bulk("Ar", "fcc", a=5.4, cubic=True)
    atoms.symbols[1::2] = "Kr"
    atoms.rattle(0.15, seed=5)
    return atoms


def window() -> tuple[float, float]:
    """w of the model at the distance of the dimer, and its derivative."""
    x = 1 - (DISTANCE / CUTOFF) ** 2
    return x**3, -6 * DISTANCE / CUTOFF**2 * x**2


@pytest.mark.parametrize("name", ["lebedev:8", "hexagonal:8", "lebedev:8/inversion"])
def test_of_a_dimer_in_closed_form(export, name):
    """Content up to l = 4, so a grid of degree 8 is exact.

    With c_l P_l(cos θ) w(r), the variance of the energy is Σ c_l² w²/(2l+1), that of the forces on
    an atom Σ c_l² [w'² + l(l+1) w²/r²]/(2l+1), each for l ≥ 1; direct forces c w cos θ ẑ have
    2 c² w²/9 at l = 2, the direct stress c w cos² θ ẑẑᵀ 38/315 c² w² at l = 2 and 16/525 c² w² at
    l = 4.
    """
    w, slope = window()
    engine = Engine(export(CONTENT), symmetrize=name, atoms_per_forward=5000)
    box = dimer()
    result = engine.evaluate(box, **ALL)
    energy = sum(c**2 * w**2 / (2 * degree + 1) for degree, c in CONTENT.items())
    forces = sum(
        c**2 * (slope**2 + degree * (degree + 1) * (w / DISTANCE) ** 2) / (2 * degree + 1)
        for degree, c in CONTENT.items()
    )
    assert result.energy_rot_std == pytest.approx(energy**0.5, rel=1e-11)
    for atom in (0, 1):
        variance = (result.conservative_forces_rot_std[atom] ** 2).sum()
        assert variance == pytest.approx(forces, rel=1e-10)
        variance = (result.direct_forces_rot_std[atom] ** 2).sum()
        assert variance == pytest.approx(2 / 9 * (DIRECT * w) ** 2, rel=1e-10)
    variance = ((result.direct_virial_rot_std / box.volume) ** 2).sum()
    # beside it the virial has the isotropic part, which does not scatter
    assert variance == pytest.approx((38 / 315 + 16 / 525) * (DIRECT * w) ** 2, rel=1e-9)


def test_a_set_of_less_than_twice_the_angular_momentum_gives_another_one(export):
    w, _ = window()
    exact = 0.03 * w / 3  # c₄ w/√(2·4 + 1)
    for name, enough in (("octahedral", False), ("icosahedral", False), ("lebedev:8", True)):
        engine = Engine(export({4: 0.03}), symmetrize=name)
        found = engine.evaluate(dimer((0, 0, 1)), energy_rot_std=True).energy_rot_std
        assert (abs(found / exact - 1) < 1e-10) == enough


def test_over_all_directions_it_is_what_the_average_does_not_leave(export):
    """Mean square within a set = A² − A² of the average: of l = 4 along z, 24 copies leave 7/12."""
    w, _ = window()
    engine = Engine(export({4: 0.03}), symmetrize="octahedral", atoms_per_forward=5000)
    matrices, weights = rotation_set("lebedev:8")
    dimers = [dimer(matrix @ [0, 0, 1]) for matrix in matrices[::9]]  # one for each point
    found = [result.energy_rot_std for result in engine.evaluate(dimers, energy_rot_std=True)]
    mean = np.average(np.square(found), weights=weights[::9])
    assert mean == pytest.approx((1 - 7 / 12) * (0.03 * w) ** 2 / 9, rel=1e-10)


@pytest.mark.parametrize("name", ["octahedral", "lebedev:4", "hexagonal:2/inversion"])
@pytest.mark.parametrize("atoms_per_forward", [1, 70])
def test_is_that_of_the_copies_with_their_weights(export, name, atoms_per_forward):
    structure = structure_from_ase(crystal())
    options = {"symmetrize": name, "atoms_per_forward": atoms_per_forward}
    result = Engine(export(CONTENT), **options).evaluate(structure, **ALL)
    matrices, weights = rotation_set(name)
    copies = [
        Structure(structure.types, structure.positions @ r.T, structure.cell @ r.T, [True] * 3)
        for r in matrices
    ]
    wanted = dict.fromkeys(DEVIATIONS.values(), True)
    found = Engine(export(CONTENT), remove_net_force=False).evaluate(copies, **wanted)
    for deviation, quantity in DEVIATIONS.items():
        values = []
        for copy, r in zip(found, matrices, strict=True):
            value = np.asarray(getattr(copy, quantity))
            if "forces" in quantity:
                value = value @ r
            elif "virial" in quantity:
                value = r.T @ value @ r
            values.append(value)
        mean = np.average(values, axis=0, weights=weights)
        variance = np.average((values - mean) ** 2, axis=0, weights=weights)
        np.testing.assert_allclose(getattr(result, deviation), np.sqrt(variance), atol=1e-9)
        assert np.asarray(getattr(result, deviation)).max() > 1e-4
        # the averages come with them
        assert getattr(result, quantity) is not None


def test_does_not_change_the_averages(export):
    structure = structure_from_ase(crystal())
    engine = Engine(export(CONTENT), symmetrize="lebedev:2")
    wanted = dict.fromkeys(DEVIATIONS.values(), True)
    plain, both = engine.evaluate(structure, **wanted), engine.evaluate(structure, **ALL)
    for quantity in DEVIATIONS.values():
        np.testing.assert_array_equal(getattr(both, quantity), getattr(plain, quantity))
    assert plain.energy_rot_std is None
    assert plain.direct_forces_rot_std is None


@pytest.mark.parametrize(("dtype", "rounding"), [("float64", 1e-12), ("float32", 1e-5)])
def test_of_a_symmetric_model_is_rounding(export, dtype, rounding):
    engine = Engine(export({0: 0.02}, dtype), symmetrize="lebedev:3")
    result = engine.evaluate(
        structure_from_ase(crystal()), energy_rot_std=True, conservative_forces_rot_std=True
    )
    assert result.energy_rot_std < rounding
    assert np.max(result.conservative_forces_rot_std) < rounding


def test_batches_and_fused_forces(export):
    """Each structure has its own; multiple time stepping may ask for the averages alone."""
    structures = [structure_from_ase(crystal()), dimer()]
    engine = Engine(export(CONTENT), symmetrize="octahedral")
    together = engine.evaluate(structures, **ALL)
    for structure, result in zip(structures, together, strict=True):
        alone = engine.evaluate(structure, **ALL)
        assert result.energy_rot_std == pytest.approx(alone.energy_rot_std, rel=1e-12)
    assert FusedForces(engine, 0.0).outer(structures)[0].energy_rot_std is None


@pytest.mark.parametrize("options", [{}, {"symmetrize": "random", "seed": 3}])
def test_needs_a_set_of_several_copies(export, options):
    engine = Engine(export(CONTENT), **options)
    name = options.get("symmetrize", "none")
    message = f"needs several of them in each evaluation, and symmetrize {name} has one: choose"
    with pytest.raises(EngineError, match=message):
        engine.evaluate(dimer(), energy_rot_std=True)
    with pytest.raises(EngineError, match=message):
        engine.require(Wanted(direct_forces_rot_std=True))


class TestASE:
    @pytest.mark.parametrize("forces", ["conservative", "direct"])
    def test_results_have_them_by_the_names_of_metatomic(self, export, forces):
        atoms = crystal()
        atoms.calc = MDBridgeCalculator(export(CONTENT), forces, symmetrize="lebedev:2")
        atoms.get_forces()
        expected = Engine(export(CONTENT), symmetrize="lebedev:2").evaluate(
            structure_from_ase(atoms), **ALL
        )
        results = atoms.calc.results
        assert results["energy_rot_std"] == pytest.approx(expected.energy_rot_std, rel=1e-12)
        np.testing.assert_allclose(
            results["forces_rot_std"], getattr(expected, f"{forces}_forces_rot_std"), atol=1e-12
        )
        tensor = getattr(expected, f"{forces}_virial_rot_std") / atoms.get_volume()
        voigt = tensor[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]]
        found = atoms.calc.get_property("stress_rot_std", atoms)
        np.testing.assert_allclose(found, voigt, atol=1e-12)
        assert found.min() >= 0
        assert results["forces_rot_std"].max() > 1e-3

    def test_alone(self, export):
        """Asked for before anything else."""
        calculator = MDBridgeCalculator(export(CONTENT), symmetrize="octahedral")
        for name in ("forces_rot_std", "stress_rot_std", "energy_rot_std"):
            calculator.reset()
            assert np.max(calculator.get_property(name, crystal())) > 1e-5
            assert name in calculator.implemented_properties

    def test_without_a_set(self, export):
        atoms = crystal()
        calculator = MDBridgeCalculator(export(CONTENT), symmetrize="octahedral")
        calculator.get_property("forces", atoms)
        calculator.set(symmetrize="none")
        calculator.get_property("forces", atoms)
        assert "energy_rot_std" not in calculator.results
        assert "energy_rot_std" not in calculator.implemented_properties
        with pytest.raises(NotImplementedError, match="symmetrize none has one: choose a set"):
            calculator.get_property("forces_rot_std", atoms)
