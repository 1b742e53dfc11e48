"""The bundled water model in LAMMPS against metatomic's own ASE calculator."""

from pathlib import Path

import lammps_tools as tools
import numpy as np
import pytest
from ase import Atoms, units
from ase.build import molecule
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


def reference(atoms: Atoms, model, direct: bool) -> Atoms:
    atoms = atoms.copy()
    atoms.calc = MetatomicCalculator(str(model), device="cpu", non_conservative=direct)
    return atoms


@pytest.mark.parametrize("tilt", [0.0, 2.0], ids=["orthogonal", "triclinic"])
@pytest.mark.parametrize("kind", ["conservative", "direct"])
def test_equals_metatomic(water_model, tilt, kind):
    atoms = water_box(tilt)
    expected = reference(atoms, water_model, kind == "direct")
    found = tools.evaluate(atoms, pair(water_model, f"forces {kind}"), ["O", "H"])
    assert found.energy == pytest.approx(expected.get_potential_energy(), abs=1e-3)
    np.testing.assert_allclose(found.forces, expected.get_forces(), atol=FORCE)
    # LAMMPS adds no kinetic part: the atoms are at rest
    np.testing.assert_allclose(
        found.pressure, pressure_from_stress(expected.get_stress()), atol=2.0
    )


@pytest.mark.parametrize(
    "pbc", [(True, True, False), (False, False, False)], ids=["slab", "droplet"]
)
def test_open_boundaries_equal_metatomic(water_model, pbc):
    atoms = water_box(pbc=pbc)
    expected = reference(atoms, water_model, direct=False)
    found = tools.evaluate(atoms, pair(water_model), ["O", "H"])
    np.testing.assert_allclose(found.forces, expected.get_forces(), atol=FORCE)


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


@pytest.mark.parametrize("name", ["in.water", "in.water-npt"])
def test_examples_run_as_they_stand(name, tmp_path):
    folder = Path(__file__).parents[1] / "examples" / "lammps"
    text = (folder / name).read_text()
    assert "run             50" in text
    short = tmp_path / name
    short.write_text(text.replace("run             50", "run             2"))
    run = run_lmp(["-in", short, "-log", "none"], cwd=folder, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout
    assert "Loop time" in run.stdout
