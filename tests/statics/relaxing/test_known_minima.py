"""Minima in closed form: crystals of springs and of Lennard-Jones atoms (T-R1, T-R2, T-R6)."""

import ase.build
import crystals
import models
import numpy as np
import pytest

from md_bridge.model_options import ModelOptions
from md_bridge.statics.evaluator import Evaluator
from md_bridge.statics.relaxing.lockstep import relax_together
from md_bridge.statics.relaxing.results import EV_PER_CUBIC_ANGSTROM_IN_GPA
from md_bridge.statics.rows import Row
from md_bridge.statics.space_groups import plateau, standardised


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module")
def springs(folder):
    return crystals.springs().export(folder / "springs.pt")


@pytest.fixture(scope="module")
def argon(folder):
    return crystals.smooth_lennard_jones().export(folder / "argon.pt")


def evaluator(path, forces="conservative", symmetrize="none"):
    return Evaluator(path, ModelOptions(), Row(forces, symmetrize))


@pytest.mark.parametrize("optimizer", ["fire", "lbfgs", "bfgs"])
@pytest.mark.parametrize("forces", ["conservative", "direct"])
def test_springs_end_at_their_length(springs, forces, optimizer):
    """T-R1: a = √2 r₀, no energy, all of the symmetry."""
    starts = [crystals.fcc(2.7), crystals.fcc(2.95, cubic=True)]
    found = relax_together(
        evaluator(springs, forces), starts, cell="full", optimizer=optimizer, fmax=1e-7
    )
    for start, each in zip(starts, found, strict=True):
        assert each.converged
        volume = each.end.cell.volume / len(each.end)
        assert (4.0 * volume) ** (1 / 3) == pytest.approx(np.sqrt(2) * crystals.REST, abs=1e-6)
        assert each.energy == pytest.approx(0.0, abs=1e-9)
        assert each.largest_stress < 1e-5
        longest = plateau(each.end).longest
        assert longest.group.symbol.startswith("Fm-3m")
        assert longest.decades > 4.9
        assert len(each.start) == len(start)


def test_pressure_compresses_by_the_bulk_modulus(springs):
    """B = 4K/(3a), to first order in p/B; iso and full agree in a cubic crystal."""
    a = np.sqrt(2) * crystals.REST
    bulk = 4.0 * crystals.K / (3.0 * a)
    pressure = 1e-3 * bulk
    for cell in ("iso", "full"):
        (found,) = relax_together(
            evaluator(springs),
            [crystals.fcc()],
            cell=cell,
            pressure_GPa=pressure * EV_PER_CUBIC_ANGSTROM_IN_GPA,
            fmax=1e-8,
        )
        strain = found.end.cell.volume / crystals.fcc().cell.volume - 1.0
        assert strain == pytest.approx(-1e-3, rel=5e-3)
        assert np.trace(found.stress) / 3.0 == pytest.approx(-pressure, rel=1e-4)
        assert found.largest_stress < 1e-5


def test_argon_with_one_shell(argon):
    """T-R2: r = 2^{1/6} σ and −6 ε for each atom."""
    start = ase.build.bulk("Ar", "fcc", a=5.3)
    (found,) = relax_together(evaluator(argon), [start], cell="full", fmax=1e-8)
    nearest = (4.0 * found.end.cell.volume) ** (1 / 3) / np.sqrt(2)
    assert nearest == pytest.approx(2 ** (1 / 6) * crystals.LJ["sigma"], abs=1e-6)
    assert found.energy == pytest.approx(-6.0 * crystals.LJ["epsilon"], rel=1e-9)


def lattice_sum(a):
    """Energy of an atom of fcc argon (``lj/cut``, 8.5 Å) from a sum over a ball of sites, eV."""
    numbers = np.indices((13, 13, 13)).reshape(3, -1).T - 6
    sites = 0.5 * a * np.array([n for n in numbers if n.sum() % 2 == 0 and n.any()])
    r = np.linalg.norm(sites, axis=1)
    r = r[r < models.ARGON["cutoff"]]
    x = (models.ARGON["sigma"] / r) ** 6
    return 0.5 * np.sum(4.0 * models.ARGON["epsilon"] * (x * x - x))


