"""Atoms that interact with nothing are gone: they have no energy of their own."""

import lammps_tools as tools
import models
import numpy as np
import pytest
import torch

ARGON = tools.argon(cells=(2, 2, 2), tilt=(1.0, 0.5, -0.5))
BOX = tools.box(ARGON, ["Ar"])
LJ_CUT = "pair_style lj/cut 8.5\npair_coeff * * 0.0104 3.4\n"
ALONE = -1.0  # eV, of an atom without neighbours


class Shifted(torch.nn.Module):
    """Another model with a constant energy for each atom."""

    def __init__(self, model: torch.nn.Module, shift: float):
        super().__init__()
        self.model, self.shift = model, shift

    def forward(
        self,
        types: torch.Tensor,
        positions: torch.Tensor,
        cell: torch.Tensor,
        pairs: torch.Tensor,
        shifts: torch.Tensor,
        structure: torch.Tensor,
    ) -> dict[str, torch.Tensor]:
        results: dict[str, torch.Tensor] = self.model(
            types, positions, cell, pairs, shifts, structure
        )
        results["energy"] = results["energy"] + self.shift
        return results


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """Lennard-Jones, and 1 eV less for each atom."""
    plain = models.lennard_jones()
    shifted = models.AnalyticModel(Shifted(plain.module, ALONE), plain.elements, plain.cutoff)
    return shifted.export(tmp_path_factory.mktemp("shifted") / "shifted.pt")


def pair(path) -> str:
    return f"pair_style mdbridge {path} threads 1\npair_coeff * * Ar\n"


GONE = "group gone id 1 2 3\n"


@pytest.mark.parametrize(
    "exclude",
    [
        "neigh_modify exclude group gone all\n",
        "neigh_modify exclude group all gone\n",
        "set group gone type 2\nneigh_modify exclude type 2 2 exclude type 1 2\n",
    ],
    ids=["group all", "all group", "types"],
)
@pytest.mark.parametrize("ranks", [1, 2])
def test_energy_is_that_after_deleting(model, tmp_path, exclude, ranks):
    box = tools.box_from_file(ARGON, ["Ar", "He"], tmp_path / "argon.data")
    style = f"pair_style mdbridge {model} threads 1\npair_coeff * * Ar Ar\n"
    finish = 'run 0\nprint "$(pe:%.15g) $(pxx:%.15g) $(pxy:%.15g)" append values.txt\n'
    text = box + style + GONE
    text += "run 0\n" + exclude + finish
    text += "neigh_modify exclude none\ndelete_atoms group gone compress no\n" + finish
    run = tools.run_input(text, tmp_path, ranks=ranks)
    assert run.returncode == 0, run.stdout[-2000:]
    excluded, deleted = np.loadtxt(tmp_path / "values.txt")
    np.testing.assert_allclose(excluded[0], deleted[0], atol=1e-9)


def test_other_exclusions_keep_the_atoms(model):
    """Atoms of a group that do not see each other still see the others."""
    exclude = "neigh_modify exclude group gone gone\nrun 0\n"
    with tools.lammps(BOX, pair(model), GONE, exclude) as lmp:
        found = lmp.get_thermo("pe")
    with tools.lammps(BOX, LJ_CUT, GONE, exclude) as lmp:
        assert found == pytest.approx(lmp.get_thermo("pe") + ALONE * len(ARGON), abs=1e-9)


def test_evaporated_atoms_take_their_energy_along(model):
    evaporate = "region all block INF INF INF INF INF INF\nfix dry all evaporate 1 1 all 4711\n"
    ends = []
    for style in (LJ_CUT, pair(model)):
        with tools.lammps(BOX, style, evaporate, "run 5") as lmp:
            ends.append((lmp.get_natoms(), lmp.get_thermo("pe")))
    (atoms, energy), (left, found) = ends
    assert left == atoms < len(ARGON) - 3
    assert found == pytest.approx(energy + ALONE * left, abs=1e-9)


def test_grand_canonical_monte_carlo(model):
    """A shift of energies and of the chemical potential is the same ensemble, move for move."""
    ends = []
    for style, potential in ((LJ_CUT, -0.15), (pair(model), -0.15 + ALONE)):
        insert = f"fix gc all gcmc 1 30 20 1 29494 300 {potential} 1.0 full_energy\n"
        with tools.lammps(BOX, style, "unfix nve", insert, "run 3") as lmp:
            counts = [lmp.extract_fix("gc", 0, 1, nrow=k) for k in range(8)]
            ends.append((counts, lmp.get_natoms(), lmp.get_thermo("pe")))
    (theirs, atoms, energy), (ours, our_atoms, our_energy) = ends
    assert sum(theirs[1::2]) > 0  # accepted moves
    assert ours == theirs
    assert our_atoms == atoms
    assert our_energy - ALONE * atoms == pytest.approx(energy, abs=1e-8)


def test_widom_insertion(model):
    """The excess chemical potential contains the energy of the lone atom."""
    values = []
    box = tools.box(tools.argon(cells=(2, 2, 2), lattice=8.0), ["Ar"])  # room between the atoms
    for style in (LJ_CUT, pair(model)):
        insert = "fix w all widom 1 20 1 29494 300 full_energy\n"
        with tools.lammps(box, style, "unfix nve", insert, "run 2") as lmp:
            values.append(lmp.extract_fix("w", 0, 1, nrow=0))
    assert values[1] - values[0] == pytest.approx(ALONE, abs=1e-8)


def test_lists_of_one_group_are_refused(model, tmp_path):
    first = BOX.replace("map array", "map array first some")
    text = first + pair(model) + "group some id 1:16\nneigh_modify include some\nrun 0\n"
    run = tools.run_input(text, tmp_path)
    assert run.returncode == 1
    assert "use neigh_modify include all" in run.stdout, run.stdout[-1500:]
