"""Committees in ASE: means and deviations of members whose numbers are known."""

import pickle

import numpy as np
import pytest
from ase import units
from ase.build import bulk, molecule
from ase.calculators.calculator import PropertyNotImplementedError
from ase.calculators.fd import calculate_numerical_forces
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution
from ase.md.verlet import VelocityVerlet
from ase.stress import full_3x3_to_voigt_6_stress
from models import curl, lennard_jones, stand_in
from python_models import python_model

from md_bridge.ase import CommitteeCalculator, MDBridgeCalculator, ParameterError
from md_bridge.committee import Committee
from md_bridge.engine import EngineError, ModelError, structure_from_ase

SIGMAS = (3.3, 3.4, 3.5)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("committee")
    return [curl(size=1e-3, sigma=s).export(folder / f"{s}.pt") for s in SIGMAS]


@pytest.fixture(scope="module")
def ensemble(tmp_path_factory):
    """One model whose last layer has five members."""
    from pet_models import uncertain_pet_checkpoint

    from md_bridge.export import export_file

    folder = tmp_path_factory.mktemp("ensemble")
    return export_file(uncertain_pet_checkpoint(folder / "m.ckpt", members=5), folder / "m.pt")


@pytest.fixture
def argon():
    atoms = bulk("Ar", "fcc", a=5.4, cubic=True) * (2, 2, 2)
    atoms.rattle(0.1, seed=1)
    return atoms


@pytest.fixture
def water():
    atoms = molecule("H2O")
    atoms.set_cell([4.0, 4.2, 4.4])
    atoms.pbc = True
    atoms = atoms * (2, 1, 1)
    atoms.rattle(0.1, seed=0)
    return atoms


@pytest.mark.parametrize("forces", ["conservative", "direct"])
def test_of_several_files(files, argon, forces):
    members = [MDBridgeCalculator(path, forces=forces) for path in files]
    expected = {
        name: np.array([one.get_property(name, argon) for one in members])
        for name in ("energy", "forces", "stress")
    }
    argon.calc = CommitteeCalculator(files, forces=forces)
    for name, values in expected.items():
        found = argon.calc.get_property(name, argon)
        np.testing.assert_allclose(found, values.mean(axis=0), atol=1e-12)
        deviation = argon.calc.get_property(f"{name}_std", argon)
        np.testing.assert_allclose(deviation, values.std(axis=0, ddof=1), atol=1e-12)
    np.testing.assert_allclose(
        argon.calc.get_property("committee_energies", argon), expected["energy"]
    )
    np.testing.assert_allclose(
        argon.calc.get_property("committee_forces", argon), expected["forces"]
    )


def test_one_batch_a_model_and_pair_lists_that_are_kept(files, argon):
    argon.calc = CommitteeCalculator(files)
    argon.get_potential_energy()
    argon.get_forces()
    evaluations = [engine.timings.evaluations for engine in argon.calc.committee.engines]
    argon.calc.get_property("forces_std", argon)
    argon.calc.get_property("energy_std", argon)
    assert evaluations == [engine.timings.evaluations for engine in argon.calc.committee.engines]
    MaxwellBoltzmannDistribution(argon, temperature_K=40, rng=np.random.default_rng(0))
    dynamics = VelocityVerlet(argon, 4 * units.fs)
    before = argon.get_total_energy()
    dynamics.run(50)
    assert argon.get_total_energy() == pytest.approx(before, abs=2e-3)


def test_members_of_one_file(ensemble, water):
    """Their forces are minus the gradients of their energies, and the mean is the model's."""
    water.calc = CommitteeCalculator(ensemble)
    energies = water.calc.get_property("committee_energies", water)
    assert energies.shape == (5,)
    assert energies.mean() == pytest.approx(water.get_potential_energy(), abs=2e-5)
    assert water.calc.get_property("energy_std", water) == pytest.approx(energies.std(ddof=1))
    forces = water.calc.get_property("committee_forces", water)
    assert forces.shape == (5, 6, 3)
    np.testing.assert_allclose(forces.mean(axis=0), water.get_forces(), atol=1e-4)
    deviation = water.calc.get_property("forces_std", water)
    np.testing.assert_allclose(deviation, forces.std(axis=0, ddof=1))
    assert deviation.max() > 1e-3
    for atom, axis in ((0, 0), (4, 2)):
        ends = []
        for sign in (1, -1):
            moved = water.copy()
            moved.positions[atom, axis] += sign * 0.01
            moved.calc = water.calc
            ends.append(moved.calc.get_property("committee_energies", moved))
        np.testing.assert_allclose(
            forces[:, atom, axis], -(ends[0] - ends[1]) / 0.02, rtol=2e-2, atol=2e-3
        )


def test_the_stress_of_members_is_that_of_the_model_on_average(ensemble, water):
    water.calc = CommitteeCalculator(ensemble)
    (found,) = water.calc.committee.evaluate([structure_from_ase(water)], forces=True, virial=True)
    mean = full_3x3_to_voigt_6_stress(-found.member_virials.mean(axis=0) / water.cell.volume)
    np.testing.assert_allclose(mean, water.get_stress(), atol=1e-5)
    assert water.calc.get_property("stress_std", water).shape == (6,)


