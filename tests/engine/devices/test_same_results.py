"""The same results wherever the model is."""

import numpy as np
import odd_models
import pytest
from ase.io import read
from emulated_device import ALL_QUANTITIES
from metatomic.torch import AtomisticModel, ModelCapabilities, load_atomistic_model

from md_bridge._paths import DATA
from md_bridge.engine import Engine, FusedForces, ModelError, Pairs, structure_from_ase


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
        found = engine.evaluate(structure, pairs, **ALL_QUANTITIES)
        check(found, reference.evaluate(structure, **ALL_QUANTITIES), ALL_QUANTITIES, tolerance)
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
        expected = reference.evaluate(structure, **ALL_QUANTITIES)
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


def test_a_device_that_is_not_there(emulated, export):
    with pytest.raises(ModelError, match="'xpu:2' was asked for, but there are only 2 XPU devices"):
        Engine(export("curl"), "xpu:2")
    with pytest.raises(ModelError, match=r"'cuda' was asked for, but torch finds no CUDA device"):
        Engine(export("curl"), "cuda")
    assert Engine(export("curl")).info.device == "xpu:0"
