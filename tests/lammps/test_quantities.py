"""compute mdbridge/atom, uncertainty warnings, the keywords check and timing, and what a step asks
of the network."""

import re
from typing import Dict  # TorchScript knows no other  # noqa: UP035

import lammps_tools as tools
import models
import numpy as np
import pytest
import torch
from ase import Atoms

from md_bridge.engine import Engine, structure_from_ase
from md_bridge.export import export_module, pair_vectors

ATOMS = tools.argon(cells=(2, 2, 2), tilt=(1.0, 0.5, -0.5))
BOX = tools.box(ATOMS, ["Ar"])
RESPA = "run_style respa 2 3 inner 1 3.0 4.0 outer 2\n"
MOVE = "velocity all create 200 7\nneighbor 0.5 bin\ntimestep 0.003\n"


def pair(path, keywords: str = "") -> str:
    return f"pair_style mdbridge {path} threads 1 {keywords}\npair_coeff * * Ar\n"


@pytest.fixture(scope="module")
def curl(tmp_path_factory):
    return models.curl(size=0.02).export(tmp_path_factory.mktemp("curl") / "curl.pt")


def per_atom(lmp, name: str, columns: int) -> np.ndarray:
    return np.array(lmp.gather(name, 1, columns)).reshape(-1, columns)


@pytest.mark.parametrize(
    ("style", "units"),
    [("run_style verlet\n", "metal"), (RESPA, "metal"), ("run_style verlet\n", "real")],
    ids=["verlet", "respa", "units real"],
)
def test_both_kinds_of_forces_and_their_difference(curl, style, units):
    factor = tools.KCAL_PER_MOL if units == "real" else 1.0
    both = "compute both all mdbridge/atom conservative direct correction\n"
    steps = "run 4\n" if style == RESPA else "run 0\n"
    box = tools.box(ATOMS, ["Ar"], units=units)
    with tools.lammps(box, pair(curl), MOVE if units == "metal" else "", style, both, steps) as lmp:
        found = per_atom(lmp, "c_both", 9)
        state = tools.results(lmp)
    atoms = ATOMS.copy()
    atoms.positions = state.positions
    engine = Engine(curl)
    expected = engine.evaluate(
        structure_from_ase(atoms), conservative_forces=True, direct_forces=True
    )
    np.testing.assert_allclose(found[:, :3], expected.conservative_forces * factor, atol=1e-9)
    np.testing.assert_allclose(found[:, 3:6], expected.direct_forces * factor, atol=1e-9)
    np.testing.assert_allclose(found[:, 6:], found[:, :3] - found[:, 3:6], atol=1e-12)
    assert np.abs(found[:, 6:]).max() > 1e-2


class CurlWithUncertainty(torch.nn.Module):
    """Direct forces, and an uncertainty of 0.01 eV for each neighbour."""

    def __init__(self):
        super().__init__()
        self.curl = models.curl(size=0.02).module

    def forward(
        self,
        types: torch.Tensor,
        positions: torch.Tensor,
        cell: torch.Tensor,
        pairs: torch.Tensor,
        shifts: torch.Tensor,
        structure: torch.Tensor,
    ) -> Dict[str, torch.Tensor]:  # noqa: UP006
        results: Dict[str, torch.Tensor] = self.curl(  # noqa: UP006
            types, positions, cell, pairs, shifts, structure
        )
        ones = torch.ones_like(pairs[:, 0], dtype=positions.dtype)
        zeros = torch.zeros_like(positions[:, 0])
        results["uncertainty"] = 0.01 * zeros.index_add(0, pairs[:, 0], ones)
        return results


def test_quantities_cost_nothing_at_outer_steps(tmp_path):
    model = export_module(
        CurlWithUncertainty(), tmp_path / "m.pt", elements=["Ar"], cutoff=6.0, layers=1
    )
    counts = []
    computes = "compute c all mdbridge/atom correction uncertainty\ncompute e all pe/atom\n"
    dump = f"dump d all custom 1 {tmp_path}/dump id c_c[*] c_e\ndump_modify d sort id\n"
    for commands in ("", computes + dump):
        log = tmp_path / f"log.{len(counts)}"
        with tools.lammps(
            BOX, pair(model, "timing yes"), MOVE, RESPA, commands + "run 5", log=str(log)
        ) as lmp:
            state = tools.results(lmp)
        counts.append(re.findall(r"evaluations (\d+)", log.read_text())[-1])
    assert (tmp_path / "dump").read_text().count("TIMESTEP") == 6
    assert counts[0] == counts[1]
    lines = (tmp_path / "dump").read_text().splitlines()[-len(ATOMS) :]
    last = np.array([line.split() for line in lines], dtype=float)
    assert last[:, 5].sum() == pytest.approx(state.energy, abs=1e-4)
    atoms = ATOMS.copy()
    atoms.positions = state.positions
    expected = Engine(model).evaluate(structure_from_ase(atoms), uncertainty=True)
    np.testing.assert_allclose(last[:, 4], expected.uncertainty, atol=1e-5)


