"""``md-bridge export``, as a user types it."""

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
import pytest
from metatomic.torch import load_atomistic_model
from model_commands import argon_crystal, message, run
from pet_models import Hub, pet_checkpoint

from md_bridge.cli import main
from md_bridge.cli.models.check import check
from md_bridge.cli.models.export import export
from md_bridge.export.errors import ExportError
from md_bridge.export.sources import _newest, build_model, download_upet

PYTHON = ["python:my_models:argon", "--elements", "Ar", "--cutoff", "4", "--dtype", "float64"]


def test_export_of_a_torch_module(folder):
    result = run(export, *PYTHON, "--layers", "2", "-o", "m.pt")
    assert result.exit_code == 0, result.output
    assert "scripted = eager" in result.output
    assert "wrote m.pt" in result.output
    capabilities = load_atomistic_model("m.pt").capabilities()
    assert (capabilities.interaction_range, capabilities.dtype) == (8.0, "float64")


@pytest.mark.parametrize("old", [[], ["--strict"]])
def test_a_file_whose_checks_fail_is_written_and_the_exit_status_says_so(folder, old):
    result = run(main, "export", *PYTHON, "--layers", "1", "-o", "m.pt", *old)
    assert result.exit_code == 3
    assert re.search(r"locality\s+FAILED", result.output)
    assert "1 check(s) failed: locality" in result.stderr
    assert ("--strict is what happens without it" in result.stderr) is bool(old)
    assert sorted(p.name for p in folder.iterdir() if p.suffix == ".pt") == ["m.pt"]
    # with --lenient it is said, and no more
    result = run(export, *PYTHON, "--layers", "1", "-o", "m.pt", "--lenient", "--json")
    assert result.exit_code == 0
    checks = json.loads(result.stdout)["checks"]
    assert [c["name"] for c in checks if c["passed"] is False] == ["locality"]


def test_without_checks(folder):
    result = run(export, *PYTHON, "--layers", "1", "-o", "m.pt", "--no-check")
    assert result.exit_code == 0, result.output
    assert result.stdout == "wrote m.pt\n"
    assert "checking" not in result.stderr
    result = run(export, *PYTHON, "--layers", "1", "-o", "n.pt", "--no-check", "--json")
    assert json.loads(result.stdout) == {"path": "n.pt", "checks": []}
    result = run(export, *PYTHON, "-o", "m.pt", "--no-check", "--structures", __file__)
    assert result.exit_code != 0
    assert "--structures are for the checks" in result.output


def test_a_file_with_too_short_a_range(folder):
    """check says what to type, and that makes it right; with structures, M is guessed too."""
    models.two_layers().export("short.pt", layers=1)
    ase.io.write("s.xyz", argon_crystal(0))
    found = run(check, "short.pt", "s.xyz")
    assert found.exit_code == 3
    (option,) = re.findall(r"or (--interaction-range \S+?)\)", message(found))
    result = run(export, "short.pt", "-o", "right.pt", *option.split(), "--structures", "s.xyz")
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
    lines = export.epilog.replace("\\\n", " ").splitlines()
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
