"""The file: a round trip, what an interruption leaves, and the page that is made of it."""

import importlib.util
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from md_bridge.bench import BenchError, BenchSettings, Results, UnavailableError, api, run_benchmark
from md_bridge.bench.machine import busy_cores, busy_warning, commit_of, machine_facts
from md_bridge.bench.panels import Bound, Panel, PanelResult, Row, Subject
from md_bridge.bench.plots import plot_results
from md_bridge.bench.results import FILE_NAME
from md_bridge.bench.sessions import Burst
from md_bridge.bench.tables import table_of

ROOT = Path(__file__).parents[2]


def results():
    """Of every kind of row."""
    ours = Row("MD Bridge", 1, 81, {"metatomic": "metatomic"}, [0.02, 0.021], force_difference=1e-6)
    ase = PanelResult("ase", "ASE, conservative forces", "bundled", 81, 2, "evaluation", [
        ours, Row("metatomic", 1, 81, seconds=[0.05, 0.05]),
        Row("pet-kokkos", 1, 81, unavailable="pet-kokkos is not installed"),
    ])  # fmt: skip
    bound = Bound("conservative", "direct")
    lammps = PanelResult("lammps", "LAMMPS", "bundled", 81, 2, "step of 0.5 fs", [
        Row("conservative", 1, 81, seconds=[0.03, 0.03], details={"overhead": [0.01, 0.02]}),
        Row("direct", 1, 81, seconds=[0.01, 0.01]),
        Row("MTS M = 4", 4, 81, seconds=[0.07, 0.06], bound=bound),
    ])  # fmt: skip
    return Results(BenchSettings().as_dict(), machine_facts(), [ase, lammps], True)


def test_round_trip(tmp_path):
    before = results()
    before.write(tmp_path / FILE_NAME)
    assert Results.read(tmp_path / FILE_NAME).as_dict() == before.as_dict()
    assert Results.read(tmp_path / FILE_NAME).panels == before.panels


def test_the_file_has_every_number_and_a_summary():
    row = results().as_dict()["panels"][1]["rows"][2]
    assert row["seconds"] == [0.07, 0.06]
    assert row["summary"]["seconds_per_inner_step"]["median"] == pytest.approx(0.065 / 4)
    assert row["summary"]["speedup"]["bound"]["median"] == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "cannot read"),
        ("[]", 'expected "schema": 3, found None'),
        ('{"schema": 7}', "found 7"),
        ('{"schema": 2, "panels": [{"rows": [{}]}]}', "is damaged"),
        ('{"schema": 3, "panels": [{"rows": [{}]}]}', "is damaged"),
    ],
)
def test_another_file_is_refused(tmp_path, text, message):
    (tmp_path / FILE_NAME).write_text(text)
    with pytest.raises(BenchError, match=message):
        Results.read(tmp_path / FILE_NAME)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"groups": ("asee",)}, "no group 'asee': expected some of ase, lammps"),
        ({"rounds": 0}, "rounds must be at least 1, found 0"),
        ({"sizes": ()}, "sizes must be at least 2 each"),
        ({"multiplicities": (1, 4)}, r"multiplicities must be at least 2 each, found \[1, 4\]"),
        ({"timestep_fs": float("nan")}, "timestep_fs must be positive and finite"),
        ({"models": ()}, "there is no model"),
    ],
)
def test_settings_without_sense_are_refused(setting, message):
    with pytest.raises(BenchError, match=message):
        BenchSettings(**setting)


def no_progress(words, share, name):
    pass


class Second:
    first = None

    def run(self, count, limit_s):
        return Burst(1.0)

    def close(self):
        pass


def two_panels(monkeypatch, opened):
    """In place of all that is measured: the second panel is interrupted at its first opening."""

    def open_named(name):
        opened.append(name)
        if opened == ["one", "two"]:
            raise KeyboardInterrupt
        return Second()

    panels = [
        Panel(
            "ase",
            name,
            "m",
            1,
            1,
            "e",
            (Subject(name, lambda limit_s, name=name: open_named(name)),),
        )
        for name in ("one", "two")
    ]
    monkeypatch.setattr(api, "_panels", lambda *_: panels)


