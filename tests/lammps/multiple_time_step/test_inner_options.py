"""What goes together with an inner model in LAMMPS: rotations, uncertainties, units, minimisers."""

import lammps_tools as tools
import mts_reference
import numpy as np
import pytest
from argon_levels import (
    ATOMS,
    INNER_STEP,
    MASS,
    MASSES,
    assert_same,
    forces_of,
    pair,
    run_to_end,
    velocities,
)

from md_bridge.engine import Engine, structure_from_ase

M = 4
RESPA = f"run_style respa 2 {M} inner 1 3.0 4.0 outer 2\n"
MOVE = f"neighbor 1.0 bin\ntimestep {M * INNER_STEP}\n"


def test_random_rotations_of_the_inner_model(folder, box, tmp_path):
    """The same ones on any number of ranks, others with another seed."""
    ends = {}
    for ranks, seed in ((1, 5), (2, 5), (1, 6)):
        keywords = f"inner_symmetrize random seed {seed} max_correction 1e6"
        text = box + pair(folder, "strong_curl", "anisotropic", keywords) + MOVE + RESPA
        ends[ranks, seed] = run_to_end(text + "run 5\n", tmp_path, ranks)
    for one, other in zip(ends[1, 5], ends[2, 5], strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-9)
    assert np.abs(ends[1, 5][0] - ends[1, 6][0]).max() > 1e-7


@pytest.mark.parametrize("ranks", [2])
def test_uncertainties_are_those_of_the_outer_model(folder, box, tmp_path, ranks):
    text = box + pair(folder, "uncertain", "stand_in") + MOVE + RESPA
    text += "compute c all mdbridge/atom uncertainty\nrun 2\n"
    text += "compute m all reduce max c_c\nrun 1\n"
    text += "write_dump all custom found id x y z c_c modify sort id format float %.17g\n"
    done = tools.run_input(text, tmp_path, ranks=ranks)
    assert done.returncode == 0, done.stdout[-2000:]
    table = np.loadtxt(tmp_path / "found", skiprows=9)
    atoms = ATOMS.copy()
    atoms.positions = table[:, 1:4]
    expected = Engine(folder / "uncertain.pt").evaluate(structure_from_ase(atoms), uncertainty=True)
    np.testing.assert_allclose(table[:, 4], expected.uncertainty, rtol=0, atol=1e-12)


@pytest.mark.parametrize("ranks", [2])
def test_units_real(folder, tmp_path, ranks):
    """kcal/mol, fs and Å/fs instead of eV, ps and Å/ps."""
    start = velocities() * 1e-3
    text = tools.box_from_file(
        ATOMS, ["Ar"], tmp_path / "real.data", units="real", velocities=start
    )
    text += f"mass 1 {MASS}\n" + pair(folder, "strong_curl", "stand_in")
    text += f"neighbor 1.0 bin\ntimestep {M * INNER_STEP * 1e3}\n{RESPA}run 20\n"
    positions, speeds = run_to_end(text, tmp_path, ranks)

    def in_kcal(name, kind):
        force = forces_of(folder / f"{name}.pt", kind)
        return lambda x: tools.KCAL_PER_MOL * force(x)

    frame = mts_reference.multiple_time_step(
        ATOMS.positions,
        start,
        # LAMMPS units real: (kcal/mol/Å)/(g/mol) in Å/fs²
        np.full(len(ATOMS), MASS * 48.88821291**2),
        in_kcal("strong_curl", "conservative"),
        in_kcal("stand_in", "direct"),
        INNER_STEP * 1e3,
        M,
        20,
    )[-1]
    assert np.abs(positions - ATOMS.positions).max() > 0.2
    tools.assert_same_positions(positions, frame.positions, ATOMS.cell, 1e-9)
    np.testing.assert_allclose(speeds, frame.velocities, rtol=0, atol=1e-11)


@pytest.mark.parametrize("style", [RESPA, "run_style verlet\n"])
def test_minimisation_goes_by_the_outer_model(folder, box, style):
    """And dynamics after it begin anew, with both."""
    ends = []
    for inner in ("", "stand_in"):
        models = pair(folder, "strong_curl", inner)
        with tools.lammps(box, models, MOVE, style if inner else "") as lmp:
            lmp.command("minimize 0 1e-4 20 60")
            ends.append(tools.results(lmp))
            if inner:
                lmp.commands_string(f"{RESPA}run 3")
                moved = tools.results(lmp)
    np.testing.assert_allclose(ends[1].positions, ends[0].positions, rtol=0, atol=1e-11)
    np.testing.assert_allclose(ends[1].forces, ends[0].forces, rtol=0, atol=1e-11)
    assert np.abs(ends[0].positions - ATOMS.positions).max() > 0.05
    frame = mts_reference.multiple_time_step(
        ends[1].positions,
        ends[1].velocities,
        MASSES,
        forces_of(folder / "strong_curl.pt", "conservative"),
        forces_of(folder / "stand_in.pt", "direct"),
        INNER_STEP,
        M,
        3,
    )[-1]
    assert_same(moved.positions, moved.velocities, frame)
