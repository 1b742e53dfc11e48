"""The page in a real browser: offline, with curves, and a switch between axes."""

import json
import re
import shutil
import subprocess

import numpy as np
import pytest

from md_bridge.drift.records.method import Method
from md_bridge.drift.records.run import RunRecord
from md_bridge.drift.report.curves import as_json, curve_data, thinned
from md_bridge.drift.report.environment import RunSettings
from md_bridge.drift.report.page import render_page
from md_bridge.drift.runs.analysis import analyse

BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
SETTINGS = RunSettings("water", "27 H2O", 81, 0.5, 1.0, 1, "2 cores", 0.1, replicas=2)

# Reports, in the title of the page, what a reader would see before and after the clicks.
PROBE = """<script>
const plot = document.getElementById("energy-plot");
const state = () => ({
  type: plot._fullLayout.yaxis.type,
  lines: plot.querySelectorAll(".scatterlayer .trace").length,
  legend: plot.querySelectorAll(".legend .traces").length,
  first: plot.data[0].y[5],
  hover: plot.data[1].hovertemplate,
  pressed: document.querySelector("[aria-pressed=true]").id,
  width: document.documentElement.scrollWidth <= window.innerWidth,
});
setTimeout(() => {
  const states = [state()];
  for (const scale of ["log", "linear"]) {
    document.getElementById("scale-" + scale).click();
    states.push(state());
  }
  const requests = performance.getEntriesByType("resource").map((entry) => entry.name);
  document.title = "STATES " + JSON.stringify({states, requests});
}, 100);
</script></body>"""


def record(forces, multiplicity, drift, replica):
    time = np.arange(2001) * 0.0005
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


@pytest.fixture
def page():
    records = [record("conservative", None, 0.0, i) for i in (1, 2)]
    records += [record("mts", 4, -0.3, i) for i in (1, 2)]
    return render_page(analyse(records), SETTINGS, None)


@pytest.mark.skipif(BROWSER is None, reason="needs chromium")
def test_the_page_works_offline_in_a_browser(page, tmp_path):
    path = tmp_path / "report.html"
    path.write_text(page.replace("</body>", PROBE), encoding="utf-8")
    done = subprocess.run(
        [
            BROWSER,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-extensions",
            f"--user-data-dir={tmp_path / 'profile'}",
            "--host-resolver-rules=MAP * ~NOTFOUND",
            "--window-size=800,900",
            "--virtual-time-budget=1000",
            "--dump-dom",
            path.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    found = re.search(r"<title>STATES (.*?)</title>", done.stdout)
    assert found, done.stderr[-2000:]
    report = json.loads(
        found.group(1).replace("&amp;", "&").replace("&lt;", "<").replace("&gt;", ">")
    )
    assert report["requests"] == []
    before, logarithmic, linear = report["states"]
    assert [state["type"] for state in report["states"]] == ["linear", "log", "linear"]
    assert [state["pressed"] for state in (logarithmic, linear)] == ["scale-log", "scale-linear"]
    assert logarithmic["first"] == abs(before["first"])
    assert linear["first"] == before["first"] != 0
    for state in report["states"]:
        assert state["lines"] == 4
        assert state["legend"] == 2
        assert state["width"]
    assert "%{y:.4g} meV/atom at %{x:.3f} ps<extra>LAMMPS conservative #2" in before["hover"]


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
