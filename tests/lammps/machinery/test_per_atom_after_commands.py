"""``compute mdbridge/atom`` sees the atoms where a command has put them, ghosts too."""

import lammps_tools as tools
import models
import numpy as np
import pytest


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("peratom")
    models.curl(size=0.02).export(folder / "curl.pt")
    return folder


def argon():
    """No atom near a face of the box, or of half of it: none changes its rank."""
    atoms = tools.argon(cells=(3, 2, 2))
    atoms.positions += 1.35
    atoms.wrap()
    return atoms


COMMANDS = {
    "displaced": "run 0\ndisplace_atoms all random 0.05 0.05 0.05 7\n",
    # at the end of its last step the fix moves box and atoms
    "deformed": (
        "fix d all deform 1 x scale 1.1 y scale 0.95 remap x\n"
        "velocity all create 50 7 loop geom\nneigh_modify every 100 delay 100 check no\nrun 4\n"
    ),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_several_ranks_give_what_one_gives(folder, name):
    text = (
        tools.box_from_file(argon(), ["Ar"], folder / "argon.data")
        + "pair_style mdbridge curl.pt threads 1\npair_coeff * * Ar\n"
        + "compute both all mdbridge/atom conservative correction\nneighbor 2.0 bin\n"
        + COMMANDS[name]
        + "write_dump all custom both.dump id c_both[*] modify sort id format float %.15g\n"
    )
    ends = []
    for ranks in (1, 2):
        run = tools.run_input(text, folder, ranks=ranks)
        assert run.returncode == 0, run.stdout[-2000:]
        ends.append(np.loadtxt(folder / "both.dump", skiprows=9))
    assert np.abs(ends[0][:, 1:]).max() > 1e-2
    np.testing.assert_allclose(ends[1], ends[0], atol=1e-10)


def test_atoms_that_change_their_rank_are_noticed(folder):
    text = (
        tools.box_from_file(argon(), ["Ar"], folder / "argon.data")
        + "pair_style mdbridge curl.pt threads 1\npair_coeff * * Ar\n"
        + "compute both all mdbridge/atom conservative\nrun 0\n"
        # the halves of the box change places
        + "displace_atoms all move 8.1 0 0 units box\n"
        + "write_dump all custom both.dump id c_both[*]\n"
    )
    run = tools.run_input(text, folder, ranks=2)
    assert run.returncode != 0
    assert "have gone to other ranks" in run.stdout
