"""ASE trajectories: which integrators conserve H, and the degrees of freedom of T."""

import numpy as np
import pytest
from ase import Atoms, units
from ase.build import bulk
from ase.calculators.lj import LennardJones
from ase.constraints import FixAtoms, FixCom
from ase.md.andersen import Andersen
from ase.md.bussi import Bussi
from ase.md.langevin import Langevin
from ase.md.nose_hoover_chain import NoseHooverChainNVT
from ase.md.nptberendsen import NPTBerendsen
from ase.md.nvtberendsen import NVTBerendsen
from ase.md.velocitydistribution import Stationary, thermalize_momenta
from ase.md.verlet import VelocityVerlet

from md_bridge.drift.records.readers import ReadError, ReadOptions, read_run


@pytest.fixture
def argon() -> Atoms:
    atoms = bulk("Ar", "fcc", a=5.5, cubic=True)
    atoms.calc = LennardJones(sigma=3.4, epsilon=0.0104, rc=5.0, smooth=True)
    thermalize_momenta(atoms, temperature_K=40, rng=np.random.default_rng(0))
    Stationary(atoms)
    return atoms


BATH = {"temperature_K": 40}
PRESSURE = {"pressure_au": 0.0, "compressibility_au": 1.0}


@pytest.mark.parametrize(
    ("integrator", "options"),
    [
        (Langevin, {**BATH, "friction": 0.01}),
        (Andersen, {**BATH, "andersen_prob": 0.1}),
        (Bussi, {**BATH, "taut": 100.0}),
        (NVTBerendsen, {**BATH, "taut": 100.0}),
        (NPTBerendsen, {**BATH, **PRESSURE}),
        (NoseHooverChainNVT, {**BATH, "tdamp": 100.0}),
    ],
)
def test_thermostats_are_refused(argon, tmp_path, integrator, options):
    path = tmp_path / "md.traj"
    with integrator(argon, 2.0 * units.fs, trajectory=str(path), **options) as dynamics:
        dynamics.run(3)
    with pytest.raises(ReadError, match=f"its integrator {integrator.__name__} exchanges energy"):
        read_run(path)


class Home(VelocityVerlet):
    """An integrator that nobody else knows."""


@pytest.mark.parametrize(("integrator", "is_known"), [(VelocityVerlet, True), (Home, False)])
def test_others_are_judged(argon, tmp_path, integrator, is_known):
    path = tmp_path / "md.traj"
    log = {"logfile": str(tmp_path / "md.log")}
    with integrator(argon, 2.0 * units.fs, trajectory=str(path), **log) as dynamics:
        dynamics.run(3)
    notes = read_run(path).notes
    assert any("its integrator Home is not known here" in note for note in notes) is not is_known
    assert not any("does not name" in note for note in notes)
    log_notes = read_run(tmp_path / "md.log", ReadOptions(atoms=4)).notes
    assert any("does not name its integrator" in note for note in log_notes)


@pytest.mark.parametrize(("constraints", "count"), [([], 9), ([FixCom()], 9), ([FixAtoms([0])], 9)])
def test_the_temperature_counts_what_can_move(argon, tmp_path, constraints, count):
    """Of four atoms: without the centre of mass, or without one atom."""
    argon.set_constraint(constraints)
    path = tmp_path / "md.traj"
    with VelocityVerlet(argon, 2.0 * units.fs, trajectory=str(path)) as dynamics:
        dynamics.run(3)
    record = read_run(path)
    expected = 2 * record.kinetic_energy / (count * units.kB)
    np.testing.assert_allclose(record.temperature, expected, rtol=1e-12)
