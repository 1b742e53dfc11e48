"""What can be certified besides an exported file: published models, calculators of Python."""

import json

import ase.io
import numpy as np
import pytest
from model_commands import argon_crystal, message, run
from python_models import crystal, of_file, python_model, toy

from md_bridge._paths import DATA
from md_bridge.cli.models.certify import certify
from md_bridge.text import sha256_of

CALCULATOR = """
import numpy as np
from ase.calculators.calculator import Calculator, all_changes

class Wave(Calculator):
    implemented_properties = ["energy", "forces"]
    atomic_numbers = [18]

    def calculate(self, atoms, properties, changes=all_changes):
        super().calculate(atoms, properties, changes)
        phase = np.asarray(2.1 * atoms.positions, dtype=TYPE)
        energy = float(np.sum(1 - np.cos(phase)))
        self.results = {"energy": energy, "forces": -FACTOR * np.sin(phase)}

def make():
    return Wave()
"""
"""Atoms in a wave: the forces are 2.1 times its sine."""

DIRECT_ONLY = """
def make():
    def pull(atoms):
        return {"energy": 0.0, "forces": -atoms.positions}

    pull.forces_kind = "direct"
    return pull
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    ase.io.write("s.xyz", argon_crystal(0))
    return tmp_path


def findings(result):
    """Outcome and sentence of each row, by its name."""
    content = json.loads(result.stdout)
    return {row["name"]: (row["outcome"], row["sentence"]) for row in content["findings"]}


def wave(folder, kind="np.float64", factor="2.1"):
    code = CALCULATOR.replace("TYPE", kind).replace("FACTOR", factor)
    return python_model(folder, code, stem="wave")


def test_a_published_model_is_fetched_exported_and_certified(folder, monkeypatch):
    from pet_models import Hub, pet_checkpoint

    hub = Hub(monkeypatch, pet_checkpoint(folder / "tiny.ckpt"))
    result = run(certify, "upet:pet-mad-s", "--only", "order", "--json")
    assert result.exit_code in (0, 3), result.output  # it is not trained
    assert hub.asked == [("lab-cosmo/upet", "models/pet-mad-s-v1.10.0.ckpt")]
    content = json.loads(result.stdout)
    assert content["source"] == "upet:pet-mad-s"
    assert content["settings"]["model"].startswith("PET-MAD-S v1.10.0")
    exported = folder / "md-bridge-certify" / "pet-mad-s.pt"
    assert content["sha256"]["model, pet-mad-s.pt"] == sha256_of(exported)


def test_a_published_model_without_a_network(folder, monkeypatch):
    constants = pytest.importorskip("huggingface_hub.constants")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(folder / "cache"))
    result = run(certify, "upet:pet-mad-s@1.0.2", "s.xyz")
    assert result.exit_code == 1
    assert "cannot be fetched from huggingface.co" in message(result)
    assert "resolve/main/models/pet-mad-s-v1.0.2.ckpt" in result.output.replace("\n", "")


def test_a_checkpoint_is_exported_first(folder):
    from pet_models import pet_checkpoint

    pet_checkpoint(folder / "tiny.ckpt")
    result = run(certify, "tiny.ckpt", "s.xyz")
    assert result.exit_code == 1
    assert "export it first: md-bridge export tiny.ckpt -o model.pt" in message(result)


def test_a_calculator_of_python(folder, model_file):
    """The numbers of a file, in the programs that call Python; rows of files are left out."""
    model = of_file(folder, model_file("curl"))
    checks = "derivatives,precision,order,range,direct,ranks,hosts"
    result = run(certify, model, "s.xyz", "--only", checks, "--json")
    assert result.exit_code == 0, result.output
    content = json.loads(result.stdout)
    assert content["headline"].startswith("The model behaves in this installation")
    factory = next(folder.glob("of_curl*.py"))
    assert content["sha256"][f"model, {factory.name}:make"] == sha256_of(factory)
    rows = findings(result)
    passed = {name for name, (outcome, _) in rows.items() if outcome == "passed"}
    assert {
        *("forces = -dE/dx", "stress = dE/dstrain / V", "rounding of forces"),
        *("translation", "permutation", "direct = conservative"),
        *("LAMMPS = i-PI = ASE: energy", "LAMMPS = i-PI = ASE: conservative forces"),
        *("LAMMPS = i-PI = ASE: virial", "LAMMPS = i-PI = ASE: direct forces"),
    } <= passed
    for name, why in {
        "float32 = float64": "in the precision that it chooses",
        "order of pairs": "makes its own pair lists",
        "several ranks": "runs on one rank",
        "ASE = metatomic alone": "no file that metatomic could run",
    }.items():
        assert rows[name] == ("not checked", f"not checked: {rows[name][1][13:]}")
        assert why in rows[name][1]


def test_dynamics_and_speed_of_a_calculator(folder):
    """With its own direct forces in the inner steps; in every host."""
    model = toy(folder)
    ase.io.write("a.xyz", crystal())
    result = run(
        *(certify, model, "a.xyz", "--only", "nve,speed", "--mts", "1,2", "--timestep", 4),
        *("--ps", 0.4, "--temperature", 20, "--equilibrate", 0, "--json"),
    )
    assert result.exit_code in (0, 3), result.output  # so short runs may be undecided
    content = {row["name"]: row for row in json.loads(result.stdout)["findings"]}
    for m in (1, 2):
        numbers = content[f"NVE, M = {m}: verdict"]["numbers"]
        assert 0.0 < abs(numbers["drift_meV_per_atom_ps"]) < 0.05
        assert numbers["length_ps"] == 0.4
    for kind in ("conservative", "direct"):
        for host in ("ASE", "LAMMPS", "i-PI"):
            row = content[f"time of a step, {kind} forces, {host}"]
            assert row["outcome"] == "measured"
            assert 0.0 < row["numbers"]["seconds_per_step"] < 1.0


def test_a_calculator_without_a_stress_has_no_virial_to_compare(folder):
    bare = "\nclass Bare(OneKind):\n    implemented_properties = ['energy', 'forces']\n"
    model = toy(folder, "Bare", bare)
    ase.io.write("a.xyz", crystal())
    result = run(certify, model, "a.xyz", "--only", "hosts", "--json")
    assert result.exit_code == 0, result.output
    rows = findings(result)
    assert rows["LAMMPS = i-PI = ASE: virial"][0] == "not checked"
    assert "the calculator gives no stress" in rows["LAMMPS = i-PI = ASE: virial"][1]
    assert rows["LAMMPS = i-PI = ASE: conservative forces"][0] == "passed"


@pytest.mark.parametrize(("kind", "tight"), [("np.float64", True), ("np.float32", False)])
def test_the_precision_of_a_calculator_is_measured(folder, kind, tight):
    """In single precision, finite differences with the steps of double precision see nothing."""
    model = wave(folder, kind)
    result = run(certify, model, "s.xyz", "--only", "derivatives,smoothness", "--json")
    assert result.exit_code == 0, result.output
    rows = findings(result)
    assert rows["forces = -dE/dx"][0] == "passed"
    assert "gives no stress" in rows["stress = dE/dstrain / V"][1]
    in_single = "the model runs in single precision only"
    assert (in_single in rows["smoothness in bulk"][1]) is not tight


@pytest.mark.parametrize(("kind", "outcome"), [("np.float32", "passed"), ("np.float16", "failed")])
def test_half_precision_in_a_calculator(folder, kind, outcome):
    result = run(certify, wave(folder, kind), "s.xyz", "--only", "precision", "--json")
    assert result.exit_code == (0 if outcome == "passed" else 3), result.output
    (row,) = (r for r in json.loads(result.stdout)["findings"] if r["name"] == "rounding of forces")
    assert row["outcome"] == outcome
    numbers = row["numbers"]
    # five times what double precision is allowed
    assert numbers["allowed_meV_per_angstrom"] == pytest.approx(
        5.0 * scale_of_wave(folder), rel=1e-2
    )


def scale_of_wave(folder):
    """Root mean square of the forces, eV/Å."""
    forces = 2.1 * np.sin(2.1 * ase.io.read(folder / "s.xyz").positions)
    return float(np.sqrt(np.mean(forces**2)))


def test_a_calculator_for_crystals_alone(folder):
    """It need not know what a vacuum is."""
    more = "        if atoms.cell.rank < 3:\n            raise ValueError('no lattice')\n"
    code = CALCULATOR.replace("        phase =", more + "        phase =", 1)
    code = code.replace("TYPE", "np.float64").replace("FACTOR", "2.1")
    model = python_model(folder, code, stem="crystals")
    result = run(certify, model, "s.xyz", "--only", "range,order", "--json")
    rows = findings(result)
    outcome, sentence = rows["isolated atoms"]
    assert outcome == "not checked"
    assert "fails for atoms in a vacuum" in sentence
    assert "no lattice" in sentence


def test_a_calculator_whose_forces_are_no_gradient(folder):
    result = run(certify, wave(folder, factor="2.3"), "s.xyz", "--only", "derivatives", "--json")
    assert result.exit_code == 3, result.output
    outcome, sentence = findings(result)["forces = -dE/dx"]
    assert outcome == "failed"
    assert "a part of the energy is detached from the positions" in sentence
    assert "The model does not behave" in json.loads(result.stdout)["headline"]


def test_what_a_calculator_does_not_say(folder):
    model = python_model(folder, CALCULATOR.replace("atomic_numbers = [18]", ""))
    result = run(certify, model)
    assert result.exit_code == 1
    assert "does not say which elements it knows" in message(result)
    assert "name a START" in message(result)
    result = run(certify, python_model(folder, DIRECT_ONLY, stem="direct"), "s.xyz")
    assert result.exit_code == 1
    assert "has no conservative forces, which a certificate is about" in message(result)
    result = run(certify, "python:nowhere:make", "s.xyz")
    assert result.exit_code == 2
    assert "Python finds no module 'nowhere'" in message(result)


def test_a_start_with_elements_that_a_calculator_does_not_know(folder):
    result = run(certify, wave(folder), DATA / "water-start.xyz")
    assert result.exit_code == 1
    assert "which the model does not know; it knows Ar" in message(result)
