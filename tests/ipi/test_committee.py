"""The energies of a model's committee, for i-PI's own uses of them."""

import json
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import ase.build
import ase.io
import numpy as np
import pytest
from ase.stress import voigt_6_to_full_3x3_stress
from click.testing import CliRunner
from ipi.pes.metatomic import MetatomicDriver
from ipi.utils.units import unit_to_internal
from ipi_tools import DALTON, I_PI, argon, environment
from models import curl
from pet_models import uncertain_pet_checkpoint
from python_models import python_model

import md_bridge.ipi
from md_bridge.ase import MDBridgeCalculator
from md_bridge.cli import main
from md_bridge.engine import Engine, EngineError, ModelError, Structure, structure_from_ase
from md_bridge.export import export_file
from md_bridge.ipi.driver import MDBridgeDriver

ANGSTROM = unit_to_internal("length", "angstrom", 1.0)
EV = unit_to_internal("energy", "electronvolt", 1.0)
WAITING = ["sh", "-c", 'while [ ! -S "$SOCKET" ]; do sleep 0.1; done; exec "$@"', "sh"]
"""A program that starts as soon as i-PI has opened its socket."""
FFDIRECT = """<ffdirect name="argon">
      <pes>custom</pes>
      <pes_path>{driver}</pes_path>
      <parameters>{{model: {models}, template: start.xyz}}</parameters>
    </ffdirect>"""
FFSOCKET = """<ffsocket name="argon" mode="unix"><address>{address}</address></ffsocket>"""
COMMITTEE_INPUT = """
<simulation verbosity="low">
  <output prefix="simulation">
    <properties stride="1" filename="out">[step, potential{{electronvolt}}]</properties>
    <trajectory filename="committee_pot" stride="1" extra_type="committee_pot">extras</trajectory>
    <trajectory filename="committee_uncertainty" stride="1"
                extra_type="committee_uncertainty">extras</trajectory>
    <trajectory filename="committee_force" stride="1"
                extra_type="committee_force">extras</trajectory>
    <trajectory filename="committee_virial" stride="1"
                extra_type="committee_virial">extras</trajectory>
    <trajectory filename="forces_std" stride="1"
                extra_type="committee_forces_std">extras</trajectory>
  </output>
  <total_steps>2</total_steps>
  <ffcommittee name="committee">
    <parse_json>True</parse_json>
    {forcefield}
  </ffcommittee>
  <system>
    <initialize nbeads="1">
      <positions mode="manual">[{positions}]</positions>
      <masses mode="manual">[{masses}]</masses>
      <labels mode="manual">[{labels}]</labels>
      <cell mode="manual">[{cell}]</cell>
    </initialize>
    <forces><force forcefield="committee"/></forces>
    <motion mode="dynamics">
      <dynamics mode="nve"><timestep units="femtosecond">1</timestep></dynamics>
    </motion>
  </system>
</simulation>
"""


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


def test_forces_of_the_members(committee, water, tmp_path):
    """As i-PI's own driver has them with force_virial_ensemble, in rows that ffcommittee reads."""
    ase.io.write(tmp_path / "start.xyz", water)
    cell, positions = water.cell.array.T * ANGSTROM, water.positions * ANGSTROM
    theirs = MetatomicDriver(
        template=str(tmp_path / "start.xyz"),
        model=str(committee),
        energy_ensemble=True,
        force_virial_ensemble=True,
    )
    expected = json.loads(theirs(cell, positions)[3])
    driver = MDBridgeDriver(model=committee, template=tmp_path / "start.xyz", committee="forces")
    _, forces, _, extras = driver(cell, positions)
    found = json.loads(extras)
    force_unit = EV / ANGSTROM
    for key, size, scale in (
        ("committee_pot", 1, EV),
        ("committee_force", 18, force_unit),
        ("committee_virial", 9, EV),
    ):
        rows = np.reshape(found[key], (5, size))
        # theirs is one row
        np.testing.assert_allclose(rows, np.reshape(expected[key], (5, size)), atol=1e-4 * scale)
    rows = np.array(found["committee_force"])
    np.testing.assert_allclose(found["forces_std"], rows.std(axis=0, ddof=1))
    np.testing.assert_allclose(rows.mean(axis=0), forces.ravel(), atol=1e-4 * force_unit)
    assert found["energy_std"] == pytest.approx(np.std(found["committee_pot"], ddof=1))
    assert len(driver([cell, cell], [positions, positions])) == 2


