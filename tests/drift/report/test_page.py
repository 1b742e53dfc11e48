"""The page in a real browser: offline, with curves, their values and a switch between axes."""

import hashlib
import json
import re
from importlib.resources import files

import numpy as np
import pytest
from browser import CHROMIUM, Browser

from md_bridge.drift.protocols.base import Curve, Plot
from md_bridge.drift.records.method import Method
from md_bridge.drift.records.run import RunRecord
from md_bridge.drift.report.curves import as_json, curve_data, curve_text, thinned
from md_bridge.drift.report.environment import RunSettings
from md_bridge.drift.report.page import render_page
from md_bridge.drift.report.plot import as_svg
from md_bridge.drift.report.protocol import draw
from md_bridge.drift.runs.analysis import analyse

SETTINGS = RunSettings("water", "27 H2O", 81, 0.5, 1.0, 1, "2 cores", 0.1, replicas=2)
CONSERVATIVE, MTS = "#legend button:nth-child(1)", "#legend button:nth-child(2)"
MTS_BLUE = [0, 0x72, 0xB2]

in_browser = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")


def record(forces, multiplicity, drift, replica, length_ps=1.0):
    time = np.arange(round(length_ps / 0.0005) + 1) * 0.0005
    rng = np.random.default_rng(replica)
    per_atom = drift * time + 0.02 * rng.normal(size=len(time))
    return RunRecord(
        Method("lammps", forces, multiplicity, 0.5),
        81,
        20.0,
        time,
        -100 + 0.081 * per_atom,
        300 + 0 * time,
        replica=replica,
    )


@pytest.fixture(scope="module")
def records():
    return [
        *(record("conservative", None, 0.0, i) for i in (1, 2)),
        *(record("mts", 4, -0.3, i) for i in (1, 2)),
    ]


@pytest.fixture(scope="module")
def page(records):
    return render_page(analyse(records), SETTINGS, None)


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    with Browser(tmp_path_factory.mktemp("browser")) as browser:
        yield browser


@pytest.fixture
def browser(chromium, page, tmp_path):
    """The page as it opens."""
    chromium.resize(800, 900)
    chromium.prefer("light")
    (tmp_path / "report.html").write_text(page, encoding="utf-8")
    chromium.open(tmp_path / "report.html")
    yield chromium
    assert chromium.errors() == []


def point(browser, plot, across, down):
    """Where a place of a plot, in fractions of its size, is in the window."""
    box = browser.box(f"#{plot}-plot .u-over")
    return box["left"] + across * box["width"], box["top"] + down * box["height"]


def shown_values(browser, plot="energy"):
    """[(text, label of the run)] beside the pointer, the curve pointed at first."""
    return browser.evaluate(
        f"""(() => {{
          const box = document.querySelector("#{plot}-plot .values");
          if (box.hidden) return [];
          const text = (selector) => box.querySelector(selector).textContent;
          const rows = [...box.querySelectorAll("tr")];
          return [
            [text(".point"), text(".name")],
            ...rows.map((row) => [row.cells[1].textContent, row.cells[0].textContent]),
          ];
        }})()"""
    )


def values_at(browser, across, down, plot="energy"):
    browser.move(*point(browser, plot, across, down))
    return shown_values(browser, plot)


def text_of(value, time, unit="meV/atom"):
    return f"{value:#.4g} {unit} at {time:.3f} ps"


def texts(data, quantity="energy", unit="meV/atom", convert=float):
    """All texts that a curve's samples can have, by its label."""
    return {
        run["label"]: {
            text_of(convert(value), time, unit)
            for time, value in zip(run[quantity]["time"], run[quantity]["values"], strict=True)
        }
        for run in data["runs"]
    }


def pixels(browser, plot, colour):
    """How many pixels of a plot have a colour, nearly."""
    return browser.evaluate(
        f"""(() => {{
          const canvas = document.querySelector("#{plot}-plot canvas");
          const size = [canvas.width, canvas.height];
          const {{data}} = canvas.getContext("2d").getImageData(0, 0, ...size);
          let count = 0;
          for (let i = 0; i < data.length; i += 4) {{
            const far = {colour}.some((wanted, part) => Math.abs(data[i + part] - wanted) > 20);
            if (!far && data[i + 3] > 200) count += 1;
          }}
          return count;
        }})()"""
    )


