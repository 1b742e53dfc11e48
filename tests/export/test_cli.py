"""The commands export, info, check and evaluate, as a user types them."""

import json
import os
import re
import shlex
import shutil
import tempfile
from pathlib import Path

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
from rich.console import Console

from md_bridge.cli.check import check
from md_bridge.cli.evaluate import evaluate, print_errors
from md_bridge.cli.export import EPILOG, export
from md_bridge.cli.info import info
from md_bridge.export.errors import ExportError
from md_bridge.export.sources import _newest, build_model, download_upet

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


def test_a_file_with_too_short_a_range(folder):
    """check says what to type, and that makes it right; with structures, M is guessed too."""
    models.two_layers().export("short.pt", layers=1)
    ase.io.write("s.xyz", argon_crystal(0))
    found = run(check, "short.pt", "s.xyz", "--strict")
    assert found.exit_code == 3
    (option,) = re.findall(r"or (--interaction-range \S+?)\)", message(found))
    result = run(
        export, "short.pt", "-o", "right.pt", *option.split(), "--strict", "--structures", "s.xyz"
    )
    assert result.exit_code == 0, result.output
    assert "first guess of M" in result.output
    assert load_atomistic_model("right.pt").capabilities().interaction_range == 8.0


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
        (["none.ckpt", "-o", "m.pt", "--cutoff", 2], "--cutoff is for python: sources only"),
        (["python:my_models:argon", "-o", "m.pt", *PYTHON[1:], "--layers", 0], "whole number"),
        (
            [*PYTHON, "--layers", 2, "-o", "m.pt", "--interaction-range", 9],
            "is layers × cutoff: change --layers",
        ),
        (["none.ckpt", "-o", "m.pt", "--metadata", "my_models.py"], "is not JSON"),
    ],
)
def test_export_errors(folder, arguments, expected):
    result = run(export, *arguments)
    assert result.exit_code == 1
    assert re.search(expected, message(result)), result.output
    assert not list(folder.glob("*.pt"))


def test_the_example_of_the_help_works(folder, monkeypatch):
    examples = Path(__file__).parents[2] / "examples"
    shutil.copy(examples / "lennard_jones.py", folder)
    monkeypatch.delitem(__import__("sys").modules, "lennard_jones", raising=False)
    lines = EPILOG.replace("\\\n", " ").splitlines()
    (line,) = [line for line in lines if "python:lennard_jones:argon" in line]
    result = run(export, *shlex.split(line)[2:])
    assert result.exit_code == 0, result.output
    assert load_atomistic_model("lj.pt").capabilities().interaction_range == 8.5


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("x = 1\nx = = 2\n", r"importing 'faulty' failed: SyntaxError: .*faulty\.py, line 2"),
        ("y = unknown\n", "importing 'faulty' failed: NameError: name 'unknown' is not defined"),
        ("import sys\nsys.exit(3)\n", "importing 'faulty' failed: SystemExit: 3"),
    ],
)
def test_a_file_that_can_not_be_imported(folder, code, expected):
    (folder / "faulty.py").write_text(code)
    result = run(export, "python:faulty:make", "-o", "m.pt", *PYTHON[1:], "--layers", 1)
    assert result.exit_code == 1
    assert re.search(expected, message(result)), result.output


def test_devices_are_those_of_metatomic(folder):
    result = run(export, *PYTHON, "--layers", 2, "-o", "m.pt", "--device", "cudda")
    assert result.exit_code == 1
    assert "unknown device 'cudda'; expected cpu, cuda or mps. Did you mean 'cuda'?" in message(
        result
    )
    assert not (folder / "m.pt").exists()


def test_elements_may_have_blanks(folder):
    arguments = ["python:my_models:argon", "--elements", " Ar, He", *PYTHON[3:], "--layers", 2]
    result = run(export, *arguments, "-o", "m.pt")
    assert result.exit_code == 0, result.output
    assert load_atomistic_model("m.pt").capabilities().atomic_types == [18, 2]


@pytest.mark.parametrize("where", ["folder", "replace"])
def test_a_disk_that_fails(folder, monkeypatch, where):
    def fail(*_, **__):
        raise OSError(28, "No space left on device")

    if where == "folder":
        monkeypatch.setattr(tempfile, "TemporaryDirectory", fail)
    else:
        # only the last step: the file moves out of the folder it was checked in
        original = os.replace
        monkeypatch.setattr(
            os, "replace", lambda a, b: fail() if str(b) == "m.pt" else original(a, b)
        )
    result = run(export, *PYTHON, "--layers", 2, "-o", "m.pt")
    assert result.exit_code == 1
    assert "could not write 'm.pt': [Errno 28] No space left on device" in message(result)
    assert not (folder / "m.pt").exists()


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


