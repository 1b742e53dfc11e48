"""LAMMPS, i-PI's driver and ASE take compiled files wherever they take TorchScript."""

import ipi_tools
import numpy as np
import pytest
from compiled_files import box, moving_box
from compiled_files.runs import trajectory

from md_bridge.ase import MDBridgeCalculator
from md_bridge.drift import measure
from md_bridge.model_options import ModelOptions


@pytest.mark.parametrize("ranks", [1, 2])
@pytest.mark.parametrize("kind", ["adaptive PET", "module"])
def test_lammps(tmp_path, files, kind, ranks):
    made = files(kind)
    found, expected = (
        trajectory(tmp_path, made, model, ranks) for model in (made.compiled, made.exported)
    )
    assert len(found) == 11
    np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-7)


def test_multiple_time_stepping(tmp_path, files):
    made = files("module")
    method = "run_style respa 2 4 inner 1 3.0 4.0 outer 2"
    found, expected = (
        trajectory(tmp_path, made, model, keywords="max_correction 10", method=method)
        for model in (made.compiled, made.exported)
    )
    np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-7)


def test_ase(files):
    made = files("adaptive PET")
    atoms = box(made)
    values = []
    for model in (made.compiled, made.exported):
        atoms.calc = MDBridgeCalculator(model)
        values.append((atoms.get_potential_energy(), atoms.get_forces(), atoms.get_stress()))
    for ours, theirs in zip(*values, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-10)


@pytest.mark.parametrize("client", [False, True], ids=["driver", "client"])
def test_ipi(tmp_path, files, socket_name, client):
    """Multiple time stepping: direct, conservative and both."""
    made = files("module")
    ends = []
    for name, model in (("compiled", made.compiled), ("exported", made.exported)):
        addresses = [f"{socket_name}{name}-{forces}" for forces in ("cons", "direct")]
        if client:
            forcefields = [
                ipi_tools.ffsocket(forces, address)
                for forces, address in zip(("cons", "direct"), addresses, strict=True)
            ]
        else:
            forcefields = [
                ipi_tools.ffdirect("cons", model, "conservative", max_correction=10),
                ipi_tools.ffdirect("direct", model, "direct", max_correction=10),
            ]
        simulation = ipi_tools.Simulation(
            moving_box(made),
            forcefields,
            ipi_tools.mts_forces(),
            steps=4,
            timestep=1.0,
            inner_steps=2,
        )
        serves = [f"--serve=unix:{addresses[0]}", f"--serve=unix:{addresses[1]}=direct"]
        arguments = [str(model), "--template", "start.xyz", "--max-correction", "10", *serves]
        run = simulation.run(tmp_path / name, *([arguments] if client else []))
        assert run.ok, run.log + str(run.client_messages)
        ends.append((run.positions(), run.momenta()))
    for ours, theirs in zip(*ends, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("host", ["lammps", "i-pi"])
def test_drift(tmp_path, files, host):
    made = files("module")
    series = [
        measure(
            model,
            moving_box(made),
            host=host,
            forces="mts:2",
            timestep_fs=0.5,
            length_ps=0.02,
            keep_velocities=True,
            model_options=ModelOptions(max_correction=10.0),
        )
        .results[0]
        .runs[0]
        .record.conserved_energy
        for model in (made.compiled, made.exported)
    ]
    assert len(series[0]) > 10
    np.testing.assert_allclose(*series, atol=1e-6)