def pressed(browser, selector):
    return browser.evaluate(f"document.querySelector({selector!r}).ariaPressed") == "true"


@in_browser
def test_the_page_works_offline_in_a_browser(browser, records):
    data = curve_data(analyse(records))
    energy = data["runs"][0]["energy"]
    number = next(i for i, value in enumerate(energy["values"]) if value < 0)
    value, time = energy["values"][number], energy["time"][number]
    assert browser.evaluate('performance.getEntriesByType("resource").length') == 0
    for scale, shown in ((None, value), ("log", -value), ("linear", value)):
        if scale:
            browser.click(f"#scale-{scale}")
        assert pressed(browser, f"#scale-{scale or 'linear'}")
        assert (
            browser.evaluate('document.querySelectorAll(".panel [aria-pressed=true]").length') == 1
        )
        assert len(values_at(browser, 0.5, 0.5)) == 4
        assert browser.evaluate('document.querySelectorAll("#legend button").length') == 2
        browser.move(5, 5)
        browser.evaluate('document.querySelector("#energy-plot").focus()')
        for _ in range(number + 1):
            browser.press("ArrowRight")
        assert shown_values(browser)[0] == [text_of(shown, time), "LAMMPS conservative #1"]
        assert browser.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


@in_browser
@pytest.mark.parametrize(("scale", "convert"), [("linear", float), ("log", abs)])
def test_pointing_shows_the_values_of_every_curve_there(browser, records, scale, convert):
    browser.click(f"#scale-{scale}")
    possible = texts(curve_data(analyse(records)), convert=convert)
    for across in (0.03, 0.4, 0.95):
        found = values_at(browser, across, 0.5)
        assert {label for _, label in found} == set(possible)
        for text, label in found:
            assert text in possible[label]
            assert float(text.split()[-2]) == pytest.approx(across * 1.0, abs=0.03)
    if scale == "linear":
        # one conserves, the other one goes down
        assert values_at(browser, 0.95, 0.05)[0][1].startswith("LAMMPS conservative")
        assert values_at(browser, 0.95, 0.95)[0][1].startswith("LAMMPS MTS M=4")
    browser.move(5, 5)
    assert shown_values(browser) == []


@in_browser
def test_pointing_shows_temperatures_too(browser, records):
    possible = texts(curve_data(analyse(records)), "temperature", "K")
    found = values_at(browser, 0.5, 0.5, "temperature")
    assert len(found) == 4
    assert all(text in possible[label] for text, label in found)


@in_browser
def test_the_switch_makes_the_axis_logarithmic(browser):
    def places():
        """[(value, height of its mark)] of samples one after the other."""
        browser.evaluate('document.querySelector("#energy-plot").focus()')
        browser.press("ArrowRight")
        found = []
        for _ in range(12):
            browser.press("ArrowRight")
            value = float(shown_values(browser)[0][0].split()[0])
            top = browser.evaluate(
                'parseFloat(document.querySelector("#energy-plot .mark").style.top)'
            )
            found.append((value, top))
        browser.press("Escape")
        return np.array(found).T

    value, top = places()
    assert abs(np.corrcoef(value, top)[0, 1]) == pytest.approx(1.0, abs=1e-4)
    browser.click("#scale-log")
    size, top = places()
    assert np.all(size > 0)
    assert abs(np.corrcoef(np.log(size), top)[0, 1]) == pytest.approx(1.0, abs=1e-4)
    assert abs(np.corrcoef(size, top)[0, 1]) < 0.99


@in_browser
def test_names_hide_and_single_out_curves(browser):
    blue = {plot: pixels(browser, plot, MTS_BLUE) for plot in ("energy", "temperature")}
    assert min(blue.values()) > 100
    browser.click(MTS)
    assert not pressed(browser, MTS)
    assert pressed(browser, CONSERVATIVE)
    for plot in blue:
        assert pixels(browser, plot, MTS_BLUE) == 0
    labels = [label for _, label in values_at(browser, 0.9, 0.9)]
    assert sorted(labels) == ["LAMMPS conservative #1", "LAMMPS conservative #2"]
    browser.click(MTS)
    assert pixels(browser, "energy", MTS_BLUE) == blue["energy"]
    browser.click(MTS, count=2)
    assert pressed(browser, MTS)
    assert not pressed(browser, CONSERVATIVE)
    assert len(values_at(browser, 0.5, 0.5)) == 2
    browser.click(MTS, count=2)
    assert pressed(browser, MTS)
    assert pressed(browser, CONSERVATIVE)


