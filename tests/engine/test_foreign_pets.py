"""PETs in files that metatrain's own command wrote: the engine knows what they need.

md_bridge.export mends three things in what it writes (see md_bridge/export/pet.py); files of others
come as they are.
"""

import ase.build
import lammps_tools
import numpy as np
import pytest
import torch
from metatrain.cli.export import export_model
from pet_models import pet_checkpoint, trained_pet_checkpoint, uncertain_pet_checkpoint
from water_orders import bond_first, forces_of, orders, waters

from md_bridge.engine import Engine, Structure, structure_from_ase
from md_bridge.export import export_file

KINDS = ("fixed", "grid", "solver")


def adaptive(kind, neighbours=8):
    if kind == "fixed":
        return {}
    return {"num_neighbors_adaptive": neighbours, "adaptive_cutoff_method": kind}


def foreign(checkpoint):
    """Exported by ``mtt export``."""
    path = checkpoint.with_suffix(".mtt.pt")
    export_model(checkpoint, path, extensions=checkpoint.parent / "extensions")
    return path


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Trained PETs, kind of cutoff -> a foreign file in single precision, ours in double."""
    folder = tmp_path_factory.mktemp("trained")
    found = {}
    for kind in KINDS:
        checkpoint = trained_pet_checkpoint(folder / f"{kind}.ckpt", **adaptive(kind))
        double = export_file(checkpoint, folder / f"{kind}-64.pt", dtype="float64")
        found[kind] = Engine(foreign(checkpoint)), Engine(double)
    return found


# What a network with a fixed cutoff does at its best, eV/Å: largest error of a force in single
# precision for 81, 192 and 648 atoms (test_adaptive_pets.py measures it with our own files).
FIXED_ERRORS = (6e-5, 7e-5, 1.3e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_single_precision(trained, kind):
    """At every atom, whatever the order: the padding of PET once pulled at its first pair."""
    single, double = trained[kind]
    for atoms, allowed in zip(waters(), FIXED_ERRORS, strict=True):
        expected = forces_of(double, atoms, np.arange(len(atoms)))
        assert np.sqrt(np.mean(expected**2)) > 0.5  # eV/Å: a trained network
        natural, *others = orders(atoms)
        found = [forces_of(single, atoms, natural, bond_first(atoms, single.info.cutoff))]
        # of the largest one the order that is worst for an adaptive cutoff, 6 meV/Å
        for order in others if len(atoms) < 600 else others[1:2]:
            found.append(forces_of(single, atoms, order))
        errors = [np.abs(forces - expected).max() for forces in found]
        assert max(errors) < 3 * allowed, (len(atoms), errors)


@pytest.fixture(scope="module")
def pets(tmp_path_factory):
    """Untrained PETs, kind -> a foreign file in single precision, and ours in double (of the
    uncertainty model in single too: metatrain cannot convert it)."""
    folder = tmp_path_factory.mktemp("untrained")
    checkpoints = {
        kind: pet_checkpoint(folder / f"{kind}.ckpt", **adaptive(kind))
        for kind in ("fixed", "grid")
    }
    checkpoints["uncertainty"] = uncertain_pet_checkpoint(folder / "uncertainty.ckpt")
    checkpoints["two lists"] = pet_checkpoint(folder / "zbl.ckpt", zbl=True)
    return {
        kind: (
            foreign(checkpoint),
            export_file(
                checkpoint,
                folder / f"{checkpoint.stem}-ours.pt",
                dtype=None if kind == "uncertainty" else "float64",
            ),
        )
        for kind, checkpoint in checkpoints.items()
    }


def few_waters():
    """Four molecules in a box, and the same as a cluster."""
    atoms = ase.build.molecule("H2O")
    atoms.set_cell([4.0, 4.2, 4.4])
    atoms.pbc = True
    atoms = atoms * (2, 2, 1)
    atoms.rattle(0.1, seed=0)
    cluster = atoms.copy()
    cluster.pbc = False
    cluster.cell = None
    return atoms, cluster


def owning(atoms, count):
    """The structure whose first atoms are asked about, the others being their surroundings."""
    whole = structure_from_ase(atoms)
    return Structure(whole.types, whole.positions, whole.cell, whole.periodic, owned=count)


@pytest.mark.parametrize("kind", ["fixed", "grid", "uncertainty", "two lists"])
def test_everything_else_is_as_without_the_padding(pets, kind):
    """All quantities, one by one and in batches, of owned atoms, of rotated copies."""
    single, double = pets[kind]
    box, cluster = few_waters()
    quantities = [
        "conservative_forces",
        "conservative_virial",
        "direct_forces",
        "atomic_energies",
        *(["uncertainty"] if kind == "uncertainty" else []),
    ]
    for symmetrize in ("none", "octahedral"):
        engine = Engine(single, symmetrize=symmetrize, atoms_per_forward=30)
        reference = Engine(double, symmetrize=symmetrize)
        structures = [owning(box, 5), *map(structure_from_ase, (cluster, box[:1]))]
        wanted = dict.fromkeys(quantities, True)
        batch = engine.evaluate(structures, **wanted)
        expected = reference.evaluate(structures, **wanted)
        alone = [engine.evaluate(structure, **wanted) for structure in structures]
        for found in (batch, alone):
            for one, other in zip(found, expected, strict=True):
                assert one.energy == pytest.approx(other.energy, abs=1e-4)
                for name in quantities:
                    np.testing.assert_allclose(
                        getattr(one, name), getattr(other, name), atol=3e-5, err_msg=name
                    )
        box_alone = structure_from_ase(box)
        one, other = (e.evaluate(box_alone, direct_virial=True) for e in (engine, reference))
        np.testing.assert_allclose(one.direct_virial, other.direct_virial, atol=1e-4)


def test_consistency_is_checked_with_the_padding(pets):
    engine = Engine(pets["two lists"][0], check_consistency=True)
    engine.evaluate(structure_from_ase(few_waters()[0]), conservative_forces=True)


def potassium():
    """A crystal so sparse that adaptive cutoffs are nearly the largest."""
    atoms = ase.build.bulk("K", "bcc", a=7.5, cubic=True) * (6, 3, 3)
    atoms.rattle(0.3, rng=np.random.default_rng(99))
    atoms.wrap()
    return atoms


RANKS = """
units metal
atom_modify map array
read_data box.data
pair_style mdbridge {model} threads 1
pair_coeff * * {elements}
thermo_style custom step pe press
thermo_modify format float %.16g norm no
run 0
write_dump all custom box.dump id fx fy fz modify sort id format float %.16g
"""


def in_double(path, checkpoint_maker, **hypers):
    """A foreign file in double precision: the checkpoint's own one."""
    torch.set_default_dtype(torch.float64)
    try:
        return foreign(checkpoint_maker(path, **hypers))
    finally:
        torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("method", ["grid", "solver"])
