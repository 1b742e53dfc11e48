"""LAMMPS, i-PI and ASE, and LAMMPS on several ranks: real runs."""

import ase.io
import models
import numpy as np
import pytest
import wrong_models
from lammps_tools import PATIENCE, argon

from md_bridge.certify import CertifyRequest, Outcome, certify


@pytest.fixture(autouse=True)
def _patient(monkeypatch):
    for name, value in {**PATIENCE, "OMP_NUM_THREADS": "1"}.items():
        monkeypatch.setenv(name, value)


def certified(path, folder, *only, **settings):
    # tilted, and turned out of the orientation that LAMMPS takes
    atoms = argon(tilt=(1.0, -0.5, 0.8))
    atoms.rotate(25.0, (1.0, 2.0, 0.5), rotate_cell=True)
    ase.io.write(folder / "start.xyz", atoms)
    request = CertifyRequest(path, (folder / "start.xyz",), only=only, **settings)
    return certify(request, folder / "out")


def test_ranks_agree(tmp_path, model_file):
    found = certified(model_file("two_layers"), tmp_path, "ranks", ranks=(2,))
    (finding,) = found.findings
    assert finding.outcome is Outcome.PASSED, finding.sentence
    assert finding.name == "2 ranks = 1 rank"
    assert finding.numbers["forces_difference"] < 1e-10


def test_a_range_that_is_too_short_shows_on_two_ranks(tmp_path):
    path = models.two_layers().export(tmp_path / "short.pt", layers=1)
    (finding,) = certified(path, tmp_path, "ranks", ranks=(2,)).findings
    assert finding.outcome is Outcome.FAILED
    assert "the interaction range that the file declares (4 Å) is too short" in finding.sentence
    assert finding.numbers["forces_difference"] > 1e-4


CONSERVATIVE = (
    "LAMMPS = i-PI = ASE: energy",
    "LAMMPS = i-PI = ASE: conservative forces",
    "LAMMPS = i-PI = ASE: virial",
    "ASE = metatomic alone",
)


@pytest.mark.parametrize(
    ("name", "dtype", "rows"),
    [
        ("curl", "float64", (*CONSERVATIVE, "LAMMPS = i-PI = ASE: direct forces")),
        ("lennard_jones", "float32", CONSERVATIVE),
    ],
)
def test_hosts_agree(tmp_path, model_file, name, dtype, rows):
    found = certified(model_file(name, dtype), tmp_path, "hosts")
    assert found.named(Outcome.FAILED) == []
    assert tuple(finding.name for finding in found.named(Outcome.PASSED)) == rows
    energies = found.findings[0].numbers["energies_eV"]
    assert set(energies) == {"LAMMPS", "i-PI", "ASE"}
    assert np.ptp(list(energies.values())) < (1e-7 if dtype == "float64" else 1e-4)


def test_hosts_disagree_about_a_file_that_depends_on_the_order_of_atoms(tmp_path):
    """LAMMPS sorts atoms by place."""
    path = wrong_models.weighted(of_pairs=False).export(tmp_path / "weighted.pt")
    found = certified(path, tmp_path, "hosts")
    failed = {finding.name: finding for finding in found.named(Outcome.FAILED)}
    assert "LAMMPS = i-PI = ASE: energy" in failed
    differences = failed["LAMMPS = i-PI = ASE: energy"].numbers["differences"]
    assert differences["LAMMPS"] > 1e-6 > differences["i-PI"]


def test_a_host_that_is_not_installed_is_left_out(tmp_path, model_file, monkeypatch):
    from md_bridge import extras

    found = extras._is_installed
    monkeypatch.setattr(extras, "_is_installed", lambda name: name != "ipi" and found(name))
    findings = certified(model_file("lennard_jones"), tmp_path, "hosts").findings
    assert findings[0].name == "LAMMPS = ASE: energy"
    assert findings[0].outcome is Outcome.PASSED
    assert "pip install 'md-bridge[ipi]'" in findings[0].sentence


def test_an_infinite_range_runs_on_one_rank(tmp_path, monkeypatch, model_file):
    from md_bridge.export.checks.runner import Runner

    monkeypatch.setattr(Runner, "interaction_range", float("inf"))
    (finding,) = certified(model_file("lennard_jones"), tmp_path, "ranks").findings
    assert finding.outcome is Outcome.SKIPPED
    assert "runs on one rank" in finding.sentence
