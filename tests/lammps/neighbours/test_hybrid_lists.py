"""Hybrids with inner and outer levels: each force call has the neighbour list of its own atoms."""

import lammps_tools as tools
import models
import numpy as np
import pytest

BOX = tools.box(tools.argon(cells=(2, 2, 2), tilt=(1.0, 0.5, -0.5)), ["Ar"])
RESPA = "run_style respa 2 3 inner 1 3.0 4.0 outer 2\n"
EXCLUDE = "group left id 1:16\ngroup right id 17:32\nneigh_modify exclude group left right\n"


@pytest.fixture(scope="module")
def curl(tmp_path_factory):
    return models.curl(size=0.02).export(tmp_path_factory.mktemp("curl") / "curl.pt")


def overlay(path, beside: str) -> str:
    """The model beside another style, or as the only one of a hybrid."""
    if beside == "nothing":
        return f"pair_style hybrid/overlay mdbridge {path} threads 1\npair_coeff * * mdbridge Ar\n"
    return (
        f"pair_style hybrid/overlay mdbridge {path} threads 1 lj/cut 7.0\n"
        "pair_coeff * * mdbridge Ar\npair_coeff * * lj/cut 0.002 3.0\n"
    )


@pytest.fixture(params=["nothing", "lj/cut"])
def hybrid(curl, request) -> str:
    return overlay(curl, request.param)


def end_of(*commands: str) -> tools.Results:
    with tools.lammps(*commands) as lmp:
        return tools.results(lmp)


def test_pairs_excluded_between_runs_at_one_step(hybrid):
    """LAMMPS builds the model's list on demand, and knows by the step whether it is there."""
    start = (BOX, hybrid, RESPA)
    found = end_of(*start, "run 0", EXCLUDE, "run 0")
    expected = end_of(*start, EXCLUDE, "run 0")
    assert found.energy == pytest.approx(expected.energy, abs=1e-10)
    np.testing.assert_allclose(found.forces, expected.forces, atol=1e-10)
    assert abs(found.energy - end_of(*start, "run 0").energy) > 1e-3


def test_a_run_that_begins_at_the_step_of_the_last_list(hybrid):
    """Atoms are sorted at the beginning of a run, as LAMMPS does unless told otherwise."""
    atoms = tools.argon(cells=(3, 3, 3))
    atoms = atoms[np.random.default_rng(3).permutation(len(atoms))]
    sorting = tools.box(atoms, ["Ar"]).replace("map array", "map array sort 1000 3.0")
    often = "neigh_modify every 1 delay 0 check no\nvelocity all create 2000 7 loop geom\n"
    start = (sorting, hybrid, often, RESPA, "neighbor 0.5 bin\ntimestep 0.002\n")
    found = end_of(*start, "run 5", "run 5")
    expected = end_of(*start, "run 10")
    np.testing.assert_allclose(found.forces, expected.forces, atol=1e-9)
    tools.assert_same_positions(found.positions, expected.positions, atoms.cell, 1e-9)
    assert found.energy == pytest.approx(expected.energy, abs=1e-9)


def test_atoms_deleted_between_runs_at_one_step(hybrid):
    start = (BOX, hybrid, RESPA)
    delete = "group gone id 3 7 20\ndelete_atoms group gone compress no\n"
    with tools.lammps(*start, "run 0", delete, "run 0") as lmp:
        found = lmp.get_thermo("pe")
    with tools.lammps(*start, delete, "run 0") as lmp:
        assert found == pytest.approx(lmp.get_thermo("pe"), abs=1e-10)


@pytest.mark.parametrize("levels", ["inner 1 3.0 4.0 outer 2", "pair 1", "pair 2"])
def test_other_ghosts_at_the_step_of_the_last_list(curl, levels):
    """The atoms are the same, and where they were; the images that LAMMPS keeps are not."""
    style = (overlay(curl, "nothing"), f"run_style respa 2 3 {levels}", "comm_modify cutoff 14.0")
    found = end_of(BOX, *style, "run 0", "comm_modify cutoff 7.0", "run 0")
    expected = end_of(BOX, *style, "run 0")
    assert found.energy == pytest.approx(expected.energy, abs=1e-10)
    np.testing.assert_allclose(found.forces, expected.forces, atol=1e-10)


def test_scaled_hybrids_have_no_inner_and_outer_levels(curl, tmp_path):
    """LAMMPS scales the outer forces of a sub-style, and not the inner ones."""
    scaled = (
        f"pair_style hybrid/scaled 0.5 mdbridge {curl} threads 1 0.5 lj/cut 7.0\n"
        "pair_coeff * * mdbridge Ar\npair_coeff * * lj/cut 0.002 3.0\n"
    )
    run = tools.run_input(BOX + scaled + RESPA + "run 1\n", tmp_path)
    assert run.returncode == 1
    assert "hybrid/scaled" in run.stdout
    assert "run_style respa with inner and outer levels" in run.stdout
