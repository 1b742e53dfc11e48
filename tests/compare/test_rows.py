"""Rows are kept with what they were made of, and one that fails does not lose the others."""

import json

import models
import pytest
from python_models import TWO_FACTORIES, python_model

from md_bridge.compare import CompareRequest, compare
from md_bridge.compare.errors import CompareError
from md_bridge.compare.findings import Figure, Found
from md_bridge.compare.measures import measure_named
from md_bridge.compare.report.result import as_result
from md_bridge.errors import ArgumentError
from md_bridge.export.errors import ExportError
from md_bridge.model_options import ModelOptions
from md_bridge.processes import alone_in
from md_bridge.text import sha256_of


def request(argon, **more):
    given = {"labelled": argon.labelled, "measures": ("errors",)}
    return CompareRequest((argon.both, argon.one), **{**given, **more})


def kept(comparison):
    return [(outcome.measure, outcome.model) for outcome in comparison.outcomes if outcome.kept]


def test_what_is_there_is_not_measured_again(argon, tmp_path):
    first = compare(request(argon), tmp_path)
    assert kept(first) == []
    again = compare(request(argon), tmp_path)
    assert kept(again) == [("errors", "both.pt"), ("errors", "one.pt")]
    assert again.numbers("errors", "one.pt") == first.numbers("errors", "one.pt")
    assert again.found("errors", "one.pt") == first.found("errors", "one.pt")
    assert "2 of 2 results were there from an earlier call" in " ".join(as_result(again).sentences)


def test_a_row_says_what_it_was_made_of(argon, tmp_path):
    compare(request(argon), tmp_path)
    rows = sorted((tmp_path / "rows" / "errors").iterdir())
    assert [path.name.rpartition("-")[0] for path in rows] == ["both.pt", "one.pt"]
    content = json.loads(rows[1].read_text())
    assert content["model"]["sha256"] == sha256_of(argon.one)
    assert content["settings"]["labelled"] == sha256_of(argon.labelled)
    assert content["settings"]["force_key"] == "forces"
    assert {"torch", "Python"} <= set(content["versions"])


def test_other_settings_structures_or_models_are_measured(argon, tmp_path):
    import ase.io

    compare(request(argon), tmp_path)
    assert kept(compare(request(argon, shift=True), tmp_path)) == []
    few = tmp_path / "few.xyz"
    ase.io.write(few, ase.io.read(argon.labelled, ":2"))
    assert kept(compare(request(argon, labelled=few), tmp_path)) == []
    ase.io.write(few, ase.io.read(argon.labelled, "1:3"))  # others, in the same place
    assert kept(compare(request(argon, labelled=few), tmp_path)) == []
    changed = models.curl(size=1e-2).export(tmp_path / "both.pt")
    other = CompareRequest((changed, argon.one), labelled=argon.labelled, measures=("errors",))
    assert kept(compare(other, tmp_path)) == [("errors", "one.pt")]


def test_settings_of_one_measure_leave_the_rows_of_others(argon, tmp_path):
    compare(request(argon), tmp_path)
    more = request(argon, length_ps=3.0, lmax=3, model_options=ModelOptions(threads=1))
    assert len(kept(compare(more, tmp_path))) == 2


def test_two_factories_of_one_file_are_two_models(argon, tmp_path):
    name = python_model(tmp_path, TWO_FACTORIES, "one")
    two = (name, name.replace(":one", ":other"))
    for _ in range(2):
        found = compare(CompareRequest(two, labelled=argon.labelled), tmp_path / "out")
        first, second = (found.numbers("errors", f"made:{n}")["errors"] for n in ("one", "other"))
        assert first[0]["rmse"] != second[0]["rmse"]
    assert len(kept(found)) == 2
    # nor does a name of the user's make them one
    for model, there in ((two[0], 0), (two[1], 1), (two[0], 2)):
        asked = CompareRequest((f"x={model}", argon.one), labelled=argon.labelled)
        assert len(kept(compare(asked, tmp_path / "named"))) == there


