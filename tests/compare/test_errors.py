"""Errors on labels are those that a hand computation with ASE calculators gives."""

import json

import ase.io
import models
import numpy as np
import pytest
from argon_labels import labelled_structures
from metatomic_ase import MetatomicCalculator
from model_commands import run
from python_models import python_model

from md_bridge.cli.models.evaluate import evaluate
from md_bridge.compare import CompareRequest, compare
from md_bridge.compare.report.result import as_result
from md_bridge.text import significant

DIRECT_ONLY = """
from ase.calculators.lj import LennardJones

class Direct(LennardJones):
    implemented_properties = ["energy", "forces"]
    forces_kind = "direct"

def make():
    return Direct(sigma=3.4, epsilon=0.0104, rc=6.0)

def softer():
    return Direct(sigma=3.4, epsilon=0.009, rc=6.0)
"""
FORCES_ALONE = """
from ase.calculators.lj import LennardJones

class Bare(LennardJones):
    implemented_properties = ["energy", "forces"]

def make():
    return Bare(sigma=3.4, epsilon=0.0104, rc=6.0)

def softer():
    return Bare(sigma=3.4, epsilon=0.009, rc=6.0)
"""


def errors_of(comparison, model):
    rows = comparison.numbers("errors", model)["errors"]
    return {row["quantity"]: row for row in rows if row["by"] == "all"}


def by_hand(model, direct):
    """Root mean squares in meV and Å, by metatomic's calculator and numpy alone."""
    energies, forces, stresses = [], [], []
    for atoms in labelled_structures():
        labels = atoms.calc.results
        atoms.calc = MetatomicCalculator(model, non_conservative=direct)
        forces.append(atoms.get_forces() - labels["forces"])
        stresses.append(atoms.get_stress(voigt=False).ravel())
        stresses[-1] = stresses[-1] - labels["stress"][[0, 5, 4, 5, 1, 3, 4, 3, 2]]
        energies.append((atoms.get_potential_energy() - labels["energy"]) / len(atoms))
    return [1e3 * float(np.sqrt(np.mean(np.square(each)))) for each in (energies, forces, stresses)]


@pytest.fixture(scope="module")
def comparison(argon, tmp_path_factory):
    request = CompareRequest((argon.both, argon.one), labelled=argon.labelled)
    return compare(request, tmp_path_factory.mktemp("errors"))


@pytest.mark.parametrize(
    ("model", "kind"), [("both", "conservative"), ("both", "direct"), ("one", "conservative")]
)
def test_errors_are_those_by_hand(argon, comparison, model, kind):
    found = errors_of(comparison, f"{model}.pt")
    energy, force, stress = by_hand(getattr(argon, model), kind == "direct")
    assert force > 1.0
    assert found["energy"]["rmse"] == pytest.approx(energy, rel=1e-6)
    assert found[f"{kind} force"]["rmse"] == pytest.approx(force, rel=1e-6)
    assert found[f"{kind} stress"]["rmse"] == pytest.approx(stress, rel=1e-6)


def test_errors_are_those_of_the_command(argon, comparison):
    for model in (argon.both, argon.one):
        rows = json.loads(run(evaluate, model, argon.labelled, "--json").stdout)["errors"]
        assert comparison.numbers("errors", model.name)["errors"] == rows


def test_lines_are_side_by_side_and_name_the_best(comparison):
    result = as_result(comparison)
    assert [heading for heading, _ in result.columns] == ["measure", "both.pt", "one.pt"]
    lines = {row.cells[0]: row for row in result.rows}
    line = lines["direct force, RMSE, meV/Å"]
    assert line.cells[2] == "–"
    both, one = (errors_of(comparison, name) for name in ("both.pt", "one.pt"))
    line = lines["conservative force, RMSE, meV/Å"]
    values = {"both.pt": both, "one.pt": one}
    best = min(values, key=lambda name: values[name]["conservative force"]["rmse"])
    assert line.verdict == f"best: {best}"
    assert line.cells[1:] == tuple(
        significant(each["conservative force"]["rmse"], 3) for each in (both, one)
    )
    (section,) = result.sections
    by_element = {row.cells[0]: row for row in section.rows}
    for row in comparison.numbers("errors", "one.pt")["errors"]:
        if row["by"] == "all":
            for name in ("rmse", "mae"):
                line = lines[f"{row['quantity']}, {name.upper()}, {row['unit']}"]
                assert line.cells[2] == significant(row[name], 3)
        elif row["by"] == "element":
            line = by_element[f"{row['quantity']}, {row['of']}, {row['unit']}"]
            assert line.cells[2] == significant(row["rmse"], 3)
    assert "one.pt gives conservative forces alone" in " ".join(result.sentences)
    assert result.passed is True  # nothing that can be failed


def test_a_model_with_direct_forces_alone(argon, tmp_path):
    model = python_model(tmp_path, DIRECT_ONLY)
    request = CompareRequest(
        (f"direct={model}", f"softer={model.replace(':make', ':softer')}"),
        labelled=argon.labelled,
        start=argon.start,
        measures=("errors", "lambda", "drift", "tune", "smoothness"),
    )
    comparison = compare(request, tmp_path / "out")
    assert [outcome.reason for outcome in comparison.failures] == []
    found = errors_of(comparison, "direct")
    assert set(found) == {"energy", "direct force"}
    text = " ".join(as_result(comparison).sentences)
    assert "direct gives direct forces alone: its lines of conservative forces are empty" in text
    assert "direct: It gives no conservative forces, so there is no energy that dynamics" in text
    assert comparison.numbers("lambda", "direct")["lambda"] < 2e-3  # a potential, cut off
    assert comparison.found("drift", "direct").figures == ()


def test_missing_stress_and_another_zero(argon, tmp_path):
    python_model(tmp_path, FORCES_ALONE)
    structures = labelled_structures()
    for atoms in structures:
        atoms.calc.results["energy"] += 1.5 * len(atoms)
    ase.io.write(tmp_path / "shifted.xyz", structures)
    names = [f"python:{tmp_path}/made.py:{name}" for name in ("make", "softer")]
    models_of = (*names, argon.one)
    comparison = compare(CompareRequest(models_of, labelled=tmp_path / "shifted.xyz"), tmp_path)
    text = " ".join(as_result(comparison).sentences)
    assert "made:make and made:softer give no stress, which the others do." in text
    assert "made:make: It gives no conservative stress to compare with the labels." in text
    assert "one.pt: Its energies are off by -15" in text
    assert "conservative stress" in errors_of(comparison, "one.pt")
    assert "conservative stress" not in errors_of(comparison, "made:make")
    shifted = compare(
        CompareRequest(models_of, labelled=tmp_path / "shifted.xyz", shift=True), tmp_path
    )
    assert shifted.numbers("errors", "one.pt")["shifts_eV"]["Ar"] == pytest.approx(1.5, abs=0.1)
    assert errors_of(shifted, "one.pt")["energy"]["rmse"] < 100.0
    assert "were shifted by (eV per atom): Ar +1.5" in " ".join(as_result(shifted).sentences)


def test_different_elements_and_precisions_are_told(argon, tmp_path):
    mixture = models.lennard_jones_mixture().export(tmp_path / "mixture.pt", dtype="float32")
    request = CompareRequest((argon.one, mixture), labelled=argon.labelled)
    text = " ".join(as_result(compare(request, tmp_path / "out")).sentences)
    assert "The models know different elements: what is compared says something about Ar" in text
    assert "(mixture.pt Kr)" in text
    assert "different precisions: one.pt in float64, mixture.pt in float32" in text
