"""A compiled student serves the inner forces, as its TorchScript file does."""

import ipi_tools
import numpy as np
import pytest
from compiled_files import moving_box
from compiled_files.runs import trajectory

from md_bridge.engine import Engine, cheapest_forces, open_inner
from md_bridge.model_options import ModelOptions


@pytest.fixture
def outer(files):
    """Another model of the same elements."""
    return files("adaptive PET").exported


def test_a_compiled_student_is_an_inner_model(files):
    made = files("student")
    engine, kind = open_inner(ModelOptions(inner=str(made.compiled)))
    assert engine.info.path == str(made.compiled)
    assert kind == cheapest_forces(Engine(made.exported))


def test_lammps(tmp_path, files, outer):
    made = files("student")
    method = "run_style respa 2 4 inner 1 3.0 4.0 outer 2"
    found, expected = (
        trajectory(tmp_path, made, outer, keywords=f"inner {student} max_correction 10",
                   method=method)
        for student in (made.compiled, made.exported)
    )  # fmt: skip
    assert len(found) == 11
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)  # in single precision


def test_ipi(tmp_path, files, outer):
    made = files("student")
    ends = []
    for name, student in (("compiled", made.compiled), ("exported", made.exported)):
        keywords = {"inner": student, "max_correction": 10}
        simulation = ipi_tools.Simulation(
            moving_box(made),
            [
                ipi_tools.ffdirect("cons", outer, "conservative", **keywords),
                ipi_tools.ffdirect("direct", outer, "direct", **keywords),
            ],
            ipi_tools.mts_forces(),
            steps=4,
            timestep=1.0,
            inner_steps=2,
        )
        run = simulation.run(tmp_path / name)
        assert run.ok, run.log
        ends.append(run.positions())
    np.testing.assert_allclose(*ends, atol=1e-6)
    assert np.abs(ends[0] - moving_box(made).positions).max() > 1e-3
