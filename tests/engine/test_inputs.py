"""Charge and spin multiplicity: handed on to models that ask for them, refused with others."""

import ipi_tools
import lammps_tools
import numpy as np
import pytest
from ase.io import write
from metatomic_ase import MetatomicCalculator
from metatrain.cli.export import export_model
from odd_models import wells
from pet_models import charged_pet_checkpoint
from python_models import of_file, python_model

from md_bridge.ase import MDBridgeCalculator
from md_bridge.engine import Engine, EngineError, ModelError, structure_from_ase
from md_bridge.ipi.session import SessionOptions, open_session
from md_bridge.model_options import ModelOptions

GIVEN = {"charge": 2.0, "spin_multiplicity": 3.0}


@pytest.fixture(scope="module")
def conditioned(tmp_path_factory):
    """A PET that is told charge and spin."""
    folder = tmp_path_factory.mktemp("conditioned")
    checkpoint = charged_pet_checkpoint(folder / "m.ckpt", elements=(18,))
    export_model(checkpoint, folder / "m.pt", extensions=folder / "extensions")
    return folder / "m.pt"


@pytest.fixture
def argon():
    return lammps_tools.argon(cells=(1, 1, 1))


def of_metatomic(path, atoms, given):
    atoms = atoms.copy()
    atoms.info.update({name: int(value) for name, value in given.items()})
    atoms.calc = MetatomicCalculator(
        path, extensions_directory=path.parent / "extensions", device="cpu"
    )
    return atoms.get_potential_energy(), atoms.get_forces()


def test_they_reach_the_network(conditioned, argon):
    options = {"extensions": str(conditioned.parent / "extensions")}
    neutral = Engine(conditioned, **options).evaluate(structure_from_ase(argon)).energy
    engine = Engine(conditioned, **options, **GIVEN)
    structures = [structure_from_ase(argon)] * 2
    for found in engine.evaluate(structures, conservative_forces=True):
        energy, forces = of_metatomic(conditioned, argon, GIVEN)
        assert found.energy == pytest.approx(energy, abs=1e-4)
        assert abs(found.energy - neutral) > 1e-2
        np.testing.assert_allclose(found.conservative_forces, forces, rtol=0, atol=1e-4)
    argon.calc = MDBridgeCalculator(conditioned, **options, **GIVEN)
    assert argon.get_potential_energy() == pytest.approx(energy, abs=1e-4)


def test_in_lammps_and_ipi(conditioned, argon, tmp_path):
    options = {"extensions": str(conditioned.parent / "extensions")}
    expected = Engine(conditioned, **options, **GIVEN).evaluate(structure_from_ase(argon)).energy
    pair = f"pair_style mdbridge {conditioned} extensions {options['extensions']} "
    pair += "charge 2 spin_multiplicity 3 threads 1\npair_coeff * * Ar"
    found = lammps_tools.evaluate(argon, pair, ["Ar"])
    assert found.energy == pytest.approx(expected, abs=1e-4)
    write(tmp_path / "start.xyz", argon)
    session = open_session(
        SessionOptions(tmp_path / "start.xyz", conditioned, ModelOptions(**options, **GIVEN))
    )
    session.serve("conservative")
    cell, positions = argon.cell.array.T, argon.positions
    result = session.evaluate(
        "conservative", [cell * ipi_tools.ANGSTROM], [positions * ipi_tools.ANGSTROM]
    )[0]
    assert result[0] / ipi_tools.ELECTRONVOLT == pytest.approx(expected, abs=1e-4)


def test_what_does_not_fit_is_refused(conditioned, model_file, tmp_path, argon):
    needs = wells(tmp_path / "needs.pt", inputs=("charge",))
    with pytest.raises(ModelError, match=r"needs.pt' needs the charge of each structure: give it"):
        Engine(needs)
    assert np.isfinite(Engine(needs, charge=0).evaluate(structure_from_ase(argon)).energy)
    with pytest.raises(EngineError, match=r"spin_multiplicity has no effect: the model '.*needs"):
        Engine(needs, charge=0, spin_multiplicity=1)
    with pytest.raises(EngineError, match="charge has no effect"):
        Engine(model_file("strong_curl"), charge=1)
    pair = f"pair_style mdbridge {needs} charge two\npair_coeff * * Ar"
    with pytest.raises(Exception, match="keyword 'charge' expects a number, found 'two'"):
        lammps_tools.evaluate(argon, pair, ["Ar"])


def test_an_inner_model_need_not_ask_for_them(conditioned, model_file, tmp_path, argon):
    write(tmp_path / "start.xyz", argon)
    options = ModelOptions(
        extensions=str(conditioned.parent / "extensions"),
        inner=str(model_file("strong_curl")),
        **GIVEN,
    )
    session = open_session(SessionOptions(tmp_path / "start.xyz", conditioned, options))
    session.serve("conservative")
    pair = f"pair_style mdbridge {conditioned} extensions {options.extensions} charge 1 "
    pair += f"inner {options.inner} threads 1\npair_coeff * * Ar"
    assert np.isfinite(lammps_tools.evaluate(argon, pair, ["Ar"]).energy)


CHARGED = """
def make():
    def charged(atoms):
        info = atoms.info
        energy = info["charge"] + 0.1 * info["spin"] + 0.01 * info["spin_multiplicity"]
        return {"energy": energy, "forces": 0 * atoms.positions}
    charged.requested_inputs = ["charge", "spin_multiplicity"]
    return charged
"""


def test_models_of_python(conditioned, tmp_path, argon):
    structure = structure_from_ase(argon)
    model = python_model(tmp_path, CHARGED)
    with pytest.raises(ModelError, match="needs the charge of each structure"):
        Engine(model)
    with pytest.raises(ModelError, match="needs the spin multiplicity of each structure"):
        Engine(model, charge=1)
    assert Engine(model, **GIVEN).evaluate(structure).energy == pytest.approx(2.33)
    code = CHARGED.replace('["charge", "spin_multiplicity"]', '["colour"]')
    with pytest.raises(ModelError, match="may be charge and spin_multiplicity, found 'colour'"):
        Engine(python_model(tmp_path, code, stem="coloured"))
    expected, _ = of_metatomic(conditioned, argon, GIVEN)
    of_file(tmp_path, conditioned)
    code = (
        (tmp_path / "of_m.py")
        .read_text()
        .replace("m.pt'", f"m.pt', extensions_directory={str(conditioned.parent / 'extensions')!r}")
    )
    through = python_model(tmp_path, code, stem="extended")
    neutral, _ = of_metatomic(conditioned, argon, {})
    assert Engine(through).evaluate(structure).energy == pytest.approx(neutral, abs=1e-6)
    found = Engine(through, **GIVEN).evaluate(structure)
    assert found.energy == pytest.approx(expected, abs=1e-6)
