"""A second model for the inner forces, in drift, tune and protocols; dynamics in both hosts."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import ase.io
import models
import numpy as np
import odd_models
import pytest
from ase import Atoms
from click.testing import CliRunner
from drift_models import DIRECT_STIFFNESS, STIFFNESS, argon_crystal, is_stable

from md_bridge.cli import main
from md_bridge.drift import CampaignPlan, Method, RunRecord, analyse, measure, read_csv, write_csv
from md_bridge.drift.report.cells import column_meanings
from md_bridge.drift.report.sentences import gain_sentence, limit_sentences
from md_bridge.errors import ArgumentError
from md_bridge.export.checks.costs import EvaluationCosts, evaluation_costs
from md_bridge.lammps import run_lmp
from md_bridge.model_options import ModelOptions
from md_bridge.processes import find_program

SHORT = {"timestep_fs": 4.0, "length_ps": 0.112, "temperature_k": 80.0, "keep_velocities": True}


def run(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def message(result):
    return " ".join(result.output.split())


@pytest.fixture(scope="module")
def folder(tmp_path_factory, model_file):
    folder = tmp_path_factory.mktemp("two")
    for name in ("strong_curl", "stand_in", "harmonic_direct"):
        shutil.copy(model_file(name), folder / f"{name}.pt")
    shutil.copy(model_file("strong_curl"), folder / "copy.pt")
    odd_models.no_forces(folder / "no_forces.pt")
    made_for_pbe = {"extra": {"teacher_variant": "pbe"}}
    models.stand_in().export(folder / "of_pbe.pt", metadata=made_for_pbe)
    ase.io.write(folder / "start.xyz", argon_crystal())
    return folder


@pytest.mark.parametrize("host", ["lammps", "i-pi"])
def test_a_copy_of_the_model_inside_is_the_model_alone(folder, tmp_path, host):
    """To the last digits of the programs; and conservative runs know of no inner model."""
    options = {"host": host, **SHORT}
    start = folder / "start.xyz"
    (one,) = measure(folder / "strong_curl.pt", start, forces="mts:4", **options).results
    reference, two = measure(
        folder / "strong_curl.pt",
        start,
        forces="conservative,mts:4",
        model_options=ModelOptions(inner=folder / "copy.pt"),
        folder=tmp_path,
        **options,
    ).results
    assert two.method == Method(host, "mts", 4, 4.0, two_models=True)
    for name in ("conserved_energy", "temperature"):
        series = [getattr(found.runs[0].record, name) for found in (one, two)]
        np.testing.assert_allclose(series[1], series[0], rtol=1e-8)
    assert np.ptp(series[0]) > 0.5
    inputs = {
        path.parent.name: path.read_text()
        for pattern in ("in.lammps", "input.xml")
        for path in tmp_path.glob(f"runs/*/{pattern}")
    }
    assert set(inputs) == {f"{host}-conservative-replica-1", f"{host}-two-models-4-replica-1"}
    assert "copy.pt" not in inputs[f"{host}-conservative-replica-1"]
    copies = {"lammps": 1, "i-pi": 2}
    assert inputs[f"{host}-two-models-4-replica-1"].count("copy.pt") == copies[host]
    costs = EvaluationCosts(**json.loads((tmp_path / "costs.json").read_text()))
    assert two.speedup_bound == pytest.approx(
        4 * costs.outer_s / (4 * costs.inner_s + costs.outer_s)
    )
    assert reference.speedup_bound == 1.0


def test_drift_names_both_and_goes_on_with_the_same_only(folder, tmp_path):
    shutil.copy(folder / "stand_in.pt", tmp_path / "small.pt")
    words = ["drift", folder / "strong_curl.pt", folder / "start.xyz", "--out", tmp_path / "out"]
    words += ["--forces", "conservative,mts:2", "--timestep", 4, "--ps", 0.4, "--keep-velocities"]
    result = run(*words, "--inner", tmp_path / "small.pt", "--threads", 1, "--json")
    assert result.exit_code in (0, 3), result.output
    content = json.loads(result.stdout)
    assert [method["two_models"] for method in content["methods"]] == [False, True]
    assert content["methods"][1]["label"] == "LAMMPS two-model M=2"
    costs = content["evaluation_s"]
    assert costs["ratio"] == pytest.approx(costs["outer"] / costs["inner"])
    assert "; inner forces: Curl" in content["settings"]["model"]
    assert "cutoff 4.6" in content["settings"]["model"]
    page = (tmp_path / "out" / "report.html").read_text()
    assert "forces of a cheaper model in the inner loop" in page
    assert "An evaluation of the outer model costs" in page
    assert "M·F" not in page
    log = (tmp_path / "out/runs/lammps-two-models-2-replica-1/log.lammps").read_text()
    assert "the inner model's forces differ from the conservative ones by" in log
    of_run = tmp_path / "out/runs/lammps-two-models-2-replica-1/log.lammps"
    read = run("judge", of_run, "--out", tmp_path / "judged")
    assert "the log names a second model for inner forces: Curl" in message(read)
    # the file may move, its content may not change
    (tmp_path / "small.pt").rename(tmp_path / "moved.pt")
    again = run(*words, "--inner", tmp_path / "moved.pt", "--threads", 1, "--json")
    assert json.loads(again.stdout)["methods"] == content["methods"]
    for inner in ([], ["--inner", folder / "copy.pt"]):
        other = run(*words, *inner)
        assert other.exit_code == 2
        assert "holds runs with other settings: inner_sha256 is" in message(other)
    other = run(*words, "--inner", tmp_path / "moved.pt", "--inner-forces", "conservative")
    assert "holds runs with other settings: model_options is" in message(other)


@pytest.mark.parametrize(
    ("words", "status", "expected"),
    [
        (["--inner", "stand_in.pt", "--forces", "conservative"], 2, "--inner names the model of"),
        (["--inner", "stand_in.pt", "--forces", "direct"], 2, "the forces are direct: ask for mts"),
        (["--inner", "strong_curl.pt"], 2, "--inner names the outer model itself"),
        (["--inner", "nowhere.pt"], 1, "no model file"),
        (["--inner", "no_forces.pt"], 1, "no_forces.pt.* cannot give"),
        (["--inner", "harmonic_direct.pt"], 1, "does not know the element Ar"),
        (["--inner-variant", "pbe"], 2, "--inner-variant 'pbe' is about a model of its own"),
        (["--inner", "stand_in.pt", "--inner-variant", "pbe"], 1, "cannot give .*/pbe"),
        (
            ["--inner", "of_pbe.pt"],
            1,
            "of_pbe.pt was made for the variant pbe of the outer model, and the default variant of",
        ),
    ],
)
@pytest.mark.parametrize("command", ["drift", "tune", "protocol order", "ipi-input"])
def test_bad_input(folder, tmp_path, monkeypatch, command, words, status, expected):
    monkeypatch.chdir(folder)
    names = ["strong_curl.pt", "start.xyz", "--out", tmp_path / "out"]
    if command == "ipi-input":
        names = ["start.xyz", "-m", "strong_curl.pt", "--out", tmp_path / "out"]
    if "--forces" in words and command == "tune":
        pytest.skip("it has no --forces")
    if "--forces" not in words and command != "tune":
        words = [*words, "--forces", "mts:2"]
    result = run(*command.split(), *names, *words)
    assert result.exit_code == status, result.output
    assert re.search(expected, message(result))
    assert not (tmp_path / "out" / "starts").exists()


def test_a_model_in_another_symmetrisation_is_another_model(folder):
    """The same file, averaged outside and as it is inside: the inner one is 24 times cheaper."""
    measure(
        folder / "strong_curl.pt",
        argon_crystal(),
        forces="mts:2",
        model_options=ModelOptions(inner=folder / "strong_curl.pt", symmetrize="octahedral"),
        **{**SHORT, "length_ps": 0.016},
    )
    with pytest.raises(ArgumentError, match="inner names the outer model itself"):
        measure(
            folder / "strong_curl.pt",
            argon_crystal(),
            forces="mts:2",
            model_options=ModelOptions(inner=folder / "strong_curl.pt"),
        )


def test_a_seed_of_the_inner_model_alone(folder):
    """Random rotations inside only: the outer engine would refuse a seed."""
    options = ModelOptions(inner="any.pt", inner_symmetrize="random", seed=3)
    assert (options.engine_keywords()["seed"], options.inner_keywords()["seed"]) == (None, 3)
    options = ModelOptions(inner="any.pt", symmetrize="random", seed=3)
    assert (options.engine_keywords()["seed"], options.inner_keywords()["seed"]) == (3, None)


def test_costs(folder):
    options = ModelOptions(inner=folder / "strong_curl.pt", symmetrize="octahedral")
    costs = evaluation_costs(folder / "strong_curl.pt", argon_crystal(), options, 1)
    assert costs.ratio > 3  # 24 copies with their gradients for one without
    assert EvaluationCosts(20.0, 1.0).speedup_bound(4) == pytest.approx(80 / 24)
    assert EvaluationCosts(20.0, 1.0).speedup_bound(1) == 1.0
    for times in ((0.0, 1.0), (1.0, float("nan"))):
        with pytest.raises(ValueError, match="times of evaluations must be positive"):
            EvaluationCosts(*times)


def test_runs_of_two_models_are_not_replicas_of_those_of_one(tmp_path):
    """Series remember it, files without the word are of one model."""
    series = np.arange(40.0), np.ones(40), np.ones(40)
    records = [RunRecord(Method("i-pi", "mts", 4, 0.5, two), 2, 1.0, *series) for two in (0, 1)]
    for record in records:
        write_csv(record, tmp_path / f"{record.name}.csv")
    assert [path.name for path in sorted(tmp_path.iterdir())] == [
        "i-pi-mts-4.csv",
        "i-pi-two-models-4.csv",
    ]
    found = [read_csv(path) for path in sorted(tmp_path.iterdir())]
    assert [record.method for record in found] == [record.method for record in records]
    assert "two_models" not in (tmp_path / "i-pi-mts-4.csv").read_text()
    analysis = analyse(found, costs=EvaluationCosts(20.0, 1.0))
    assert [result.label for result in analysis.results] == ["i-PI MTS M=4", "i-PI two-model M=4"]
    assert [result.speedup_bound for result in analysis.results] == [None, pytest.approx(80 / 24)]
    with pytest.raises(ValueError, match="two models belong to forces 'mts', found 'direct'"):
        Method("i-pi", "direct", None, 0.5, True)


def test_sentences_tell_one_model_from_two():
    """The last one of the demo: what conserves energy at the largest gain, in both hosts."""
    rng = np.random.default_rng(1)
    time = np.arange(2000) * 0.002

    def record(method, wall_s):
        energy = 1e-5 * rng.standard_normal(len(time))
        temperature = 300 + rng.standard_normal(len(time))
        return RunRecord(method, 81, wall_s, time, energy, temperature)

    records = [record(Method("lammps", "conservative", None, 0.5), 100.0)]
    records += [record(Method("lammps", "mts", 4, 0.5), 60.0)]
    records += [record(Method(host, "mts", 6, 0.5, True), 25.0) for host in ("lammps", "i-pi")]
    analysis = analyse(records, costs=EvaluationCosts(0.06, 0.003))
    one, two, *_, costs = limit_sentences(analysis, None)
    assert one.startswith("Of the M tried with one model (4), 4 is the largest")
    assert two.startswith("Of the M tried with two models (6), 6 is the largest")
    assert "no M gains more than a factor of 20" in costs
    assert gain_sentence(analysis) == (
        "LAMMPS two-model M=6 conserves energy and is 4.00 times as fast as conservative forces "
        "(in i-PI 4.00)."
    )
    assert "with two models S(M) = M·c_o" in column_meanings(analysis)["bound"]
    assert gain_sentence(analyse(records[:1])).startswith("Nothing that is faster")


def test_judge_reads_them(tmp_path):
    record = RunRecord(
        Method("lammps", "mts", 4, 0.5, True), 81, 1.0, np.arange(99.0), np.ones(99), np.ones(99)
    )
    write_csv(record, tmp_path / "series.csv")
    result = run("judge", tmp_path / "series.csv", "--out", tmp_path / "out", "--json")
    assert json.loads(result.stdout)["methods"][0]["two_models"] is True


@pytest.fixture(scope="module")
def tuned(tmp_path_factory):
    """Bonds outside without direct forces, half as stiff ones inside: the largest M is known."""
    folder = tmp_path_factory.mktemp("tuned")
    models.harmonic(STIFFNESS, 2.0).export(folder / "outer.pt")
    models.harmonic(DIRECT_STIFFNESS, 2.0).export(folder / "inner.pt")
    atoms = Atoms("H2", positions=[[5.0, 6.0, 6.0], [7.0, 6.0, 6.0]], cell=[12.0] * 3, pbc=True)
    ase.io.write(folder / "dimer.xyz", atoms)
    words = ["tune", folder / "outer.pt", folder / "dimer.xyz", "--inner", folder / "inner.pt"]
    words += ["--equilibrate", 0, "--replicas", 1, "--out", folder / "out", "--timesteps", 1.5]
    words += ["--max-m", 4, "--ps", 1, "--tolerance", 1, "--worth", 1, "--json"]
    return folder, words, run(*words)


def test_tune_finds_the_largest_stable_multiplicity(tuned):
    folder, _, result = tuned
    assert [m for m in range(2, 5) if is_stable(m)] == [2, 3]
    assert result.exit_code == 0, result.output
    content = json.loads(result.stdout)
    verdicts = {trial["M"]: trial["verdict"] for trial in content["steps"][0]["trials"]}
    assert verdicts == {2: "conserves", 3: "conserves", 4: "drifts"}
    step = content["steps"][0]
    ratio = step["cost_ratio_of_models"]
    assert step["cost_ratio_F"] is None
    assert content["choice"]["speedup_bound"] == pytest.approx(3 * ratio / (3 + ratio))
    assert f"an inner model {ratio:.3g} times as cheap" in content["sentences"][0]
    assert content["settings"]["inner"] == str(folder / "inner.pt")
    made = {path.name for path in folder.glob("out/*/runs/*")}
    assert "lammps-conservative-replica-1" in made
    assert not [name for name in made if "direct" in name]


def test_tune_goes_on_with_the_same_inner_model_only(tuned, model_file):
    _, words, first = tuned
    second = run(*words)
    assert json.loads(second.stdout) == json.loads(first.stdout)
    refused = run(*words, "--inner", model_file("harmonic_direct"))
    assert refused.exit_code == 2
    assert "inner_sha256 is" in message(refused)


def test_inputs_run_as_they_stand(tuned):
    _, _, result = tuned
    lammps, ipi = (Path(path) for path in json.loads(result.stdout)["inputs"])
    text = lammps.read_text()
    assert re.search(r"^pair_style +mdbridge \S*outer.pt inner \S*inner.pt$", text, re.MULTILINE)
    lammps.write_text(re.sub(r"^run .*", "run 20", text, flags=re.MULTILINE))
    done = run_lmp(["-in", lammps.name], cwd=lammps.parent, threads=1, capture_output=True)
    assert done.returncode == 0, done.stdout
    xml = ipi.read_text()
    assert len(re.findall(r"inner: \S*inner.pt", xml)) == 2
    ipi.write_text(re.sub(r"<total_steps>\s*2222\s*<", "<total_steps>20<", xml))
    done = subprocess.run(
        [find_program("i-pi", "ipi"), ipi.name], cwd=ipi.parent, capture_output=True
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("host", ["lammps", "i-pi"])
def test_there_and_back(folder, tmp_path, host):
    """The round-off is that of both models."""
    words = ["protocol", "reverse", folder / "strong_curl.pt", folder / "start.xyz", "--json"]
    words += ["--inner", folder / "stand_in.pt", "--forces", "mts:2", "--timestep", 2, "--ps", 0.13]
    words += ["--temperature", 60, "--equilibrate", 0, "--host", host, "--out", tmp_path]
    result = run(*words)
    assert result.exit_code == 0, result.output
    content = json.loads(result.stdout)
    assert content["runs"][0]["label"].endswith("two-model M=2")
    assert content["runs"][0]["verdict"] == "reversible"


def test_a_plan_knows_its_models(folder):
    plan = CampaignPlan(folder / "strong_curl.pt", folder / "start.xyz")
    assert not plan.two_models
    assert [run.host_options for run in plan.runs()] == [ModelOptions()] * len(plan.runs())