@in_browser
def test_dragging_zooms_and_a_double_click_shows_everything_again(browser):
    def first_time():
        return float(values_at(browser, 0.01, 0.5)[0][0].split()[-2])

    hidden = 'document.querySelector("#energy-reset").hidden'
    assert first_time() < 0.02
    assert browser.evaluate(hidden)
    for reset in ("double click", "button"):
        browser.drag(point(browser, "energy", 0.5, 0.5), point(browser, "energy", 0.8, 0.5))
        assert first_time() == pytest.approx(0.5, abs=0.02)
        assert not browser.evaluate(hidden)
        if reset == "button":
            browser.click("#energy-reset")
        else:
            browser.click_at(*point(browser, "energy", 0.5, 0.5), count=2)
        assert first_time() < 0.02
        assert browser.evaluate(hidden)


@in_browser
def test_curves_fit_the_window_and_the_colours_of_the_page(browser):
    for width in (380, 1200):
        browser.resize(width, 900)
        for plot in ("energy", "temperature"):
            drawn, wanted = browser.evaluate(
                f"[...document.querySelectorAll('#{plot}-plot canvas, #{plot}-plot')]"
                ".map((element) => element.clientWidth)"
            )
            assert drawn == wanted
        assert browser.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        values_at(browser, 0.5, 0.5)
        box = browser.evaluate('document.querySelector(".values").getBoundingClientRect().toJSON()')
        assert box["left"] >= 0
        assert box["right"] <= width
    assert pixels(browser, "energy", MTS_BLUE) > 100
    browser.prefer("dark")
    assert pixels(browser, "energy", MTS_BLUE) == 0
    assert pixels(browser, "energy", [0x4D, 0xA3, 0xDC]) > 100


# as Plotly wrote "%{y:.4g} meV/atom at %{x:.3f} ps", for values at 0.0005 ps, 0.0010 ps, ...
PLOTLY = {
    0: "0.000 meV/atom at 0.001 ps",
    0.1: "0.1000 meV/atom at 0.001 ps",
    -0.1: "-0.1000 meV/atom at 0.002 ps",
    0.12345: "0.1235 meV/atom at 0.002 ps",
    -0.012345: "-0.01235 meV/atom at 0.003 ps",
    1.2345e-5: "0.00001234 meV/atom at 0.003 ps",
    -1.2345e-6: "-0.000001234 meV/atom at 0.004 ps",
    -1.2345e-7: "-1.235e-7 meV/atom at 0.004 ps",
    9.9996: "10.00 meV/atom at 0.005 ps",
    99999: "1.000e+5 meV/atom at 0.005 ps",
    -12345: "-1.235e+4 meV/atom at 0.005 ps",
    1234.5: "1235 meV/atom at 0.006 ps",
    650.12: "650.1 meV/atom at 0.007 ps",
    0.00012335: "0.0001233 meV/atom at 0.007 ps",
}


@in_browser
def test_values_have_the_digits_that_they_had_with_plotly(browser, page, records, tmp_path):
    data = curve_data(analyse(records[:1]))
    times = [0.0005 * number for number in range(1, len(PLOTLY) + 1)]
    data["runs"][0]["energy"] = {"time": times, "values": list(PLOTLY)}
    series = re.search(r'id="series">(.*?)</script>', page).group(1)
    path = tmp_path / "values.html"
    path.write_text(page.replace(series, as_json(data)), encoding="utf-8")
    browser.open(path)
    browser.evaluate('document.querySelector("#energy-plot").focus()')
    for text in PLOTLY.values():
        browser.press("ArrowRight")
        assert shown_values(browser)[0][0] == text


def constant(replica, samples):
    return RunRecord(
        Method("lammps", "conservative", None, 0.5),
        81,
        20.0,
        np.arange(samples) * 0.0005,
        np.full(samples, -100.0),
        np.full(samples, 300.0),
        replica=replica,
        exploded=None if samples > 1 else "the energy is nan at the first step",
    )


