"""The energies of a model's committee, for i-PI's own uses of them."""

import json

import ase.build
import ase.io
import numpy as np
import pytest
from ipi.pes.metatomic import MetatomicDriver
from ipi.utils.units import unit_to_internal
from pet_models import uncertain_pet_checkpoint

from md_bridge.engine import Engine, ModelError, Structure, structure_from_ase
from md_bridge.export import export_file
from md_bridge.ipi.driver import MDBridgeDriver

ANGSTROM = unit_to_internal("length", "angstrom", 1.0)
EV = unit_to_internal("energy", "electronvolt", 1.0)


@pytest.fixture(scope="module")
def committee(tmp_path_factory):
    folder = tmp_path_factory.mktemp("committee")
    checkpoint = uncertain_pet_checkpoint(folder / "m.ckpt", members=5)
    return export_file(checkpoint, folder / "m.pt")


@pytest.fixture
def water():
    atoms = ase.build.molecule("H2O")
    atoms.set_cell([4.0, 4.2, 4.4])
    atoms.pbc = True
    atoms = atoms * (2, 1, 1)
    atoms.rattle(0.1, seed=0)
    return atoms


def owning(atoms, count):
    """The structure whose first atoms are asked about, the others being their surroundings."""
    whole = structure_from_ase(atoms)
    return Structure(whole.types, whole.positions, whole.cell, whole.periodic, owned=count)


def test_engine(committee, water):
    """In batches, of owned atoms, of rotated copies; the mean is the energy."""
    engine = Engine(committee)
    whole = structure_from_ase(water)
    parts = [owning(water[[*range(k, 6), *range(k)]], 3) for k in (0, 3)]
    found = engine.evaluate([whole, *parts], committee=True)
    for one in found:
        assert one.committee.shape == (5,)
        assert np.ptp(one.committee) > 1e-3
        assert one.committee.mean() == pytest.approx(one.energy, abs=2e-5)
    np.testing.assert_allclose(
        found[1].committee + found[2].committee, found[0].committee, atol=2e-5
    )
    assert engine.evaluate(whole).committee is None
    turned = Engine(committee, symmetrize="octahedral").evaluate(whole, committee=True)
    assert turned.committee.mean() == pytest.approx(turned.energy, abs=2e-5)


def test_driver(committee, water, tmp_path):
    """As i-PI's own driver gives them, under the same name, with both kinds of forces."""
    ase.io.write(tmp_path / "start.xyz", water)
    cell, positions = water.cell.array.T * ANGSTROM, water.positions * ANGSTROM
    theirs = MetatomicDriver(
        template=str(tmp_path / "start.xyz"), model=str(committee), energy_ensemble=True
    )
    expected = json.loads(theirs(cell, positions)[3])["committee_pot"]
    for forces in ("conservative", "direct"):
        driver = MDBridgeDriver(
            model=committee, template=tmp_path / "start.xyz", committee="True", forces=forces
        )
        found = json.loads(driver(cell, positions)[3])["committee_pot"]
        np.testing.assert_allclose(found, expected, atol=1e-4 * EV)


def test_a_model_without_one(model_file, tmp_path):
    argon = ase.build.bulk("Ar", "fcc", a=5.4, cubic=True)
    ase.io.write(tmp_path / "start.xyz", argon)
    with pytest.raises(ModelError, match="cannot give the output 'energy_ensemble'"):
        MDBridgeDriver(model=model_file("curl"), template=tmp_path / "start.xyz", committee="True")
