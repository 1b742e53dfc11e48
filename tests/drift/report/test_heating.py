"""The heating rate in the table, the page, the summary and the sentences, and of which runs it is
told."""

import dataclasses
import io

import numpy as np
import pytest
from rich.console import Console

from md_bridge.drift.judging.verdict import Verdict
from md_bridge.drift.records.method import Method
from md_bridge.drift.records.run import RunRecord
from md_bridge.drift.report.environment import RunSettings
from md_bridge.drift.report.page import render_page
from md_bridge.drift.report.sentences import verdict_sentence
from md_bridge.drift.report.summary import summary_content
from md_bridge.drift.report.table import runs_table
from md_bridge.drift.runs.analysis import analyse

SETTINGS = RunSettings("water", "27 H2O", 81, 0.5, 0.5, 1, "2 cores", 0.1, longest_ps=1.0)
TIME = np.linspace(0, 0.75, 376)


def record(multiplicity, walk, slope=0.0):
    """A run whose H/N wanders by ``walk`` meV a root of a ps, and drifts by ``slope`` meV/ps."""
    rng = np.random.default_rng(51)
    steps = rng.normal(size=len(TIME)) * walk * np.sqrt(TIME[1])
    energy = -4000.0 + 0.081 * (np.cumsum(steps) + slope * TIME)
    method = Method("lammps", "mts", multiplicity, 0.5)
    return RunRecord(method, 81, 60.0, TIME, energy, np.full(len(TIME), 300.0))


@pytest.fixture(scope="module")
def analysis():
    """Wandering that heats by about 0.001 and 0.02; a steady drift that hardly wanders."""
    return analyse([record(2, 0.005), record(4, 0.12), record(8, 0.02, slope=3.0)])


def test_the_table_shows_the_interval_beside_the_drift(analysis):
    screen = Console(width=80, record=True, file=io.StringIO())
    screen.print(runs_table(analysis, 80))
    lines = screen.export_text().splitlines()
    assert all(len(line.rstrip()) <= 80 for line in lines)
    assert "heating" in lines[0]
    assert "< 0.001" in lines[2]
    low, high = (float(end) for end in lines[3].split()[7].split("–"))
    assert 0.005 < low < 0.02 < high < 0.1
    assert "conserves" in lines[3]
    assert "(" in lines[4]  # contradicted by the slope
    assert "drifts" in lines[4]


def test_sentences_say_what_counts(analysis):
    quiet, wandering, steady = (verdict_sentence(result) for result in analysis.results)
    assert "it heats by less than 0.001 meV/atom/ps" in quiet
    assert "conserves energy" in wandering
    assert "as far as H wanders, it heats by 0.0" in wandering
    assert "which its slope contradicts: so the slope alone counts" in steady


def test_the_summary_has_both_numbers(analysis):
    methods = summary_content(analysis, SETTINGS)["methods"]
    for method, result in zip(methods, analysis.results, strict=True):
        heating = result.statistics.heating
        assert method["heating_meV_per_atom_per_ps"] == heating.rate
        assert method["heating_low_95"] < heating.rate < method["heating_high_95"]
    assert [method["heating_agrees_with_drift"] for method in methods] == [True, True, False]


def test_the_page_shows_and_explains_it(analysis):
    page = render_page(analysis, SETTINGS, None)
    heating = analysis.results[1].statistics.heating
    assert f"{heating.high:.3f}" in page
    assert "how far H wanders" in page
    assert "0.5 to 1 ps, longer where steps are cheaper" in page


def test_runs_of_unknown_origin_have_no_heating_rate():
    """What thermostat or list of neighbours they had is not known; the column is left out."""
    own = record(4, 0.12)
    unknown = dataclasses.replace(
        own, method=Method("lammps", "unknown", None, 2.0), source="log.lammps"
    )
    assert own.statistics().verdict is Verdict.CONSERVES
    assert unknown.statistics().heating is None
    assert unknown.statistics().verdict is Verdict.INCONCLUSIVE
    analysis = analyse([unknown])
    assert "wanders" not in verdict_sentence(analysis.results[0])
    headings = [column.header for column in runs_table(analysis, 200).columns]
    assert not any("heating" in str(heading) for heading in headings)


def test_a_run_that_exploded_has_no_heating_rate():
    broken = dataclasses.replace(record(4, 0.12), exploded="exploded at step 3")
    assert broken.statistics().heating is None
    assert broken.statistics().verdict is Verdict.DRIFTS
