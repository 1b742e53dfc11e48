"""How far inner and conservative forces are apart at the first outer step: said, and no further
than allowed, by every command that runs multiple time stepping."""

import json
import re

import ase.io
import models
import numpy as np
import pytest
from click.testing import CliRunner
from drift_models import argon_crystal

from md_bridge.cli import main
from md_bridge.drift import Method, RunRecord, read_csv, write_csv
from md_bridge.drift.records.agreement import agreement_in, agreement_sentences
from md_bridge.engine import Engine, structure_from_ase
from md_bridge.forces import ForceAgreement

SHORT = ["--timestep", 4, "--ps", 0.2, "--threads", 1]
SURFACE = "do not belong to one potential energy surface"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("agreement")
    models.curl(size=5.0).export(folder / "unrelated.pt")
    models.ALL["strong_curl"]().export(folder / "outer.pt")
    models.stand_in().export(folder / "inner.pt")
    atoms = argon_crystal()
    atoms.rattle(0.15, seed=2)  # nearer to the lattice, they would count as at rest
    ase.io.write(folder / "start.xyz", atoms)
    return folder


def run(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def words_of(text):
    return " ".join(text.split())


def expected(folder, outer, inner):
    """Root mean squares in eV/Å, with the engine."""
    structure = structure_from_ase(ase.io.read(folder / "start.xyz"))
    exact = Engine(folder / outer).evaluate(structure, conservative_forces=True)
    cheap = Engine(folder / inner).evaluate(structure, direct_forces=True)
    return ForceAgreement.of(exact.conservative_forces, cheap.direct_forces)


@pytest.mark.parametrize(("host", "inner"), [("lammps", "unrelated.pt"), ("i-pi", None)])
def test_drift_stops_forces_of_another_surface_unless_told(folder, tmp_path, host, inner):
    """Of two models or of one; and the same command, with the option, goes on."""
    outer = "outer.pt" if inner else "unrelated.pt"
    command = ["drift", folder / outer, folder / "start.xyz", "--keep-velocities", *SHORT]
    command += ["--host", host, "--out", tmp_path, "--forces", "conservative,mts:2"]
    command += ["--inner", folder / inner] if inner else []
    stopped = run(*command)
    assert stopped.exit_code == 1, stopped.output
    assert SURFACE in words_of(stopped.stderr)
    assert "allow for it by" in words_of(stopped.stderr)
    assert "--max-correction" in stopped.stderr
    assert len(list((tmp_path / "series").iterdir())) == 1  # the conservative one is there

    allowed = run(*command, "--max-correction", 1e6)
    assert allowed.exit_code in (0, 3), allowed.output
    found = expected(folder, outer, inner or outer)
    (series,) = (tmp_path / "series").glob("*-2-replica-1.csv")
    record = read_csv(series)
    assert record.agreement.correction == pytest.approx(found.correction, rel=6e-3)
    assert record.agreement.conservative == pytest.approx(found.conservative, rel=6e-3)
    (sentence,) = agreement_sentences([(inner is not None, record.agreement)])
    assert sentence in words_of(allowed.stdout)
    assert sentence in words_of((tmp_path / "report.html").read_text())
    content = json.loads((tmp_path / "summary.json").read_text())
    told = [one["agreement_eV_per_angstrom"] for one in content["runs"]]
    assert told == [None, {**vars(record.agreement)}]


def test_tune_stops_too(folder, tmp_path):
    command = ["tune", folder / "outer.pt", folder / "start.xyz", "--out", tmp_path]
    command += ["--inner", folder / "unrelated.pt", "--timesteps", 4, "--ps", 0.2]
    command += ["--longest-ps", 0.2, "--equilibrate", 0, "--replicas", 1, "--max-m", 2]
    command += ["--temperature", 60, "--threads", 1, "--tolerance", 100]
    stopped = run(*command)
    assert stopped.exit_code == 1, stopped.output
    assert SURFACE in words_of(stopped.stderr)
    assert "--max-correction" in stopped.stderr
    allowed = run(*command, "--max-correction", 1e6)
    assert allowed.exit_code in (0, 3), allowed.output
    assert "the forces of the inner model differ" in words_of(allowed.stdout)


@pytest.mark.parametrize(("name", "host"), [("order", "lammps"), ("reverse", "i-pi")])
def test_protocols_stop_too(folder, tmp_path, name, host):
    command = ["protocol", name, folder / "unrelated.pt", folder / "start.xyz", "--out", tmp_path]
    command += ["--forces", "mts:2", "--equilibrate", 0, "--temperature", 60, "--host", host]
    stopped = run(*command, *SHORT)
    assert stopped.exit_code == 1, stopped.output
    assert SURFACE in words_of(stopped.stderr)
    assert "--max-correction" in stopped.stderr


@pytest.mark.parametrize(("name", "host"), [("order", "lammps"), ("thermostat", "i-pi")])
def test_protocols_run_with_two_models_and_say_how_they_agree(folder, tmp_path, name, host):
    command = ["protocol", name, folder / "outer.pt", folder / "start.xyz", "--out", tmp_path]
    command += ["--inner", folder / "inner.pt", "--forces", "mts:2", "--host", host, "--json"]
    command += ["--equilibrate", 0, "--temperature", 60]
    result = run(*command, *SHORT[:3], 0.56, *SHORT[4:])
    assert result.exit_code in (0, 3), result.output
    content = json.loads(result.stdout)
    inputs = [
        path.read_text()
        for pattern in ("in.lammps", "input.xml")
        for path in tmp_path.glob(f"{name}/runs/*/{pattern}")
    ]
    assert inputs
    assert all("inner.pt" in text for text in inputs)
    told = content["agreement_eV_per_angstrom"]
    assert len(told) == len(inputs)
    start = tmp_path / name / "start.xyz"
    structure = structure_from_ase(ase.io.read(start))
    exact = Engine(folder / "outer.pt").evaluate(structure, conservative_forces=True)
    cheap = Engine(folder / "inner.pt").evaluate(structure, direct_forces=True)
    found = ForceAgreement.of(exact.conservative_forces, cheap.direct_forces)
    assert told[0]["two_models"] is True
    assert told[0]["correction"] == pytest.approx(found.correction, rel=6e-3)
    assert agreement_sentences([(True, found)])[0][:70] in " ".join(content["sentences"])


@pytest.mark.parametrize(("transport", "count"), [("ffdirect", 2), ("unix", 1)])
def test_ipi_input_writes_it(folder, tmp_path, transport, count):
    out = tmp_path / "input.xml"
    words = ["ipi-input", folder / "start.xyz", "-m", folder / "outer.pt", "-o", out]
    words += ["--inner", folder / "inner.pt", "--forces", "mts:2", "--transport", transport]
    result = run(*words, "--max-correction", 3)
    assert result.exit_code == 0, result.output
    assert len(re.findall("max_correction:? 3.0", out.read_text())) == count
    if transport == "unix":
        assert "--max-correction 3.0" in result.stdout
    refused = run(*words, "--overwrite", "--max-correction", 0)
    assert refused.exit_code == 2
    assert "--max-correction must be a positive finite number, found 0" in words_of(refused.stderr)


def test_ipi_run_hands_it_to_its_clients(folder, tmp_path, monkeypatch, ipi_clients):
    monkeypatch.chdir(tmp_path)
    words = ["ipi-run", folder / "start.xyz", "-m", folder / "outer.pt", "--forces", "mts:2"]
    words += ["--inner", folder / "inner.pt", "--transport", "unix", "--overwrite"]
    for more, expected in (([], ""), (["--max-correction", 3], "--max-correction 3.0")):
        assert run(*words, *more).exit_code == 130
        line = " ".join(map(str, ipi_clients.pop()))
        assert expected in line
        assert ("max-correction" in line) == bool(expected)


def test_what_logs_say():
    assert agreement_in("Loop time of 1 s") is None
    line = (
        "MD Bridge: the inner model's forces differ from the conservative ones by 1.5e-05, these "
        "are 0.0002 eV/Angstrom (root mean squares)"
    )
    assert agreement_in(line) == ForceAgreement(conservative=0.0002, correction=1.5e-05)
    moving = line.replace("1.5e-05", "0.02").replace("0.0002", "0.4")
    assert agreement_in(f"{line}\n{moving}\n") == ForceAgreement(0.4, 0.02)
    one, two = agreement_sentences(
        [
            (False, ForceAgreement(1.0, 0.1)),
            (False, ForceAgreement(1.0, 0.2)),
            (False, None),
            (True, ForceAgreement(0.5, 0.1)),
        ]
    )
    assert (
        "direct forces differ from the conservative ones by 200 meV/Å, these are 1000 meV/Å" in one
    )
    assert "(20 %); root mean squares, of the run where it is most." in one
    assert "the forces of the inner model differ" in two
    assert two.endswith("(20 %); root mean squares.")


def test_series_keep_it(tmp_path):
    series = np.arange(40.0), np.ones(40), np.ones(40)
    for agreement in (None, ForceAgreement(0.8, 0.03)):
        method = Method("lammps", "mts", 4, 0.5)
        record = RunRecord(method, 2, 1.0, *series, agreement=agreement)
        write_csv(record, tmp_path / "series.csv")
        assert read_csv(tmp_path / "series.csv").agreement == agreement
