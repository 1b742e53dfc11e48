"""The same results wherever the model is, and little traffic on the way there and back.

On CUDA where there is any; and on an emulated accelerator, in a process of its own
(:mod:`emulated_device`).
"""

import os
import subprocess
import sys
from pathlib import Path

import emulated_device
import models
import numpy as np
import odd_models
import pytest
import torch
from ase.build import bulk
from ase.io import read
from ase.neighborlist import neighbor_list
from metatensor.torch import Labels, TensorBlock
from metatomic.torch import (
    AtomisticModel,
    ModelCapabilities,
    ModelOutput,
    System,
    load_atomistic_model,
)

from md_bridge._paths import DATA
from md_bridge.engine import Engine, FusedForces, ModelError, Pairs, structure_from_ase

EMULATED = "MDBRIDGE_TEST_EMULATED_DEVICE" in os.environ
DEVICES = ["xpu", "xpu:1"] if EMULATED else ["cuda"]

ALL = dict.fromkeys(
    (
        "energy",
        "atomic_energies",
        "conservative_forces",
        "conservative_virial",
        "direct_forces",
        "direct_virial",
        "atomic_virials",
        "halved_atomic_virials",
    ),
    True,
)


@pytest.mark.skipif(EMULATED, reason="this is the process of the emulated accelerator")
def test_on_an_emulated_accelerator():
    """All of this file."""
    try:
        emulated_device.build()
    except emulated_device.NoCompilerError as error:
        pytest.skip(str(error))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__]
    environment = {**os.environ, "MDBRIDGE_TEST_EMULATED_DEVICE": "1"}
    environment.pop("PYTEST_XDIST_WORKER", None)
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def emulated():
    """What counts the transfers, or None on a true device."""
    return emulated_device.EmulatedDevice() if EMULATED else None


@pytest.fixture(params=DEVICES)
def device(request, emulated):
    """Where the models are to be."""
    if request.param == "cuda" and not torch.cuda.is_available():
        pytest.skip("there is no CUDA device here")
    return request.param


@pytest.fixture(scope="module")
def export(tmp_path_factory):
    """A function from an analytic model (and dtype) to a file of it for any device."""
    folder = tmp_path_factory.mktemp("devices")
    known = {**models.ALL, "anisotropic": lambda: models.anisotropic({1: 0.3, 4: 0.2})}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("md_bridge.export.options.DEVICES", ("cpu", "cuda", "xpu"))

        def file(name, dtype="float64") -> Path:
            path = folder / f"{name}-{dtype}.pt"
            if path.exists():
                return path
            return known[name]().export(path, dtype, devices=["xpu", "cuda", "cpu"])

        yield file


@pytest.fixture
def argon():
    """A rattled crystal of 32 atoms, some of them some cells away."""
    atoms = bulk("Ar", "fcc", a=5.3, cubic=True) * (2, 2, 2)
    atoms.rattle(0.15, seed=3)
    atoms.positions[::5] += 3 * atoms.cell[1] - 2 * atoms.cell[0]
    atoms.positions += 40.0
    return atoms


def check(found, expected, wanted, tolerance=1e-11):
    for name in wanted:
        np.testing.assert_allclose(
            getattr(found, name), getattr(expected, name), rtol=0, atol=tolerance, err_msg=name
        )


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-11), ("float32", 1e-5)])
def test_all_quantities_along_a_walk(device, export, argon, dtype, tolerance):
    """With several pair lists, a cell that changes, and atoms that leave their cells."""
    path = export("curl", dtype)
    engine, reference = Engine(path, device), Engine(path, "cpu")
    assert engine.info.device.startswith(device)
    pairs = Pairs(0.5)
    rng = np.random.default_rng(1)
    for step in range(12):
        argon.positions += rng.normal(0, 0.08, argon.positions.shape)
        argon.set_cell(argon.cell.array * (1 + 1e-3 * (-1) ** step), scale_atoms=True)
        structure = structure_from_ase(argon)
        found = engine.evaluate(structure, pairs, **ALL)
        check(found, reference.evaluate(structure, **ALL), ALL, tolerance)
    assert 1 < pairs.builds < 12


def test_other_atoms_with_the_same_list(device, export, argon):
    """What stays on the device is that of these elements."""
    path = export("lennard_jones_mixture")
    engine, reference = Engine(path, device), Engine(path, "cpu")
    pairs = Pairs(1.0)
    wanted = ("energy", "conservative_forces", "atomic_energies")
    for symbol in ("Ar", "Kr", "Ar"):
        argon.symbols[:7] = symbol
        structure = structure_from_ase(argon)
        found = engine.evaluate(structure, pairs, **dict.fromkeys(wanted, True))
        check(found, reference.evaluate(structure, **dict.fromkeys(wanted, True)), wanted)
    assert pairs.builds == 1


