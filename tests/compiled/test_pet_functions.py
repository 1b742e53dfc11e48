"""PET on packed pairs, before it is compiled: the numbers of metatrain's own network."""

import numpy as np
import pytest
import torch
from metatomic.torch import load_atomistic_model
from pet_models import pet_checkpoint, uncertain_pet_checkpoint

from md_bridge._paths import DATA
from md_bridge.compiled.pet.functions import functions_of_pet, neighborhoods_of
from md_bridge.compiled.pet.model import Outputs, PETModel
from md_bridge.engine import Engine, structure_from_ase
from md_bridge.export import export_file

OUTPUTS = Outputs("energy", "non_conservative_force", "non_conservative_stress")
VARIATIONS = {
    "as published": {},
    "residual": {"featurizer_type": "residual"},
    "post-norm": {"transformer_type": "PostLN"},
    "layer norm": {"normalization": "LayerNorm"},
    "SiLU": {"activation": "SiLU"},
    "cosine": {"cutoff_function": "Cosine"},
    "one size": {"d_node": 16},
    "three layers": {"num_gnn_layers": 3, "num_attention_layers": 2},
    "temperature": {"attention_temperature": 0.7},
    "charges": {"system_conditioning": True},
    "adaptive": {"num_neighbors_adaptive": 6},
    "adaptive on a grid": {"num_neighbors_adaptive": 6, "adaptive_cutoff_method": "grid"},
}


def water(count=24, seed=0):
    """A dense box of hydrogen and oxygen with every neighbour at another distance."""
    import ase

    random = np.random.default_rng(seed)
    side = int(np.ceil(count ** (1 / 3)))
    grid = np.stack(np.meshgrid(*[np.arange(side)] * 3), -1).reshape(-1, 3)[:count]
    cell = 1.7 * side * (np.eye(3) + random.uniform(-0.1, 0.1, (3, 3)))
    positions = (grid + 0.5 + random.uniform(-0.2, 0.2, grid.shape)) / side @ cell
    return ase.Atoms("OHH" * (count // 3), positions=positions, cell=cell, pbc=True)


def run(model, structure):
    """Energy, forces, virial, direct forces and direct virial of one structure."""
    network = functions_of_pet(model)
    functions = {function.name: function.run for function in network.functions}
    atoms = neighborhoods_of([structure], model.backbone.cutoff, torch.float64)
    vectors, pairs, kept = atoms.vectors, atoms.pairs, None
    if model.adaptive:
        cutoffs, slopes = functions["cutoffs"](vectors, atoms.places, atoms.rows)
        of_pairs = cutoffs[pairs].mean(1)
        kept = torch.linalg.norm(vectors, dim=1) <= of_pairs
        atoms = only(atoms, kept, of_pairs)
    energies, forces, stresses, gradient, *of_cutoffs = functions["both"](*atoms)
    if kept is not None:
        of_atoms = torch.zeros_like(cutoffs)
        for end in (0, 1):
            of_atoms.index_add_(0, atoms.pairs[:, end], 0.5 * of_cutoffs[0])
        whole = slopes * of_atoms[pairs[:, 0]][:, None]
        whole[kept] += gradient
        gradient = whole
    conservative = torch.zeros(len(structure), 3, dtype=torch.float64)
    conservative.index_add_(0, pairs[:, 0], gradient).index_add_(0, pairs[:, 1], -gradient)
    virial = -vectors.T @ gradient
    return energies.sum(), conservative, virial, forces, -stresses.sum(0)


def only(atoms, kept, cutoffs):
    """Some of the pairs, as a structure that has no others."""
    old = torch.nonzero(kept).flatten()
    new = torch.full((len(kept),), -1)
    new[old] = torch.arange(len(old))
    rows = torch.where(atoms.rows == len(kept), -1, atoms.rows)
    rows = torch.where(rows < 0, -1, new[rows])
    order = torch.argsort((rows < 0).to(torch.int8), dim=1, stable=True)
    rows = torch.gather(rows, 1, order)
    rows = rows[:, : int((rows >= 0).sum(1).max())]
    places = torch.empty(len(old), dtype=torch.int64)
    flat = rows.reshape(-1)
    places[flat[flat >= 0]] = torch.nonzero(flat >= 0).flatten()
    reverse = new[atoms.reverse[old]]
    return atoms._replace(
        vectors=atoms.vectors[old],
        cutoffs=cutoffs[old],
        pairs=atoms.pairs[old],
        places=places,
        rows=torch.where(rows < 0, len(old), rows),
        reverse=reverse,
        half=torch.nonzero(torch.arange(len(old)) < reverse).flatten(),
    )


def same(model, path, structure, tolerance):
    mine = run(model, structure)
    of_engine = Engine(path, remove_net_force=False).evaluate(
        structure_from_ase(structure),
        conservative_forces=True,
        conservative_virial=True,
        direct_forces=True,
        direct_virial=True,
    )
    energy, conservative, virial, forces, direct_virial = (tensor.numpy() for tensor in mine)
    assert energy == pytest.approx(of_engine.energy, abs=tolerance)
    assert abs(of_engine.conservative_forces).max() > 1e-4
    for ours, theirs in (
        (conservative, of_engine.conservative_forces),
        (0.5 * (virial + virial.T), of_engine.conservative_virial),
        (forces, of_engine.direct_forces),
        (direct_virial, of_engine.direct_virial),
    ):
        np.testing.assert_allclose(ours, np.reshape(theirs, ours.shape), atol=tolerance)


@pytest.mark.parametrize("name", VARIATIONS)
def test_every_kind_of_pet(tmp_path, name):
    checkpoint = pet_checkpoint(tmp_path / "pet.ckpt", **VARIATIONS[name])
    path = export_file(checkpoint, tmp_path / "pet.pt", dtype="float64")
    model = PETModel(load_atomistic_model(str(path)).module, OUTPUTS)
    same(model, path, water(), 1e-10)


def test_within_an_uncertainty_model(tmp_path):
    checkpoint = uncertain_pet_checkpoint(tmp_path / "pet.ckpt")
    path = export_file(checkpoint, tmp_path / "pet.pt", dtype="float64")
    model = PETModel(load_atomistic_model(str(path)).module, OUTPUTS)
    same(model, path, water(), 1e-10)


def test_the_bundled_model():
    """In single precision positions are what is rounded, and 1e-6 Å are 5e-5 eV/Å in a bond."""
    import ase.io

    path = DATA / "water.pt"
    model = PETModel(load_atomistic_model(str(path)).module, OUTPUTS).double()
    same(model, path, ase.io.read(DATA / "water-start.xyz"), 1e-4)
