"""What is done with models, done with one that Python evaluates."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ase.io import write
from click.testing import CliRunner
from python_models import TWO_FACTORIES, argon, crystal, of_file, python_model, toy

from md_bridge.cli import main
from md_bridge.drift import Campaign, CampaignPlan, measure
from md_bridge.drift.runs.campaign import CampaignError
from md_bridge.export.checks.costs import evaluation_costs
from md_bridge.model_options import ModelOptions


@pytest.fixture
def folder(tmp_path, monkeypatch):
    write(tmp_path / "start.xyz", argon())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    return tmp_path


def run(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def message(result):
    return " ".join(result.output.split())


@pytest.mark.parametrize("host", ["lammps", "i-pi"])
def test_drift_has_the_numbers_of_the_file(folder, model_file, host):
    """Also from a folder of its own, with a name that is seen from here."""
    exported, inner = model_file("strong_curl"), model_file("stand_in")
    of_file(folder, exported)
    results = []
    for number, model in enumerate((f"python:of_{exported.stem.replace('-', '_')}:make", exported)):
        results.append(
            measure(
                model,
                argon(),
                forces="conservative,mts:2",
                host=host,
                length_ps=0.02,
                equilibration_ps=0.01,
                temperature_k=50.0,
                replicas=1,
                model_options=ModelOptions(inner=str(inner)),
                folder=folder / f"out-{number}",
            )
        )
    found, expected = results
    for one, other in zip(found.results, expected.results, strict=True):
        np.testing.assert_allclose(
            one.statistics.energy.slope, other.statistics.energy.slope, rtol=0, atol=1e-4
        )
    settings = json.loads((folder / "out-0" / "campaign.json").read_text())
    assert settings["model"].startswith(f"python:{folder}/of_strong_curl")


def test_drift_by_command(folder, model_file):
    exported = model_file("strong_curl")
    model = of_file(folder, exported)

    def words(named):
        return (
            *("drift", named, "start.xyz", "--forces", "conservative", "--ps", "0.01"),
            *("--equilibrate", "0", "--replicas", "1", "--host", "i-pi", "--json"),
        )

    result = run(*words(model))
    assert result.exit_code in (0, 3), result.output
    described = json.loads(result.stdout)["settings"]["model"]
    assert described == f"_BothKinds ({model})"
    (found,) = json.loads(result.stdout)["methods"]
    result = run(*words(exported), "--out", "of-file")
    (expected,) = json.loads(result.stdout)["methods"]
    for name in ("drift_meV_per_atom_per_ps", "mean_temperature_K"):
        assert found[name] == pytest.approx(expected[name], rel=1e-6)
    assert abs(expected["drift_meV_per_atom_per_ps"]) > 1e-6


def test_errors_of_labelled_structures(folder, model_file):
    atoms = argon()
    atoms.info["energy"] = -1.0
    atoms.arrays["forces"] = np.zeros((len(atoms), 3))
    write(folder / "labelled.xyz", atoms)
    tables = []
    for model in (of_file(folder, model_file("strong_curl")), model_file("strong_curl")):
        result = run("evaluate", model, "labelled.xyz", "--json")
        assert result.exit_code == 0, result.output
        tables.append(json.loads(result.stdout)["errors"])
    assert_same_rows(*tables)
    assert any(row["rmse"] > 1.0 for row in tables[1])


def assert_same_rows(found, expected):
    assert len(found) == len(expected) > 0
    for one, other in zip(found, expected, strict=True):
        assert list(one) == list(other)
        for name, value in other.items():
            known = value if isinstance(value, str) else pytest.approx(value, rel=1e-9, abs=1e-9)
            assert one[name] == known, name


def test_symmetry(folder, model_file):
    model = of_file(folder, model_file("strong_curl"))
    small = argon()[:6]
    small.pbc = False
    write(folder / "small.xyz", small)
    measured = []
    for each in (model, model_file("strong_curl")):
        result = run(
            *("symmetry", each, "small.xyz", "--lmax", "2", "--orientations", "0", "--json"),
            *("--quantity", "direct_forces"),
        )
        assert result.exit_code in (0, 3), result.output
        measured.append(json.loads(result.stdout)["quantities"]["direct_forces"])
    found, expected = measured
    assert found["rms"] == pytest.approx(expected["rms"], rel=1e-6)
    assert expected["rms"] > 1.0  # meV/Å: the swirl has an axis
    roots = [[sector["root"] for sector in each["sectors"]] for each in measured]
    assert roots[0] == pytest.approx(roots[1], rel=1e-6, abs=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("host", ["lammps", "i-pi"])
@pytest.mark.parametrize(
    ("command", "length"),
    [
        (("protocol", "order", "--forces", "conservative,mts:2"), 0.05),
        (("protocol", "reverse", "--forces", "conservative,direct,mts:2"), 0.05),
        (("protocol", "thermostat", "--forces", "conservative,mts:2"), 0.05),
        (("tune",), 0.02),
    ],
    ids=lambda value: " ".join(value[:2]) if isinstance(value, tuple) else "",
)
def test_runs_of_dynamics(folder, command, length, host):
    """With two models of one, and with a file inside."""
    write(folder / "crystal.xyz", crystal())
    result = run(
        *(*command[:2], toy(folder), "crystal.xyz", *command[2:], "--ps", length),
        *("--equilibrate", "0", "--temperature", "20", "--host", host, "--out", "out"),
    )
    assert result.exit_code in (0, 3), result.output
    assert list(folder.glob("out/**/*.json"))


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (("compile", "-o", "x.pt2"), "expected a torch.nn.Module. There is no network in a"),
        (("export", "-o", "x.pt"), "expected a torch.nn.Module. There is no network in a"),
        (("symmetry", "small.xyz", "--layers", "*"), "this looks into the file of an exported"),
    ],
)
def test_what_needs_a_file_says_so(folder, command, words):
    write(folder / "small.xyz", argon()[:4])
    result = run(command[0], toy(folder), *command[1:])
    assert result.exit_code == 1, result.output
    assert words in message(result)


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("python:nowhere:make", "Python finds no module 'nowhere'"),
        ("python:nowhere", "must have the form python:package.module:factory"),
        ("nowhere.pt", "does not exist"),
    ],
)
def test_a_model_that_is_not_there(folder, model, words):
    result = run("drift", model, "start.xyz")
    assert result.exit_code == 2
    assert words in message(result)


def test_costs_are_those_of_evaluations(folder, model_file):
    """And not of looking up what the calculator remembers."""
    code = """
