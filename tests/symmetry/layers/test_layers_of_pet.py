"""The layers of a PET: from a checkpoint and from its exported file, pair by pair."""

import numpy as np
import pytest
import torch
from ase import Atoms
from pet_models import pet_checkpoint, trained_pet_checkpoint

from md_bridge.errors import ArgumentError
from md_bridge.export import ExportError, export_file
from md_bridge.export.checkpoint import build_module, load_checkpoint
from md_bridge.symmetry import SymmetryError, o3_grid
from md_bridge.symmetry.group.grids import random_elements
from md_bridge.symmetry.layers import analyse_layers
from md_bridge.symmetry.layers.pet import PETLayers, load_pet


@pytest.fixture
def some_water(water):
    """Four molecules, not periodic."""
    atoms = water[:12]
    atoms.pbc = False
    return atoms


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return pet_checkpoint(tmp_path_factory.mktemp("pet") / "pet.ckpt", num_gnn_layers=2)


def features(path, atoms, pattern="*", samples=None):
    layers = PETLayers(*load_pet(path), atoms, pattern, samples)
    return layers, layers(*(each[None] for each in layers.points))


def test_closed_forms(checkpoint, water):
    """What the network is given: vectors are (1, +), lengths and cutoff factors (0, +); its first
    layer is linear in both, and has no more."""
    pattern = "edge_vectors, edge_distances, cutoff_factors, node_embedders.0, *.0.edge_embedder"
    found = analyse_layers(checkpoint, [water], pattern, lmax=2, samples=12)
    assert [layer.name for layer in found.layers] == [
        *("edge_vectors", "edge_distances", "cutoff_factors", "node_embedders.0"),
        "gnn_layers.0.edge_embedder",
    ]
    assert found["edge_vectors"].whole[1, 1] == pytest.approx(1.0, abs=1e-9)
    for name in ("edge_distances", "cutoff_factors", "node_embedders.0"):
        assert found[name].whole[0, 1] == pytest.approx(1.0, abs=1e-9)
    first = found["gnn_layers.0.edge_embedder"].whole
    assert first[0, 1] + first[1, 1] == pytest.approx(1.0, abs=1e-9)
    assert 0.1 < first[1, 1] < 0.9
    assert found["edge_vectors"].samples == 12
    assert found.problems == []


def test_features_are_those_of_metatrain(checkpoint, water):
    """Its outputs ``mtt::feature::…``, all layers that it gives."""
    from metatomic.torch import ModelOutput, systems_to_torch
    from metatrain.utils.neighbor_lists import get_system_with_neighbor_lists

    names = [
        *("edge_vectors", "cutoff_factors", "node_embedders.0", "edge_embedder"),
        *("gnn_layers.0_node", "gnn_layers.0_edge", "gnn_layers.1.trans.layers.0_node"),
        *("gnn_layers.1.edge_embedder", "combination_mlps.1", "node_backbone.0"),
        *("edge_backbone.0", "node_heads.energy.0", "edge_heads.energy.0"),
    ]
    model = build_module(load_checkpoint(checkpoint), checkpoint).eval()
    (system,) = systems_to_torch([water], dtype=torch.float32)
    system = get_system_with_neighbor_lists(system, model.requested_neighbor_lists())
    outputs = {f"mtt::feature::{name}": ModelOutput(sample_kind="atom") for name in names}
    with torch.no_grad():
        theirs = model([system], outputs)
    layers, ours = features(checkpoint, water, names)
    assert set(ours) == set(names)
    keys = torch.cat([layers.pairs, layers.shifts], dim=1).tolist()
    assert keys == sorted(keys)
    pairs = {tuple(key): row for row, key in enumerate(keys)}
    for name in names:
        block = theirs[f"mtt::feature::{name}"].block()
        expected = block.values.numpy()
        if len(block.samples.names) > 2:
            found = block.samples.values[:, 1:].tolist()
            order = np.argsort([pairs[tuple(key)] for key in found])
            factors = theirs["mtt::feature::cutoff_factors"].block().values.numpy()
            counted = factors[order, 0] > 0.01
            expected = expected[order][counted]
        assert ours[name][0].numpy() == pytest.approx(expected, abs=1e-6), name


def test_atoms_and_pairs_side_by_side(checkpoint, some_water):
    """What attention works on: the first of the tokens is the atom, the others its pairs."""
    backbone, width = load_pet(checkpoint)
    layers = PETLayers(backbone, width, some_water, "*.0.compress, *.0.norm_attention*")
    found = layers(*(each[None] for each in layers.points))
    inside = "gnn_layers.0.trans.layers.0.norm_attention"
    assert set(found) == {
        *("gnn_layers.0.compress", "gnn_layers.1.trans.layers.0.norm_attention_node"),
        *("gnn_layers.1.trans.layers.0.norm_attention_edge", f"{inside}_node", f"{inside}_edge"),
    }
    norm = backbone.gnn_layers[0].trans.layers[0].norm_attention
    edges = norm(found["gnn_layers.0.compress"])
    assert torch.allclose(found[f"{inside}_edge"], edges, atol=1e-6)
    assert found[f"{inside}_node"].shape == (1, 12, 16)


