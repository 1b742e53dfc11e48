"""The bundled water model in LAMMPS against metatomic's own ASE calculator."""

from pathlib import Path

import lammps_tools as tools
import numpy as np
import pytest
from ase import Atoms, units
from ase.build import molecule
from ase.neighborlist import neighbor_list
from metatomic_ase import MetatomicCalculator

from md_bridge.lammps import run_lmp

FORCE = 1e-5  # eV/Å, float32


def water_box(tilt: float = 0.0, pbc=(True, True, True)) -> Atoms:
    """27 molecules of random orientation on a grid, 81 atoms."""
    random = np.random.default_rng(5)
    atoms = Atoms()
    for place in np.ndindex(3, 3, 3):
        one = molecule("H2O")
        one.rotate(random.uniform(0, 360), random.normal(size=3))
        one.positions += np.array(place) * 3.1 + 1.0
        atoms += one
    atoms.rattle(0.03, seed=1)
    atoms.set_cell([[9.3, 0, 0], [tilt, 9.3, 0], [-tilt, tilt, 9.3]])
    atoms.pbc = pbc
    if all(pbc):
        atoms.wrap()
    return atoms


def pair(model, keywords: str = "") -> str:
    return f"pair_style mdbridge {model} threads 1 {keywords}\npair_coeff * * O H\n"


def pressure_from_stress(stress_voigt: np.ndarray) -> np.ndarray:
    """ASE's xx, yy, zz, yz, xz, xy in eV/Å³ to LAMMPS's xx, yy, zz, xy, xz, yz in bar."""
    return -stress_voigt[[0, 1, 2, 5, 4, 3]] / units.bar


def reference(atoms: Atoms, model, direct: bool) -> tuple[float, np.ndarray, np.ndarray | None]:
    """Energy, forces and (with a volume) stress by metatomic's calculator.

    The two atoms at the longest distance within the cutoff come first: PET pads its arrays with the
    first pair of the list, and in single precision the gradient along it is off by 1e-3 eV/Å and
    more if that pair is a short one. The engine orders its pairs so that it is not.
    """
    first, second, distance = neighbor_list("ijd", atoms, 4.0)
    longest = distance.argmax()
    pair = [first[longest], second[longest]]
    order = np.array(pair + [i for i in range(len(atoms)) if i not in pair])
    ordered = atoms[order]
    ordered.calc = MetatomicCalculator(str(model), device="cpu", non_conservative=direct)
    forces = ordered.get_forces()[np.argsort(order)]
    stress = ordered.get_stress() if all(atoms.pbc) else None
    return ordered.get_potential_energy(), forces, stress


@pytest.mark.parametrize("tilt", [0.0, 2.0], ids=["orthogonal", "triclinic"])
@pytest.mark.parametrize("kind", ["conservative", "direct"])
def test_equals_metatomic(water_model, tilt, kind):
    atoms = water_box(tilt)
    energy, forces, stress = reference(atoms, water_model, kind == "direct")
    found = tools.evaluate(atoms, pair(water_model, f"forces {kind}"), ["O", "H"])
    assert found.energy == pytest.approx(energy, abs=1e-3)
    np.testing.assert_allclose(found.forces, forces, atol=FORCE)
    # LAMMPS adds no kinetic part: the atoms are at rest
    np.testing.assert_allclose(found.pressure, pressure_from_stress(stress), atol=2.0)


@pytest.mark.parametrize(
    "pbc", [(True, True, False), (False, False, False)], ids=["slab", "droplet"]
)
def test_open_boundaries_equal_metatomic(water_model, pbc):
    atoms = water_box(pbc=pbc)
    _, forces, _ = reference(atoms, water_model, direct=False)
    found = tools.evaluate(atoms, pair(water_model), ["O", "H"])
    np.testing.assert_allclose(found.forces, forces, atol=FORCE)


