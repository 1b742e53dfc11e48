"""What tables, sentences and the picture make of figures whose answers are known."""

from types import SimpleNamespace

import pytest

from md_bridge.compare.comparison import Comparison, Outcome
from md_bridge.compare.findings import Figure, Found
from md_bridge.compare.measures.base import smallest
from md_bridge.compare.report.result import _plots
from md_bridge.compare.report.sentences import sentences
from md_bridge.compare.report.tables import best_of, lines, rows, sections

KINDS = ("conservative",)


def comparison(figures, **outcomes):
    """Of models with these figures, each in one measure."""
    subjects = tuple(
        SimpleNamespace(
            name=name,
            kinds=KINDS,
            stresses=KINDS,
            precision="float64",
            engine=SimpleNamespace(info=SimpleNamespace(atomic_types=[18])),
        )
        for name in figures
    )
    found = [
        Outcome("errors", n, Found(tuple(f)), **outcomes.get(n, {})) for n, f in figures.items()
    ]
    return Comparison(None, subjects, tuple(found), {})


def verdict(good):
    return Figure("energy", "", "words", judged=True, good=good)


def error_and_cost(error, cost):
    return [
        smallest("conservative force, RMSE", "meV/Å", error),
        smallest("time, conservative forces", "µs/atom", cost),
    ]


def test_the_price_of_accuracy():
    of = comparison({"exact": error_and_cost(10.0, 100.0), "fast": error_and_cost(30.0, 20.0)})
    text = " ".join(sentences(of))
    assert (
        "fast computes conservative forces 5.0 times as fast as exact, with 3.0 times its error."
        in text
    )
    assert "Of 2 figures in which one model is the best: exact of 1, fast of 1." in text
    of = comparison({"good": error_and_cost(10.0, 20.0), "bad": error_and_cost(30.0, 100.0)})
    text = " ".join(sentences(of))
    assert "good has both the smallest errors of conservative forces and the lowest cost" in text
    assert "Of 2 figures in which one model is the best: good of 2." in text


def test_the_picture_has_costs_below_and_errors_at_the_side():
    of = comparison({"exact": error_and_cost(10.0, 100.0), "fast": error_and_cost(30.0, 20.0)})
    (plot,) = _plots(of)
    points = {curve.label: (curve.x[0], curve.y[0]) for curve in plot.curves}
    assert points == {"exact, conservative": (100.0, 10.0), "fast, conservative": (20.0, 30.0)}
    assert plot.logarithmic == (True, False)  # over five times, and three
    assert plot.x_label.startswith("time of an evaluation")


@pytest.mark.parametrize(
    ("goods", "passed", "words"),
    [
        ((True, True), True, "passed"),
        ((True, False), False, "b: fails"),
        ((None, True), None, "a: undecided"),
        ((None, False), False, "b: fails; a: undecided"),
    ],
)
def test_verdicts_of_a_line(goods, passed, words):
    of = comparison({name: [verdict(good)] for name, good in zip("ab", goods, strict=True)})
    (row,) = rows(of)
    assert (row.good, row.verdict) == (passed, words)
    assert of.passed is passed


def test_what_is_best():
    def line(*values, better="smaller"):
        return {
            name: Figure("a", "", f"{value}", value, better)
            for name, value in zip("abc", values, strict=False)
        }

    assert best_of(line(3.0, 1.0, 2.0)) == "b"
    assert best_of(line(3.0, 1.0, 2.0, better="larger")) == "a"
    assert best_of(line(1.0, 1.005)) is None  # alike
    assert best_of(line(1.0)) is None
    assert best_of(line(1.0, 2.0, better="")) is None
    assert best_of(line(-2.0, -1.0)) == "a"


def test_a_figure_that_a_model_lacks_stands_where_the_other_has_it():
    def figures(*names, section=""):
        return [smallest(name, "eV", 1.0, section=section) for name in names]

    of = comparison(
        {"a": figures("x", "z"), "b": [*figures("x", "y", "z"), *figures("w", section="More")]}
    )
    assert [next(iter(line.values())).name for line in lines(of, "")] == ["x", "y", "z"]
    assert rows(of)[1].cells == ("y, eV", "–", "1.00")
    (section,) = sections(of)
    assert (section.title, section.rows[0].cells) == ("More", ("w, eV", "–", "1.00"))


def test_results_of_other_versions_are_told():
    of = comparison(
        {"a": [], "b": []}, b={"kept": "then", "other_versions": ("torch 2.12 (now 2.13)",)}
    )
    text = " ".join(sentences(of))
    assert "1 of 2 results were there from an earlier call." in text
    assert "Some of them are of other versions: torch 2.12 (now 2.13)." in text