class Hub:
    """A hub with two versions of a model, and no network to any other."""

    files = ("models/pet-mad-s-v1.9.0.ckpt", "models/pet-mad-s-v1.10.0.ckpt")

    def __init__(self, monkeypatch, checkpoint):
        self.checkpoint, self.asked = checkpoint, []
        monkeypatch.setattr("huggingface_hub.HfApi.list_repo_files", lambda *_: list(self.files))
        monkeypatch.setattr("huggingface_hub.hf_hub_download", self.download)

    def download(self, repository, file):
        self.asked.append((repository, file))
        return shutil.copy(self.checkpoint, Path(file).name)


def test_a_published_model_is_fetched_and_named(folder, monkeypatch):
    """The newest, or the one asked for; its name and citations, if the checkpoint has none."""
    hub = Hub(monkeypatch, pet_checkpoint(folder / "tiny.ckpt", elements=[8]))
    for source, version in (("pet-mad-s", "1.10.0"), ("pet-mad-s@1.9.0", "1.9.0")):
        model = build_model(f"upet:{source}", {"devices": ["cpu"]})
        assert hub.asked[-1] == ("lab-cosmo/upet", f"models/pet-mad-s-v{version}.ckpt")
        assert model.metadata().name == f"PET-MAD-S v{version}"
        assert "https://arxiv.org/abs/2601.16195" in model.metadata().references["model"]
        assert model.capabilities().supported_devices == ["cpu"]
    named = build_model("upet:pet-mad-s", {}, {"name": "mine"})
    assert named.metadata().name == "mine"
    with pytest.raises(ExportError, match=r"no model 'pet-mad-x'; it has pet-mad-s\. Did you mean"):
        build_model("upet:pet-mad-x", {})


def test_without_a_network_the_newest_in_the_cache_is_taken(folder, monkeypatch):
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(folder / "cache"))
    models_folder = folder / "cache" / "models--lab-cosmo--upet" / "snapshots" / "abc" / "models"
    models_folder.mkdir(parents=True)
    for version in ("1.9.0", "1.10.0"):
        (models_folder / f"pet-mad-s-v{version}.ckpt").touch()
    assert download_upet("pet-mad-s").name == "pet-mad-s-v1.10.0.ckpt"
    with pytest.raises(ExportError, match=r"pet-mad-l-vX\.Y\.Z\.ckpt .*then run md-bridge"):
        download_upet("pet-mad-l")


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


def test_check_uses_the_elements_of_the_user(folder):
    """A model of argon and krypton, of which the user has krypton only."""
    seen = []

    def record(runner, elements):
        seen.append(list(elements))

    models.lennard_jones_mixture().export("m.pt")
    ase.io.write("s.xyz", ase.build.bulk("Kr", "fcc", a=5.7, cubic=True))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("md_bridge.export.checks.checks.check_isolated_atoms", record)
        run(check, "m.pt", "s.xyz")
        run(check, "m.pt")
    assert seen == [[36], [18, 36]]


def test_check_says_that_the_stress_was_not_checked(folder):
    models.curl().export("m.pt")
    cluster = argon_crystal(0)
    cluster.pbc = False
    ase.io.write("s.xyz", cluster)
    assert "not checked: no structure is periodic in all directions" in message(
        run(check, "m.pt", "s.xyz")
    )


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


def test_evaluate_tells_elements_apart(folder):
    """Forces on krypton are wrong by 50 meV/Å along x, those on argon are right."""
    calculator = MetatomicCalculator(models.lennard_jones_mixture().export("m.pt"))
    atoms = argon_crystal(1)
    krypton = np.arange(len(atoms)) % 3 == 0
    atoms.numbers[krypton] = 36
    atoms.calc = calculator
    energy, forces = atoms.get_potential_energy(), atoms.get_forces()
    forces[krypton, 0] += 0.05
    atoms.calc = SinglePointCalculator(atoms, energy=energy, forces=forces)
    ase.io.write("test.xyz", atoms)
    rows = json.loads(run(evaluate, "m.pt", "test.xyz", "--json").stdout)["errors"]
    errors = {row["of"]: row["rmse"] for row in rows if row["quantity"] == "conservative force"}
    assert errors["Ar"] < 1e-3
    assert errors["Kr"] == pytest.approx(50 / np.sqrt(3), rel=1e-4)
    assert errors["all"] == pytest.approx(50 * np.sqrt(krypton.mean() / 3), rel=1e-4)


def test_evaluate_with_nothing_to_compare(folder):
    """A cluster that is labelled with a stress only, which it cannot have."""
    models.lennard_jones().export("m.pt")
    atoms = argon_crystal(1)
    atoms.pbc = False
    atoms.calc = SinglePointCalculator(atoms, stress=np.zeros(6))
    ase.io.write("test.traj", atoms)
    for options in ([], ["--plot", "p.png"]):
        result = run(evaluate, "m.pt", "test.traj", *options)
        assert result.exit_code == 1
        assert "no label" in message(result)


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
    message_of_bad = message(run(evaluate, "bad.xyz", "bad.xyz"))
    assert "'bad.xyz' is not a model file: expected a metatrain checkpoint" in message_of_bad


