"""Each host is measured once, really, with an analytic model and as little as possible."""

import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import ase.io
import models
import pytest
from click.testing import CliRunner
from ipi_tools import argon
from python_models import crystal, toy

from md_bridge.bench.errors import UnavailableError
from md_bridge.bench.groups import GROUPS, Plan, ipi
from md_bridge.bench.models.files import ModelFiles, Source, prepare_model
from md_bridge.bench.panels import Panel
from md_bridge.bench.programs import raw_call
from md_bridge.bench.results import FILE_NAME, Results
from md_bridge.bench.runner import Effort, measure
from md_bridge.cli import main

NOT_THERE = Source(reason="not part of the test")


@pytest.fixture(scope="module")
def plan(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bench")
    model = models.curl().export(folder / "curl.pt")
    # an inner model that differs little
    inner = models.curl(size=5e-4).export(folder / "inner.pt")
    start = folder / "start.xyz"
    ase.io.write(start, argon(cells=3))
    files = ModelFiles(
        "curl", model, True, NOT_THERE, NOT_THERE, Source(inner), NOT_THERE, "direct"
    )
    return Plan([files], [108], 1, "cpu", folder / "work", [2], [108], 10, start)


def measured(plan, group, *names, panel=0, count=0):
    """Rows of a panel of a group, by these names, after one round."""
    found = list(GROUPS[group](plan))[panel]
    subjects = tuple(subject for subject in found.subjects if subject.name in names)
    assert [subject.name for subject in subjects] == list(names)
    few = Panel(*[getattr(found, name) for name in
                  ("group", "title", "model", "atoms", "threads", "unit")],
                subjects, count or found.count, found.rounds)  # fmt: skip
    result = measure(few, Effort(1, 0.01), lambda name: None)
    reasons = {row.name: row.unavailable for row in result.rows if row.unavailable}
    assert reasons == {}
    assert all(row.seconds and min(row.seconds) > 0 for row in result.rows)
    return result


def test_lammps(plan):
    result = measured(
        plan, "lammps", "network alone, conservative", "conservative", "direct", "MTS M = 2",
        "inner model alone", "two models, M = 2",
    )  # fmt: skip
    rows = {row.name: row for row in result.rows}
    assert 0 < rows["conservative"].details["overhead"][0] < 1
    for name in ("MTS M = 2", "two models, M = 2"):
        assert set(result.speedups(rows[name])) == {"gain", "bound", "fraction"}


def test_ranks(plan):
    result = measured(plan, "ranks", "conservative, 2 ranks")
    assert 0 < result.rows[0].details["overhead"][0] < 1


def test_ipi_with_two_models(plan):
    measured(plan, "ipi", "two models, M = 2, MD Bridge")


def test_ipi_over_sockets(plan):
    result = measured(plan, "ipi", "MTS M = 2, MD Bridge", "MTS M = 2, metatomic", panel=1)
    assert result.title == "i-PI over sockets"
    assert not list(Path("/tmp").glob(f"ipi_mdbridge-bench-{os.getpid()}-*"))


def test_lammps_that_takes_too_long(plan):
    source = Source(plan.models[0].path)
    with pytest.raises(UnavailableError, match="LAMMPS did not answer within 0 s"):
        plan.lammps(source, plan.box(108), "direct")(0.0)


def test_memory_is_read_ten_times(plan):
    result = measured(plan, "memory", "direct", count=1)
    assert len(result.rows[0].details["rss_MB"]) == 10


def test_ase(plan):
    result = measured(plan, "ase", "MD Bridge", "metatomic")
    assert result.rows[1].force_difference < 1e-6
    assert result.ratios(result.rows[0])["metatomic"][0] > 0


def test_everything_in_one_pass(plan):
    names = [f"{kind}, MD Bridge" for kind in ("conservative", "direct", "both")]
    result = measured(plan, "ase", *names, panel=2)
    assert result.title == "ASE, energy, forces and virials"
    subjects = {subject.name: subject for subject in list(GROUPS["ase"](plan))[2].subjects}
    assert subjects["both, MD Bridge"].against == {"compiled": "both, MD Bridge, compiled"}
    assert subjects["both, MD Bridge, compiled"].against == {"TorchScript": "both, MD Bridge"}
    assert {name for one in subjects.values() for name in one.against.values()} == set(subjects)


@pytest.mark.parametrize("host", ["LAMMPS", "ASE", "i-PI"])
def test_the_care_for_neighbours_is_compared_with_threads_that_always_spin(plan, host):
    subjects = {subject.name: subject for subject in next(iter(GROUPS["busy"](plan))).subjects}
    ours = f"{host}, MD Bridge"
    spins = f"{ours}, threads always spin"
    assert subjects[ours].against == {"always spins": spins}
    assert subjects[f"{ours}, one busy neighbour"].against == {
        "idle": ours, "always spins": f"{spins}, one busy neighbour",
    }  # fmt: skip
    assert all(name in subjects for one in subjects.values() for name in one.against.values())
    for name, told in ((ours, False), (spins, True)):
        session = subjects[name].open(60.0)
        try:
            pid = (session._child).pid
            assert (b"GOMP_SPINCOUNT" in Path(f"/proc/{pid}/environ").read_bytes()) is told
        finally:
            session.close()


def test_two_models_have_a_bath(plan):
    """And nothing else has."""
    cases = {"two models": ipi._Case("two models, M = 2", ("direct",), 2, bath=ipi._BATH)}
    cases["alone"] = ipi._Case("direct", ("direct",))
    driver = ipi._Driver("MD Bridge", True, plan.models[0].exported)
    found = {
        name: ipi._input_text(plan, plan.start, case, driver, "address-")
        for name, case in cases.items()
    }
    for mode, name in (("nvt", "two models"), ("nve", "alone")):
        assert f'<dynamics mode="{mode}">' in found[name]
        assert ("<thermostat" in found[name]) is (mode == "nvt")
    panel = next(iter(GROUPS["lammps"](plan)))
    (subject,) = [one for one in panel.subjects if one.name == "two models, M = 2"]
    session = subject.open(60.0)
    try:
        assert "fix bath all langevin" in session._commands
    finally:
        session.close()


@pytest.mark.parametrize("group", list(GROUPS))
def test_every_group_has_panels(plan, group):
    panels = list(GROUPS[group](plan))
    assert panels
    assert len({panel.key for panel in panels}) == len(panels)
    assert all(panel.subjects for panel in panels)


def test_the_network_alone_keeps_its_memory_as_the_engine_does():
    program = Path(raw_call.__file__).parent
    code = "import raw_call; print(raw_call.keep_freed_memory())"
    plain = {k: v for k, v in os.environ.items() if k[:6] not in ("MALLOC", "GLIBC_")}
    for variables, kept in (({}, "True"), ({"MALLOC_TRIM_THRESHOLD_": "1"}, "False")):
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=program, capture_output=True, text=True, check=True,
            env={**plain, **variables},
        )  # fmt: skip
        assert done.stdout.split() == [kept]