@pytest.fixture(scope="module")
def argon_files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("argon")
    return [curl(size=1e-3, sigma=s).export(folder / f"{s}.pt") for s in (3.3, 3.4, 3.5)]


@pytest.mark.parametrize("sockets", [False, True])
def test_i_pi_runs_a_committee_of_files(argon_files, tmp_path, socket_name, sockets):
    """Real i-PI, its ffcommittee around our forcefield: its uncertainty is the one of the extras,
    and its potential the mean of the members'."""
    atoms = argon()
    ase.io.write(tmp_path / "start.xyz", atoms)
    models = ";".join(map(str, argon_files))
    driver = md_bridge.ipi.driver_path()
    (tmp_path / "input.xml").write_text(
        COMMITTEE_INPUT.format(
            forcefield=(FFSOCKET if sockets else FFDIRECT).format(
                driver=driver, models=models, address=socket_name
            ),
            masses=", ".join(f"{mass * DALTON:.10g}" for mass in atoms.get_masses()),
            labels=", ".join(atoms.symbols),
            positions=", ".join(f"{x:.15g}" for x in (atoms.positions * ANGSTROM).ravel()),
            cell=", ".join(f"{x:.15g}" for x in (atoms.cell.array.T * ANGSTROM).ravel()),
        )
    )
    with ExitStack() as running:
        if sockets:
            script = Path(sys.executable).parent / "i-pi-driver-py"
            words = ["-u", "-a", socket_name, "-m", "custom", "-P", str(driver)]
            parameters = f"model={models},template=start.xyz"
            client = subprocess.Popen(
                [*WAITING, sys.executable, str(script), *words, "-o", parameters],
                cwd=tmp_path,
                env={**environment(), "SOCKET": f"/tmp/ipi_{socket_name}"},
            )
            running.callback(client.kill)
        done = subprocess.run(
            [*I_PI, "input.xml"], cwd=tmp_path, env=environment(), capture_output=True, text=True
        )
    assert done.returncode == 0, done.stdout + done.stderr
    energies = [MDBridgeCalculator(path).get_potential_energy(atoms) for path in argon_files]
    table = np.loadtxt(tmp_path / "simulation.out")
    assert table[0, 1] == pytest.approx(np.mean(energies), rel=1e-6)
    printed = (tmp_path / "simulation.committee_pot_0").read_text().splitlines()
    first = np.array(printed[1].split(), dtype=float) / EV
    np.testing.assert_allclose(np.sort(first), np.sort(energies), rtol=1e-6)
    spread = (tmp_path / "simulation.committee_uncertainty_0").read_text().splitlines()
    assert float(spread[1]) / EV == pytest.approx(np.std(energies, ddof=1), rel=1e-5)
    forces = [MDBridgeCalculator(path).get_forces(atoms) for path in argon_files]
    volume = atoms.cell.volume
    virials = [
        -volume * voigt_6_to_full_3x3_stress(MDBridgeCalculator(path).get_stress(atoms))
        for path in argon_files
    ]
    np.testing.assert_allclose(
        printed_rows(tmp_path, "committee_force", 3) * ANGSTROM / EV,
        np.reshape(forces, (3, -1)),
        atol=1e-6,
    )
    np.testing.assert_allclose(
        printed_rows(tmp_path, "committee_virial", 3) / EV, np.reshape(virials, (3, -1)), rtol=1e-5
    )
    np.testing.assert_allclose(
        printed_rows(tmp_path, "forces_std", 1)[0] * ANGSTROM / EV,
        np.std(forces, axis=0, ddof=1).ravel(),
        atol=1e-6,
    )


