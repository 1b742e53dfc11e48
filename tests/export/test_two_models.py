"""Two models compared: every number against one that is known on paper."""

import json

import ase.io
import models
import numpy as np
import pytest
from ase import units
from drift_models import einstein_crystal, einstein_start
from model_commands import message, run

from md_bridge._paths import DATA
from md_bridge.cli.models.check import check
from md_bridge.drift import jacobian_asymmetry
from md_bridge.export.checks.costs import EvaluationCosts
from md_bridge.export.checks.two_models import (
    compare_models,
    drift_from_change,
    guess_from_change,
)
from md_bridge.model_options import ModelOptions

K, INNER_K, SWIRL = 2.0, 1.7, 0.4
ELEMENTS = ("Ar", "Kr")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("compared")
    einstein_crystal(K, elements=ELEMENTS).export(folder / "outer.pt")
    einstein_crystal(INNER_K, SWIRL, elements=ELEMENTS[::-1]).export(folder / "inner.pt")
    ase.io.write(folder / "start.xyz", einstein_start(ELEMENTS))
    return folder


def inner_matrix(vectors):
    """The inner forces of small displacements, the net force removed."""
    turned = np.stack([-vectors[:, 1], vectors[:, 0], 0 * vectors[:, 2]], axis=1)
    forces = -INNER_K * vectors + SWIRL * turned
    return forces - forces.mean(axis=0)


def rms(values):
    return np.sqrt(np.mean(values**2))


def test_every_number(folder):
    atoms = ase.io.read(folder / "start.xyz")
    found = compare_models(
        folder / "outer.pt", [atoms], ModelOptions(inner=folder / "inner.pt", threads=1)
    )
    displaced = atoms.positions - 3.0 * np.round(atoms.positions / 3.0)
    difference = -K * displaced - inner_matrix(displaced)
    assert found.conservative_rms == pytest.approx(rms(K * displaced))
    assert found.difference_rms == pytest.approx(rms(difference))
    velocities = atoms.get_velocities() * units.fs
    change = -K * velocities - inner_matrix(velocities)
    assert found.own_velocities
    assert found.conservative_change == pytest.approx(rms(K * velocities))
    assert found.change == pytest.approx(rms(change))
    for element in ELEMENTS:
        chosen = np.array(atoms.get_chemical_symbols()) == element
        assert found.difference_by_element[element] == pytest.approx(rms(difference[chosen]))
        assert found.change_by_element[element] == pytest.approx(rms(change[chosen]))
    size = 3 * len(atoms)
    jacobian = np.array([inner_matrix(row.reshape(-1, 3)).ravel() for row in np.eye(size)]).T
    assert found.asymmetry == pytest.approx(jacobian_asymmetry(jacobian), rel=0.2)
    assert found.speedup_bounds[8] == pytest.approx(8 * found.costs.ratio / (8 + found.costs.ratio))
    # the fastest vibration is that of the lighter element
    period = 2 * np.pi * np.sqrt(min(atoms.get_masses()) / K) / units.fs
    assert found.guess.period == pytest.approx(period, rel=0.01)
    # the guess rests on how fast the correction changes, not on its size
    masses = atoms.get_masses()
    heating = np.mean(np.sum(change**2, axis=1) / (2 * masses)) * units.fs**2
    kicks = heating * (found.guess.period / (2 * np.pi)) ** 2
    drifts = {
        m: 1e6 * 4 * m * kicks * 500 * (4 * m / found.guess.period) ** 7.75 for m in range(1, 17)
    }
    assert found.guess.inner_step == 4.0
    assert found.guess.inner_steps == max(m for m, drift in drifts.items() if drift <= 0.1)
    assert 1 < found.guess.inner_steps < 16
    assert found.guess.drift == pytest.approx(drifts[found.guess.inner_steps])


def test_guess_for_the_bundled_student():
    """M = 4 is the largest that conserves there (docs/two-models.md)."""
    found = compare_models(
        DATA / "water.pt",
        [ase.io.read(DATA / "water-start.xyz")],
        ModelOptions(inner=DATA / "water-inner.pt", threads=1),
    )
    assert (found.guess.inner_steps, found.guess.inner_step) == (4, 0.5)
    # as measured: 0.02 to 0.04 meV/atom/ps
    assert 0.02 < found.guess.drift < 0.04


def test_guess_at_its_limits():
    # nothing to correct: only the resonance is left, or the largest M worth a try
    assert guess_from_change(7.7, 0.0).inner_steps == 6
    assert guess_from_change(500.0, 0.0).inner_steps == 16
    hopeless = guess_from_change(7.7, 1.0)
    assert (hopeless.inner_steps, hopeless.inner_step) == (1, 0.5)
    assert drift_from_change(2.0, 8.0, 4e-7) == pytest.approx(4 * drift_from_change(2.0, 8.0, 1e-7))
    # the part that is left is never more than all
    ratio = drift_from_change(80.0, 8.0, 1e-7) / drift_from_change(40.0, 8.0, 1e-7)
    assert ratio == pytest.approx(2.0)


