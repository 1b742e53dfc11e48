"""examples/pretrained: a network that others trained, whose weights its package brings.

Left out unless asked for (``-m slow``), and without the extra ``pretrained``.
"""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from ase.build import bulk
from lammps_tools import box, lammps, results

from md_bridge.engine import Engine, Pairs, structure_from_ase
from md_bridge.export import export_module, make_batch
from md_bridge.export.checks.derivatives import check_forces, check_stress
from md_bridge.export.checks.invariances import INVARIANCES, check_invariance
from md_bridge.export.checks.runner import Runner

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        importlib.util.find_spec("sevenn") is None, reason="needs md-bridge[pretrained]"
    ),
]
FOLDER = Path(__file__).parents[2] / "examples" / "pretrained"


@pytest.fixture(scope="module")
def module():
    sys.path.insert(0, str(FOLDER))
    try:
        from sevennet import SevenNet
    finally:
        sys.path.remove(str(FOLDER))
    return SevenNet()


@pytest.fixture(scope="module")
def model(module, tmp_path_factory):
    path = tmp_path_factory.mktemp("pretrained") / "sevennet-0.pt"
    return export_module(
        module, path, elements=module.elements, cutoff=module.cutoff, layers=module.layers
    )


@pytest.fixture(scope="module")
def salt():
    """Eight ions: narrower than the cutoff, and far from equilibrium."""
    atoms = bulk("NaCl", "rocksalt", a=5.64, cubic=True)
    atoms.rattle(0.1, seed=1)
    atoms.wrap()  # LAMMPS creates no atoms outside of its box
    return atoms


@pytest.fixture(scope="module")
def its_own(salt):
    """What SevenNet's ASE calculator says."""
    from sevenn.calculator import SevenNetCalculator

    atoms = salt.copy()
    atoms.calc = SevenNetCalculator("7net-0", device="cpu")
    return atoms


def test_the_engine_gives_its_own_numbers(model, salt, its_own):
    found = Engine(model).evaluate(
        structure_from_ase(salt), Pairs(1.0), conservative_forces=True, conservative_virial=True
    )
    assert found.energy == pytest.approx(its_own.get_potential_energy(), abs=1e-4)
    forces = np.reshape(found.conservative_forces, (-1, 3))
    np.testing.assert_allclose(forces, its_own.get_forces(), atol=3e-5)
    # the virial is -dE/d(strain)
    virial = -its_own.get_stress(voigt=False) * salt.get_volume()
    np.testing.assert_allclose(np.reshape(found.conservative_virial, (3, 3)), virial, atol=1e-3)


def test_lammps_gives_its_own_numbers(model, salt, its_own):
    style = f"pair_style mdbridge {model}\npair_coeff * * Na Cl"
    with lammps(box(salt, ["Na", "Cl"]), style, "run 0") as lmp:
        found = results(lmp)
    assert found.energy == pytest.approx(its_own.get_potential_energy(), abs=1e-4)
    np.testing.assert_allclose(found.forces, its_own.get_forces(), atol=3e-5)


def test_it_keeps_its_promises_in_double_precision(model, salt):
    runner = Runner(model, double=True)
    for check in (check_forces(runner, [salt]), check_stress(runner, [salt])):
        assert check.passed, check
    for name in INVARIANCES:
        assert check_invariance(name, runner, [salt]).passed, name


def test_atoms_without_neighbours(module):
    apart = bulk("NaCl", "rocksalt", a=40.0, cubic=True)
    batch = make_batch([apart], module.cutoff, torch.float32)
    with torch.no_grad():
        energy = module(*batch.arguments())["energy"]
    assert torch.isfinite(energy).all()
    assert energy[:2].tolist() != energy[1:3].tolist()  # Na and Cl are not the same


def test_networks_of_several_modalities_are_refused():
    sys.path.insert(0, str(FOLDER))
    try:
        from sevennet import SevenNet
    finally:
        sys.path.remove(str(FOLDER))
    with pytest.raises(ValueError, match="expected one of a single modality"):
        SevenNet("7net-mf-0")
