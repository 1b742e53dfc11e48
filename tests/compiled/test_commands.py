"""Commands that search, train, compare and start i-PI take compiled files as they take others."""

import json
import os
from pathlib import Path

import ase.io
import distil_tools
import numpy as np
import pytest
from ase.calculators.singlepoint import SinglePointCalculator
from click.testing import CliRunner
from compiled_files import box, moving_box

from md_bridge.ase import MDBridgeCalculator
from md_bridge.cli import main
from md_bridge.distil import DistilRequest
from md_bridge.distil.files import read_student
from md_bridge.drift.records.csv import read_csv
from md_bridge.model_options import ModelOptions
from md_bridge.text import sha256_of


@pytest.fixture
def made(files):
    return files("module")


@pytest.fixture
def start(made, tmp_path, monkeypatch):
    """A file with a start in the current folder."""
    monkeypatch.chdir(tmp_path)
    ase.io.write("start.xyz", moving_box(made))
    return "start.xyz"


def invoke(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_tune(made, start, tmp_path):
    """The same runs with the same energies."""
    options = ["--max-m", 2, "--ps", 0.02, "--longest-ps", 0.02, "--worth", 1, "--replicas", 1]
    options += ["--equilibrate", 0, "--temperature", 30, "--max-correction", 10, "--json"]
    outcomes, energies = [], []
    for name in ("compiled", "exported"):
        done = invoke("tune", getattr(made, name), start, *options, "--out", tmp_path / name)
        assert done.exit_code in (0, 3), done.output  # so short runs may say nothing
        trials = json.loads(done.stdout)["steps"][0]["trials"]
        outcomes.append([(trial["M"], trial["verdict"]) for trial in trials])
        series = sorted((tmp_path / name).glob("*/series/*.csv"))
        energies.append({path.name: read_csv(path).conserved_energy for path in series})
    assert outcomes[0] == outcomes[1]
    assert energies[0].keys() == energies[1].keys()
    assert len(energies[0]) >= 2
    for name, found in energies[0].items():
        np.testing.assert_allclose(found, energies[1][name], atol=1e-6)


def test_teacher_of_a_student(made, tmp_path, monkeypatch):
    """The same frames with the same labels, and the file by its checksum."""
    monkeypatch.setattr("md_bridge.export.checks.costs._LEAST_TIME", 0.0)
    frames = []
    for name in ("compiled", "exported"):
        request = DistilRequest(
            teacher=getattr(made, name),
            starts=[box(made, 3)],
            out=tmp_path / f"{name}.pt",
            temperatures_k=(30.0,),
            frames=14,
            steps=1,
            tune=False,
            model_options=ModelOptions(device="cpu", threads=1),
        )
        result = distil_tools.quietly(request)
        frames.append(distil_tools.frames_of(result.folder))
        about = read_student(result.path).about
        assert about["teacher_sha256"] == sha256_of(getattr(made, name))
    assert frames[0].keys() == frames[1].keys()
    for name, found in frames[0].items():
        np.testing.assert_allclose(found, frames[1][name], rtol=1e-7, atol=1e-7, err_msg=name)


def test_evaluate(made, tmp_path):
    """Labels of the TorchScript file: no errors, of structures of unlike sizes in one batch."""
    structures = [box(made, side, seed=side) for side in (3, 2)]
    calculator = MDBridgeCalculator(made.exported)
    for atoms in structures:
        atoms.calc = calculator
        found = {name: atoms.calc.get_property(name, atoms) for name in ("energy", "forces")}
        atoms.calc = SinglePointCalculator(atoms, stress=calculator.get_stress(atoms), **found)
    ase.io.write(tmp_path / "labelled.xyz", structures)
    done = invoke("evaluate", made.compiled, tmp_path / "labelled.xyz", "--json")
    assert done.exit_code == 0, done.output
    errors = {row["quantity"]: row["rmse"] for row in json.loads(done.stdout)["errors"]}
    for quantity in ("energy", "conservative force", "conservative stress"):
        assert errors[quantity] < 1e-3
    assert errors["direct force"] > 1.0  # meV/Å: they are another kind


def test_i_pi_and_its_client(made, start):
    """Written, run and told apart: direct and conservative forces over sockets."""
    options = ["--forces", "mts:2", "--steps", 2, "--stride", 1, "--temperature", 30]
    options += ["--transport", "unix", "--address", f"compiled-{os.getpid()}", "--threads", 1]
    done = invoke("ipi-run", start, "-m", made.compiled, *options, "--max-correction", 10)
    assert done.exit_code == 0, done.output
    atoms = ase.io.read(start)
    atoms.calc = MDBridgeCalculator(made.exported)
    heading = [line for line in Path("input.out").read_text().splitlines() if line[0] == "#"]
    column = next(number for number, line in enumerate(heading) if "potential" in line)
    rows = np.loadtxt("input.out")
    assert len(rows) == 3
    assert rows[0, column] == pytest.approx(atoms.get_potential_energy(), abs=1e-5)
