"""Every measure has the numbers that its own command reports with the same settings."""

import json
from dataclasses import replace

import pytest
from model_commands import run

from md_bridge.cli.energy.drift import drift
from md_bridge.cli.energy.protocol import protocol
from md_bridge.cli.energy.tune import tune
from md_bridge.cli.models.check import check
from md_bridge.cli.models.symmetry import symmetry
from md_bridge.cli.statics.phonons import phonons
from md_bridge.cli.statics.relax import relax
from md_bridge.compare import CompareRequest, compare
from md_bridge.compare.report.result import as_result, summary_of
from md_bridge.compare.request import MEASURES

DYNAMIC = ("drift", "tune")
STATIC = tuple(name for name in MEASURES if name not in (*DYNAMIC, "phonons"))
DYNAMICS = ("--timestep", 4, "--temperature", 60, "--equilibrate", 0.1)


@pytest.fixture(scope="module")
def asked(argon):
    """Of two models, as short as it can be."""
    return CompareRequest(
        (argon.both, argon.one),
        labelled=argon.labelled,
        start=argon.start,
        crystal=argon.crystal,
        measures=STATIC,
        timestep_fs=4.0,
        temperature_k=60.0,
        equilibration_ps=0.1,
        replicas=1,
        length_ps=0.4,
        tune_ps=0.4,
        smoothness_ps=0.4,
        most=2,
        lmax=2,
        fmax=1e-3,
    )


@pytest.fixture(scope="module")
def comparison(asked, tmp_path_factory):
    return compare(asked, tmp_path_factory.mktemp("all"))


@pytest.fixture(scope="module")
def dynamics(asked, tmp_path_factory):
    return compare(replace(asked, measures=DYNAMIC), tmp_path_factory.mktemp("dynamics"))


@pytest.fixture(scope="module")
def vibrating(argon, asked, tmp_path_factory):
    """One atom in the cell: bands and meshes of more take their time."""
    request = replace(asked, measures=("phonons",), crystal=argon.cell, supercell=(3, 3, 3))
    return compare(request, tmp_path_factory.mktemp("phonons"))


def beginnings(comparison, *expected):
    """Some line of the table begins with each of these, and none is there twice."""
    assert [(each.measure, each.model, each.reason) for each in comparison.failures] == []
    json.dumps(summary_of(comparison), allow_nan=False)
    lines = [row.cells[0] for row in as_result(comparison).rows]
    assert len(set(lines)) == len(lines)
    missing = [each for each in expected if not any(line.startswith(each) for line in lines)]
    assert missing == []


@pytest.fixture
def of(argon, tmp_path):
    """The JSON of a single command."""

    def numbers(command, *arguments):
        result = run(command, *arguments, "--out", tmp_path / "out", "--json")
        assert result.exit_code in (0, 3), result.output
        return json.loads(result.stdout)

    return numbers


def same(numbers, expected, *, without=()):
    """All numbers, but for times and paths."""
    for name, value in expected.items():
        if any(word in name for word in ("seconds", "wall", "speedup", "time", *without)):
            continue
        if isinstance(value, dict):
            same(numbers[name], value, without=without)
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            for one, other in zip(numbers[name], value, strict=True):
                same(one, other, without=without)
        elif isinstance(value, float):
            assert numbers[name] == pytest.approx(value, rel=1e-6, abs=1e-12), name
        else:
            assert numbers[name] == value, name


def test_all_have_lines(comparison, dynamics, vibrating):
    measured = {outcome.measure for outcome in comparison.outcomes if outcome.found.figures}
    assert measured == set(STATIC)
    beginnings(
        comparison,
        *("energy, RMSE", "λ of direct", "smoothness: N", "symmetry error, direct forces"),
        *("at rest with direct", "time, direct", "memory, resident"),
    )
    beginnings(dynamics, "energy with conservative", "drift, direct", "largest M")
    beginnings(vibrating, "phonons, direct: π", "phonons, conservative: imaginary modes")


def test_lambda(argon, comparison, of):
    found = comparison.numbers("lambda", "both.pt")
    expected = of(protocol.commands["jacobian"], argon.both, argon.start)
    assert found["lambda"] == pytest.approx(expected["lambda"], rel=1e-9)
    assert expected["lambda"] > 0.05
    assert found["conservative_lambda"] == pytest.approx(expected["conservative_lambda"], abs=1e-9)
    result = run(check, argon.both, argon.start, "--json")
    (difference,) = (
        each["value"]
        for each in json.loads(result.stdout)["checks"]
        if each["name"] == "direct = conservative"
    )
    assert found["direct_minus_conservative_meV_per_angstrom"] == pytest.approx(difference)
    of_one = comparison.numbers("lambda", "one.pt")
    assert 0 <= of_one["conservative_lambda"] < 1e-4
    assert "lambda" not in of_one


@pytest.mark.parametrize(("model", "kinds"), [("both", "conservative,direct"),
                                              ("one", "conservative")])  # fmt: skip