def printed_rows(folder, name, members):
    """What i-PI has printed of the extras of this name in the first step."""
    text = (folder / f"simulation.{name}_0").read_text()
    first = text.split("#")[2].split("\n", 1)[1]
    return np.array(first.split(), dtype=float).reshape(members, -1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"uncertainty": "True"}, "uncertainty is for a session with one model, found 3"),
        ({"check_consistency": "True"}, "check_consistency is for a session with one model"),
        ({"inner": "small.pt"}, "a committee has no inner model of its own"),
    ],
)
def test_what_a_committee_cannot_have_is_refused(argon_files, tmp_path, options, message):
    ase.io.write(tmp_path / "start.xyz", argon())
    models = ";".join(map(str, argon_files))
    with pytest.raises(EngineError, match=message):
        MDBridgeDriver(model=models, template=tmp_path / "start.xyz", **options)


def test_elements_are_those_of_every_member(argon_files, water, tmp_path):
    ase.io.write(tmp_path / "start.xyz", water)
    with pytest.raises(ModelError, match="does not know the element O"):
        MDBridgeDriver(model=";".join(map(str, argon_files)), template=tmp_path / "start.xyz")


def test_the_client_names_the_way_out(argon_files, tmp_path):
    names = ",".join(map(str, argon_files))
    words = ["ipi-client", names, "--template", "start.xyz", "--serve", "unix:nobody"]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 2
    assert "start i-PI's own client with our driver" in " ".join(result.stderr.split())


def test_a_sheared_cell(argon_files, tmp_path):
    """Its lattice vectors are the columns of what i-PI hands over."""
    atoms = argon()
    shear = np.array([[0, 0, 0], [0.8, 0, 0], [0.4, -0.6, 0]])
    atoms.set_cell(atoms.cell.array + shear, scale_atoms=True)
    ase.io.write(tmp_path / "start.xyz", atoms)
    driver = MDBridgeDriver(
        model=";".join(map(str, argon_files)), template=tmp_path / "start.xyz", committee="forces"
    )
    cell, positions = atoms.cell.array.T * ANGSTROM, atoms.positions * ANGSTROM
    energy, forces, virial, _ = driver(cell, positions)
    members = [MDBridgeCalculator(path) for path in argon_files]
    expected = np.mean([each.get_forces(atoms) for each in members], axis=0)
    np.testing.assert_allclose(forces, expected * EV / ANGSTROM, atol=1e-9)
    energies = [each.get_potential_energy(atoms) for each in members]
    assert energy == pytest.approx(np.mean(energies) * EV)
    stress = np.mean([each.get_stress(atoms) for each in members], axis=0)
    stress = voigt_6_to_full_3x3_stress(stress)
    np.testing.assert_allclose(virial, -stress * atoms.get_volume() * EV, atol=1e-8)


def test_a_member_without_a_stress(argon_files, tmp_path):
    code = "def make():\n    return lambda atoms: {'energy': 0.0, 'forces': 0.0 * atoms.positions}"
    models = f"{argon_files[0]};{python_model(tmp_path, code)}"
    atoms = argon()
    ase.io.write(tmp_path / "start.xyz", atoms)
    with pytest.raises(EngineError, match=r"made\.py:make.* say so with the option stress: none"):
        MDBridgeDriver(model=models, template=tmp_path / "start.xyz")
    driver = MDBridgeDriver(model=models, template=tmp_path / "start.xyz", stress="none")
    _, forces, virial, _ = driver(atoms.cell.array.T * ANGSTROM, atoms.positions * ANGSTROM)
    half = 0.5 * MDBridgeCalculator(argon_files[0]).get_forces(atoms) * EV / ANGSTROM
    np.testing.assert_allclose(forces, half, atol=1e-9)
    assert not np.any(virial)


def test_a_cell_that_contradicts_the_template(argon_files, tmp_path):
    atoms = argon()
    ase.io.write(tmp_path / "start.xyz", atoms)
    models = ";".join(map(str, argon_files))
    driver = MDBridgeDriver(model=models, template=tmp_path / "start.xyz")
    with pytest.raises(EngineError, match="a lattice vector that i-PI sent as zero"):
        driver(np.zeros((3, 3)), atoms.positions * ANGSTROM)