class Strained(torch.nn.Module):
    """Each atom is pushed along x, with 0.01 eV/Å, by an evaluation from which the gradient by the
    strain is wanted."""

    def __init__(self):
        super().__init__()
        self.curl = models.curl(size=0.02).module

    def forward(
        self,
        types: torch.Tensor,
        positions: torch.Tensor,
        cell: torch.Tensor,
        pairs: torch.Tensor,
        shifts: torch.Tensor,
        structure: torch.Tensor,
    ) -> Dict[str, torch.Tensor]:  # noqa: UP006
        results: Dict[str, torch.Tensor] = self.curl(  # noqa: UP006
            types, positions, cell, pairs, shifts, structure
        )
        if cell.requires_grad:
            results["energy"] = results["energy"] - 0.01 * positions[:, 0]
        return results


@pytest.mark.parametrize(
    ("method", "thermo", "pushes"),
    [
        ("", "step pe press", 2),
        ("", "step pe", 2),  # LAMMPS asks at each output
        ("unfix nve\nfix move all nph iso 0 0 1.0 ptemp 100\n", "step pe press", 8),
        (RESPA, "step pe press", 2),
    ],
    ids=["nve", "nve without a pressure", "nph", "respa"],
)
def test_no_strain_is_differentiated_unless_a_pressure_is_wanted(tmp_path, method, thermo, pushes):
    """Seen in the velocities, not in the output: steps 0 and 8 push by half."""
    model = export_module(
        Strained(), tmp_path / "m.pt", elements=["Ar"], cutoff=6.0, layers=1, dtype="float64"
    )
    run = f"thermo 4\nthermo_style custom {thermo}\nrun 8\n"
    with tools.lammps(
        BOX, pair(model, "virial conservative"), "timestep 0.0001\n", method, run
    ) as lmp:
        velocity = np.array(lmp.gather_atoms("v", 1, 3)).reshape(-1, 3).mean(axis=0)[0]
    kick = 1e-4 * 0.01 / (39.948 * 1.0364269e-4)  # timestep, push and mass, in units metal
    assert velocity / kick == pytest.approx(pushes, rel=1e-2)


def test_quantities_of_a_group(model_file):
    group = "group few id 1:5\ncompute u few mdbridge/atom uncertainty\nrun 0\n"
    with tools.lammps(BOX, pair(model_file("uncertain")), group) as lmp:
        found = per_atom(lmp, "c_u", 1)[:, 0]
    expected = Engine(model_file("uncertain")).evaluate(structure_from_ase(ATOMS), uncertainty=True)
    np.testing.assert_allclose(found[:5], np.array(expected.uncertainty)[:5], atol=1e-12)
    assert (found[5:] == 0).all()


def test_quantities_on_two_ranks(model_file, tmp_path):
    text = (
        tools.box_from_file(tools.argon(cells=(4, 1, 1)), ["Ar"], tmp_path / "start.data")
        + pair(model_file("two_layers"))
        + "compute c all mdbridge/atom conservative direct correction\n"
        + "dump d all custom 1 {} id c_c[*]\n"
        + "dump_modify d sort id format float %.17g\nrun 0\n"
    )
    dumps = []
    for ranks in (1, 2):
        run = tools.run_input(text.format(f"dump.{ranks}"), tmp_path, ranks=ranks)
        assert run.returncode == 0, run.stdout
        dumps.append(np.loadtxt(tmp_path / f"dump.{ranks}", skiprows=9))
    np.testing.assert_allclose(dumps[1], dumps[0], atol=1e-10)
    assert np.abs(dumps[0][:, 1:4]).max() > 1e-3


@pytest.mark.parametrize(
    ("style", "words"),
    [
        ("conservativ", "did you mean 'conservative'"),
        ("", "expects one or more of"),
    ],
)
def test_unknown_quantities(curl, tmp_path, style, words):
    text = BOX + pair(curl) + f"compute c all mdbridge/atom {style}\nrun 0\n"
    run = tools.run_input(text, tmp_path)
    assert run.returncode != 0
    assert words in run.stdout


def test_quantities_need_the_pair_style(curl, tmp_path):
    text = BOX + "pair_style lj/cut 5\npair_coeff * * 0.01 3\n"
    run = tools.run_input(text + "compute c all mdbridge/atom direct\nrun 0\n", tmp_path)
    assert run.returncode != 0
    assert "needs pair_style mdbridge" in run.stdout


@pytest.mark.parametrize("ranks", [1, 2])
def test_uncertainty_above_the_threshold_is_warned_of(model_file, tmp_path, ranks):
    text = BOX + pair(model_file("uncertain"), "uncertainty {}") + "run 0\n"
    # the model says 0.01 eV for each neighbour within the cutoff
    quiet = tools.run_input(text.format(5.0), tmp_path, ranks=ranks)
    assert quiet.returncode == 0, quiet.stdout
    assert "energy uncertainty" not in quiet.stdout
    loud = tools.run_input(text.format(0.1), tmp_path, ranks=ranks)
    assert "the energy uncertainty of 32 atoms is above 0.1 eV; the largest is" in loud.stdout


