"""``md-bridge certify`` of compiled files: what runs is compared with what the file carries."""

import json
import zipfile

import ase.io
import models
import pytest
import torch
from compiled_files import moving_box
from model_commands import message, run

from md_bridge.cli.models.certify import certify


@pytest.fixture
def made(files, tmp_path, monkeypatch):
    """A compiled plain module, with a start in the current folder."""
    found = files("module")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    ase.io.write("start.xyz", moving_box(found))
    return found


def rows(result):
    return {row["name"]: row for row in json.loads(result.stdout)["findings"]}


def test_a_sound_file(made):
    checks = "derivatives,precision,order,range,ranks,hosts"
    options = ("--only", checks, "--ranks", "2", "--json")
    result = run(certify, made.compiled, "start.xyz", *options)
    assert result.exit_code == 0, result.output
    found = rows(result)
    for name in (
        *("forces = -dE/dx", "compiled = TorchScript", "rounding of forces", "permutation"),
        *("order of pairs", "2 ranks = 1 rank", "LAMMPS = i-PI = ASE: conservative forces"),
        "ASE = metatomic alone",
    ):
        assert found[name]["outcome"] == "passed", found[name]["sentence"]
    assert found["compiled = TorchScript"]["numbers"]["largest_meV_per_angstrom"] < 1e-7


def with_another_model(compiled, exported, path):
    """A copy of a compiled file that carries another TorchScript model."""
    with zipfile.ZipFile(compiled) as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            other = name.endswith("extra/model.pt")
            new.writestr(name, exported.read_bytes() if other else old.read(name))
    return path


class AnotherZero(torch.nn.Module):
    def __init__(self, model: torch.nn.Module):
        super().__init__()
        self.model = model

    def forward(
        self,
        types: torch.Tensor,
        positions: torch.Tensor,
        cell: torch.Tensor,
        pairs: torch.Tensor,
        shifts: torch.Tensor,
        structure: torch.Tensor,
    ) -> dict[str, torch.Tensor]:
        results: dict[str, torch.Tensor] = self.model(
            types, positions, cell, pairs, shifts, structure
        )
        results["energy"] = results["energy"] + 1e-6
        return results


@pytest.mark.parametrize(
    "other",
    [
        models.curl(size=0.05, sigma=3.401).module,
        models.curl(size=0.051).module,
        AnotherZero(models.curl(size=0.05).module),
    ],
    ids=["larger atoms", "direct forces", "energies"],
)
def test_functions_of_another_model(made, tmp_path, other):
    """Which differs slightly, in all or in something."""
    model = models.AnalyticModel(models.Uncertain(other), ["Ar"], 6.0)
    mixed = with_another_model(
        made.compiled, model.export(tmp_path / "other.pt"), tmp_path / "mixed.pt2"
    )
    result = run(certify, mixed, "start.xyz", "--only", "precision")
    assert result.exit_code == 3, result.output
    assert "compiled = TorchScript failed" in message(result)
    assert "the two are of different models: compile it again" in message(result)
