"""PETs that choose a cutoff for each atom by its number of neighbours, as the published ones do."""

import numpy as np
import pytest
from ase.io import read
from pet_models import trained_pet_checkpoint

from md_bridge._paths import DATA
from md_bridge.engine import Engine, structure_from_ase
from md_bridge.export import export_file

METHODS = ("grid", "solver")


def rattled(atoms):
    atoms.rattle(0.02, rng=np.random.default_rng(11))
    return atoms


def waters():
    """81, 192 and 648 atoms."""
    start = read(DATA / "water-start.xyz")
    return [
        rattled(start.copy()),
        rattled(read(DATA / "water-192.xyz")),
        rattled(start * (2, 2, 2)),
    ]


def orders(atoms):
    """Ways to number the atoms: as they are, backwards, and two that begin with a covalent bond.

    The first pair of these is long, so that an adaptive cutoff drops it.
    """
    count = len(atoms)
    found = [np.arange(count), np.arange(count)[::-1]]
    for oxygen in (3, 30):
        distances = atoms.get_distances(oxygen, np.arange(count), mic=True)
        far = int(np.flatnonzero((distances > 3.0) & (distances < 3.9))[0])
        hydrogen = int(np.flatnonzero((distances > 0.5) & (distances < 1.2))[0])
        first = [oxygen, far, hydrogen]
        found.append(np.array(first + [i for i in range(count) if i not in first]))
    return found


def forces_of(engine, atoms, order):
    """Forces with the atoms in this order, in the original order."""
    found = engine.evaluate(structure_from_ase(atoms[order]), conservative_forces=True)
    forces = np.empty_like(found.conservative_forces)
    forces[order] = found.conservative_forces
    return forces


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
