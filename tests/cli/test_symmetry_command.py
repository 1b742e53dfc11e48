"""``md-bridge symmetry``, as a user types it: table, page, numbers, exit statuses."""

import json
import re

import ase.io
import models
import pytest
import torch
from ase import Atoms
from model_commands import argon_crystal, message, run
from pet_models import pet_checkpoint

from md_bridge.cli.models.symmetry import symmetry
from md_bridge.export import export_file, pair_vectors

QUICK = ("--lmax", "3", "--orientations", "0", "--quantity", "energy,direct_forces")


@pytest.fixture
def files(folder):
    models.anisotropic({1: 0.02, 2: -0.03}).export("m.pt")
    ase.io.write("s.xyz", [argon_crystal(seed) for seed in range(3)])
    return folder


def test_table_page_and_numbers(files):
    result = run(
        *(symmetry, "m.pt", "s.xyz", "--lmax", "3", "--most", "1", "--out", "found"),
        *("--orientations", "3", "--tolerance", "0.5"),
    )
    assert result.exit_code == 0, result.output
    for name in ("energies of atoms, meV", "conservative forces, meV/Å", "direct stress, meV/Å³"):
        assert re.search(rf"^{name} .* converged", result.stdout, re.M), name
    assert re.search(r"^conservative forces, meV/Å +\+ +· +\d+\.?\d* +·$", result.stdout, re.M)
    assert "symmetrize octahedral is the smallest set: it leaves rounding" in message(result)
    assert "err in the same sectors" in message(result)
    assert re.search(r"423 turned copies took .* times their number", message(result))
    page = (files / "found" / "report.html").read_text()
    assert "data:image/svg+xml;base64," in page
    assert page.count("<table") == 4
    content = json.loads((files / "found" / "summary.json").read_text())
    assert content["passed"] is True
    assert content["recommended"] == "octahedral"
    forces = content["quantities"]["conservative_forces"]
    assert forces["unit"] == "meV/Å"
    assert set(forces["averages"]["octahedral/inversion"]) == {
        *("predicted", "measured", "stderr", "agrees")
    }
    large = {(s["lambda"], s["sigma"]) for s in forces["sectors"] if s["above_rounding"]}
    assert large >= {(0, 1), (2, 1)}
    assert content["settings"]["degree"] == "6: 364 rotations and their mirror images"


def test_json_and_some_quantities(files):
    result = run(symmetry, "m.pt", "s.xyz", *QUICK, "--proper", "--most", "2", "--json")
    assert result.exit_code == 0, result.output
    content = json.loads(result.stdout)
    assert set(content["quantities"]) == {"energy", "direct_forces"}
    assert content["settings"]["structures"] == "Ar4 (number 0), Ar4 (number 2)"
    assert content["quantities"]["energy"]["odd_parity_share"] is None
    assert content["quantities"]["energy"]["worst_atom"] is None
    assert set(content["quantities"]["energy"]["averages"]) == {"octahedral", "icosahedral"}


class VanishesOnTheGrid(torch.nn.Module):
    """xyz(Σx⁴ − Σx²y²)/r⁷ of each neighbour of argon: of degree 7, and 0 on Lebedev's points."""

    def forward(
        self,
        types: torch.Tensor,
        positions: torch.Tensor,
        cell: torch.Tensor,
        pairs: torch.Tensor,
        shifts: torch.Tensor,
        structure: torch.Tensor,
    ) -> dict[str, torch.Tensor]:
        r = pair_vectors(positions, cell, pairs, shifts, structure)
        n = r / r.square().sum(dim=1, keepdim=True).sqrt()
        n2 = n.square()
        squares = n2[:, 0] * n2[:, 1] + n2[:, 1] * n2[:, 2] + n2[:, 2] * n2[:, 0]
        value = n.prod(dim=1) * (n2.square().sum(dim=1) - squares)
        w = (1.0 - r.square().sum(dim=1) / 36.0) ** 3
        seen = (types.index_select(0, pairs[:, 0]) == 18).to(r.dtype)
        zero = torch.zeros(positions.size(0), dtype=r.dtype)
        return {"energy": zero.index_add(0, pairs[:, 0], seen * w * value)}


def test_layers_of_a_network(folder):
    checkpoint = pet_checkpoint(folder / "pet.ckpt", num_gnn_layers=2)
    export_file(checkpoint, "pet.pt")
    ase.io.write("w.xyz", Atoms("OHH", [[0.0, 0.0, 0.0], [0.96, 0.0, 0.0], [-0.24, 0.93, 0.0]]))
    options = ("--lmax", "2", "--orientations", "0", "--quantity", "energy", "--out", "found")
    result = run(
        symmetry, "pet.pt", "w.xyz", *options, "--layers", "edge_vectors,gnn_layers.[01]_node"
    )
    assert re.search(r"^edge_vectors +6 × 3 +\S+ +100.00 +0 +0 +1.00 ", result.stdout, re.M)
    page = (folder / "found" / "report.html").read_text()
    assert page.count("data:image/svg+xml;base64,") == 2
    assert "Layer by layer" in page
    content = json.loads((folder / "found" / "summary.json").read_text())
    names = [layer["name"] for layer in content["layers"]["layers"]]
    assert names == ["edge_vectors", "gnn_layers.0_node", "gnn_layers.1_node"]
    result = run(symmetry, "pet.pt", "w.xyz", *options, "--layers", "gnn_layer.0_node")
    assert result.exit_code == 2
    assert "gnn_layers.0_node" in message(result)


