"""Gradients of pair vectors that files of plain modules have, for engines that ask for them."""

import lammps_tools as tools
import pytest
import torch
from metatensor.torch import Labels, TensorBlock, TensorMap
from metatomic.torch import ModelEvaluationOptions, ModelOutput, System

from md_bridge.export.checks.runner import Runner


def gradients(path, pbc, asked: bool):
    """dE/d(positions) and dE/d(pair vectors), None where no way leads there; labels of pairs."""
    runner = Runner(path)
    atoms = tools.argon(cells=(2, 1, 1), tilt=(1.0, 0.5, -0.5))
    atoms.pbc = pbc
    found, _, _ = runner.system(atoms, differentiable=False)
    (options,) = found.known_neighbor_lists()
    pairs = found.get_neighbor_list(options)
    positions = found.positions.detach().requires_grad_(True)
    vectors = pairs.values.detach().requires_grad_(True)
    system = System(found.types, positions, found.cell, found.pbc)
    block = TensorBlock(vectors, pairs.samples, pairs.components, pairs.properties)
    system.add_neighbor_list(options, block)
    if asked:
        one = Labels(["_"], torch.zeros((1, 1), dtype=torch.int32))
        mark = TensorBlock(torch.zeros((1, 1), dtype=positions.dtype), one, [], one)
        system.add_data("mdbridge::pair_gradients", TensorMap(one, [mark]))
    wanted = {"energy": ModelOutput(unit="eV", sample_kind="system")}
    options = ModelEvaluationOptions(length_unit="angstrom", outputs=wanted)
    energy = runner.model([system], options, check_consistency=True)["energy"].block().values
    leaves = (positions, vectors)
    return *torch.autograd.grad(energy.sum(), leaves, allow_unused=True), pairs.samples


@pytest.mark.parametrize("pbc", [True, (True, False, True), False])
@pytest.mark.parametrize("name", ["lennard_jones", "two_layers"])
def test_only_where_they_are_asked_for(model_file, name, pbc):
    """Else the gradient is that of positions, for which no cell need be inverted."""
    of_positions, nothing, _ = gradients(model_file(name), pbc, asked=False)
    assert nothing is None
    nothing, of_vectors, samples = gradients(model_file(name), pbc, asked=True)
    assert nothing is None
    first, second = (samples.column(end).to(torch.int64) for end in ("first_atom", "second_atom"))
    slopes = of_vectors.squeeze(-1)
    summed = torch.zeros_like(of_positions).index_add(0, second, slopes)
    summed = summed.index_add(0, first, -slopes)
    assert float(of_positions.abs().max()) > 1e-3
    torch.testing.assert_close(summed, of_positions, rtol=0, atol=1e-12)


def test_model_of_positions(model_file):
    """Its file has no other way than by positions, whatever is asked for."""
    of_positions, nothing, _ = gradients(model_file("in_a_field"), False, asked=True)
    assert nothing is None
    assert float(of_positions.sum(dim=0)[2]) == pytest.approx(0.1 * 8)