def test_ranks_agree(tmp_path, method):
    """The file states one cutoff where three are true: ghosts would be too few."""
    path = in_double(
        tmp_path / "K.ckpt", pet_checkpoint, elements=(19,), cutoff=7.5, num_gnn_layers=1,
        **adaptive(method, 16),
    )  # fmt: skip
    info = Engine(path).info
    assert (info.dtype, info.stated_range) == ("float64", pytest.approx(7.5))
    assert info.interaction_range == pytest.approx(22.5)
    assert "states an interaction range of 7.5 Å; it is 22.5 Å" in info.notes[0]
    lammps_tools.box_from_file(potassium(), ["K"], tmp_path / "box.data")
    found = {}
    for ranks in (1, 2, 4):
        deck = RANKS.format(model=path, elements="K")
        done = lammps_tools.run_input(deck, tmp_path, ranks=ranks)
        assert done.returncode == 0, done.stdout
        assert "interaction range 22.5 Angstrom" in done.stdout
        assert "the file states" in done.stdout
        energy, pressure = done.stdout.split("Press")[1].split()[1:3]
        forces = np.loadtxt(tmp_path / "box.dump", skiprows=9)[:, 1:]
        found[ranks] = np.array([float(energy), float(pressure), *forces.ravel()])
    assert np.abs(found[1][2:]).max() > 1e-3
    for ranks in (2, 4):
        np.testing.assert_allclose(found[ranks], found[1], rtol=1e-9, atol=1e-10)


def test_a_range_that_is_right_needs_no_note(tmp_path):
    ours = export_file(pet_checkpoint(tmp_path / "m.ckpt"), tmp_path / "m.pt")
    info = Engine(ours).info
    assert info.interaction_range == info.stated_range == pytest.approx(3 * 3.5)
    assert info.notes == []


LONG_RANGE = {
    "enable": True,
    "use_ewald": True,
    "smearing": 1.4,
    "kspace_resolution": 1.33,
    "interpolation_nodes": 5,
}


@pytest.fixture(scope="module")
def long_range(tmp_path_factory):
    """A PET with long-range features in double precision: a foreign file, and ours."""
    pytest.importorskip("torchpme", reason="metatrain's long-range features are made of torch-pme")
    folder = tmp_path_factory.mktemp("long-range")
    theirs = in_double(folder / "lr.ckpt", pet_checkpoint, long_range=LONG_RANGE)
    return theirs, export_file(folder / "lr.ckpt", folder / "ours.pt", dtype="float64")


def test_long_range_features_do_not_depend_on_the_order(long_range):
    """They take the pairs for grouped by their first atoms (metatrain#1199)."""
    atoms = waters()[0]
    for path in long_range:
        engine = Engine(path)
        expected = engine.evaluate(structure_from_ase(atoms), conservative_forces=True)
        for seed in range(3):
            order = np.random.default_rng(seed).permutation(len(atoms))
            found = engine.evaluate(structure_from_ase(atoms[order]), conservative_forces=True)
            assert found.energy == pytest.approx(expected.energy, abs=1e-9)
            np.testing.assert_allclose(
                found.conservative_forces, expected.conservative_forces[order], atol=1e-9
            )


def test_long_range_features_have_an_infinite_range(long_range, tmp_path):
    """Hence one rank only; LAMMPS's own lists give the same energy as ours."""
    atoms = waters()[0]
    lammps_tools.box_from_file(atoms, ["O", "H"], tmp_path / "box.data")
    for path in long_range:
        engine = Engine(path)
        assert engine.info.interaction_range == np.inf
        expected = engine.evaluate(structure_from_ase(atoms)).energy
        deck = RANKS.format(model=path, elements="O H")
        done = lammps_tools.run_input(deck, tmp_path)
        assert done.returncode == 0, done.stdout
        energy = float(done.stdout.split("Press")[1].split()[1])
        assert energy == pytest.approx(expected, abs=1e-8)
        refused = lammps_tools.run_input(deck, tmp_path, ranks=2)
        assert refused.returncode != 0
        assert "infinite interaction range" in refused.stdout
