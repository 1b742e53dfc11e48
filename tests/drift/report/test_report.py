"""Analysis of several runs and what is written about them: summary, table, picture, page."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from rich.console import Console

from md_bridge.drift.judging.verdict import Verdict
from md_bridge.drift.records.csv import read_csv
from md_bridge.drift.records.method import Method
from md_bridge.drift.records.run import RunRecord
from md_bridge.drift.report.cells import column_meanings, table_row
from md_bridge.drift.report.environment import RunSettings
from md_bridge.drift.report.palette import run_colours
from md_bridge.drift.report.plot import draw
from md_bridge.drift.report.quantities import running_mean
from md_bridge.drift.report.sentences import limit_sentences, timing_sentences, verdict_sentence
from md_bridge.drift.report.summary import summary_content
from md_bridge.drift.report.table import element_table, runs_table
from md_bridge.drift.report.write import write_report
from md_bridge.drift.runs.analysis import analyse
from md_bridge.drift.runs.force_difference import ForceDifference
from md_bridge.text import with_error

SETTINGS = RunSettings(
    model="water <PET>",
    system="27 H2O",
    atom_count=81,
    timestep_fs=0.5,
    length_ps=0.5,
    threads=2,
    machine="2 cores",
    load=0.1,
    versions={"torch": "2.13.0"},
)
DIFFERENCE = ForceDifference(rms=0.1068, largest=0.62, conservative_rms=1.54, configurations=8)
SUMMARY_KEYS = {
    "host",
    "forces",
    "M",
    "drift_meV_per_atom_per_ps",
    "drift_stderr",
    "temperature_drift_K_per_ps",
    "wall_s_per_ps",
    "speedup",
    "speedup_bound",
}


def run(engine, forces, multiplicity, drift, wall_per_ps, noise=0.02, length_ps=0.5, seed=1):
    """A synthetic run: a line plus white noise (meV/atom), sampled at outer steps."""
    step = 0.0005 * (multiplicity or 1)
    time = np.arange(round(length_ps / step) + 1) * step
    rng = np.random.default_rng(seed)
    per_atom = drift * time + noise * rng.normal(size=len(time))
    return RunRecord(
        Method(engine, forces, multiplicity, 0.5),
        81,
        wall_per_ps * float(time[-1]),
        time,
        -4243.5 + 81 * per_atom / 1000,
        300 + 10 * drift * time + 5 * rng.normal(size=len(time)),
    )


def exploded(samples=1, multiplicity=32):
    whole = run("lammps", "mts", multiplicity, 0.0, 50.0)
    return replace(
        whole,
        time_ps=whole.time_ps[:samples],
        conserved_energy=whole.conserved_energy[:samples],
        temperature=whole.temperature[:samples],
        exploded="exploded at step 1 (0.016 ps): Lost atoms: original 81 current 80",
    )


def replicas(forces, multiplicity, drifts, length_ps=0.5, **options):
    """Runs of one method from several starts, each with its own drift."""
    return [
        replace(
            run(
                "lammps", forces, multiplicity, drift, 50.0, length_ps=length_ps, seed=i, **options
            ),
            replica=i,
            seed=i,
        )
        for i, drift in enumerate(drifts, 1)
    ]


@pytest.fixture
def records():
    return [
        run("lammps", "conservative", None, 0.0, 108.0),
        run("lammps", "direct", None, 250.0, 40.0, noise=3.0),
        run("lammps", "mts", 2, 0.0, 75.0),
        run("lammps", "mts", 4, 0.0, 58.0, noise=0.05),
        run("lammps", "mts", 8, 4.5, 50.0, noise=0.2),
        run("i-pi", "mts", 4, 0.0, 60.0, noise=0.05),
    ]


def test_speedups_and_bounds(records):
    analysis = analyse(records)
    ratio = 108 / 40
    assert analysis.cost_ratio == pytest.approx(ratio)
    assert analysis.reference is not None
    assert analysis.reference.runs[0].record is records[0]
    speedups = [result.speedup for result in analysis.results]
    assert speedups == pytest.approx([1, 2.7, 108 / 75, 108 / 58, 108 / 50, 108 / 60])
    bounds = [result.speedup_bound for result in analysis.results]
    assert bounds == pytest.approx([1, ratio] + [m * ratio / (m - 1 + ratio) for m in (2, 4, 8, 4)])


def test_without_conservative_run_there_is_no_speedup(records):
    analysis = analyse(records[1:3])
    assert analysis.cost_ratio is None
    assert [result.speedup for result in analysis.results] == [None, None]
    assert [result.speedup_bound for result in analysis.results] == [None, None]
    assert table_row(analysis.results[0])[-2:] == ("-", "-")


def test_cost_ratio_is_of_one_engine(records):
    other = replace(records[1], method=replace(records[1].method, host="i-pi"))
    assert analyse([records[0], other]).cost_ratio is None


def test_summary_has_the_promised_keys_and_is_strict_json(records):
    short = run("lammps", "mts", 16, 0.0, 45.0, length_ps=0.064)  # 9 samples: no error bar
    content = summary_content(analyse([*records, short, exploded()]), SETTINGS, DIFFERENCE)
    parsed = json.loads(json.dumps(content, allow_nan=False))
    assert parsed == content
    assert all(entry.keys() >= SUMMARY_KEYS for entry in content["methods"])
    assert [entry["M"] for entry in content["methods"]] == [None, None, 2, 4, 8, 4, 16, 32]
    assert [entry["M"] for entry in content["runs"]] == [None, None, 2, 4, 8, 4, 16, 32]
    assert content["methods"][-2]["drift_stderr"] is None
    assert content["methods"][-2]["verdict"] == "inconclusive"
    assert content["methods"][-1]["verdict"] == "drifts"
    assert content["methods"][-1]["exploded"] == 1
    assert content["runs"][-1]["exploded"].startswith("exploded at step 1 ")
    assert content["cost_ratio_F"] == pytest.approx(2.7)
    assert content["settings"]["atom_count"] == 81
    direct = content["methods"][1]
    assert direct["drift_meV_per_degree_of_freedom_per_ps"] == pytest.approx(
        direct["drift_meV_per_atom_per_ps"] * 81 / 240
    )
    assert direct["drift_meV_per_atom_per_ps"] == pytest.approx(250, rel=0.02)
    assert direct["temperature_drift_K_per_ps"] == pytest.approx(2500, rel=0.01)
    assert direct["wall_s_per_ps"] == pytest.approx(40)


def test_verdicts_of_the_synthetic_runs(records):
    verdicts = [result.statistics.verdict for result in analyse(records).results]
    assert verdicts == [
        Verdict.CONSERVES,
        Verdict.DRIFTS,
        Verdict.CONSERVES,
        Verdict.CONSERVES,
        Verdict.DRIFTS,
        Verdict.CONSERVES,
    ]


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (-0.01234, 0.00512, "−0.012 ± 0.005"),
        (266.31, 14.2, "266 ± 14"),
        (0.0001, 0.02, "0.000 ± 0.020"),
        (-0.0001, 0.02, "0.000 ± 0.020"),
        (-851.2, 440.0, "−851 ± 440"),
        (1.5, float("inf"), "1.50 ± ?"),
        (1.5, 0.0, "1.500 ± 0.000"),
        # two zeros would tell nothing where the tolerance is small
        (1e-5, 2.3e-6, "0.000010 ± 0.000002"),
        (0.0123, 2.3e-6, "0.012 ± 0.000"),
    ],
)
def test_numbers_with_errors(value, error, text):
    assert with_error(value, error) == text


def test_sentences_follow_the_numbers(records):
    results = analyse(records).results
    assert "conserves energy" in verdict_sentence(results[0])
    assert "zero within its error" in verdict_sentence(results[0])
    assert re.search(
        r"LAMMPS direct does not conserve.* drifts by 2[45]", verdict_sentence(results[1])
    )
    cooling = analyse([run("lammps", "direct", None, -250.0, 40.0, noise=3.0)]).results[0]
    assert "drifts by −2" in verdict_sentence(cooling)
    noisy = analyse([run("lammps", "mts", 4, 0.0, 58.0, noise=5.0)]).results[0]
    assert "cannot be judged from 0.5 ps" in verdict_sentence(noisy)
    assert "Run longer" in verdict_sentence(noisy)
    short = analyse([run("lammps", "mts", 16, 0.0, 45.0, length_ps=0.064)]).results[0]
    assert "too short for an error" in verdict_sentence(short)


def test_what_limits_the_multiplicity(records):
    text = "\n".join(limit_sentences(analyse(records), DIFFERENCE))
    assert "Of the M tried (2, 4, 8), 4 is the largest that conserves energy" in text
    assert "8 the smallest that drifts" in text
    assert "differ by 107 meV/Å (rms; largest component 620" in text
    assert "M = 8 makes an outer step of 4 fs" in text
    assert "M = 4 makes" not in text
    assert "more than a factor of 2.70" in text


def test_limits_are_honest_when_nothing_conserves():
    runs = [run("lammps", "mts", m, 300.0, 50.0) for m in (2, 4)]
    text = "\n".join(limit_sentences(analyse(runs), None))
    assert "none is shown to conserve energy, and 2 the smallest that drifts" in text
    assert "meV/Å" not in text
    only = limit_sentences(analyse([run("lammps", "conservative", None, 0.0, 108.0)]), None)
    assert only == ["No multiple-time-step run was made."]


def test_one_multiplicity_must_conserve_in_every_engine():
    runs = [run("lammps", "mts", 4, 0.0, 50.0), run("i-pi", "mts", 4, 300.0, 50.0)]
    text = limit_sentences(analyse(runs), None)[0]
    assert "none is shown to conserve energy, and 4 the smallest that drifts" in text


def test_impossible_speedups_are_called_so(records):
    assert timing_sentences(analyse(records)) == []
    hurried = replace(records[4], wall_s=records[4].wall_s / 2)
    (sentence,) = timing_sentences(analyse([*records[:4], hurried]))
    assert "speed-up of LAMMPS MTS M=8 exceeds its bound" in sentence


def test_meanings_name_the_numbers_of_these_runs(records):
    meanings = column_meanings(analyse(records))
    assert "LAMMPS conservative run" in meanings["speed-up"]
    assert "measured here: 2.70" in meanings["bound"]
    assert "±0.1 meV" in meanings["verdict"]


@pytest.mark.parametrize("width", [80, 120])
def test_the_table_fits_the_terminal(records, width):
    unclear = run("lammps", "mts", 16, 0.1, 48.0, noise=0.05)
    blown = [exploded(samples=20), *replicas("mts", 32, [0.0, 0.0])]
    console = Console(width=width, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(runs_table(analyse([*records, unclear, *blown]), width))
    lines = console.export_text().rstrip().splitlines()
    assert len(lines) == 2 + len(records) + 2
    assert not any("…" in line for line in lines)
    assert "inconclusive" in lines[8]
    assert "1 of 3 exploded" in lines[9]
    assert "LAMMPS MTS M=8" in lines[6]
    assert "drifts" in lines[6]
    assert ("fluctuation" in lines[0]) == (width == 120)
    assert ("per freedom" in lines[0]) == (width == 120)


def test_colours_are_fixed_and_distinct(records):
    colours = run_colours(analyse(records).results)
    assert len(set(colours.values())) == len(records)
    more = [*records, run("i-pi", "direct", None, 1.0, 40.0)]
    others = run_colours(analyse(more).results)
    assert {name: others[name] for name in colours} == colours


def test_the_picture_magnifies_the_quiet_runs(records):
    full, zoom, temperature = draw(analyse(records)).axes
    assert full.get_ylim()[1] > 100
    low, high = zoom.get_ylim()
    assert low == -high
    quiet = max(
        np.max(np.abs(line.get_ydata()))
        for line, record in zip(zoom.lines, records, strict=True)
        if record.name not in ("lammps-direct", "lammps-mts-8")
    )
    assert quiet < high < 0.5
    labels = [text.get_text() for text in full.texts]
    assert "LAMMPS direct" in labels
    assert "the 4 others" in labels
    assert {"LAMMPS direct ↑", "LAMMPS MTS M=8 ↑"} <= {text.get_text() for text in zoom.texts}
    assert len(temperature.texts) == len(records)
    for axes in (full, zoom, temperature):
        heights = sorted(text.xy[1] for text in axes.texts)
        assert min(np.diff(heights)) > 0.06
        assert heights[0] >= 0
        assert heights[-1] <= 1


def test_the_running_mean_keeps_lines_and_halves_noise():
    steady = run("lammps", "mts", 4, 1.0, 50.0)
    line = replace(steady, temperature=300 + 20 * steady.time_ps)
    inside = slice(12, -12)
    mean = running_mean(line)
    np.testing.assert_allclose(mean[inside], line.temperature[inside], rtol=1e-12)
    # at the first sample the window reaches 12 steps of 2 fs forward only
    assert mean[0] == pytest.approx(300 + 20 * 0.012)
    noise = running_mean(steady) - 10 * steady.time_ps
    assert np.std(noise[inside]) < 0.3 * 5


class Outline(HTMLParser):
    """Every attribute of every tag, and whether tags close in order."""

    def __init__(self):
        super().__init__()
        self.attributes = []
        self.open = []

    def handle_starttag(self, tag, attrs):
        self.attributes += [(tag, name, value) for name, value in attrs]
        if tag not in ("meta", "img", "link", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_is_complete_and_needs_nothing_from_outside(records, tmp_path):
    analysis, files = write_report(records, SETTINGS, tmp_path, DIFFERENCE)
    page = files.page.read_text(encoding="utf-8")
    outline = Outline()
    outline.feed(page)
    assert outline.open == []
    assert not [v for _, name, v in outline.attributes if name in ("src", "href", "srcset")]
    assert not re.search(r"@import|url\(", re.sub(r"<script.*?</script>", "", page, flags=re.S))
    assert page.count('data-label="verdict"') == len(records)
    assert "water &lt;PET&gt;" in page
    for cell in table_row(analysis.results[4]):
        assert cell in page


def test_every_file_is_written_and_read_back(records, tmp_path):
    _, files = write_report(records, SETTINGS, tmp_path / "new" / "folder", DIFFERENCE)
    assert files.png.read_bytes().startswith(b"\x89PNG")
    assert b"<svg" in files.svg.read_bytes()[:1000]
    assert len(json.loads(files.summary.read_text())["runs"]) == len(records)
    read = [read_csv(path) for path in files.series]
    assert [record.label for record in read] == [record.label for record in records]


def test_failed_runs_are_in_summary_and_page(records, tmp_path):
    failures = {"i-PI direct": "i-pi failed. The end of <log>:\n  no model"}
    _, files = write_report(records, SETTINGS, tmp_path, DIFFERENCE, failures=failures)
    content = json.loads(files.summary.read_text())
    assert content["failures"] == [{"run": "i-PI direct", "error": failures["i-PI direct"]}]
    page = files.page.read_text(encoding="utf-8")
    assert "<h3>i-PI direct</h3>" in page
    assert "The end of &lt;log&gt;:\n  no model" in page
    _, files = write_report(records, SETTINGS, tmp_path, DIFFERENCE)
    assert json.loads(files.summary.read_text())["failures"] == []
    assert "Runs that failed" not in files.page.read_text(encoding="utf-8")


def test_one_run_alone_can_be_reported(tmp_path):
    write_report([run("lammps", "mts", 2, 0.0, 75.0)], SETTINGS, tmp_path)


def test_replicas_make_one_row_and_one_verdict():
    runs = replicas("mts", 4, [0.0, 0.01, -0.01, 0.0])
    (result,) = analyse(runs).results
    assert result.label == "LAMMPS MTS M=4"
    assert [entry.record.label for entry in result.runs] == [
        f"LAMMPS MTS M=4 #{i}" for i in range(1, 5)
    ]
    assert result.statistics.verdict is Verdict.CONSERVES
    single = analyse(runs[:1]).results[0].statistics.energy
    assert result.statistics.energy.stderr < 0.8 * single.stderr


def test_one_drifting_replica_is_enough():
    (result,) = analyse(replicas("mts", 4, [0.0, 0.0, 3.0, 0.0])).results
    assert result.statistics.verdict is Verdict.DRIFTS
    assert "Of 4 replicas, #3 drifts clearly." in verdict_sentence(result)


def test_replicas_that_disagree_make_the_error_larger():
    (result,) = analyse(replicas("mts", 4, [0.06, -0.06, 0.09, -0.08])).results
    energy = result.statistics.energy
    slopes = [entry.statistics.energy.slope for entry in result.runs]
    assert energy.slope == pytest.approx(np.mean(slopes))
    assert energy.stderr >= np.std(slopes, ddof=1) / 2


def test_an_exploded_replica_is_reported_with_its_step(tmp_path):
    runs = replicas("mts", 32, [0.0, 0.0])
    runs.append(replace(exploded(samples=20), replica=3))
    (result,) = analyse(runs).results
    assert result.statistics.verdict is Verdict.DRIFTS
    assert table_row(result)[1] == "1 of 3 exploded"
    sentence = verdict_sentence(result)
    assert "LAMMPS MTS M=32 #3 exploded at step 1 (0.016 ps): Lost atoms" in sentence
    _, files = write_report([exploded(), *runs], SETTINGS, tmp_path)
    assert "Lost atoms: original 81 current 80" in files.page.read_text(encoding="utf-8")
    with pytest.raises(ValueError, match="at least two samples"):
        replace(exploded(), exploded=None)


def test_equipartition_is_measured_with_errors():
    rng = np.random.default_rng(5)
    swing = 20 * rng.normal(size=2001)
    hot = replace(
        run("lammps", "direct", None, 0.0, 40.0, length_ps=1.0),
        temperature=300 + swing,
        element_temperatures={
            "H": 1.01 * (300 + swing) + rng.normal(size=2001),
            "O": 0.98 * (300 + swing) + rng.normal(size=2001),
        },
    )
    (result,) = analyse([hot]).results
    hydrogen, oxygen = result.elements
    assert (hydrogen.element, oxygen.element) == ("H", "O")
    assert hydrogen.ratio.value == pytest.approx(1.01, abs=4 * hydrogen.ratio.stderr)
    assert oxygen.ratio.value == pytest.approx(0.98, abs=4 * oxygen.ratio.stderr)
    # the common swing cancels: noise of 1 K in 300 K over 2001 samples
    assert hydrogen.ratio.stderr == pytest.approx(1 / 300 / np.sqrt(2001), rel=0.5)
    assert hydrogen.mean.stderr == pytest.approx(20 / np.sqrt(2001), rel=0.5)
    console = Console(width=80, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(element_table(analyse([hot])))
    assert "1.010 ± 0.000" in console.export_text()
    assert element_table(analyse([run("lammps", "direct", None, 0.0, 40.0)])) is None


def test_a_report_needs_a_run(tmp_path):
    with pytest.raises(ValueError, match="at least one finished run, found none"):
        write_report([], SETTINGS, tmp_path)
