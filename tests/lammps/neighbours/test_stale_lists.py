"""A pair that is missing from the neighbour list stops the run, however LAMMPS was led astray."""

import lammps_tools as tools
import pytest
from ase import Atoms

MESSAGE = "have moved so far since the neighbour list was built"


def two_atoms(folder, distance: float, speed: float, setup: str = "") -> str:
    """On their way to each other, in Å and Å/fs."""
    x = [20.0 - distance / 2, 20.0 + distance / 2]
    atoms = Atoms("Ar2", [(x[0], 5, 5), (x[1], 5, 5)], cell=[40, 10, 10])
    velocities = [(1e3 * speed, 0, 0), (-1e3 * speed, 0, 0)]
    return tools.box_from_file(
        atoms, ["Ar"], folder / "two.data", boundary="f f f", setup=setup, velocities=velocities
    )


def pair(path) -> str:
    return f"pair_style mdbridge {path} threads 1\npair_coeff * * Ar\n"


@pytest.mark.parametrize("inner", [1, 2])
def test_within_an_outer_step(model_file, tmp_path, inner):
    """LAMMPS builds its list before the inner steps; they go 0.6 Å nearer to each other."""
    respa = f"run_style respa 2 {inner} inner 1 3.0 4.0 outer 2\n"
    for speed, returncode in ((0.3, 1), (0.05, 0)):
        text = (
            two_atoms(tmp_path, 6.5, speed)
            + pair(model_file("curl"))
            + "neighbor 0.1 bin\nneigh_modify every 1 delay 0 check yes\ntimestep 0.001\n"
            + respa
            + "run 1\n"
        )
        run = tools.run_input(text, tmp_path)
        assert run.returncode == returncode, run.stdout[-2000:]
        assert (MESSAGE in run.stdout) == bool(returncode)


def test_atoms_of_two_ranks(model_file, tmp_path):
    """Each rank knows one of the atoms, which have moved by 0.4 Å of a skin of 0.5 Å."""
    for speed, returncode in ((0.1, 1), (0.05, 0)):
        text = (
            two_atoms(tmp_path, 6.6, speed, "processors 2 1 1")
            + pair(model_file("curl"))
            + "neighbor 0.5 bin\nneigh_modify every 1 delay 20 check yes\n"
            + "timestep 0.001\nrun 4\n"
        )
        run = tools.run_input(text, tmp_path, ranks=2)
        assert run.returncode == returncode, run.stdout[-2000:]
        assert (MESSAGE in run.stdout) == bool(returncode)