@in_browser
@pytest.mark.parametrize("samples", [1, 2001])
def test_runs_without_a_curve_or_without_a_change_are_no_error(browser, tmp_path, samples):
    analysis = analyse([constant(1, samples)])
    path = tmp_path / "constant.html"
    path.write_text(render_page(analysis, SETTINGS, None), encoding="utf-8")
    browser.open(path)
    for scale in ("log", "linear"):
        browser.click(f"#scale-{scale}")
        assert pressed(browser, f"#scale-{scale}")
        found = values_at(browser, 0.5, 0.5)
        assert (found == []) if samples == 1 or scale == "log" else found[0][0].startswith("0.000 ")


def test_a_page_stays_small(records):
    kinds = [("conservative", None), ("direct", None), ("mts", 2), ("mts", 4), ("mts", 8)]
    usual = [record(kind, m, 0.3, i, length_ps=10.0) for kind, m in kinds for i in range(1, 5)]
    many = [record("mts", m, 0.3, i, length_ps=4.0) for m in range(2, 10) for i in range(8)]
    for runs in (usual, many):
        assert len(render_page(analyse(runs), SETTINGS, None).encode()) < 500_000
    # all points that the eye needs, where there are not too many runs
    run = json.loads(curve_text(analyse(usual)))["runs"][0]
    assert len(run["energy"]["values"]) == len(
        curve_data(analyse(usual))["runs"][0]["energy"]["values"]
    )


def test_the_picture_of_a_protocol_stays_small():
    rng = np.random.default_rng(0)
    time = np.arange(20_000) * 0.0005
    curves = tuple(Curve(name, time, rng.normal(size=len(time))) for name in "abc")
    svg = as_svg(draw(tuple(Plot(f"panel {number}", "x", "y", curves) for number in range(4))))
    assert len(svg) < 300_000


def test_steps_give_the_times_of_the_curves(records):
    analysis = analyse(records)
    for told, run in zip(
        json.loads(curve_text(analysis))["runs"], curve_data(analysis)["runs"], strict=True
    ):
        for name in ("energy", "temperature"):
            assert told[name]["values"] == run[name]["values"]
            times = np.cumsum(told[name]["steps"]) * told["interval"]
            np.testing.assert_allclose(times, run[name]["time"], rtol=1e-6)


def test_uneven_times_are_written_out():
    uneven = record("mts", 4, 0.0, 1)
    uneven.time_ps[7] += 0.0002
    curve = json.loads(curve_text(analyse([uneven])))["runs"][0]["energy"]
    assert "steps" not in curve
    assert len(curve["time"]) == len(curve["values"])


def test_the_plotter_is_the_one_that_its_notice_names(page):
    folder = files("md_bridge.drift") / "templates" / "uplot"
    notice = (folder / "README.md").read_text(encoding="utf-8")
    for name in ("uPlot.iife.min.js", "uPlot.min.css"):
        content = (folder / name).read_bytes()
        assert hashlib.sha256(content).hexdigest() in notice
        assert content.decode().strip() in page
    assert (folder / "LICENSE").read_text(encoding="utf-8") in page
    assert re.search(r"uPlot \((v[\d.]+)\)", page).group(1)[1:] in notice.splitlines()[0]


def test_thinning_keeps_every_extreme_and_only_samples():
    rng = np.random.default_rng(0)
    values = rng.normal(size=50_000)
    values[31_234] = 40.0
    kept = thinned(values, bins=100)
    assert len(kept) <= 202
    assert {0, 31_234, 49_999, int(values.argmin())} <= set(kept)
    assert np.all(np.diff(kept) > 0)
    np.testing.assert_array_equal(thinned(values[:50], bins=100), np.arange(50))


def test_curves_are_the_changes_of_each_run():
    data = curve_data(analyse([record("mts", 4, 80.0, 1), record("mts", 4, 0.0, 2)]))
    assert [run["label"] for run in data["runs"]] == ["LAMMPS MTS M=4 #1", "LAMMPS MTS M=4 #2"]
    assert [run["first"] for run in data["runs"]] == [True, False]
    energy = data["runs"][0]["energy"]
    assert energy["values"][0] == 0.0
    assert energy["values"][-1] == pytest.approx(80.0, abs=0.2)
    assert energy["time"][-1] == pytest.approx(1.0)
    assert data["scale"] == "linear"
    wide = analyse([record("mts", 4, 80.0, 1), record("conservative", None, 0.0, 1)])
    assert curve_data(wide)["scale"] == "log"


def test_names_cannot_close_the_script():
    assert "</script>" not in as_json({"method": "</script><b>"})
    assert json.loads(as_json({"method": "</script>"})) == {"method": "</script>"}