def test_what_was_measured_before_an_interruption_is_not_measured_again(monkeypatch, tmp_path):
    opened = []
    two_panels(monkeypatch, opened)
    settings = BenchSettings(rounds=2)
    with pytest.raises(KeyboardInterrupt):
        run_benchmark(settings, tmp_path, no_progress)
    left = Results.read(tmp_path / FILE_NAME)
    assert [panel.title for panel in left.panels] == ["one"]
    assert not left.complete
    found = run_benchmark(settings, tmp_path, no_progress)
    assert opened == ["one", "two", "two"]
    assert [panel.title for panel in found.panels] == ["one", "two"]
    assert found.complete
    assert Results.read(tmp_path / FILE_NAME).complete


def test_other_settings_begin_anew(monkeypatch, tmp_path):
    opened = []
    two_panels(monkeypatch, opened)
    with pytest.raises(KeyboardInterrupt):
        run_benchmark(BenchSettings(rounds=2), tmp_path, no_progress)
    run_benchmark(BenchSettings(rounds=3), tmp_path, no_progress)
    assert opened == ["one", "two", "one", "two"]


@pytest.mark.parametrize(
    ("asked", "gpu", "used"),
    [("auto", "a GPU", "cuda"), ("auto", None, "cpu"), ("cpu", "a GPU", "cpu")],
)
def test_measured_on_cuda_where_there_is_any(monkeypatch, tmp_path, asked, gpu, used):
    monkeypatch.setattr(api, "cuda_name", lambda: gpu)
    given = []
    monkeypatch.setattr(api, "_panels", lambda settings, *_: given.append(settings.device) or [])
    found = run_benchmark(BenchSettings(device=asked), tmp_path, no_progress)
    assert given == [used]
    assert found.settings["device"] == used


def test_resumed_with_other_settings(monkeypatch, tmp_path):
    opened = []
    two_panels(monkeypatch, opened)
    with pytest.raises(KeyboardInterrupt):
        run_benchmark(BenchSettings(rounds=2), tmp_path, no_progress)
    found = run_benchmark(BenchSettings(rounds=3), tmp_path, no_progress, resume=True)
    assert opened == ["one", "two", "two"]
    assert [len(panel.rows[0].seconds) for panel in found.panels] == [2, 3]
    run_benchmark(BenchSettings(rounds=4), tmp_path, no_progress, resume=True)
    assert opened == ["one", "two", "two"]


def test_what_did_not_fit_is_measured_again_if_that_gives_more(monkeypatch, tmp_path):
    opened = []
    two_panels(monkeypatch, opened)
    late = PanelResult("ase", "one", "m", 1, 1, "e", [
        Row("one", 1, 1, unavailable="did not fit in its part of 1 minutes", late=True)
    ], 2, 2)  # fmt: skip
    Results(BenchSettings().as_dict(), machine_facts(), [late], True).write(tmp_path / FILE_NAME)
    with pytest.raises(KeyboardInterrupt):
        run_benchmark(BenchSettings(rounds=2), tmp_path, no_progress, resume=True)
    assert Results.read(tmp_path / FILE_NAME).panels[0].rows[0].seconds == [1.0, 1.0]
    known = Results.read(tmp_path / FILE_NAME)
    known.add(late)
    assert known.panels[0].rows[0].seconds == [1.0, 1.0]


@pytest.mark.parametrize("other", ["cuda", "M"])
def test_another_device_or_other_m_is_another_panel(monkeypatch, tmp_path, other):
    """Resumed with either, what the file has is kept, and does not stand for what is asked."""

    def asked(device, multiplicity):
        host = Subject("one", lambda limit_s: Second(), multiplicity=multiplicity)
        plain = Subject("plain", lambda limit_s: Second())
        found = Panel("ase", "one", "m", 1, 1, "e", (plain, host), device=device)
        monkeypatch.setattr(api, "_panels", lambda *_: [found])
        return run_benchmark(BenchSettings(rounds=2), tmp_path, no_progress, resume=True)

    asked("cpu", 4)
    assert len(asked("cpu", 4).panels) == 1
    found = asked("cuda", 4) if other == "cuda" else asked("cpu", 8)
    assert [(panel.device, panel.rows[1].multiplicity) for panel in found.panels] == [
        ("cpu", 4), ("cuda", 4) if other == "cuda" else ("cpu", 8),
    ]  # fmt: skip
    assert Results.read(tmp_path / FILE_NAME).panels == found.panels