@pytest.mark.parametrize("x", [5.0, 35.0])
def test_a_warning_of_any_rank_is_printed(model_file, tmp_path, x):
    """A pair of atoms on one rank; the other one has a lonely atom."""
    lonely = 40 - x  # on the other rank: they meet at x = 20
    atoms = Atoms("Ar3", [[x, 5, 5], [x, 9, 5], [lonely, 5, 5]], cell=[40, 10, 10])
    text = tools.box(atoms, ["Ar"], setup="processors 2 1 1\n")
    text += pair(model_file("uncertain"), "uncertainty 0.005") + "run 0\n"
    done = tools.run_input(text, tmp_path, ranks=2)
    assert "the energy uncertainty of 2 atoms is above 0.005 eV" in done.stdout, done.stdout


@pytest.mark.parametrize("trigger", [0, 1])
def test_uncertainty_by_fix_pair(model_file, trigger):
    """In every step, or in those that the fix asks for."""
    fix = f"fix u all pair 2 mdbridge uncertainty {trigger}\n"
    with tools.lammps(BOX, pair(model_file("uncertain")), MOVE, fix, "run 4") as lmp:
        found = np.array(lmp.gather("f_u", 1, 1))
        positions = tools.results(lmp).positions
    atoms = ATOMS.copy()
    atoms.positions = positions
    engine = Engine(model_file("uncertain"))
    expected = engine.evaluate(structure_from_ase(atoms), uncertainty=True).uncertainty
    np.testing.assert_allclose(found, expected, atol=1e-12)
    assert np.ptp(found) > 0


def test_an_uncertainty_that_was_not_evaluated_is_no_zero(model_file, tmp_path):
    """Where fixes disagree on when it is wanted."""
    fixes = "fix one all pair 2 mdbridge uncertainty 1\nfix two all pair 3 mdbridge uncertainty 0\n"
    text = BOX + pair(model_file("uncertain")) + MOVE + "\n" + fixes
    run = tools.run_input(text + "run 3\n", tmp_path)
    assert run.returncode != 0
    assert "fix pair: the uncertainty was not evaluated in this step" in run.stdout


def test_uncertainty_by_fix_pair_needs_a_model_that_has_it(curl, tmp_path):
    text = BOX + pair(curl) + "fix u all pair 2 mdbridge uncertainty 1\nrun 0\n"
    run = tools.run_input(text, tmp_path)
    assert run.returncode != 0
    assert "energy_uncertainty" in run.stdout


def deviations(log: str) -> tuple[float, float]:
    found = re.search(r"largest deviation: force (\S+) eV/Angstrom, virial (\S+) eV", log)
    assert found, log
    return float(found.group(1)), float(found.group(2))


def test_check_of_a_good_model(curl, tmp_path):
    for style in ("run_style verlet\n", RESPA):
        run = tools.run_input(BOX + pair(curl, "check yes") + style + "run 2\n", tmp_path)
        assert run.returncode == 0, run.stdout
        force, virial = deviations(run.stdout)
        assert force < 1e-6
        assert virial < 1e-4
        assert run.stdout.count("check against finite differences") == 1


class WrongGradient(torch.nn.Module):
    """Harmonic pairs of which the gradient sees only a half."""

    def forward(
        self,
        types: torch.Tensor,
        positions: torch.Tensor,
        cell: torch.Tensor,
        pairs: torch.Tensor,
        shifts: torch.Tensor,
        structure: torch.Tensor,
    ) -> Dict[str, torch.Tensor]:  # noqa: UP006
        r = pair_vectors(positions, cell, pairs, shifts, structure)
        smooth = (1.0 - r.square().sum(dim=1) / 25.0) ** 3
        half = 0.5 * smooth + 0.5 * smooth.detach()
        energy = torch.zeros_like(positions[:, 0]).index_add(0, pairs[:, 0], half)
        return {"energy": energy}


def test_check_finds_wrong_forces(tmp_path):
    path = export_module(
        WrongGradient(), tmp_path / "wrong.pt", elements=["Ar"], cutoff=5.0, layers=1
    )
    run = tools.run_input(BOX + pair(path, "check yes") + "run 0\n", tmp_path)
    force, virial = deviations(run.stdout)
    assert force > 1e-3
    assert virial > 1e-2


def test_timing_table(curl, tmp_path):
    run = tools.run_input(BOX + pair(curl, "timing yes") + "run 3\n", tmp_path)
    for row in ("pairs", "packing", "forward", "backward", "unpacking", "total"):
        assert re.search(rf"^  {row} +\d+\.\d+ +\d+\.\d+ %$", run.stdout, re.MULTILINE)
    quiet = tools.run_input(BOX + pair(curl) + "run 3\n", tmp_path)
    assert "unpacking" not in quiet.stdout


def test_after_another_pair_style_there_is_a_sentence(curl, tmp_path):
    compute = "compute c all mdbridge/atom direct\nrun 0\n"
    other = "pair_style lj/cut 8.5\npair_coeff * * 0.01 3.4\n"
    dump = "write_dump all custom forces.dump id c_c[1]\n"
    run = tools.run_input(BOX + pair(curl) + compute + other + dump, tmp_path)
    assert run.returncode == 1
    assert "needs pair_style mdbridge" in run.stdout