def test_both_kinds_in_units_real(water_model):
    atoms = water_box()
    for kind in ("conservative", "direct"):
        metal, real = (
            tools.evaluate(atoms, pair(water_model, f"forces {kind}"), ["O", "H"], units=style)
            for style in ("metal", "real")
        )
        np.testing.assert_allclose(
            real.forces, metal.forces * tools.KCAL_PER_MOL, atol=FORCE * tools.KCAL_PER_MOL
        )


def test_fused_outer_forces_equal_conservative_ones(water_model):
    """The sum of inner and outer forces after an outer step is the conservative force."""
    atoms = water_box()
    style = "run_style respa 2 4 inner 1 3.0 4.0 outer 2\n"
    start = tools.box(atoms, ["O", "H"]) + pair(water_model)
    with tools.lammps(start, "velocity all create 300 1\ntimestep 0.002\n", style, "run 3") as lmp:
        found = tools.results(lmp)
        lmp.commands_string("run_style verlet\nrun 0")
        expected = tools.results(lmp)
    assert np.abs(expected.positions - atoms.positions).max() > 1e-2
    np.testing.assert_allclose(found.forces, expected.forces, atol=FORCE)
    assert found.energy == pytest.approx(expected.energy, abs=1e-3)


def test_648_atoms_on_one_and_two_ranks(water_model, water, tmp_path):
    """Foreign atoms, folded ghosts and pairs in another order, both kinds of forces at once."""
    large = water.repeat(2)
    large.rattle(0.02, seed=3)  # or each copy would feel the same forces
    text = (
        tools.box_from_file(large, ["O", "H"], tmp_path / "start.data")
        + pair(water_model)
        + "run_style respa 2 2 inner 1 3.0 4.0 outer 2\n"
        + "compute c all mdbridge/atom conservative direct\n"
        + "dump d all custom 1 {} id c_c[*]\n"
        + "dump_modify d sort id format float %.9g\nrun 0\n"
    )
    forces = []
    for ranks in (1, 2):
        run = tools.run_input(text.format(f"forces.{ranks}"), tmp_path, ranks=ranks)
        assert run.returncode == 0, run.stdout
        forces.append(np.loadtxt(tmp_path / f"forces.{ranks}", skiprows=9)[:, 1:])
    assert forces[0].shape == (648, 6)
    assert np.abs(forces[0][:81] - forces[0][81:162]).max() > 0.1
    np.testing.assert_allclose(forces[1], forces[0], atol=FORCE)


@pytest.mark.parametrize("name", ["in.water", "in.water-two-models", "in.water-npt"])
def test_examples_run_as_they_stand(name, tmp_path):
    folder = Path(__file__).parents[2] / "examples" / "lammps"
    text = (folder / name).read_text()
    assert "run             50" in text
    short = tmp_path / name
    short.write_text(text.replace("run             50", "run             2"))
    run = run_lmp(["-in", short, "-log", "none"], cwd=folder, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout
    assert "Loop time" in run.stdout


def test_direct_stress_on_two_ranks(water_model, tmp_path):
    """PET's is a sum over atoms, of which each rank has the share of its own."""
    pressures = []
    for ranks in (1, 2):
        text = tools.box_from_file(water_box(tilt=1.0), ["O", "H"], tmp_path / "water.data")
        text += pair(water_model, "forces direct") + "thermo_style custom step pe press pxy\nrun 0\n"
        text += "print 'pressure $(pxx:%.10g) $(pyy:%.10g) $(pzz:%.10g) $(pxy:%.10g)'\n"
        done = tools.run_input(text, tmp_path, ranks=ranks)
        assert done.returncode == 0, done.stdout[-2000:]
        line = next(line for line in done.stdout.splitlines() if line.startswith("pressure "))
        pressures.append(np.array(line.split()[1:], dtype=float))
    assert np.abs(pressures[0]).max() > 100.0
    np.testing.assert_allclose(pressures[1], pressures[0], rtol=0, atol=2.0)
