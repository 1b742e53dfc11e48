"""What is said of force constants that are not symmetric: rounding, the differences, or that there
is no potential."""

from dataclasses import replace

import crystals_phonons as crystals
import numpy as np
import pytest
from ase.build import bulk

from md_bridge.statics.phonons.api import measure_phonons
from md_bridge.statics.phonons.crystal import make_crystal
from md_bridge.statics.phonons.settings import PhononRequest
from md_bridge.statics.phonons.violations import (
    measure_violations,
    rounding_asymmetry,
    transposed,
)
from md_bridge.statics.report.phonons_sentences import sentences


def request_of(path, atoms, **values):
    settings = {"supercell": (2, 2, 2), "mesh": 2, "corrections": ("raw",), **values}
    return PhononRequest(path, atoms, **settings)


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """Both kinds of forces, whose asymmetries and noise a test changes as it wants."""
    path = crystals.bonds(swirl=0.05).export(tmp_path_factory.mktemp("models") / "m.pt")
    request = request_of(path, crystals.fcc(), forces=("conservative", "direct"))
    return measure_phonons(request, lambda *_: None)


def told(report, conservative, direct, noise=0.0, precision="float64", host="phonopy"):
    """Sentences with these asymmetries."""
    results = [
        replace(each, violations=replace(each.violations, permutation=value))
        for each, value in zip(report.results, (conservative, direct), strict=True)
    ]
    changed = replace(
        report,
        results=tuple(results),
        noise=dict.fromkeys(report.noise, noise),
        precision=precision,
        request=replace(report.request, host=host),
    )
    return [text for text in sentences(changed) if "are not symmetric" in text]


def test_of_an_energy_it_is_the_error_of_the_differences(report):
    (text,) = told(report, 2e-3, 0.0)
    assert text.startswith(
        "The force constants of conservative forces are not symmetric, π = 0.2 %"
    )
    assert "gradient of an energy, whose second derivatives are symmetric" in text
    assert "the error of the finite differences" in text
    assert "no potential" not in text


def test_of_direct_forces_it_is_a_missing_potential_if_it_is_more(report):
    conservative, direct = told(report, 2e-3, 4e-2)
    assert "no potential" not in conservative
    assert "direct forces are not symmetric, π = 4 %: these forces have no potential" in direct
    assert "doubles its energy" in direct
    _, alike = told(report, 2e-3, 4e-3)
    assert "hardly more than that of conservative forces, 0.2 %" in alike
    assert "these forces have no potential" not in alike
    (alone,) = told(report, 0.0, 4e-3)
    assert "these forces have no potential" in alone


@pytest.mark.parametrize(("precision", "double"), [("float32", True), ("float64", False)])
def test_rounding_is_called_rounding(report, precision, double):
    noise = 1e-4
    (result, _) = report.results
    level = rounding_asymmetry(result.force_constants, noise, report.request.displacement)
    for text in told(report, 2 * level, 2 * level, noise, precision):
        assert "this is the rounding of the forces (0.0001 eV/Å) at this displacement" in text
        assert ("--double" in text) == double
        assert "no potential" not in text
    assert "these forces have no potential" in told(report, 0.0, 10 * level, noise)[0]
    # derivatives of the network have no displacement
    assert "rounding" not in told(report, 0.0, 2 * level, noise, host="autograd")[0]


def test_the_level_of_rounding():
    """Of force constants that are symmetric but for noise of a known size."""
    crystal = make_crystal(bulk("Si", "diamond", a=5.43), (3, 3, 3))
    generator = np.random.default_rng(5)
    shape = (len(crystal.primitive), len(crystal.supercell), 3, 3)
    exact = generator.normal(size=shape)
    exact = exact + transposed(crystal, exact)
    displacement, component = 0.01, 1e-4
    found = []
    for _ in range(40):
        noise = component * generator.normal(size=(2, *shape))
        rough = exact - (noise[0] - noise[1]) / (2 * displacement)
        asymmetry = np.linalg.norm(rough - transposed(crystal, rough))
        found.append(asymmetry / (2 * np.linalg.norm(rough)))
    expected = rounding_asymmetry(exact, np.sqrt(3) * component, displacement)
    assert np.mean(found) == pytest.approx(expected, rel=0.03)


def test_a_smooth_energy_with_a_long_displacement(tmp_path):
    """hcp argon: no atom has inversion, and third derivatives show."""
    path = crystals.lennard_jones().export(tmp_path / "lj.pt")
    request = request_of(path, bulk("Ar", "hcp", a=3.72, c=6.2), displacement=0.08)
    found = measure_phonons(request, lambda *_: None)
    (result,) = found.results
    rules = measure_violations(found.crystal, found.operations, result.force_constants)
    assert rules.permutation > 1e-3
    (text,) = (text for text in sentences(found) if "are not symmetric" in text)
    assert "the error of the finite differences" in text