def test_evaluate_names_the_structure_with_a_wrong_label(folder):
    models.lennard_jones().export("m.pt")
    good, bad = argon_crystal(0), argon_crystal(1)
    good.info["energy"] = 1.0
    where = "structure 1 of 'test.traj'"
    for label, value, expected in (
        ("energy", [1.0, 2.0], f"'energy' of {where} should be one number, found 2"),
        ("energy", "low", f"'energy' of {where} should be numbers, found 'low'"),
        ("energy", np.nan, f"'energy' of {where} is not finite"),
        ("stress", [1.0, 2.0], f"'stress' of {where} should have 6 or 9 numbers, found 2"),
        ("stress", [1.0] * 5 + [np.inf], f"'stress' of {where} is not finite"),
    ):
        atoms = bad.copy()
        atoms.info[label] = np.asarray(value)[()]
        ase.io.write("test.traj", [good, atoms])
        result = run(evaluate, "m.pt", "test.traj")
        assert result.exit_code == 1, (label, value)
        assert expected in message(result), result.output
    for value, expected in (
        (np.zeros((4, 2)), "'dft' of structure 1 of 'test.xyz' should have the shape (4, 3)"),
        (np.full((4, 3), np.nan), "'dft' of structure 1 of 'test.xyz' is not finite"),
    ):
        atoms = bad.copy()
        atoms.arrays["dft"] = value
        ase.io.write("test.xyz", [good, atoms])
        result = run(evaluate, "m.pt", "test.xyz", "--force-key", "dft")
        assert result.exit_code == 1
        assert expected in message(result), result.output
    ase.io.write("test.traj", [good, ase.Atoms(info={"energy": 0.0})])
    assert f"{where} has no atoms" in message(run(evaluate, "m.pt", "test.traj"))
    water = ase.build.molecule("H2O")
    water.info["energy"] = 0.0
    ase.io.write("test.traj", [good, water])
    assert f"{where} has H, O, which" in message(run(evaluate, "m.pt", "test.traj"))


def test_evaluate_refuses_predictions_that_are_not_finite(folder):
    """The engine says so; no number is printed."""
    atoms = argon_crystal(0)
    atoms.info["energy"], atoms.arrays["forces"] = 1.0, np.zeros((4, 3))
    close = atoms.copy()
    close.positions[1] = close.positions[0] + [0.3, 0.0, 0.0]
    ase.io.write("test.xyz", [atoms, close])
    for where in ("energy", "direct"):
        models.nan_when_close(0.5, where).export("m.pt")
        result = run(evaluate, "m.pt", "test.xyz", "--json")
        assert result.exit_code == 1
        kind = "conservative" if where == "energy" else "direct"
        assert (
            f"Error: structure 1 of 'test.xyz': the model returned a {kind} force that is not "
            "finite on atom"
        ) in message(result)
        assert result.stdout == ""


def test_evaluate_looks_at_the_plot_first(folder):
    """Nothing else is read: the model and the labels of these lines do not exist."""
    for plot, expected in (
        ("p.pgn", "should end in one of .*Did you mean '.png'"),
        ("plot", "should end in one of "),
        ("nowhere/p.png", "the folder 'nowhere' does not exist"),
    ):
        result = run(evaluate, "none.pt", "none.xyz", "--plot", plot)
        assert result.exit_code == 1
        assert re.search(expected, message(result)), result.output


def test_a_plot_that_fails_comes_after_the_table(folder, monkeypatch):
    models.lennard_jones().export("m.pt")
    atoms = argon_crystal(0)
    atoms.info["energy"] = 1.0
    ase.io.write("test.xyz", atoms)

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("md_bridge.cli.evaluate.draw_parity", fail)
    result = run(evaluate, "m.pt", "test.xyz", "--plot", "p.png")
    assert result.exit_code == 1
    assert "meV/atom" in result.output
    assert "could not write 'p.png': [Errno 28] No space left" in message(result)


@pytest.mark.parametrize("columns", [80, 30])
def test_only_names_of_groups_are_folded(columns):
    row = {
        "quantity": "conservative stress",
        "by": "group",
        "of": "surface [110] with adsorbates at 900 K, r2SCAN, second batch",
        "unit": "meV/Å³",
        "mae": 0.000123,
        "rmse": 1.23e-05,
        "label_spread": 9.87e-07,
        "count": 123456789,
    }
    with (console := Console(width=columns)).capture() as capture:
        print_errors(console, [row])
    text = capture.get()
    for part in ("conservative stress", "0.000123", "1.23e-05", "9.87e-07", "123456789", "meV/Å³"):
        assert part in text
    assert "…" not in text
    assert "[110]" in text.replace(" ", "").replace("\n", "")