@pytest.mark.parametrize(("outer_s", "inner_s"), [(1.0, 1.5), (1.05, 1.0)])
def test_an_inner_model_that_is_no_cheaper_gains_nothing(folder, outer_s, inner_s, monkeypatch):
    """M times a dearer model cannot be faster; nor can M = 13 with one 5 % cheaper."""
    monkeypatch.setattr(
        "md_bridge.export.checks.two_models.evaluation_costs",
        lambda *_: EvaluationCosts(outer_s, inner_s),
    )
    found = compare_models(
        folder / "outer.pt",
        [ase.io.read(folder / "start.xyz")],
        ModelOptions(inner=folder / "inner.pt", threads=1),
    )
    (line,) = [check for check in found.checks() if check.name == "first guess of M, two models"]
    assert line.detail.startswith("no gain: ")
    if outer_s < inner_s:
        assert found.as_dict()["guess"] is None
        assert np.isnan(line.value)


def test_of_a_gradient_there_is_no_asymmetry(folder):
    options = ModelOptions(inner=folder / "inner.pt", inner_forces="conservative")
    atoms = ase.io.read(folder / "start.xyz")
    atoms.set_momenta(np.zeros((len(atoms), 3)))
    found = compare_models(folder / "outer.pt", [atoms], options)
    assert found.asymmetry == 0.0
    assert not found.own_velocities
    assert found.change / found.conservative_change == pytest.approx((K - INNER_K) / K)


def test_command(folder):
    words = [folder / "outer.pt", folder / "start.xyz", "--inner", folder / "inner.pt", "--lenient"]
    content = json.loads(run(check, *words, "--json").stdout)
    found = {entry["name"]: entry for entry in content["checks"]}
    inner = content["inner"]
    assert inner["path"] == str(folder / "inner.pt")
    assert found["inner = conservative"]["value"] == pytest.approx(1000 * inner["difference_rms"])
    assert "by element: Ar" in found["inner = conservative"]["detail"]
    assert found["outer / inner cost"]["value"] == pytest.approx(
        inner["outer_s"] / inner["inner_s"]
    )
    assert list(inner["speedup_bounds"]) == ["2", "3", "4", "5", "6", "7", "8"]
    assert found["first guess of M, two models"]["value"] == inner["guess"]["inner_steps"]


def test_units_of_length_are_converted(folder, tmp_path):
    atoms = ase.io.read(folder / "start.xyz")
    atoms.set_chemical_symbols(["Ar"] * len(atoms))
    module = {"length_unit": "nm", "cutoff": 0.6}
    models.AnalyticModel(models.Curl(0.01, 0.009, 34.0 / 100, 0.6), ["Ar"], 0.6).export(
        tmp_path / "nm.pt", **module
    )
    models.curl(0.0).export(tmp_path / "outer.pt")
    options = ModelOptions(inner=tmp_path / "nm.pt", inner_forces="conservative")
    found = compare_models(tmp_path / "outer.pt", [atoms], options)
    assert found.difference_rms == pytest.approx(found.conservative_rms * (1 - 0.009 / 0.0104))


def test_another_surface_fails(folder, tmp_path):
    einstein_crystal(K, 20.0, elements=ELEMENTS).export(tmp_path / "far.pt")
    words = [folder / "outer.pt", folder / "start.xyz", "--inner", tmp_path / "far.pt"]
    result = run(check, *words)
    assert result.exit_code == 3
    assert "inner = conservative" in result.stderr.split("failed: ")[1]
    assert "do not belong to one potential energy surface" in message(result)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["outer.pt", "--inner", "inner.pt"], "--inner compares two models on STRUCTURES"),
        (["outer.pt", "start.xyz", "--inner", "outer.pt"], "--inner names the outer model itself"),
        (["outer.pt", "start.xyz", "--inner", "argon.pt"], "does not know the element Kr"),
        (["outer.pt", "start.xyz", "--inner-forces", "direct"], "is about a model of its own"),
        (["outer.pt", "start.xyz", "--inner", "nowhere.pt"], "no model file"),
        (
            ["outer.pt", "start.xyz", "--inner", "of_pbe.pt"],
            "of_pbe.pt was made for the variant pbe of the outer model, and the default variant of",
        ),
        (
            ["outer.pt", "start.xyz", "--inner", "lennard.pt", "--inner-forces", "direct"],
            "cannot give direct forces",
        ),
    ],
)
def test_bad_input(folder, monkeypatch, words, expected):
    monkeypatch.chdir(folder)
    models.curl().export("argon.pt")
    models.lennard_jones().export("lennard.pt")
    made_for_pbe = {"extra": {"teacher_variant": "pbe"}}
    einstein_crystal(INNER_K, elements=ELEMENTS).export("of_pbe.pt", metadata=made_for_pbe)
    result = run(check, *words)
    assert result.exit_code in (1, 2)
    assert expected in message(result)
