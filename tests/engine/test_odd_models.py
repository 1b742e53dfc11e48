"""Models that ask for no pairs, for several lists, for inputs besides the structure."""

import ase.build
import lammps_tools
import numpy as np
import pytest
from click.testing import CliRunner
from metatrain.cli.export import export_model
from odd_models import wells
from pet_models import pet_checkpoint

from md_bridge.ase import MDBridgeCalculator
from md_bridge.cli.models.info import info
from md_bridge.engine import Engine, ModelError, Pairs, Wanted, structure_from_ase

PAIR = "pair_style mdbridge {} threads 1\npair_coeff * * Ar\n"


@pytest.fixture
def argon():
    atoms = ase.build.bulk("Ar", "fcc", a=5.4, cubic=True) * (2, 1, 1)
    atoms.rattle(0.2, seed=1)
    return atoms


def pair_energy(atoms, cutoff):
    """(1 - r/rc)² eV for each pair, by ASE's own list."""
    from ase.neighborlist import neighbor_list

    return 0.5 * ((1.0 - neighbor_list("d", atoms, cutoff) / cutoff) ** 2).sum()


def test_no_pairs(tmp_path, argon):
    """A model of atoms that do not feel each other."""
    path = wells(tmp_path / "m.pt")
    engine = Engine(path)
    assert (engine.info.cutoff, engine.info.interaction_range) == (0.0, 0.0)
    for pairs in (None, Pairs(1.0)):
        found = engine.evaluate(
            structure_from_ase(argon), pairs, conservative_forces=True, conservative_virial=True
        )
        assert found.energy == pytest.approx(-len(argon))
        assert np.abs(found.conservative_forces).max() == 0.0
        assert np.abs(found.conservative_virial).max() == 0.0
    argon.wrap()
    argon.calc = MDBridgeCalculator(path)
    assert argon.get_potential_energy() == pytest.approx(-len(argon))
    assert lammps_tools.evaluate(argon, PAIR.format(path), ["Ar"]).energy == pytest.approx(
        -len(argon)
    )


@pytest.mark.parametrize("full", [(True, True), (False, False), (True, False)])
def test_two_lists(tmp_path, argon, full):
    """Full ones and half ones; the half ones hold each pair once, wherever the atoms are."""
    path = wells(tmp_path / "m.pt", cutoffs=(3.9, 7.0), full=full)
    expected = -len(argon) + pair_energy(argon, 3.9) + pair_energy(argon, 7.0)
    cells = np.random.default_rng(2).integers(-3, 3, size=(len(argon), 3))
    argon.positions += cells @ argon.cell.array
    found = Engine(path).evaluate(structure_from_ase(argon))
    assert found.energy == pytest.approx(expected, abs=1e-9)
    argon.wrap()
    assert lammps_tools.evaluate(argon, PAIR.format(path), ["Ar"]).energy == pytest.approx(
        expected, abs=1e-9
    )


def test_inputs_that_the_network_has_no_value_for(tmp_path):
    path = wells(tmp_path / "m.pt", inputs=("charge", "mtt::field"))
    with pytest.raises(ModelError, match=r"m.pt' needs 'mtt::field' of each structure"):
        Engine(path)
    shown = CliRunner().invoke(info, [str(path)])
    assert "charge (to be given), mtt::field (which MD Bridge cannot give)" in " ".join(
        shown.stdout.split()
    )


def test_inputs_that_the_network_has_a_value_for(tmp_path):
    """metatrain's PET takes a missing charge and spin for those of a neutral singlet."""
    checkpoint = pet_checkpoint(tmp_path / "m.ckpt", elements=(18,), system_conditioning=True)
    path = tmp_path / "m.pt"
    export_model(checkpoint, path, extensions=tmp_path / "extensions")
    note = Engine(path).info.notes[-1]
    assert "charge 0, spin multiplicity 1 (a singlet)" in note
    shown = CliRunner().invoke(info, [str(path)])
    assert "charge (charge 0 unless it is given)" in " ".join(shown.stdout.split())
    deck = """
units metal
lattice fcc 5.4
region box block 0 2 0 2 0 2
create_box 1 box
create_atoms 1 box
mass 1 39.948
pair_style mdbridge m.pt threads 1
pair_coeff * * Ar
run 0
"""
    done = lammps_tools.run_input(deck, tmp_path)
    assert done.returncode == 0, done.stdout
    assert note in done.stdout


def test_energies_of_atoms_that_the_model_does_not_give(tmp_path, argon):
    path = wells(tmp_path / "m.pt", (5.0,), (True,), per_atom=False)
    engine = Engine(path)
    assert engine.evaluate(structure_from_ase(argon)).energy == pytest.approx(
        -len(argon) + pair_energy(argon, 5.0), abs=1e-9
    )
    assert "energies of whole structures only" in engine.info.notes[0]
    with pytest.raises(ModelError, match=r"'energy' for whole structures only, not for each atom"):
        engine.require(Wanted(atomic_energies=True))
    with pytest.raises(ModelError, match="for whole structures only"):
        engine.evaluate(structure_from_ase(argon), atomic_energies=True)
    assert "energies" not in MDBridgeCalculator(path).implemented_properties


RESPA = """
units metal
lattice fcc 5.4
region box block 0 2 0 2 0 2
create_box 1 box
create_atoms 1 box
mass 1 39.948
velocity all create 20 1
pair_style mdbridge m.pt threads 1
pair_coeff * * Ar
fix 1 all nve
compute atoms all pe/atom
{use}
run_style respa 2 2 inner 1 3.0 4.0 outer 2
run 2
"""


def test_a_compute_of_them_that_nobody_asks_for(tmp_path):
    """It stands in many inputs, and is no reason to stop a run with multiple time stepping."""
    wells(tmp_path / "m.pt", (5.0,), (True,), per_atom=False)
    done = lammps_tools.run_input(RESPA.format(use=""), tmp_path)
    assert done.returncode == 0, done.stdout
    assert "energies of whole structures only" in done.stdout
    used = "compute sum all reduce sum c_atoms\nthermo_style custom step pe c_sum"
    done = lammps_tools.run_input(RESPA.format(use=used), tmp_path)
    assert done.returncode != 0
    assert "Per-atom energy was not tallied" in done.stdout  # the words of LAMMPS