@pytest.mark.parametrize(
    "change", [{"unit": "step of 1 fs"}, {"start": "ice.xyz"}, {"inner": "mine.pt"}, {"sizes": 162}]
)
def test_what_is_measured_otherwise_is_another_panel(change):
    """Another time step, structure, inner model or size must not stand for what is asked."""

    def result(unit="step of 0.5 fs", start="", inner="", sizes=81):
        rows = [Row("81 atoms", 1, 81, seconds=[1.0]), Row("largest", 1, sizes, seconds=[1.0])]
        return PanelResult("scaling", "by size", "m", 0, 1, unit, rows, start=start, inner=inner)

    known = Results({}, {}, [result()])
    known.add(result())
    assert len(known.panels) == 1
    known.add(result(**change))
    assert known.panels == [result(), result(**change)]


def test_panels_are_of_the_device_and_the_files_of_the_settings(monkeypatch, tmp_path):
    bound = Bound("conservative", "inner", two_models=True)
    plain = Panel("ase", "one", "m", 1, 1, "e", ())
    two = replace(plain, subjects=(Subject("two", lambda limit_s: Second(), bound=bound),))
    monkeypatch.setitem(api.GROUPS, "ase", lambda plan: iter([plain, two]))
    monkeypatch.setattr(api, "prepare_model", lambda *_: None)
    settings = BenchSettings(
        groups=("ase",), device="cuda", start="where/ice.xyz", inner="where/mine.pt"
    )
    assert api._panels(settings, tmp_path, tmp_path, no_progress) == [
        replace(plain, device="cuda", start="ice.xyz"),
        replace(two, device="cuda", start="ice.xyz", inner="mine.pt"),
    ]


def test_files_in_which_the_machine_had_the_circumstances_are_read():
    content = results().as_dict()
    for panel in content["panels"]:
        for name in ("device", "start", "inner", "circumstances"):
            del panel[name]
    content["schema"] = 2
    content["settings"]["device"] = "cuda"
    facts = {"measured": "2026-11-29", "commit": "abc1234", "cores": 2, "busy_cores": 1.5}
    content["machine"].update(facts, load=[1, 1, 1])
    found = Results.from_dict(content)
    assert [panel.device for panel in found.panels] == ["cuda", "cuda"]
    assert [panel.circumstances for panel in found.panels] == [facts, facts]
    assert "load" not in found.machine
    assert found.as_dict()["schema"] == 3


def git(folder, *words):
    command = ["git", "-c", "user.name=n", "-c", "user.email=e@e", "-C", str(folder), *words]
    subprocess.run(command, check=True, capture_output=True)


def test_the_commit_of_a_checkout(tmp_path):
    package = tmp_path / "package"
    package.mkdir()
    code = package / "__init__.py"
    code.write_text("")
    assert commit_of(package) is None
    git(tmp_path, "init")
    assert commit_of(package) is None  # as in an environment within a checkout of something else
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "first")
    clean = commit_of(package)
    assert len(clean) >= 7
    (tmp_path / "notes").write_text("not tracked")
    assert commit_of(package) == clean
    code.write_text("changed = True\n")
    assert commit_of(package) == f"{clean}+"


def test_the_page_has_the_commits_and_days_of_all_that_was_merged():
    module = make_performance()
    ours, theirs = results(), results()
    assert "at commit" not in module.page(ours, {})
    ours.panels, theirs.panels = ours.panels[:1], theirs.panels[1:]
    ours.panels[0].circumstances = {"commit": "abc1234", "measured": "2026-11-28T10:00+00:00"}
    theirs.panels[0].circumstances = {"commit": "def5678+", "measured": "2026-11-30T10:00+00:00"}
    assert "; MD Bridge at commit abc1234." in module.page(ours, {})
    assert "Measured 2026-11-28 on" in module.page(ours, {})
    ours.merge(theirs)
    text = module.page(ours, {})
    assert "; MD Bridge at commit abc1234, def5678+." in text
    assert "Measured 2026-11-28 to 2026-11-30 on" in text


def test_files_of_other_machines_are_not_merged():
    ours, theirs = results(), results()
    theirs.machine = {**theirs.machine, "processor": "abacus"}
    with pytest.raises(BenchError, match=r"processor is .* abacus in the other"):
        ours.merge(theirs)