@pytest.mark.parametrize("symmetrize", ["random", "octahedral/inversion"])
@pytest.mark.parametrize("atoms_per_forward", [0, 100])
def test_rotated_copies_of_a_batch(device, export, argon, symmetrize, atoms_per_forward):
    path = export("anisotropic")
    options = {"symmetrize": symmetrize, "atoms_per_forward": atoms_per_forward}
    engine, reference = Engine(path, device, **options), Engine(path, "cpu", **options)
    other = argon[:9]
    other.pbc, other.cell = False, None
    batch = [structure_from_ase(atoms) for atoms in (argon, other)]
    wanted = ("energy", "conservative_forces", "conservative_virial", "direct_forces")
    for found, expected in zip(
        engine.evaluate(batch, **dict.fromkeys(wanted, True)),
        reference.evaluate(batch, **dict.fromkeys(wanted, True)),
        strict=True,
    ):
        check(found, expected, wanted)


def test_lists_of_each_kind(device, tmp_path, argon):
    """Several of them, with their own cutoffs, full or half."""
    path = tmp_path / "wells.pt"
    odd_models.wells(path, (4.0, 6.0), (False, True), devices=("xpu", "cuda", "cpu"))
    engine, reference = Engine(path, device), Engine(path, "cpu")
    structure = structure_from_ase(argon)
    wanted = ("energy", "conservative_forces", "conservative_virial")
    found = engine.evaluate(structure, **dict.fromkeys(wanted, True))
    check(found, reference.evaluate(structure, **dict.fromkeys(wanted, True)), wanted)


def test_both_levels_of_forces(device, export, argon):
    engine, reference = Engine(export("curl"), device), Engine(export("curl"), "cpu")
    fused = FusedForces(engine, 1.0)
    rng = np.random.default_rng(2)
    for step in range(9):
        argon.positions += rng.normal(0, 0.02, argon.positions.shape)
        structure = structure_from_ase(argon)
        expected = reference.evaluate(structure, **ALL)
        check(fused.inner([structure])[0], expected, ["direct_forces"])
        if step % 3 == 2:
            wanted = ["energy", "conservative_forces", "conservative_virial", "direct_forces"]
            check(fused.outer([structure])[0], expected, wanted)
    assert fused.counts.reused == 1


def test_a_network_that_filters_its_pairs_itself(device, tmp_path):
    """PET gets all candidates, and is not asked how many are within its cutoff."""
    model = load_atomistic_model(DATA / "water.pt")
    assert not model.requested_neighbor_lists()[0].strict
    old = model.capabilities()
    capabilities = ModelCapabilities(
        outputs={name: old.outputs[name] for name in model._model_capabilities_outputs_names},
        atomic_types=old.atomic_types,
        interaction_range=old.interaction_range,
        length_unit=old.length_unit,
        supported_devices=["xpu", "cuda", "cpu"],
        dtype=old.dtype,
    )
    path = tmp_path / "water.pt"
    AtomisticModel(model, model.metadata(), capabilities).save(path)
    engine, reference = Engine(path, device), Engine(DATA / "water.pt", "cpu")
    water = read(DATA / "water-start.xyz")
    pairs = Pairs(1.0)
    wanted = ("energy", "conservative_forces", "conservative_virial", "direct_forces")
    for seed in range(2):
        water.rattle(0.02, seed=seed)
        structure = structure_from_ase(water)
        found = engine.evaluate(structure, pairs, **dict.fromkeys(wanted, True))
        expected = reference.evaluate(structure, **dict.fromkeys(wanted, True))
        check(found, expected, wanted, tolerance=2e-4)


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
    energy = model.module(systems, wanted, None)["energy"].block(0).values.sum()
    torch.autograd.grad(energy, vectors)
    return emulated.counts() - before


@pytest.mark.skipif(not EMULATED, reason="a true device does not count")
class TestTraffic:
    """What goes to the device and comes back in a step that builds no list."""

    @pytest.mark.parametrize("count", [1, 4])
    def test_positions_go_and_one_block_comes_back(self, emulated, export, argon, count):
        """However many structures and quantities. A strict list has a size to wait for."""
        path = export("curl")
        engine = Engine(path, "xpu")
        lists = [Pairs(1.0) for _ in range(count)]

        def step():
            argon.rattle(0.01, seed=7)
            before = emulated.counts()
            engine.evaluate([structure_from_ase(argon)] * count, lists, **ALL)
            return emulated.counts() - before

        step()
        ours = step() - traffic_of_model(path, "xpu", argon, count, emulated)
        assert ours == emulated_device.Counts(uploads=1, downloads=1, waits=count)
        assert step() - ours == step() - ours
        assert all(pairs.builds == 1 for pairs in lists)

    def test_a_new_list_goes_once(self, emulated, export, argon):
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

    def test_nothing_runs_beside_the_device(self, emulated, export, argon):
        """Of several, the one of the model is the current one for whatever a network calls."""
        before = emulated.used_from_elsewhere()
        Engine(export("curl"), "xpu:1").evaluate(structure_from_ase(argon), **ALL)
        assert emulated.used_from_elsewhere() == before


@pytest.mark.skipif(not EMULATED, reason="how many devices there are is not known")
def test_a_device_that_is_not_there(emulated, export):
    with pytest.raises(ModelError, match="'xpu:2' was asked for, but there are only 2 XPU devices"):
        Engine(export("curl"), "xpu:2")
    with pytest.raises(ModelError, match=r"'cuda' was asked for, but torch finds no CUDA device"):
        Engine(export("curl"), "cuda")
    assert Engine(export("curl")).info.device == "xpu:0"
