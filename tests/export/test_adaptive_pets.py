"""PETs that choose a cutoff for each atom by its number of neighbours, as the published ones do."""

import ase.build
import lammps_tools
import numpy as np
import pytest
from metatrain.cli.export import export_model
from pet_models import pet_checkpoint, trained_pet_checkpoint
from water_orders import forces_of, orders, waters

from md_bridge.engine import Engine
from md_bridge.export import export_file
from md_bridge.export.checks.locality import check_locality
from md_bridge.export.checks.runner import Runner

METHODS = ("grid", "solver")


@pytest.fixture(scope="module")
def engines(tmp_path_factory):
    """Trained PETs, kind of cutoff -> engines in single and double precision."""
    folder = tmp_path_factory.mktemp("trained")
    found = {}
    for name in ("fixed", *METHODS):
        adaptive = {"num_neighbors_adaptive": 8, "adaptive_cutoff_method": name}
        checkpoint = trained_pet_checkpoint(
            folder / f"{name}.ckpt", **({} if name == "fixed" else adaptive)
        )
        found[name] = [
            Engine(export_file(checkpoint, folder / f"{name}-{dtype}.pt", dtype=dtype))
            for dtype in ("float32", "float64")
        ]
    return found


@pytest.fixture(scope="module")
def fixed_errors(engines):
    """Largest error of a force in single precision with a fixed cutoff, for each of the waters."""
    single, double = engines["fixed"]
    natural = [np.arange(len(atoms)) for atoms in waters()]
    return [
        np.abs(forces_of(single, atoms, order) - forces_of(double, atoms, order)).max()
        for atoms, order in zip(waters(), natural, strict=True)
    ]


@pytest.mark.parametrize("method", METHODS)
def test_single_precision_is_as_good_as_with_a_fixed_cutoff(engines, fixed_errors, method):
    """At every atom, whatever the order: the padding of PET once pulled at its first pair."""
    single, double = engines[method]
    for atoms, allowed in zip(waters(), fixed_errors, strict=True):
        expected = forces_of(double, atoms, np.arange(len(atoms)))
        assert np.sqrt(np.mean(expected**2)) > 0.5  # eV/Å: a trained network
        for order in orders(atoms):
            error = np.abs(forces_of(single, atoms, order) - expected).max()
            assert error < 3 * allowed, (len(atoms), order[:3])


def potassium():
    """A crystal so sparse that adaptive cutoffs are nearly the largest."""
    atoms = ase.build.bulk("K", "bcc", a=7.5, cubic=True) * (6, 3, 3)
    atoms.rattle(0.3, rng=np.random.default_rng(99))
    atoms.wrap()
    return atoms


@pytest.mark.parametrize("featurizer", ["feedforward", "residual"])
@pytest.mark.parametrize("method", METHODS)
def test_range(tmp_path, method, featurizer):
    """One cutoff more than with a fixed one; the check of locality knows."""
    hypers = {"num_gnn_layers": 1, "cutoff": 7.5, "featurizer_type": featurizer}
    hypers |= {"num_neighbors_adaptive": 16, "adaptive_cutoff_method": method}
    checkpoint = pet_checkpoint(tmp_path / "K.ckpt", elements=(19,), **hypers)
    path = export_file(checkpoint, tmp_path / "K.pt")
    hops = 3 if featurizer == "feedforward" else 2
    right = Runner(path, double=True)
    assert right.interaction_range == pytest.approx(hops * 7.5)
    assert check_locality(right, [19]).passed
    # metatrain's own command states the number of layers, which can be made longer
    export_model(checkpoint, tmp_path / "theirs.pt", extensions=tmp_path / "extensions")
    short = export_file(tmp_path / "theirs.pt", tmp_path / "short.pt", layers=hops - 1)
    failed = check_locality(Runner(short, double=True), [19])
    assert failed.passed is False
    assert f"--layers {hops}" in failed.detail


RANKS = """
units metal
atom_modify map array sort 0 0
read_data K.data
pair_style mdbridge K.pt threads 1
pair_coeff * * K
thermo_style custom step pe press
thermo_modify format float %.16g norm no
run 0
write_dump all custom K.dump id fx fy fz modify sort id format float %.16g
"""


@pytest.mark.parametrize("method", METHODS)
def test_ranks_agree(tmp_path, method):
    hypers = {"num_gnn_layers": 1, "cutoff": 7.5, "num_neighbors_adaptive": 16}
    hypers |= {"adaptive_cutoff_method": method}
    checkpoint = pet_checkpoint(tmp_path / "K.ckpt", elements=(19,), **hypers)
    export_file(checkpoint, tmp_path / "K.pt", dtype="float64")
    lammps_tools.box_from_file(potassium(), ["K"], tmp_path / "K.data")
    found = {}
    for ranks in (1, 2, 4):
        done = lammps_tools.run_input(RANKS, tmp_path, ranks=ranks)
        assert done.returncode == 0, done.stdout
        energy, pressure = done.stdout.split("Press")[1].split()[1:3]
        forces = np.loadtxt(tmp_path / "K.dump", skiprows=9)[:, 1:]
        found[ranks] = np.array([float(energy), float(pressure), *forces.ravel()])
    assert np.abs(found[1][2:]).max() > 1e-3
    for ranks in (2, 4):
        np.testing.assert_allclose(found[ranks], found[1], rtol=1e-9, atol=1e-10)
