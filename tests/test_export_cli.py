"""The commands export, info, check and evaluate, as a user types them."""

import json
import os
import re

import ase
import ase.build
import ase.io
import models
import numpy as np
import pytest
from ase.calculators.singlepoint import SinglePointCalculator
from click.testing import CliRunner
from metatomic.torch import load_atomistic_model
from metatomic_ase import MetatomicCalculator
from pet_models import pet_checkpoint

from md_bridge.cli.check import check
from md_bridge.cli.evaluate import evaluate
from md_bridge.cli.export import export
from md_bridge.cli.info import info
from md_bridge.export.errors import ExportError
from md_bridge.export.sources import _newest

MODULES = """
from models import lennard_jones, two_layers

def argon():
    return two_layers().module

def not_a_module():
    return 3

def broken():
    return 1 / 0
"""


def run(command, *arguments):
    return CliRunner().invoke(command, [str(argument) for argument in arguments])


def message(result):
    """The error message on one line."""
    return " ".join(result.output.split())


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "my_models.py").write_text(MODULES)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(__import__("sys").modules, "my_models", raising=False)
    return tmp_path


PYTHON = ["python:my_models:argon", "--elements", "Ar", "--cutoff", "4", "--dtype", "float64"]


# --- export ---------------------------------------------------------------------------------------


def test_export_of_a_torch_module(folder):
    result = run(export, *PYTHON, "--layers", "2", "-o", "m.pt", "--strict")
    assert result.exit_code == 0, result.output
    assert "scripted = eager" in result.output
    assert "wrote m.pt" in result.output
    capabilities = load_atomistic_model("m.pt").capabilities()
    assert (capabilities.interaction_range, capabilities.dtype) == (8.0, "float64")


def test_strict_writes_nothing_when_a_check_fails(folder):
    result = run(export, *PYTHON, "--layers", "1", "-o", "m.pt", "--strict")
    assert result.exit_code == 3
    assert re.search(r"locality\s+FAILED", result.output)
    assert "1 check(s) failed; m.pt is not written" in result.output
    assert not (folder / "m.pt").exists()
    # without --strict it is said, and written
    result = run(export, *PYTHON, "--layers", "1", "-o", "m.pt", "--json")
    assert result.exit_code == 0
    checks = json.loads(result.stdout)["checks"]
    assert [c["name"] for c in checks if c["passed"] is False] == ["locality"]
    assert sorted(p.name for p in folder.iterdir() if p.suffix == ".pt") == ["m.pt"]


def test_export_of_a_checkpoint_with_metadata(folder):
    pet_checkpoint(folder / "tiny.ckpt", elements=[8])
    (folder / "about.json").write_text(json.dumps({"name": "tiny", "authors": ["A. Author"]}))
    result = run(
        export, "tiny.ckpt", "-o", "m.pt", "--metadata", "about.json", "--device", "cpu", "--json"
    )
    assert result.exit_code == 0, result.output
    model = load_atomistic_model("m.pt")
    assert (model.metadata().name, model.metadata().authors) == ("tiny", ["A. Author"])
    assert model.capabilities().supported_devices == ["cpu"]
    scripted = json.loads(result.stdout)["checks"][0]
    assert scripted["name"] == "scripted = eager"
    assert scripted["passed"]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["none.ckpt", "-o", "m.pt"], "there is no file 'none.ckpt'"),
        (["none.ckpt", "-o", "m.ckpt"], "should end in .pt"),
        (["uped:pet-mad-s", "-o", "m.pt"], "unknown kind of source 'uped:'.*mean 'upet'"),
        (
            ["python:my_models", "-o", "m.pt", *PYTHON[1:], "--layers", 1],
            "python:package.module:fac",
        ),
        (["python:my_model:argon", "-o", "m.pt", *PYTHON[1:], "--layers", 1], "No module named"),
        (["python:my_models:argn", "-o", "m.pt", *PYTHON[1:], "--layers", 1], "mean 'argon'"),
        (
            ["python:my_models:broken", "-o", "m.pt", *PYTHON[1:], "--layers", 1],
            "ZeroDivisionError",
        ),
        (["python:my_models:not_a_module", "-o", "m.pt", *PYTHON[1:], "--layers", 1], "an? int"),
        (["python:my_models:argon", "-o", "m.pt"], "give --elements --cutoff --layers"),
        (["none.ckpt", "-o", "m.pt", "--layers", 2], "layers is for python: sources only"),
        (["none.ckpt", "-o", "m.pt", "--metadata", "my_models.py"], "is not JSON"),
    ],
)
def test_export_errors(folder, arguments, expected):
    result = run(export, *arguments)
    assert result.exit_code == 1
    assert re.search(expected, message(result)), result.output
    assert not list(folder.glob("*.pt"))