def test_an_ensemble_pays_for_gradients_only_when_asked(ensemble, water, monkeypatch):
    asked = []
    water.calc = CommitteeCalculator(ensemble)
    (engine,) = water.calc.committee.engines
    evaluate_batch = engine.evaluate_batch

    def watched(structures, pairs, wanted):
        asked.append(wanted.committee_forces)
        return evaluate_batch(structures, pairs, wanted)

    monkeypatch.setattr(engine, "evaluate_batch", watched)
    water.get_forces()
    water.calc.get_property("energy_std", water)
    assert asked
    assert not any(asked)
    water.calc.get_property("forces_std", water)
    assert asked[-1]


def test_members_of_an_ensemble_averaged_over_orientations(ensemble, water):
    """Each averaged member is the gradient of its averaged energy."""
    water.calc = CommitteeCalculator(ensemble, symmetrize="octahedral")
    plain = CommitteeCalculator(ensemble).get_property("committee_forces", water)
    forces = water.calc.get_property("committee_forces", water)
    assert np.abs(forces - plain).max() > 1e-3
    np.testing.assert_allclose(forces.mean(axis=0), water.get_forces(), atol=1e-4)
    turned = water.copy()
    turned.rotate(90, "z", rotate_cell=True)
    found = water.calc.get_property("committee_forces", turned)
    np.testing.assert_allclose(found[..., 1], forces[..., 0], atol=1e-4)
    ends = []
    for sign in (1, -1):
        moved = water.copy()
        moved.positions[4, 2] += sign * 0.01
        ends.append(water.calc.get_property("committee_energies", moved))
    np.testing.assert_allclose(forces[:, 4, 2], -(ends[0] - ends[1]) / 0.02, rtol=2e-2, atol=2e-3)


def test_mean_forces_are_the_gradient_of_the_mean_energy(files, argon):
    argon.calc = CommitteeCalculator(files)
    np.testing.assert_allclose(
        argon.get_forces()[:2],
        calculate_numerical_forces(argon, eps=1e-4, iatoms=[0, 1]),
        atol=1e-7,
    )


def test_copies_and_files_of_ase_know_it(files, argon, tmp_path):
    argon.calc = CommitteeCalculator(files, skin=0.5)
    energy = argon.get_potential_energy()
    again = pickle.loads(pickle.dumps(argon.calc))
    assert again.get_potential_energy(argon) == energy
    argon.write(tmp_path / "argon.traj")
    same = CommitteeCalculator(**argon.calc.parameters)
    assert same.get_potential_energy(argon) == energy


@pytest.mark.parametrize(
    ("number", "options", "error", "message"),
    [
        (1, {}, ModelError, "energy_ensemble.* A committee takes several models, or one with"),
        (0, {}, EngineError, "a committee needs models, found none"),
        (2, {"forces": "both"}, ParameterError, "conservative or direct, found 'both'"),
        (2, {"symetrize": "none"}, ParameterError, "did you mean 'symmetrize'"),
    ],
)
def test_what_is_no_committee_is_refused(files, number, options, error, message):
    with pytest.raises(error, match=message):
        CommitteeCalculator(files[:number], **options)


def test_one_model_twice_is_refused(files, tmp_path):
    """By whatever name."""
    (tmp_path / "link.pt").symlink_to(files[0])
    for other in (files[0], tmp_path / "link.pt"):
        with pytest.raises(EngineError, match=r"different models, found .* twice"):
            CommitteeCalculator([files[0], other])


def test_members_of_several_cutoffs(files, argon, tmp_path):
    """Each with pair lists of its own, also in the second step."""
    several = [stand_in().export(tmp_path / "short.pt"), files[0]]
    argon.calc = CommitteeCalculator(several)
    for _ in range(2):
        expected = [MDBridgeCalculator(path).get_forces(argon) for path in several]
        found = argon.calc.get_property("committee_forces", argon)
        np.testing.assert_allclose(found, expected, atol=1e-10)
        argon.rattle(0.01, seed=2)


def test_every_member_is_asked_what_it_can_do(files, argon, tmp_path):
    """Not only the first."""
    one_kind = lennard_jones().export(tmp_path / "one.pt")
    with pytest.raises(ModelError, match=r"one.pt.* cannot give"):
        CommitteeCalculator([files[0], one_kind], forces="direct")
    code = "def make():\n    return lambda atoms: {'energy': 0.0, 'forces': atoms.positions}"
    argon.calc = CommitteeCalculator([files[0], python_model(tmp_path, code)])
    assert "stress" not in argon.calc.implemented_properties
    with pytest.raises(PropertyNotImplementedError, match=r"made\.py:make"):
        argon.get_stress()
    both = Committee([stand_in().export(tmp_path / "krypton.pt"), files[0]])
    with pytest.raises(ModelError, match=r"3\.3\.pt.* does not know the element Kr"):
        both.require_types([36])


def test_what_an_ensemble_does_not_have_is_said(ensemble, water):
    water.calc = CommitteeCalculator(ensemble, forces="direct")
    assert "forces_std" not in water.calc.implemented_properties
    assert water.get_forces().shape == (6, 3)
    with pytest.raises(PropertyNotImplementedError, match="energies and no direct forces"):
        water.calc.get_property("forces_std", water)
    water.pbc = False
    water.cell = None
    with pytest.raises(PropertyNotImplementedError, match="volume of the cell"):
        water.get_stress()