def test_the_command(plan, tmp_path):
    """From the options to the table and the file."""
    words = ["--groups", "memory", "--models", str(plan.models[0].path), "--sizes", "108",
             "--start", str(plan.start), "--steps", "10", "--minutes", "0.5", "--no-compile",
             "--threads", "1", "--out", str(tmp_path)]  # fmt: skip
    done = CliRunner().invoke(main, ["bench", *words])
    assert done.exit_code == 0, done.output
    assert "memory of LAMMPS: curl, start.xyz, 108 atoms, 1 thread" in done.stdout
    assert "Not measured: conservative, compiled" in done.stdout
    rows = Results.read(tmp_path / FILE_NAME).panels[0].rows
    assert [row.name for row in rows if row.seconds] == ["conservative", "direct", "MTS M = 4"]


def test_rotations_tell_how_much_results_depend_on_them(plan):
    """Energy and its gradient turn with the atoms; the swirl of the direct forces does not."""
    row = measured(plan, "symmetry", "random").rows[0]
    for name in ("energy_spread", "conservative_forces_spread"):
        assert 0 <= row.details[name][-1] < 1e-6
    for name in ("direct_forces_spread", "direct_difference"):
        assert row.details[name][-1] > 1e-3


def test_ipi_without_its_client(plan, monkeypatch):
    """i-PI would wait for ever."""
    monkeypatch.setattr(ipi, "_clients", lambda *_: [["sh", "-c", "exit 3"]])
    panels = list(GROUPS["ipi"](plan))
    begin = time.monotonic()
    with pytest.raises(UnavailableError, match=r"the client sh -c exit 3 ended \(status 3\)"):
        panels[1].subjects[0].open(100.0)
    assert time.monotonic() - begin < 60


@pytest.fixture(scope="module")
def of_python(tmp_path_factory):
    """A plan with a calculator, and a file for its inner steps."""
    folder = tmp_path_factory.mktemp("bench-python")
    ase.io.write(folder / "start.xyz", crystal())
    inner = models.curl(size=5e-4).export(folder / "inner.pt")
    made = prepare_model(toy(folder), folder / "models", inner, lambda words: None, False)
    made = replace(made, inner_compiled=NOT_THERE)
    return Plan([made], [32], 1, "cpu", folder / "work", [2], [32], 10, folder / "start.xyz")


def test_a_calculator_beside_files(of_python):
    made = of_python.models[0]
    assert (made.name, made.has_direct, made.inner_forces) == ("toy:make", True, "direct")
    measured(of_python, "ase", "MD Bridge")
    measured(of_python, "lammps", "conservative", "two models, M = 2")
    measured(of_python, "ipi", "MTS M = 2, MD Bridge")


def test_what_a_calculator_has_not_is_said(of_python):
    rows = {
        (panel.group, subject.name): subject
        for group in ("ase", "lammps", "ranks")
        for panel in GROUPS[group](of_python)
        for subject in panel.subjects
    }
    assert not [name for name in rows if "compiled" in name[1]]
    for name, words in {
        ("ase", "metatomic"): "there is no exported file of it",
        ("ase", "pet-kokkos"): "there is no file of it",
        ("lammps", "network alone, conservative"): "there is no exported file of it",
        ("ranks", "conservative, 2 ranks"): "ranks must be 1 with the model python:",
    }.items():
        with pytest.raises(UnavailableError, match=words):
            rows[name].open(60.0)