def test_an_exported_file_has_the_same_layers(checkpoint, tmp_path, some_water):
    exported = export_file(checkpoint, tmp_path / "pet.pt")
    expected, found = (
        analyse_layers(path, [some_water], "gnn_layers.?_*, edge_heads.*", lmax=2, samples=8)
        for path in (checkpoint, exported)
    )
    assert len(found.layers) > 6
    for one, other in zip(expected.layers, found.layers, strict=True):
        assert one.name == other.name
        assert one.centred.fractions == pytest.approx(other.centred.fractions, abs=1e-6)
    assert (expected.source, found.source) == ("pet.ckpt", "pet.pt")


def test_the_bundled_model(water_model, water):
    """Its first layer is exact; later ones carry all angular momenta, with natural parity above
    all."""
    pattern = "edge_vectors, gnn_layers.?_*"
    found = analyse_layers(water_model, [water[:24]], pattern, lmax=2, samples=8)
    assert found["edge_vectors"].whole[1, 1] == pytest.approx(1.0, abs=1e-9)
    nodes = found["gnn_layers.0_node"].centred
    assert nodes.natural_parity_share > 0.9
    assert 0 < nodes.bandwidth < 2


@pytest.mark.parametrize("method", ["solver", "grid"])
def test_adaptive_cutoffs(tmp_path, water, method):
    """Which pairs there are follows the density, not the frame: a row is one pair in each copy."""
    path = trained_pet_checkpoint(
        tmp_path / "pet.ckpt", num_neighbors_adaptive=8.0, adaptive_cutoff_method=method
    )
    layers = PETLayers(*load_pet(path), water, "edge_vectors, edge_distances")
    turns = random_elements(4)
    copies = [np.einsum("gij,nj->gni", turns, each) for each in layers.points]
    found = layers(*copies)
    lengths = found["edge_distances"].numpy()
    assert lengths == pytest.approx(np.broadcast_to(lengths[:1], lengths.shape), abs=1e-5)
    back = np.einsum("gji,gsj->gsi", turns, found["edge_vectors"].numpy())
    assert back == pytest.approx(np.broadcast_to(back[:1], back.shape), abs=1e-5)
    assert len(layers.pairs) > lengths.shape[1] > 81 * 4


def test_pairs_in_an_order_of_the_frame(checkpoint, water, monkeypatch):
    """A row is one pair, wherever the network keeps it in each copy."""
    backbone, width = load_pet(checkpoint)
    layers = PETLayers(backbone, width, water, "edge_vectors, edge_heads.energy.0")
    copies = [np.einsum("gij,nj->gni", random_elements(3), each) for each in layers.points]
    expected = layers(*copies)
    whole = backbone.preprocess

    def sorted_by_height(positions, centers, neighbors, species, cells, shifts, *rest):
        height = positions[neighbors, 2] - positions[centers, 2]
        order = torch.argsort(height)
        order = order[torch.argsort(centers[order], stable=True)]
        return whole(
            *(positions, centers[order], neighbors[order], species, cells, shifts[order]), *rest
        )

    monkeypatch.setattr(backbone, "preprocess", sorted_by_height)
    found = layers(*copies)
    for name, values in expected.items():
        assert torch.allclose(found[name], values, atol=1e-5), name


def test_neighbours_capped_by_the_frame(checkpoint, some_water, monkeypatch):
    """A network that drops the pairs that look down leaves no row the same."""
    backbone, width = load_pet(checkpoint)
    whole = backbone.preprocess

    def capped(positions, centers, neighbors, species, cells, shifts, systems, adaptive):
        kept = (positions[neighbors] - positions[centers]).abs().argmax(dim=1) != 2
        return whole(
            *(positions, centers[kept], neighbors[kept], species, cells, shifts[kept]),
            *(systems, adaptive),
        )

    monkeypatch.setattr(backbone, "preprocess", capped)
    layers = PETLayers(backbone, width, some_water, "edge_vectors")
    turned = [np.einsum("gij,nj->gni", random_elements(2), each) for each in layers.points]
    with pytest.raises(SymmetryError, match="leaves some out by a rule that depends on the frame"):
        layers(*turned)


def test_what_has_no_layers(checkpoint, model_file, some_water):
    with pytest.raises(SymmetryError, match=r"is TorchScript, which .* the checkpoint \(.c"):
        analyse_layers(model_file("lennard_jones"), [some_water])
    with pytest.raises(ExportError, match="structure 0 of those that are given has Ar"):
        analyse_layers(checkpoint, [Atoms("Ar2", [[0, 0, 0], [0, 0, 3]])])
    with pytest.raises(SymmetryError, match=r"two neighbours or more within the cutoff of 3\.5 Å"):
        analyse_layers(checkpoint, [Atoms("H2", [[0, 0, 0], [0, 0, 1]])])
    with pytest.raises(ArgumentError, match=r"did you mean 'gnn_layers\.0_node'"):
        analyse_layers(checkpoint, [some_water], "gnn_layer.0_node")
    with pytest.raises(ArgumentError, match="structures must be one or more"):
        analyse_layers(checkpoint, [])
    with pytest.raises(ArgumentError, match=r"resolves angular momenta up to .* use o3_grid\(16\)"):
        analyse_layers(checkpoint, [some_water], grid=o3_grid(4))