def test_drift(argon, dynamics, of, model, kinds):
    options = ("--forces", kinds, "--ps", 0.4, "--replicas", 1)
    expected = of(drift, getattr(argon, model), argon.start, *DYNAMICS, *options)["methods"]
    found = dynamics.numbers("drift", f"{model}.pt")["methods"]
    assert len(found) == len(kinds.split(","))
    for one, other in zip(found, expected, strict=True):
        same(one, other)
    verdict = dynamics.found("drift", f"{model}.pt").figures[0]
    assert (verdict.text, verdict.judged) == (expected[0]["verdict"], True)


def test_tune(argon, dynamics, of):
    expected = of(
        *(tune, argon.both, argon.start, "--timesteps", 4, "--temperature", 60),
        *("--equilibrate", 0.1, "--ps", 0.4, "--longest-ps", 1.6, "--replicas", 1),
        *("--max-m", 2),
    )
    found = dynamics.numbers("tune", "both.pt")
    (step,), (other,) = found["steps"], expected["steps"]
    assert step["best_M"] == other["best_M"]
    same(step["conservative"], other["conservative"])
    for one, two in zip(step["trials"], other["trials"], strict=True):
        same(one, two)
    assert "no direct forces" in dynamics.found("tune", "one.pt").sentences[0]


def test_smoothness(argon, comparison, of):
    expected = of(protocol.commands["smoothness"], argon.one, argon.start, *DYNAMICS, "--ps", 0.4)
    found = comparison.numbers("smoothness", "one.pt")
    assert found["heating_meV_per_atom_per_ps"] == pytest.approx(
        expected["heating_meV_per_atom_per_ps"], rel=1e-6
    )
    assert (found["verdict"], found["exponent"]) == (
        expected["verdict"],
        pytest.approx(expected["exponent"]),
    )


def test_symmetry(argon, comparison, of):
    expected = of(symmetry, argon.both, argon.start, "--lmax", 2, "--orientations", 0)
    found = comparison.numbers("symmetry", "both.pt")
    assert set(found["quantities"]) == set(expected["quantities"])
    for name, quantity in expected["quantities"].items():
        mine = found["quantities"][name]
        assert mine["rms"] == pytest.approx(quantity["rms"], rel=1e-4, abs=1e-9)
        for one, other in zip(mine["sectors"], quantity["sectors"], strict=True):
            assert one["root"] == pytest.approx(other["root"], rel=1e-3, abs=1e-8)
    assert found["quantities"]["direct_forces"]["rms"] > 1.0  # the swirl has an axis
    sections = {section.title: section for section in as_result(comparison).sections}
    (title,) = (title for title in sections if title.startswith("Symmetry error by"))
    words = [row.cells[0] for row in sections[title].rows]
    assert any(word.startswith("direct forces, λ = 1, σ = −") for word in words)
    for name in ("both.pt", "one.pt"):
        found = comparison.found("symmetry", name)
        whole = all(each["converged"] for each in found.numbers["quantities"].values())
        assert found.figures[-1].name == "symmetry errors converged"
        # a measurement that is too coarse is no fault of the model
        shown = (found.figures[-1].text, found.figures[-1].good)
        assert shown == (("yes", True) if whole else ("no", None))
        assert len(found.sentences) == (not whole)


def test_relax(argon, comparison, of):
    expected = of(
        relax, argon.both, argon.crystal, "--forces", "conservative,direct", "--fmax", 1e-3
    )["rows"]
    found = comparison.numbers("relax", "both.pt")["rows"]
    assert set(found) == set(expected) == {"conservative", "direct"}
    for name, row in expected.items():
        same(found[name], row)


def test_phonons(argon, vibrating, of):
    expected = of(
        *(phonons, argon.both, argon.cell, "--forces", "conservative,direct", "--fc", "raw"),
        *("--supercell", "3,3,3"),
    )["results"]
    found = vibrating.numbers("phonons", "both.pt")["results"]
    for one, other in zip(found, expected, strict=True):
        same(one["violations"], other["violations"])
        same(one["imaginary"], other["imaginary"])
        assert one["largest_frequency_THz"] == pytest.approx(other["largest_frequency_THz"])


def test_cost(comparison):
    """A process of its own has less than this one, and all of it is positive."""
    for name, kinds in (("both.pt", {"conservative", "direct"}), ("one.pt", {"conservative"})):
        found = comparison.numbers("cost", name)
        assert set(found["seconds"]) == kinds
        assert found["atoms"] == 32
        for kind, seconds in found["seconds"].items():
            per_atom = found["microseconds_per_atom"][kind]
            assert 1.0 < per_atom == pytest.approx(1e6 * seconds / 32)
        assert 50.0 < found["rss_MB"] <= found["peak_MB"] < 4000.0
        assert 0.0 < found["of_model_MB"] < found["rss_MB"]
