"""Conservative and MTS runs conserve energy in both hosts; direct-only runs do not.

The direct forces are the exact ones plus a swirl of known size, which heats this crystal by about
13 meV/atom/ps. Verdicts come from slopes with errors: "conserves" needs the whole 95 % interval
within the tolerance, here a thousandth of that rate, "drifts" the whole interval outside it and
three standard errors from zero, or a steady change: a false alarm has a chance of 2 % for the noise
of a random walk, and far less for any other (tests/drift/judging/test_statistics.py).
"""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.md.velocitydistribution import Stationary, thermalize_momenta

from md_bridge.drift.judging.verdict import Verdict, drift_statistics
from md_bridge.drift.records.method import Method
from md_bridge.drift.runs.ipi import run_in_ipi
from md_bridge.drift.runs.lammps import run_in_lammps
from md_bridge.drift.runs.plan import Run

TIMESTEP_FS = 4.0
INNER_STEPS = 1600
TOLERANCE = 0.01  # meV/atom/ps

RUNNERS = {"lammps": run_in_lammps, "i-pi": run_in_ipi}


@pytest.fixture
def argon() -> Atoms:
    atoms = bulk("Ar", "fcc", a=5.5, cubic=True) * (2, 2, 2)
    atoms.rattle(0.1, seed=0)
    thermalize_momenta(atoms, temperature_K=80, rng=np.random.default_rng(0))
    Stationary(atoms)
    return atoms


@pytest.mark.parametrize(
    ("engine", "forces", "multiplicity", "verdict"),
    [
        ("lammps", "conservative", None, Verdict.CONSERVES),
        ("lammps", "mts", 2, Verdict.CONSERVES),
        ("lammps", "mts", 4, Verdict.CONSERVES),
        ("lammps", "direct", None, Verdict.DRIFTS),
        ("i-pi", "conservative", None, Verdict.CONSERVES),
        ("i-pi", "mts", 4, Verdict.CONSERVES),
        ("i-pi", "direct", None, Verdict.DRIFTS),
    ],
)
def test_verdict(model_file, argon, tmp_path, engine, forces, multiplicity, verdict):
    run = Run(Method(engine, forces, multiplicity, TIMESTEP_FS), INNER_STEPS // (multiplicity or 1))
    record = RUNNERS[engine](
        argon, model_file("strong_curl"), run, tmp_path, lambda _: None, threads=1
    )
    statistics = drift_statistics(
        record.time_ps, record.conserved_energy, record.temperature, len(argon), TOLERANCE
    )
    assert statistics.verdict is verdict, statistics.energy