def test_newest_version_of_a_published_model():
    files = [
        "README.md",
        "models/pet-mad-s-v1.0.2.ckpt",
        "models/pet-mad-s-v1.10.0.ckpt",
        "models/pet-mad-s-v1.9.0.ckpt",
        "models/pet-oam-xl-v1.0.0.ckpt",
    ]
    assert _newest(files, "pet-mad-s") == "1.10.0"
    with pytest.raises(ExportError, match=r"no model 'pet-mads'; it has .*mean 'pet-mad-s'"):
        _newest(files, "pet-mads")


def test_published_model_without_a_network(folder, monkeypatch):
    """The hub's client finds nobody at the other end: say what to download where."""
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(folder / "cache"))
    result = run(export, "upet:pet-mad-s@1.0.2", "-o", "m.pt")
    assert result.exit_code == 1
    assert "resolve/main/models/pet-mad-s-v1.0.2.ckpt" in result.output.replace("\n", "")


# --- info -----------------------------------------------------------------------------------------


def test_info(folder):
    metadata = {"name": "argon", "references": {"model": ["10.1000/1"]}, "extra": {"trained": "no"}}
    models.curl().export("m.pt", metadata=metadata)
    facts = json.loads(run(info, "m.pt", "--json").stdout)
    assert facts["name"] == "argon"
    assert facts["elements"] == ["Ar"]
    assert facts["cutoffs_A"] == [6.0]
    assert facts["interaction_range_A"] == 6.0
    assert facts["dtype"] == "float64"
    assert facts["bytes"] == os.path.getsize("m.pt")
    assert [output["name"] for output in facts["outputs"]] == [
        "energy",
        "non_conservative_force",
        "non_conservative_stress",
    ]
    text = run(info, "m.pt").output
    for part in ("argon", "6 Å", "float64", "10.1000/1", "trained"):
        assert part in text


def test_info_of_something_else(folder):
    result = run(info, "my_models.py")
    assert result.exit_code == 1
    assert "is not a model file" in message(result)
    pet_checkpoint("tiny.ckpt", elements=[8])
    assert "export it first: md-bridge export" in message(run(info, "tiny.ckpt"))


# --- check ----------------------------------------------------------------------------------------


def argon_crystal(seed):
    atoms = ase.build.bulk("Ar", "fcc", a=5.3, cubic=True)
    atoms.rattle(0.2, seed=seed)
    return atoms


def test_check_on_structures_of_the_user(folder):
    models.curl(0.01).export("m.pt")
    ase.io.write("s.xyz", [argon_crystal(seed) for seed in range(3)])
    result = run(check, "m.pt", "s.xyz", "--json", "--strict")
    assert result.exit_code == 0, result.output
    checks = {c["name"]: c for c in json.loads(result.stdout)["checks"]}
    assert checks["forces = -dE/dx"]["passed"]
    assert checks["direct = conservative"]["value"] > 1.0
    assert "cosine" in checks["direct = conservative"]["detail"]


def test_check_strict(folder):
    models.lennard_jones().export("m.pt")  # jumps at its cutoff
    result = run(check, "m.pt", "--strict")
    assert result.exit_code == 3
    assert re.search(r"smoothness of dimers\s+FAILED", result.output)
    assert run(check, "m.pt").exit_code == 0


def test_check_of_unknown_elements(folder):
    models.lennard_jones().export("m.pt")
    ase.io.write("s.xyz", ase.build.molecule("H2O"))
    result = run(check, "m.pt", "s.xyz")
    assert result.exit_code == 1
    assert "has H, O, which the model does not know; it knows Ar" in message(result)
    assert "there is no file" in message(run(check, "m.pt", "none.xyz"))


