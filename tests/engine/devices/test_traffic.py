"""What goes to the device and comes back in a step that builds no list."""

import emulated_device
import numpy as np
import odd_models
import pytest
import torch
from ase.neighborlist import neighbor_list
from emulated_device import ALL_QUANTITIES
from metatensor.torch import Labels, TensorBlock, TensorMap
from metatomic.torch import ModelOutput, System

from md_bridge.engine import Engine, Pairs, Structure, structure_from_ase

ALL_QUANTITIES_OF_OTHERS = dict.fromkeys(
    ("energy", "conservative_forces", "conservative_virial", "direct_forces", "direct_virial"), True
)
"""Of models that do not take gradients of pair vectors."""


def traffic_of_model(path, device, atoms, count, emulated):
    """What the model asks for by itself, given all of its structures on the device: metatomic's
    checks of a structure, sizes of the network's own.
    """
    model = torch.jit.load(path).to(device)
    options = model.requested_neighbor_lists()[0]
    i, j, shifts, vectors = neighbor_list("ijSD", atoms, options.cutoff)
    names = ["first_atom", "second_atom", "cell_shift_a", "cell_shift_b", "cell_shift_c"]
    labels = torch.tensor(np.column_stack([i, j, shifts]), dtype=torch.int32).to(device)
    tensors = [
        torch.tensor(atoms.numbers, dtype=torch.int32),
        torch.tensor(atoms.positions),
        torch.tensor(atoms.cell.array),
        torch.tensor(atoms.pbc),
    ]
    tensors = [tensor.to(device) for tensor in tensors]
    vectors = torch.tensor(vectors).reshape(-1, 3, 1).to(device).requires_grad_()
    constants = [Labels.range("xyz", 3).to(device), Labels.range("distance", 1).to(device)]
    # by which our own files know that gradients of pair vectors are wanted
    one = Labels.single().to(device)
    nothing = TensorBlock(torch.zeros(1, 1, dtype=vectors.dtype).to(device), one, [], one)
    asked_for = TensorMap(one, [nothing])
    wanted = {
        "energy": ModelOutput(unit="eV", sample_kind="atom"),
        "non_conservative_force": ModelOutput(unit="eV/A", sample_kind="atom"),
        "non_conservative_stress": ModelOutput(unit="eV/A^3", sample_kind="system"),
    }
    before = emulated.counts()
    systems = []
    for _ in range(count):
        samples = Labels(names, labels, assume_unique=True)
        systems.append(System(*tensors))
        block = TensorBlock(vectors, samples, [constants[0]], constants[1])
        systems[-1].add_neighbor_list(options, block)
        systems[-1].add_data("mdbridge::pair_gradients", asked_for)
    energy = model.module(systems, wanted, None)["energy"].block(0).values.sum()
    torch.autograd.grad(energy, vectors)
    return emulated.counts() - before


def traffic_of_second_step(path, atoms, count, emulated, wanted):
    """What the engine adds to that, in a step for which the lists are there; and the lists."""
    engine = Engine(path, "xpu")
    lists = [Pairs(1.0) for _ in range(count)]
    for _ in range(2):
        atoms.rattle(0.01, seed=7)
        before = emulated.counts()
        engine.evaluate([structure_from_ase(atoms)] * count, lists, **wanted)
        traffic = emulated.counts() - before
    return traffic - traffic_of_model(path, "xpu", atoms, count, emulated), lists


@pytest.mark.parametrize("count", [1, 4])
def test_positions_go_and_one_block_comes_back(emulated, export, argon, count):
    """However many structures and quantities. A strict list has a size to wait for."""
    path = export("curl")
    ours, lists = traffic_of_second_step(path, argon, count, emulated, ALL_QUANTITIES)
    assert ours == emulated_device.Counts(uploads=1, downloads=1, waits=count)
    assert all(pairs.builds == 1 for pairs in lists)


@pytest.mark.parametrize("count", [1, 4])
def test_what_is_not_to_be_filtered_has_no_size_to_wait_for(emulated, tmp_path, argon, count):
    """Of a list that is not strict all candidates go in, and none of them is counted."""
    path = odd_models.wells(tmp_path / "wells.pt", (6.0,), (True,), devices=("xpu",), strict=False)
    ours, _ = traffic_of_second_step(path, argon, count, emulated, ALL_QUANTITIES_OF_OTHERS)
    assert ours == emulated_device.Counts(uploads=1, downloads=1, waits=0)


def test_charges_stay_there(emulated, tmp_path, argon):
    """They seldom change."""
    lists = (6.0,), (True,)
    plain = odd_models.wells(tmp_path / "plain.pt", *lists, devices=("xpu",))
    asking = odd_models.wells(tmp_path / "asking.pt", *lists, ("charge",), devices=("xpu",))
    counts = []
    for engine in (Engine(plain, "xpu"), Engine(asking, "xpu", charge=1.0)):
        pairs = Pairs(1.0)
        for _ in range(3):
            before = emulated.counts()
            engine.evaluate(structure_from_ase(argon), pairs, conservative_forces=True)
            last = emulated.counts() - before
        counts.append(last)
    assert counts[0] == counts[1]


def test_surroundings_go_with_the_owned_atoms(emulated, export, argon):
    """As on one of several ranks: the atoms that are owned are chosen once for each list."""
    engine = Engine(export("curl"), "xpu")
    pairs = Pairs(1.0)

    def step():
        argon.rattle(0.01, seed=7)
        found = structure_from_ase(argon)
        part = Structure(found.types, found.positions, np.zeros((3, 3)), [False] * 3, owned=20)
        before = emulated.counts()
        engine.evaluate(part, pairs, conservative_forces=True, direct_forces=True)
        return emulated.counts() - before

    steps = [step() for _ in range(3)]
    assert steps[0].uploads > steps[1].uploads
    assert steps[1] == steps[2]
    assert steps[1].downloads == 1
    assert pairs.builds == 1


def test_a_new_list_goes_once(emulated, export, argon):
    """And so does that of another structure that takes turns with this one."""
    engine = Engine(export("curl"), "xpu")
    structures = [structure_from_ase(atoms) for atoms in (argon, argon[:20])]
    lists = [Pairs(1.0), Pairs(1.0)]
    uploads = []
    for _ in range(3):
        for structure, pairs in zip(structures, lists, strict=True):
            before = emulated.counts()
            engine.evaluate(structure, pairs, conservative_forces=True)
            uploads.append((emulated.counts() - before).uploads)
    first, later = uploads[:2], uploads[2:]
    assert min(first) > max(later) == min(later)


def test_nothing_runs_beside_the_device(emulated, export, argon):
    """Of several, the one of the model is the current one for whatever a network calls."""
    before = emulated.used_from_elsewhere()
    Engine(export("curl"), "xpu:1").evaluate(structure_from_ase(argon), **ALL_QUANTITIES)
    assert emulated.used_from_elsewhere() == before