import time
from ase.calculators.lj import LennardJones

class Slow(LennardJones):
    def calculate(self, *arguments):
        time.sleep(0.05)
        super().calculate(*arguments)

def make():
    return Slow(sigma=3.4, epsilon=0.0104, rc=8.0)
"""
    costs = evaluation_costs(
        python_model(folder, code), argon(), ModelOptions(inner=str(model_file("stand_in"))), 1
    )
    assert costs.outer_s > 0.05


def test_inputs_for_ipi_and_lammps(folder, model_file):
    """They name the model as it is seen from their folder."""
    from md_bridge.drift.tuning.inputs import InputPlan, write_planned_inputs

    of_file(folder, model_file("strong_curl"))
    plan = InputPlan(
        model=Path("python:of_strong_curl_float64:make"),
        start=folder / "start.xyz",
        model_options=ModelOptions(),
        multiplicity=2,
        timestep_fs=1.0,
        temperature_k=50.0,
        seed=1,
        finding="of a test",
    )
    lammps, ipi = (path.read_text() for path in write_planned_inputs(plan, Path("inputs")))
    name = "python:../of_strong_curl_float64.py:make"
    assert f"pair_style      mdbridge {name}" in lammps
    assert f"# Run it with: md-bridge lammps --model {name} -in in.lammps" in lammps
    assert f"model: {name}" in ipi


def test_what_a_factory_prints_is_no_result(folder):
    code = """
from ase.calculators.lj import LennardJones

print("imported")

def make():
    print("made")
    return LennardJones(sigma=3.4, epsilon=0.0104, rc=5.0)
"""
    words = "--lmax", "1", "--orientations", "0", "--quantity", "energy", "--json"
    result = run("symmetry", python_model(folder, code), "start.xyz", *words)
    assert result.exit_code in (0, 3), result.output
    assert "energy" in json.loads(result.stdout)["quantities"]
    assert "imported\nmade\n" in result.stderr


@pytest.mark.parametrize("command", ["relax", "phonons", "symmetry"])
def test_the_precision_is_that_of_the_calculator(folder, model_file, command):
    """It cannot be converted, and is not taken for double precision."""
    result = run(command, of_file(folder, model_file("strong_curl")), "start.xyz", "--double")
    assert result.exit_code == 1
    assert "in the precision of its calculator: let the factory make one" in message(result)


def test_a_campaign_goes_on_with_its_factory_only(folder):
    """Of two in one file, whose checksum is the same."""
    name = python_model(folder, TWO_FACTORIES, "one")
    plan = CampaignPlan(Path(name), folder / "start.xyz")
    Campaign(plan, folder / "out")
    other = replace(plan, model=Path(name.replace(":one", ":other")))
    with pytest.raises(CampaignError, match="model_factory is one there and other now"):
        Campaign(other, folder / "out")
    inside = replace(plan, model_options=ModelOptions(inner=name.replace(":one", ":other")))
    with pytest.raises(CampaignError, match="inner_factory is  there and other now"):
        Campaign(replace(inside, forces=(("mts", 2),)), folder / "out")
    # as it was written before it was told
    file = folder / "out" / "campaign.json"
    settings = json.loads(file.read_text())
    del settings["model_factory"], settings["inner_factory"]
    file.write_text(json.dumps(settings))
    Campaign(plan, folder / "out")
    file.write_text(json.dumps(settings))
    with pytest.raises(CampaignError, match="model_factory is one there and other now"):
        Campaign(other, folder / "out")


def test_precision_as_it_is_measured(folder):
    """A calculator does not say, and no option can make it more precise."""
    more = """
class Single(OneKind):
    def calculate(self, atoms, *others):
        rounded = atoms.copy()
        rounded.positions = np.float32(rounded.positions)
        super().calculate(rounded, *others)

def single():
    return Single()
"""
    words = "--lmax", "1", "--orientations", "0", "--quantity", "energy", "--json"
    found = {}
    for factory in ("one_kind", "single"):
        result = run("symmetry", toy(folder, factory, more), "start.xyz", *words)
        found[factory] = json.loads(result.stdout)["precision"]
    assert found == {"one_kind": "float64", "single": "float32"}
    result = run("relax", toy(folder, "single", more), "start.xyz", "--fmax", 1e-8)
    assert result.exit_code == 2
    assert "a minimum is told from noise" in message(result)
    assert "--double" not in message(result)
    result = run("relax", toy(folder, "one_kind", more), "start.xyz", "--steps", 1, "--json")
    assert json.loads(result.stdout)["precision"] == "its calculator's precision"
