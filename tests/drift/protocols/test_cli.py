"""md-bridge protocol: table, page, JSON and exit status."""

import errno
import json
import os

import numpy as np
import pytest
from ase import Atoms
from ase.io import write
from click.testing import CliRunner
from drift_models import einstein_crystal, einstein_start
from models import lennard_jones

from md_bridge.cli import main
from md_bridge.drift.protocols import PROTOCOLS, base, runner
from md_bridge.drift.report.protocol import draw, protocol_table


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("protocols")


@pytest.fixture(scope="module")
def files(folder):
    """Model and start, as a user has them."""
    model = einstein_crystal(2.0, 0.05).export(folder / "swirl.pt")
    write(folder / "start.xyz", einstein_start())
    return model, folder / "start.xyz"


@pytest.fixture(autouse=True)
def one_thread(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


def invoke(files, out, name, *options):
    words = [name, *map(str, files), "--out", str(out), *options]
    return CliRunner().invoke(main, ["protocol", *words])


def row(good, observed=False):
    return base.Row(("a",), "word", good, observed)


@pytest.mark.parametrize(
    ("rows", "passed"),
    [
        ([row(True), row(True)], True),
        ([row(True), row(None)], None),
        ([row(False), row(None)], False),
        ([row(True), row(None, observed=True), row(False, observed=True)], True),
        ([row(None, observed=True)], True),
    ],
)
def test_what_counts_towards_the_result(rows, passed):
    result = base.ProtocolResult("loop", "", "", (("a", ""),), tuple(rows), (), {})
    assert result.passed is passed


@pytest.mark.parametrize("name", PROTOCOLS)
def test_every_protocol_has_a_function(name):
    assert callable(runner(name))


def test_an_unknown_protocol_is_refused(files, tmp_path):
    with pytest.raises(ValueError, match="found 'ordr'"):
        runner("ordr")
    result = invoke(files, tmp_path, "ordr")
    assert result.exit_code == 2
    assert "order" in result.stderr


def test_loop_from_the_command_line(files, tmp_path):
    result = invoke(files, tmp_path, "loop")
    assert result.exit_code == 0, result.output
    assert "closes" in result.stdout
    page = (tmp_path / "loop" / "report.html").read_text()
    assert "Work around closed paths" in page
    assert "data:image/svg+xml;base64," in page
    assert "http" not in page.replace("http://www.w3.org", "")
    content = json.loads((tmp_path / "loop" / "summary.json").read_text())
    assert content["passed"] is True
    assert (
        content["settings"]["model"].startswith("EinsteinCrystal") or content["settings"]["model"]
    )


def test_the_old_spelling_runs_with_a_hint(files, tmp_path):
    words = [*map(str, files), "--protocol", "jacobian", "--out", str(tmp_path / "[out]")]
    result = CliRunner().invoke(main, ["drift", *words])
    assert result.exit_code == 0, result.output
    assert "'drift --protocol jacobian' is 'md-bridge protocol jacobian' now" in result.stderr
    # brackets are no markup
    assert f"Page      {tmp_path / '[out]' / 'jacobian' / 'report.html'}\n" in result.stdout


def test_json_replaces_the_table(files, tmp_path):
    result = invoke(files, tmp_path, "jacobian", "--json")
    assert result.exit_code == 0, result.output
    content = json.loads(result.stdout)
    assert content == json.loads((tmp_path / "jacobian" / "summary.json").read_text())
    assert content["protocol"] == "jacobian"
    assert content["lambda"] == pytest.approx(np.sqrt(2) * 0.05 / np.sqrt(12 + 2 * 0.05**2))


@pytest.mark.parametrize(
    ("protocol", "option"),
    [("order", "--replicas"), ("loop", "--ps"), ("jacobian", "--tolerance")],
)
def test_options_that_would_do_nothing_are_refused(files, tmp_path, protocol, option):
    result = invoke(files, tmp_path, protocol, option, "2")
    assert result.exit_code == 2
    assert f"No such option '{option}'" in result.stderr


def test_too_short_a_run_is_inconclusive(files, tmp_path):
    options = ["--ps", "0.1", "--timestep", "4", "--equilibrate", "0", "--forces", "conservative"]
    result = invoke(files, tmp_path, "order", *options)
    assert result.exit_code == 3, result.output
    assert "inconclusive" in result.stdout
    assert "26 samples are too few" in " ".join(result.stdout.split())
    assert (tmp_path / "order" / "start.xyz").exists()


def test_molecules_have_loops_but_no_dynamics(files, folder, tmp_path):
    write(folder / "pair.xyz", Atoms("Ar2", positions=[[0.1, 0, 0], [3, 0.2, 0]]))
    pair = (files[0], folder / "pair.xyz")
    assert invoke(pair, tmp_path, "loop").exit_code == 0
    result = invoke(pair, tmp_path, "reverse")
    assert result.exit_code == 2
    assert "periodic in three directions" in " ".join(result.stderr.split())


def test_a_model_that_lacks_what_is_needed_is_a_sentence(folder, files, tmp_path):
    model = lennard_jones().export(folder / "lj.pt")
    result = invoke((model, files[1]), tmp_path, "jacobian")
    assert result.exit_code == 1
    assert "the model has no direct forces" in " ".join(result.stderr.split())
    options = ["--equilibrate", "0", "--forces", "direct"]
    result = invoke((model, files[1]), tmp_path, "reverse", *options)
    assert result.exit_code == 1
    assert "non_conservative_force" in result.stderr
    assert not (tmp_path / "reverse" / "runs").exists()


def test_table_and_plots_are_complete():
    curve = base.Curve("one", np.array([1.0, 2.0]), np.array([1.0, 4.0]))
    plots = tuple(base.Plot(f"panel {k}", "x", "y", (curve,), (True, True)) for k in range(3))
    figure = draw(plots)
    assert [axes.get_title(loc="left") for axes in figure.axes[:3]] == [p.title for p in plots]
    assert [axes.get_visible() for axes in figure.axes] == [True, True, True, False]
    result = base.ProtocolResult("loop", "", "", (("a", "[eV]"),), (row(True),), (), {}, plots)
    table = protocol_table(result)
    assert table.row_count == 1
    assert len(table.columns) == 2


def test_a_full_disk_does_not_take_the_result_with_it(files, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("md_bridge.drift.report.protocol.write_protocol_report", full)
    result = invoke(files, tmp_path / "out", "loop")
    assert result.exit_code == 1
    message = " ".join(result.output.split())
    assert "direct" in message.partition("cannot write")[0]
    assert (
        f"cannot write into {tmp_path / 'out' / 'loop'}: No space left on device; choose" in message
    )