def test_what_is_not_converged_is_an_exit_status(folder):
    """T-S11: the grid sees nothing, the random orientations do."""
    models.AnalyticModel(VanishesOnTheGrid(), ["Ar", "Kr"], 6.0).export("m.pt")
    ase.io.write("s.xyz", Atoms("ArKr", [[0, 0, 0], [0, 0, 3.0]]))
    options = ("--quantity", "energy", "--orientations", "0")
    result = run(symmetry, "m.pt", "s.xyz", "--lmax", "4", *options)
    assert result.exit_code == 3
    assert re.search(r"energy, meV/atom .* not converged", message(result))
    assert "at random orientations: increase --degree" in message(result)
    assert json.loads((folder / "md-bridge-symmetry/summary.json").read_text())["passed"] is False
    assert run(symmetry, "m.pt", "s.xyz", "--lmax", "8", *options).exit_code == 0


@pytest.mark.parametrize(
    ("lmax", "degree", "sentence"),
    [
        (1, 6, "the sectors up to λ = 1 hold"),
        (2, 6, "λ = lmax = 2 itself holds"),
    ],
)
def test_the_other_two_guards(files, lmax, degree, sentence):
    ase.io.write("d.xyz", Atoms("ArKr", [[0, 0, 0], [1.1, -2.3, 2.0]]))
    options = ("--quantity", "energy", "--orientations", "0")
    result = run(symmetry, "m.pt", "d.xyz", "--lmax", lmax, "--degree", degree, *options)
    assert result.exit_code == 3
    assert sentence in message(result)
    assert "increase --lmax" in message(result)


def test_averages_that_differ_are_an_exit_status(files, monkeypatch):
    monkeypatch.setattr("md_bridge.symmetry.results.response.remaining", lambda *_: 1e4)
    result = run(symmetry, "m.pt", "s.xyz", "--lmax", "3", "--quantity", "energy", "--most", "1")
    assert result.exit_code == 3
    assert "where 100 was predicted: increase --lmax" in message(result)
    assert "differs" in result.stdout


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--degree", "9"), "--degree must be twice lmax or more, which is 16, found 9"),
        (("--quantity", "forces"), "did you mean 'conservative_forces' or 'direct_forces'?"),
        (("--orientations", "1"), "--orientations must be 2 or more, or 0 for none, found 1"),
        (("--lmax", "66"), "degree must be a whole number from 0 to 131, found 132"),
    ],
)
def test_bad_options(files, options, sentence):
    result = run(symmetry, "m.pt", "s.xyz", *options)
    assert result.exit_code == 2, result.output
    assert sentence in message(result)


def test_a_model_that_rolls_dice(folder):
    """Not deterministic: refused, not measured."""

    class Dice(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = models.lennard_jones().module

        def forward(self, types, positions, cell, pairs, shifts, structure):
            results: dict[str, torch.Tensor] = self.inner(
                types, positions, cell, pairs, shifts, structure
            )
            results["energy"] = results["energy"] * (1.0 + 1e-3 * torch.rand(1))
            return results

    models.AnalyticModel(Dice(), ["Ar"], models.ARGON["cutoff"]).export("m.pt")
    ase.io.write("s.xyz", argon_crystal(0))
    result = run(symmetry, "m.pt", "s.xyz", "--lmax", "2", "--quantity", "energy")
    assert result.exit_code == 1
    assert "must be the same whenever it is computed" in message(result)


def test_unknown_elements_and_missing_files(files):
    ase.io.write("h.xyz", Atoms("H2", [[0, 0, 0], [0, 0, 1]]))
    assert "does not know the element H" in message(run(symmetry, "m.pt", "h.xyz", *QUICK))
    assert "none.xyz does not exist" in message(run(symmetry, "m.pt", "none.xyz", *QUICK))
    result = run(symmetry, "none.pt", "s.xyz", *QUICK)
    assert result.exit_code == 1
    assert "none.pt" in message(result)


def test_a_folder_that_cannot_be_written_costs_no_result(files):
    (files / "out").write_text("a file")
    (files / "out").rename("taken")
    result = run(symmetry, "m.pt", "s.xyz", *QUICK, "--most", "1", "--out", "taken/below")
    assert result.exit_code == 1
    assert "energy, meV/atom" in result.stdout
    assert "choose another folder with --out" in message(result)
