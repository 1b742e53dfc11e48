"""`md-bridge tune` on an oscillator whose largest stable M is known in closed form."""

import json
import re
import subprocess
from pathlib import Path

import ase.io
import models
import pytest
from ase import Atoms
from click.testing import CliRunner
from drift_models import DIRECT_STIFFNESS, STIFFNESS, is_stable

from md_bridge.cli.energy.tune import tune
from md_bridge.drift.judging.speed import speedup_bound
from md_bridge.drift.tuning.bisection import largest_multiplicity
from md_bridge.drift.tuning.search import TuneRequest
from md_bridge.lammps import run_lmp
from md_bridge.processes import find_program


@pytest.fixture(scope="module")
def dimer(tmp_path_factory):
    """Model and start in one folder: bonds of known strength, direct forces of half of it."""
    folder = tmp_path_factory.mktemp("dimer")
    models.harmonic(STIFFNESS, 2.0, DIRECT_STIFFNESS).export(folder / "dimer.pt")
    atoms = Atoms("H2", positions=[[5.0, 6.0, 6.0], [7.0, 6.0, 6.0]], cell=[12.0] * 3, pbc=True)
    ase.io.write(folder / "dimer.xyz", atoms)
    return folder


def call(folder: Path, *options: str):
    names = [str(folder / "dimer.pt"), str(folder / "dimer.xyz")]
    usual = ["--equilibrate", "0", "--replicas", "1", "--out", str(folder / "tuned")]
    return CliRunner().invoke(tune, [*names, *usual, *options])


@pytest.fixture(scope="module")
def tuned(dimer):
    """The folder, and the outcome of a search with M up to 4."""
    # the cost ratio of so small a model is noise, so a larger M is tried at any gain
    options = [
        "--timesteps",
        "1.5",
        "--max-m",
        "4",
        "--ps",
        "4",
        "--tolerance",
        "1",
        "--worth",
        "1",
    ]
    options += ["--json"]
    return dimer, options, call(dimer, *options)


def test_finds_the_largest_stable_multiplicity(tuned):
    _, _, result = tuned
    stable = [m for m in range(2, 5) if is_stable(m)]
    assert stable == [2, 3]  # what follows is a test of this M
    assert result.exit_code == 0, result.output
    content = json.loads(result.stdout)
    assert content["choice"]["M"] == 3
    verdicts = {trial["M"]: trial["verdict"] for trial in content["steps"][0]["trials"]}
    assert verdicts == {2: "conserves", 3: "conserves", 4: "drifts"}
    assert 0 < content["choice"]["margin_meV_per_atom_per_ps"] <= 1.0
    assert content["steps"][0]["cost_ratio_F"] > 0
    assert any("4.5 fs (M = 3) is above 4 fs" in sentence for sentence in content["sentences"])


def test_resumes_without_running_again(tuned):
    folder, options, first = tuned
    series = {path: path.stat().st_mtime_ns for path in folder.glob("tuned/*/series/*.csv")}
    assert len(series) == 5
    second = call(folder, *options)
    assert json.loads(second.stdout) == json.loads(first.stdout)
    assert second.stderr == ""
    assert {path: path.stat().st_mtime_ns for path in series} == series
    refused = call(folder, *options, "--temperature", "200")
    assert refused.exit_code == 2
    assert "temperature_K is 300.0 there and 200.0 now" in refused.output


def test_inputs_run_as_they_stand(tuned):
    _, _, result = tuned
    lammps, ipi = (Path(path) for path in json.loads(result.stdout)["inputs"])
    text = lammps.read_text()
    assert "run_style       respa 2 3 inner" in text
    assert re.search(r"^timestep +0\.0045 ", text, re.MULTILINE)
    lammps.write_text(re.sub(r"^run .*", "run 20", text, flags=re.MULTILINE))
    done = run_lmp(["-in", lammps.name], cwd=lammps.parent, threads=1, capture_output=True)
    assert done.returncode == 0, done.stdout
    xml = ipi.read_text()
    assert re.search(r"<nmts> *\[ *1, *3 *\]", xml)
    ipi.write_text(re.sub(r"<total_steps>\s*2222\s*<", "<total_steps>20<", xml))
    done = subprocess.run(
        [find_program("i-pi", "ipi"), ipi.name], cwd=ipi.parent, capture_output=True
    )
    assert done.returncode == 0, done.stdout


def test_a_step_too_long_for_conservative_forces(dimer):
    """8 fs on a period of 15 fs: beyond the stability limit of Verlet, 15/pi fs."""
    result = call(dimer, "--timesteps", "8", "--ps", "1", "--out", str(dimer / "long"))
    assert result.exit_code == 3
    text = re.sub(r"\s+", " ", result.output)
    assert "even conservative forces drift" in text
    assert "Nothing that was tried conserves energy" in text
    assert not list(dimer.glob("long/*/series/*mts*"))


def bound(ratio):
    return lambda multiplicity: speedup_bound(multiplicity, ratio)


@pytest.mark.parametrize("limit", range(1, 18))
def test_search_finds_any_limit(limit):
    tried = []

    def conserves(multiplicity):
        tried.append(multiplicity)
        return multiplicity <= limit

    found = largest_multiplicity(conserves, 16, bound(3.0), worth=1.0)
    assert found == (None if limit < 2 else min(limit, 16))
    assert len(tried) == len(set(tried)) <= 7
    assert max(tried) <= 16


def test_search_stops_where_there_is_no_more_to_gain():
    tried = []

    def conserves(multiplicity):
        tried.append(multiplicity)
        return multiplicity <= 13

    # S(M) = M F/(M - 1 + F): nothing to gain with F = 1, little beyond M = 8 with F = 1.2
    assert largest_multiplicity(conserves, 16, bound(1.0)) == 2
    assert tried == [2]
    tried.clear()
    assert largest_multiplicity(conserves, 16, bound(1.2)) == 8
    assert tried == [2, 4, 8]
    with pytest.raises(ValueError, match="at least 2, found 1"):
        largest_multiplicity(conserves, 1, bound(2.0))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--timesteps", "0.5;1"], "expected numbers with commas between them, found '0.5;1'"),
        (["--timesteps", "0.5,0.5"], "must be different steps, found 0.5,0.5"),
        (["--worth", "0.5"], "--worth must be 1 or more, found 0.5"),
        (["--max-m", "1"], "--max-m must be at least 2, found 1"),
        (["--tolerance", "0"], "--tolerance must be positive, found 0"),
        (["--longest-ps", "1"], "--longest-ps 1 is shorter than --ps 2"),
        (["--temperature", "-3"], "--temperature must be positive and finite, found -3"),
        (["--ps", "0.001"], "is shorter than an outer step of 8 fs"),
    ],
)
def test_bad_options(dimer, options, message):
    result = call(dimer, *options)
    assert result.exit_code == 2
    assert message in re.sub(r"\s+", " ", result.output.replace("│", " "))


def test_model_without_direct_forces(dimer, tmp_path):
    model = models.harmonic(STIFFNESS, 2.0).export(tmp_path / "plain.pt")
    result = CliRunner().invoke(tune, [str(model), str(dimer / "dimer.xyz")])
    assert result.exit_code == 1
    assert "non_conservative_force" in result.output


def test_runs_grow_up_to_the_longest():
    request = TuneRequest(Path("m.pt"), Path("s.xyz"), length_ps=2.0, longest_ps=40.0)
    assert request.lengths_ps == [2.0, 8.0, 32.0, 40.0]
    assert TuneRequest(Path("m.pt"), Path("s.xyz")).lengths_ps == [2.0, 8.0]