def test_a_row_that_fails_is_a_sentence_and_is_tried_again(argon, tmp_path):
    """A potential that breaks where atoms are close: of these labels some are too close for it."""
    broken = models.nan_when_close(3.2).export(tmp_path / "broken.pt")
    asked = CompareRequest((broken, argon.one), labelled=argon.labelled, measures=("errors",))
    for _ in range(2):
        comparison = compare(asked, tmp_path)
        (failure,) = comparison.failures
        assert (failure.model, failure.kept) == ("broken.pt", "")
        assert comparison.found("errors", "one.pt").figures
        text = " ".join(as_result(comparison).sentences)
        assert "broken.pt: errors on labelled structures (errors) could not be measured:" in text
        assert "structure 0 of" in text
        assert not list((tmp_path / "rows" / "errors").glob("broken*"))
    assert kept(comparison) == [("errors", "one.pt")]


def test_a_damaged_row_is_measured_again(argon, tmp_path):
    compare(request(argon), tmp_path)
    (row,) = (tmp_path / "rows" / "errors").glob("one*")
    row.write_text(row.read_text()[:100])
    assert kept(compare(request(argon), tmp_path)) == [("errors", "both.pt")]


def test_a_folder_that_is_in_use(argon, tmp_path):
    with (
        alone_in(tmp_path, "a test", CompareError),
        pytest.raises(CompareError, match="another md-bridge compare works in"),
    ):
        compare(request(argon), tmp_path)


def test_progress_grows_to_one(argon, tmp_path):
    shares = []
    compare(request(argon), tmp_path, progress=lambda words, share: shares.append(share))
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1.0)


def test_findings_survive_the_disk():
    figure = Figure("λ", "%", "3.1", 0.031, "smaller", judged=True, good=None, section="s")
    found = Found((figure,), ("A sentence.",), {"lambda": 0.031, "nothing": None})
    assert Found.from_dict(json.loads(json.dumps(found.as_dict()))) == found


def test_names_of_measures():
    with pytest.raises(ValueError, match="found 'speed'"):
        measure_named("speed")


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"measures": ("erors",)}, "measures 'erors' is no measure; did you mean errors?"),
        ({"measures": ("drift",)}, "start is missing, which drift needs"),
        ({"measures": ("phonons",)}, "start is missing, which phonons needs"),
        ({"labelled": None}, "labelled is missing, which errors needs"),
        ({"labelled": None, "measures": ()}, "labelled is missing, and so is a start"),
        ({"supercell": (2, 2, 1.5)}, "supercell must be three whole numbers"),
        ({"length_ps": 0.0}, "length_ps must be positive"),
        ({"most": 1}, "most must be 2 or more"),
        ({"host": "gromacs"}, "host must be lammps or i-pi"),
        ({"model_options": ModelOptions(symmetrize="octahedral")}, "have commands of their own"),
    ],
)
def test_requests_that_make_no_sense(argon, more, words):
    with pytest.raises(ArgumentError, match=words.replace("?", r"\?")):
        request(argon, **more)


def test_models_that_make_no_sense(argon, tmp_path):
    for models_of, words in (
        ((argon.both,), "two or more, to be compared, found 1"),
        ((argon.both, argon.both), "twice"),
        ((argon.both, tmp_path / "none.pt"), "found no file"),
        ((argon.both, "python:nowhere:make"), "finds no module 'nowhere'"),
        ((f"x={argon.both}", f"x={argon.one}"), "would both be called 'x'"),
    ):
        with pytest.raises(ArgumentError, match=words):
            CompareRequest(models_of, labelled=argon.labelled)
    named = CompareRequest((f"a={argon.both}", argon.one), labelled=argon.labelled).named
    assert [each.name for each in named] == ["a", "one.pt"]
    assert named[0].model == argon.both


def test_an_element_that_one_model_does_not_know(argon, tmp_path):
    water = models.harmonic().export(tmp_path / "hydrogen.pt")
    asked = CompareRequest((argon.one, water), labelled=argon.labelled)
    with pytest.raises(ExportError, match=r"'hydrogen.pt' cannot be compared .* has Ar"):
        compare(asked, tmp_path / "out")
