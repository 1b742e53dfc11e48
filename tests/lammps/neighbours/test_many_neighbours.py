"""More neighbours than LAMMPS allows for by itself, and ghosts no further than needed."""

import re

import lammps_tools as tools
import models
import pytest

LJ_CUT = "pair_style lj/cut 8.5\npair_coeff * * 0.0104 3.4\n"


def pair(path) -> str:
    return f"pair_style mdbridge {path} threads 1\npair_coeff * * Ar\n"


def energy(folder, *commands: str) -> float:
    text = "".join([*commands, 'run 0\nprint "$(pe:%.15g)" file pe.txt\n'])
    run = tools.run_input(text, folder)
    assert run.returncode == 0, run.stdout[-2000:]
    return float((folder / "pe.txt").read_text())


def test_dense_matter(model_file, tmp_path):
    """2,600 neighbours within cutoff and skin of 10.5 Å; half of them in a list of lj/cut."""
    atoms = tools.argon(cells=(1, 1, 1))
    atoms.set_cell([1.95] * 3, scale_atoms=True)
    box = tools.box(atoms, ["Ar"])
    found = energy(tmp_path, box, pair(model_file("lennard_jones")))
    assert found == pytest.approx(energy(tmp_path, box, LJ_CUT), rel=1e-12)


def test_less_than_needed_is_asked_for(model_file, tmp_path):
    box = tools.box(tools.argon(cells=(2, 2, 2)), ["Ar"]) + "neigh_modify one 20 page 200\n"
    found = energy(tmp_path, box, pair(model_file("lennard_jones")))
    expected = energy(tmp_path, box, "neigh_modify one 2000 page 20000\n", LJ_CUT)
    assert found == pytest.approx(expected, rel=1e-12)


def test_ghosts_after_another_pair_style(tmp_path):
    """The range of message passing ends with the model."""
    models.two_layers(5.0).export(tmp_path / "two.pt")
    box = tools.box_from_file(tools.argon(cells=(3, 3, 3)), ["Ar"], tmp_path / "argon.data")
    short = "pair_style lj/cut 4.0\npair_coeff * * 0.0104 3.4\nrun 0\n"
    again = pair("two.pt") + "run 0\n"
    run = tools.run_input(
        box + "neighbor 1.0 bin\n" + again + short + "comm_modify cutoff 8.0\n" + again + short,
        tmp_path,
        ranks=2,
    )
    assert run.returncode == 0, run.stdout[-2000:]
    cutoffs = [float(found) for found in re.findall(r"ghost atom cutoff = (\S+)", run.stdout)]
    assert cutoffs == [11.0, 5.0, 11.0, 8.0]
