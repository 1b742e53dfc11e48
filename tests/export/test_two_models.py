"""Two models compared: every number against one that is known on paper."""

import json

import ase.io
import models
import numpy as np
import pytest
from ase import units
from drift_models import einstein_crystal, einstein_start
from model_commands import message, run

from md_bridge.cli.models.check import check
from md_bridge.drift import jacobian_asymmetry
from md_bridge.export.checks.two_models import compare_models
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
            ["outer.pt", "start.xyz", "--inner", "lennard.pt", "--inner-forces", "direct"],
            "cannot give direct forces",
        ),
    ],
)
def test_bad_input(folder, monkeypatch, words, expected):
    monkeypatch.chdir(folder)
    models.curl().export("argon.pt")
    models.lennard_jones().export("lennard.pt")
    result = run(check, *words)
    assert result.exit_code in (1, 2)
    assert expected in message(result)