# --- evaluate -------------------------------------------------------------------------------------


def labelled(path, calculator, energy_offset, force_offset, config_type=None):
    """A structure labelled with the model's own predictions plus known errors."""
    atoms = argon_crystal(seed=len(str(path)) + int(1e3 * energy_offset))
    atoms.calc = calculator
    results = {
        "energy": atoms.get_potential_energy() - energy_offset * len(atoms),
        "forces": atoms.get_forces() - force_offset,
        "stress": atoms.get_stress(),
    }
    atoms.calc = SinglePointCalculator(atoms, **results)
    if config_type:
        atoms.info["config_type"] = config_type
    return atoms


def test_evaluate_finds_known_errors(folder):
    """Labels off by 3 and 1 meV/atom and by 20 meV/Å: the table says exactly that."""
    calculator = MetatomicCalculator(models.curl(0.0).export("m.pt"))
    structures = [
        labelled(folder, calculator, 0.003, 0.020, "cold"),
        labelled(folder, calculator, -0.001, -0.020, "hot"),
        labelled(folder, calculator, 0.003, 0.020, "cold"),
    ]
    ase.io.write("test.xyz", structures)
    result = run(evaluate, "m.pt", "test.xyz", "--json", "--plot", "p.png", "--batch-size", 2)
    assert result.exit_code == 0, result.output
    rows = {(r["quantity"], r["of"]): r for r in json.loads(result.stdout)["errors"]}
    energy = rows["energy", "all"]
    assert energy["mae"] == pytest.approx((3 + 1 + 3) / 3, rel=1e-4)
    assert energy["rmse"] == pytest.approx(np.sqrt((9 + 1 + 9) / 3), rel=1e-4)
    assert rows["energy", "hot"]["mae"] == pytest.approx(1.0, rel=1e-4)
    assert rows["energy", "cold"]["count"] == 2
    for kind in ("conservative force", "direct force"):
        for of in ("all", "Ar", "hot"):
            assert rows[kind, of]["rmse"] == pytest.approx(20.0, rel=1e-4)
    for kind in ("conservative stress", "direct stress"):
        assert rows[kind, "all"]["rmse"] < 1e-3
    assert (folder / "p.png").stat().st_size > 1000
    assert "meV/atom" in run(evaluate, "m.pt", "test.xyz").output


def test_evaluate_with_other_names_and_mixed_boundaries(folder):
    calculator = MetatomicCalculator(models.lennard_jones().export("m.pt"))
    crystal, cluster = argon_crystal(1), argon_crystal(2)
    cluster.pbc = False
    for atoms in (crystal, cluster):
        atoms.calc = calculator
        energy, forces = atoms.get_potential_energy(), atoms.get_forces()
        atoms.calc = None
        atoms.info["dft_energy"] = energy - 0.002 * len(atoms)
        atoms.arrays["dft_forces"] = forces
    ase.io.write("test.xyz", [crystal, cluster, crystal])
    keys = ["--energy-key", "dft_energy", "--force-key", "dft_forces"]
    rows = json.loads(run(evaluate, "m.pt", "test.xyz", *keys, "--json").stdout)["errors"]
    values = {(row["quantity"], row["of"]): row["mae"] for row in rows}
    assert values["energy", "all"] == pytest.approx(2.0, rel=1e-4)
    assert values["conservative force", "all"] < 1e-3
    assert ("direct force", "all") not in values

    result = run(evaluate, "m.pt", "test.xyz")
    assert result.exit_code == 1
    assert "no labels 'energy', 'forces' or 'stress'; it has" in message(result)
    assert "dft_energy" in result.output


def test_evaluate_errors(folder):
    models.lennard_jones().export("m.pt")
    (folder / "bad.xyz").write_text("this is no xyz file")
    assert "ASE can not read 'bad.xyz'" in message(run(evaluate, "m.pt", "bad.xyz"))
    result = run(evaluate, "none.pt", "bad.xyz")
    assert result.exit_code == 1
