"""Runs at constant energy, and the published measures of their drift."""

import ase.io
import numpy as np
import pytest
import wrong_models
from drift_models import einstein_crystal, einstein_start

from md_bridge.certify import CertifyRequest, Outcome, certify
from md_bridge.drift.judging.published import kinetic_energies, published_drift
from md_bridge.drift.records.csv import read_csv

SHORT = {"timestep_fs": 2.0, "length_ps": 2.0, "temperature_k": 100.0, "equilibration_ps": 0.1}


def certified(model, folder, only=("nve",), progress=None, **settings):
    ase.io.write(folder / "start.xyz", einstein_start())
    path = model.export(folder / "model.pt")
    request = CertifyRequest(
        path, (folder / "start.xyz",), only=only, **{**SHORT, "multiplicities": (1,), **settings}
    )
    return certify(request, folder / "out", progress=progress)


def test_oscillators_conserve_with_and_without_inner_steps(tmp_path):
    told = []
    found = certified(
        einstein_crystal(),
        tmp_path,
        multiplicities=(1, 4),
        progress=lambda words, share: told.append((words, share)),
    )
    assert [finding.name for finding in found.findings] == [
        "NVE, M = 1: verdict",
        "NVE, M = 1: ml-peg, mlipaudit",
        "NVE, M = 4: verdict",
        "NVE, M = 4: ml-peg, mlipaudit",
    ]
    assert found.passed is True, found.headline
    bounds = [float(finding.measured.split()[2]) for finding in found.findings]
    assert max(bounds[::2]) <= 0.1
    assert max(bounds[1::2]) < 1.0  # what is shown is what the verdict rests on
    assert "FAIR-Chem (TM23, MD22)" in found.findings[0].sentence
    data = [name for name in found.checksums if name.startswith("data, nve/")]
    assert len(data) == 3  # a start and two series
    shares = [share for _, share in told]
    assert shares == sorted(shares)
    assert told[-1] == ("LAMMPS MTS M=4 #1", pytest.approx(1.0))


def test_published_measures_are_those_of_the_series(tmp_path):
    verdict, ml_peg = certified(einstein_crystal(), tmp_path).findings
    (series,) = (tmp_path / "out" / "nve" / "series").glob("*.csv")
    run = read_csv(series)
    kinetic = kinetic_energies(run.temperature, run.atom_count)
    expected = published_drift(run.time_ps, run.conserved_energy, kinetic, run.atom_count)
    assert expected.ratio is not None
    assert verdict.numbers["lambench_meV_per_atom_ps"] == pytest.approx(expected.lambench)
    assert verdict.numbers["fairchem_meV_per_atom_ps"] == pytest.approx(expected.fairchem)
    assert ml_peg.numbers["ratio"] == pytest.approx(expected.ratio)
    # the drift at which the ratio is 1
    limit = 1e3 * np.std(kinetic) / run.atom_count / 50
    assert ml_peg.numbers["tolerance_meV_per_atom_ps"] == pytest.approx(limit)
    slope = verdict.numbers["drift_meV_per_atom_ps"]
    assert ml_peg.numbers["ratio"] == pytest.approx(abs(slope) / limit)


def test_forces_that_are_no_gradient_drift(tmp_path):
    found = certified(wrong_models.detached(), tmp_path)
    assert {finding.outcome for finding in found.findings} == {Outcome.FAILED}
    assert "the forces are not the gradient of the energy" in found.findings[0].sentence


def test_a_stale_head_stops_the_run(tmp_path):
    """At the first outer step, by LAMMPS itself, which says so."""
    from model_commands import argon_crystal

    path = wrong_models.stale_head().export(tmp_path / "model.pt")
    ase.io.write(tmp_path / "start.xyz", argon_crystal(0))
    request = CertifyRequest(
        path, (tmp_path / "start.xyz",), only=("nve",), multiplicities=(4,), **SHORT
    )
    (finding,) = certify(request, tmp_path / "out").findings
    assert finding.outcome is Outcome.FAILED
    assert "the direct forces of the model differ from the conservative ones" in finding.sentence


def test_a_run_that_is_too_short_is_undecided(tmp_path):
    found = certified(einstein_crystal(), tmp_path, length_ps=0.02)
    assert found.passed is None
    assert "It could not be told" in found.headline
    assert "Run longer (--ps)" in found.findings[0].sentence


def test_without_direct_forces_there_are_no_inner_steps(tmp_path, model_file):
    ase.io.write(tmp_path / "start.xyz", einstein_start())
    request = CertifyRequest(
        model_file("lennard_jones"),
        (tmp_path / "start.xyz",),
        only=("nve",),
        multiplicities=(4, 8),
    )
    findings = certify(request, tmp_path / "out").findings
    assert [finding.name for finding in findings] == ["NVE, M = 4", "NVE, M = 8"]
    assert all(finding.outcome is Outcome.SKIPPED for finding in findings)