def test_a_busy_machine_is_said_below_the_table_that_it_spoiled():
    ours, theirs = results(), results()
    ours.panels, theirs.panels = ours.panels[:1], theirs.panels[1:]
    ours.panels[0].circumstances = {"cores": 2, "busy_cores": 1.7}
    theirs.panels[0].circumstances = {"cores": 2, "busy_cores": 0.1}
    ours.merge(theirs)
    assert [panel.group for panel in ours.panels] == ["ase", "lammps"]
    busy, quiet = (table_of(panel).notes for panel in ours.panels)
    assert "1.7 of 2 cores at work" in busy[0]
    assert quiet == []
    assert make_performance().page(ours, {}).count("The machine was busy") == 1


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ({"cores": 2, "busy_cores": 0.4}, False),
        ({"cores": 2, "busy_cores": 0.6}, True),
        ({"cores": 64, "busy_cores": 1.7}, False),
        ({"cores": 2, "busy_cores": None}, False),
        ({}, False),
    ],
)
def test_a_quarter_of_the_cores_is_busy(found, said):
    assert bool(busy_warning(found)) is said


def test_each_panel_has_its_circumstances(monkeypatch, tmp_path):
    two_panels(monkeypatch, ["begun"])
    found = run_benchmark(BenchSettings(rounds=1), tmp_path, no_progress)
    for panel in found.panels:
        assert set(panel.circumstances) == {"measured", "commit", "cores", "busy_cores"}
    assert Results.read(tmp_path / FILE_NAME).panels == found.panels


def test_cores_at_work_are_seen():
    """Of a process that does nothing but count, seen while it does."""
    worker = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        time.sleep(0.3)
        assert busy_cores(0.5) > 0.5
    finally:
        worker.kill()
        worker.wait()
    assert 0.0 <= busy_cores(0.1) <= os.cpu_count() + 0.5


def make_performance():
    spec = importlib.util.spec_from_file_location("mp", ROOT / "docs" / "make_performance.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_that_of_its_numbers():
    module = make_performance()
    page = ROOT / "docs" / "performance.md"
    text = module.page(Results.read(module.JSON), module.pictures_of())
    assert page.read_text(encoding="utf-8") == text


def test_pictures_and_page(tmp_path):
    module = make_performance()
    measured = results()
    pictures = plot_results(measured, tmp_path)
    assert {name: path.stat().st_size > 10_000 for name, path in pictures.items()} == {
        "sizes": True, "mts": True, "ratios": True,
    }  # fmt: skip
    text = module.page(measured, pictures)
    assert "| MD Bridge | 20.5 | 20.2–20.8 | 0.41 (0.40–0.42) | 1.0e-06 |" in text
    assert "| evaluation | ms | quartiles | ÷ metatomic | forces differ by, eV/Å |" in text
    assert "| metatomic | 50 | 50–50 |  |  |" in text
    lammps = text.partition("## LAMMPS")[2]
    assert "| conservative | 30 |" in lammps
    assert "forces differ by" not in lammps
    assert "pet-kokkos (81 atoms, ASE, conservative forces, bundled): pet-kokkos is not" in text
    assert "images/bench-mts.png" in text
    assert plot_results(Results({}, {}, []), tmp_path) == {}


def test_the_page_names_what_it_lacks_group_by_group():
    """Of each model, and not only what none of them has."""
    module, measured = make_performance(), results()
    ase, lammps = measured.panels
    measured.panels += [
        replace(ase, atoms=192), replace(ase, atoms=648), replace(lammps, atoms=192),
        replace(ase, group="busy"), replace(ase, model="xs"),
    ]  # fmt: skip
    lacking = module.page(measured, {}).partition("## Not measured here")[2].splitlines()
    others = "`ipi`, `ranks`, `symmetry`"
    assert f"- `bundled`: no {others}, `scaling`, `memory`; `lammps` without 648 atoms." in lacking
    assert (
        f"- `xs`: no `lammps`, {others}, `busy`, `scaling`, `memory`; "
        "`ase` without 192 and 648 atoms."
    ) in lacking
    measured.panels.pop()
    assert "- `xs`: nothing." in module.page(measured, {})


def test_unavailable_is_an_error_of_ours():
    assert issubclass(UnavailableError, BenchError)