def test_argon_with_many_shells(model_file):
    """T-R2: the sum over the lattice has its minimum at 1.0902 σ, −8.610 ε without a cutoff."""
    start = ase.build.bulk("Ar", "fcc", a=5.2)
    (found,) = relax_together(
        evaluator(model_file("lennard_jones")), [start], cell="iso", fmax=1e-8
    )
    a = (4.0 * found.end.cell.volume) ** (1 / 3)
    assert found.energy == pytest.approx(lattice_sum(a), rel=1e-10)
    slope = (lattice_sum(a + 1e-5) - lattice_sum(a - 1e-5)) / 2e-5
    assert abs(slope) < 1e-7
    assert a / np.sqrt(2) / models.ARGON["sigma"] == pytest.approx(1.0902, rel=0.02)
    assert found.energy / models.ARGON["epsilon"] == pytest.approx(-8.610, rel=0.06)


def test_a_rattled_crystal_has_its_group_on_a_plateau(springs):
    """T-R6: below the rattling nothing, above it all; the standardised cell is the crystal's."""
    start = crystals.fcc(cubic=True) * (2, 2, 2)
    start.rattle(1e-3 / np.sqrt(3), seed=1)
    scan = plateau(start)
    assert scan.at(3e-2).symbol.startswith("Fm-3m")
    assert scan.at(1e-5).operations == 1
    (found,) = relax_together(evaluator(springs), [start], fmax=1e-6)
    assert plateau(found.end).at(1e-4).symbol.startswith("Fm-3m")
    ideal = standardised(found.end, 1e-2)
    assert len(ideal) == 4
    assert ideal.cell.lengths() == pytest.approx(np.full(3, np.sqrt(2) * crystals.REST), abs=1e-6)


def test_a_slab_moves_in_its_plane(springs):
    start = ase.build.fcc100("Al", (1, 1, 3), a=np.sqrt(2) * 2.75, vacuum=8.0)
    (found,) = relax_together(evaluator(springs), [start], cell="slab", fmax=1e-6)
    assert found.converged
    assert found.end.cell.lengths()[:2] == pytest.approx([crystals.REST] * 2, abs=1e-5)
    assert found.end.cell.array[2] == pytest.approx(start.cell.array[2], abs=1e-12)
    assert found.energy == pytest.approx(0.0, abs=1e-9)


def test_together_is_as_one_by_one(argon):
    """Batches change nothing, whatever enters when another one ends."""
    starts = []
    for seed in range(5):
        atoms = ase.build.bulk("Ar", "fcc", a=5.4, cubic=True)
        atoms.rattle(0.02 * (seed + 1), seed=seed)
        starts.append(atoms)
    forces = evaluator(argon)
    ended = []
    many = relax_together(
        forces, starts, fmax=1e-5, together=2, on_end=lambda number, _: ended.append(number)
    )
    assert sorted(ended) == [0, 1, 2, 3, 4]
    for start, each in zip(starts, many, strict=True):
        (alone,) = relax_together(evaluator(argon), [start], fmax=1e-5)
        assert each.steps == alone.steps
        assert each.evaluations == {"conservative": alone.steps + 1}
        assert each.end.positions == pytest.approx(alone.end.positions, abs=1e-10)


def test_constraints_hold(argon):
    from ase.constraints import FixAtoms

    start = ase.build.bulk("Ar", "fcc", a=5.4, cubic=True)
    start.rattle(0.1, seed=3)
    start.set_constraint(FixAtoms([0]))
    (found,) = relax_together(evaluator(argon), [start], fmax=1e-5)
    assert found.converged
    assert found.end.positions[0] == pytest.approx(start.positions[0], abs=1e-12)
