"""The example networks: what they claim of themselves, and that they go all the way to dynamics."""

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from lammps_tools import box, lammps
from scipy.spatial.transform import Rotation

from md_bridge.engine import Engine, structure_from_ase
from md_bridge.export import Batch, export_module, make_batch
from md_bridge.export.checks.checks import check_corner_cases
from md_bridge.export.checks.derivatives import check_forces, check_stress
from md_bridge.export.checks.invariances import INVARIANCES, check_invariance
from md_bridge.export.checks.locality import check_isolated_atoms, check_locality
from md_bridge.export.checks.rotation import check_rotation
from md_bridge.export.checks.runner import Runner
from md_bridge.export.checks.structures import cluster, lattice

EXAMPLES = Path(__file__).parents[2] / "examples"
FREE_ATOMS = {8: -10.0, 1: -1.0}


def example(folder, module):
    """A module of an example's folder."""
    sys.path[:0] = [str(EXAMPLES), str(EXAMPLES / folder)]
    try:
        return importlib.import_module(module)
    finally:
        del sys.path[:2]


def transformer():
    torch.manual_seed(0)
    return example("transformer", "transformer").NeighbourTransformer(FREE_ATOMS, 4.0, width=16)


def equivariant():
    torch.manual_seed(0)
    module = example("equivariant_head", "scalars_times_vectors")
    return module.ScalarsTimesVectors(FREE_ATOMS, 4.0, basis=4, width=32)


MODELS = {"transformer": (transformer, 2), "equivariant_head": (equivariant, 1)}


@pytest.fixture
def some_water(water):
    """Four molecules of the box, not periodic."""
    atoms = water[:12]
    atoms.pbc = False
    return atoms


def outputs(module, atoms):
    """What the module itself returns, in double precision."""
    with torch.no_grad():
        return module.double()(*make_batch([atoms], 4.0, torch.float64).arguments())


def size(values):
    return values.square().mean().sqrt()


@pytest.mark.parametrize("seed", [0, 1])
def test_the_equivariant_head_turns_with_the_structure(water, seed):
    """Rotated, and mirrored, to rounding: energies stay, forces and stress turn."""
    module = equivariant()
    rotation = Rotation.random(random_state=seed).as_matrix() * (-1) ** seed
    turned = water.copy()
    turned.set_cell(water.cell[:] @ rotation.T)
    turned.positions = water.positions @ rotation.T
    a, b = outputs(module, water), outputs(module, turned)
    q = torch.tensor(rotation)
    for expected, found in [
        (a["energy"], b["energy"]),
        (a["forces"] @ q.T, b["forces"]),
        (q @ a["stress"] @ q.T, b["stress"]),
    ]:
        assert size(found - expected) < 1e-13 * size(expected)
        assert size(expected) > 0


def test_the_transformer_does_not(water):
    module = transformer()
    turned = water.copy()
    turned.rotate(90, "z", rotate_cell=True)
    a, b = outputs(module, water), outputs(module, turned)
    assert size(b["energy"] - a["energy"]) > 1e-4


def jacobian_asymmetry(module, atoms, direct):
    """‖J − Jᵀ‖/(2‖J‖) of forces: 0 for the gradient of an energy, 1 for a pure swirl."""
    batch = make_batch([atoms], 4.0, torch.float64)

    def forces(positions):
        moved = Batch(
            batch.types, positions, batch.cell, batch.pairs, batch.shifts, batch.structure
        )
        found = module.double()(*moved.arguments())
        if direct:
            return found["forces"].flatten()
        (gradient,) = torch.autograd.grad(found["energy"].sum(), positions, create_graph=True)
        return -gradient.flatten()

    start = batch.positions.requires_grad_(True)
    jacobian = torch.autograd.functional.jacobian(forces, start).reshape(3 * len(atoms), -1)
    return (jacobian - jacobian.T).norm() / (2 * jacobian.norm())


@pytest.mark.parametrize("name", MODELS)
def test_direct_forces_are_not_conservative(some_water, name):
    module = MODELS[name][0]()
    assert jacobian_asymmetry(module, some_water, direct=True) > 0.01
    assert jacobian_asymmetry(module, some_water, direct=False) < 1e-12


@pytest.mark.parametrize("name", MODELS)
def test_exported_examples_pass_the_checks(tmp_path, name):
    make, layers = MODELS[name]
    path = export_module(
        make(), tmp_path / "m.pt", elements=["O", "H"], cutoff=4.0, layers=layers, dtype="float64"
    )
    runner, elements = Runner(path), [8, 1]
    structures = [lattice(elements), cluster(elements)]
    for check in (check_forces, check_stress):
        assert check(runner, structures).passed, check.__name__
    for invariance in INVARIANCES:
        assert check_invariance(invariance, runner, structures).passed, invariance
    for check in (check_locality, check_isolated_atoms, check_corner_cases):
        assert check(runner, elements).passed, check.__name__
    if name == "equivariant_head":
        assert check_rotation(runner, structures).value < 1e-12
    if layers == 2:  # and the range is no longer than it has to be
        short = export_module(
            make(), tmp_path / "s.pt", elements=["O", "H"], cutoff=4.0, layers=1, dtype="float64"
        )
        assert check_locality(Runner(short), elements).passed is False


@pytest.mark.parametrize("name", MODELS)
def test_multiple_time_stepping_in_lammps(tmp_path, water, name):
    """Forces of both kinds as the module says them; four inner steps an outer one run through."""
    make, layers = MODELS[name]
    path = export_module(
        make(), tmp_path / "m.pt", elements=["O", "H"], cutoff=4.0, layers=layers, dtype="float64"
    )
    expected = Engine(path).evaluate(
        structure_from_ase(water), conservative_forces=True, direct_forces=True
    )
    direct = outputs(make(), water)["forces"].numpy()
    np.testing.assert_allclose(expected.direct_forces, direct - direct.mean(axis=0), atol=1e-6)
    commands = [box(water, ["O", "H"]), f"pair_style mdbridge {path}", "pair_coeff * * O H"]
    with lammps(*commands, "run 0") as lmp:
        assert lmp.get_thermo("pe") == pytest.approx(expected.energy, abs=1e-6)
    with lammps(
        *commands,
        "timestep 0.002",
        "run_style respa 2 4 inner 1 3.0 4.0 outer 2",
        "run 3",
    ) as lmp:
        assert np.isfinite(lmp.get_thermo("etotal"))


@pytest.mark.parametrize(
    ("folder", "script"),
    [
        ("transformer", "train_transformer"),
        ("equivariant_head", "train_equivariant"),
    ],
)
def test_training_learns_and_exports(tmp_path, folder, script):
    """A few steps on a few frames: closer to the labels than the same network untrained."""
    main = example(folder, script).main

    def force_error(epochs):
        options = ["--frames", "4", "--width", "16", "--epochs", str(epochs)]
        out = tmp_path / f"{epochs}.pt"
        result = CliRunner().invoke(main, [*options, "--out", str(out)])
        assert result.exit_code == 0, result.output
        (prediction,) = Runner(out).evaluate([frame])
        return np.std(prediction.direct_forces - frame.get_forces())

    (frame,) = example("", "fit_water").read_frames("val", 1)
    before, after = force_error(1), force_error(80)
    assert after < 0.8 * before
