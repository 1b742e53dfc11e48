"""Domain decomposition: any number of ranks gives what one rank gives, and what lj/cut gives."""

import math
import re

import lammps_tools as tools
import models
import numpy as np
import pytest

from md_bridge.export.model_file import load_exported
from md_bridge.export.outputs import keep_outputs

TOLERANCE = 1e-10
LJ_CUT = "pair_style lj/cut 8.5\npair_coeff * * 0.0104 3.4\n"
MOVE = "velocity all create 400 7 loop geom\nneighbor 0.4 bin\ntimestep 0.004\n"
THERMO = f"""
thermo_style custom step temp pe ke etotal vol pxx pyy pzz pxy pxz pyz
{tools.THERMO}
"""
NPT = "unfix nve\nfix npt all npt temp 300 300 0.2 tri 0 0 1.0\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory, model_file):
    folder = tmp_path_factory.mktemp("mpi")
    for name in ("lennard_jones", "two_layers"):
        (folder / f"{name}.pt").symlink_to(model_file(name))
    models.curl(size=0.02).export(folder / "curl.pt")
    models.nan_when_close(3.2).export(folder / "nan.pt")
    curl = load_exported(folder / "curl.pt")
    options = {"outputs": None, "devices": None, "metadata": curl.metadata()}
    everywhere = keep_outputs(curl, **options, interaction_range=math.inf)
    everywhere.save(str(folder / "long-range.pt"))
    for name, (atoms, boundary) in BOXES.items():
        tools.box_from_file(atoms, ["Ar"], folder / f"{name}.data", boundary=boundary)
    return folder


def droplet():
    """All atoms in one corner of a large open box: some ranks own none."""
    atoms = tools.argon(cells=(2, 1, 1))
    atoms.set_cell([40.0, 40.0, 40.0])
    atoms.pbc = False
    atoms.positions += 2.0
    return atoms


# name -> (atoms, boundary)
BOXES = {
    "orthogonal": (tools.argon(cells=(3, 2, 2)), "p p p"),
    # sub-domains of 7.2 Å and less on three ranks
    "triclinic": (tools.argon(cells=(4, 2, 2), tilt=(1.5, -1.0, 0.8)), "p p p"),
    "slab": (tools.argon(cells=(2, 2, 1)), "p p s"),
    "small": (tools.argon(cells=(1, 1, 1)), "p p p"),
    "long": (tools.argon(cells=(12, 2, 2)), "p p p"),
    "droplet": (droplet(), "f f f"),
}


def box(name: str) -> str:
    """Commands that read one of the boxes."""
    return f"""
        units metal
        atom_modify map array sort 2 3.0
        boundary {BOXES[name][1]}
        box tilt large
        read_data {name}.data
        fix nve all nve
        {THERMO}
        """


def pair(words: str) -> str:
    return f"pair_style mdbridge {words}\npair_coeff * * Ar\n"


def finish(name: str) -> str:
    """Commands that write thermo output and atoms as they are after the last run."""
    words = ("temp", "pe", "ke", "etotal", "vol", "pxx", "pyy", "pzz", "pxy", "pxz", "pyz")
    values = " ".join(f"$({word}:%.17g)" for word in words)
    return f"""
        print "{values}" file {name}.thermo screen no
        write_dump all custom {name}.dump id x y z fx fy fz modify sort id format float %.17g
        """


def state(folder, name: str) -> tuple[np.ndarray, np.ndarray]:
    """What :func:`finish` wrote: thermo output, and (x, y, z, fx, fy, fz) of all atoms."""
    thermo = np.loadtxt(folder / f"{name}.thermo")
    return thermo, np.loadtxt(folder / f"{name}.dump", skiprows=9)[:, 1:]


def run(text: str, folder, ranks: int) -> None:
    done = tools.run_input(text, folder, ranks=ranks)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]


def final_state(text: str, folder, ranks: int):
    run(text + finish("end"), folder, ranks)
    return state(folder, "end")


def lj_cases(style: str, label: str, steps: int) -> str:
    """Every kind of box, constant pressure and a restart half-way, one after the other."""
    text = ""
    for name in ("orthogonal", "triclinic", "slab"):
        text += box(name) + style + MOVE + "run 5\n" + finish(f"{label}.{name}")
        text += "clear\n"
    text += box("triclinic") + style + MOVE + "timestep 0.002\n" + NPT
    text += f"run {steps}\n" + finish(f"{label}.pressure") + "clear\n"
    text += box("triclinic") + style + MOVE + "run 5\n"
    if label == "reference":
        text += "run 5\n"
    else:
        text += "write_restart half.restart\nclear\natom_modify map array\n"
        text += "read_restart half.restart\nfix nve all nve\ntimestep 0.004\n"
        text += "neighbor 0.4 bin\n" + THERMO + "run 5\n"
    return text + finish(f"{label}.restart")


@pytest.mark.parametrize(
    ("ranks", "steps"),
    [
        (1, 200),
        (2, 200),
        (3, 20),
        (4, 20),
        # on fewer cores than ranks each step takes a tenth of a second and more
        pytest.param(3, 200, marks=pytest.mark.slow),
        pytest.param(4, 200, marks=pytest.mark.slow),
    ],
)
def test_equals_lj_cut(folder, ranks, steps):
    run(lj_cases(LJ_CUT, "reference", steps), folder, 1)
    run(lj_cases(pair("lennard_jones.pt"), "ours", steps), folder, ranks)
    for name in ("orthogonal", "triclinic", "slab", "pressure", "restart"):
        thermo, atoms = state(folder, f"reference.{name}")
        our_thermo, our_atoms = state(folder, f"ours.{name}")
        assert np.abs(atoms[:, 3:]).max() > 1e-3
        np.testing.assert_allclose(our_atoms, atoms, atol=TOLERANCE, err_msg=name)
        # pressures in bar
        np.testing.assert_allclose(our_thermo, thermo, rtol=TOLERANCE, atol=1e-7, err_msg=name)


RESPA = "run_style respa 2 3 inner 1 3.0 4.0 outer 2\n"

RUNS = {
    # sub-domains of 7.2 Å and less, interaction range 8 Å
    "two layers, triclinic": (box("triclinic") + pair("two_layers.pt") + MOVE + "run 30\n", (2, 3)),
    "two layers, box smaller than the cutoff": (
        box("small") + pair("two_layers.pt") + MOVE + "run 20\n",
        (2,),
    ),
    "multiple time stepping": (
        box("triclinic") + pair("curl.pt") + MOVE + RESPA + "run 12\n",
        (2,),
    ),
    "overlay with a classical style, multiple time stepping": (
        box("triclinic")
        + "pair_style hybrid/overlay mdbridge two_layers.pt lj/cut 7.0\n"
        + "pair_coeff * * mdbridge Ar\npair_coeff * * lj/cut 0.002 3.0\n"
        + MOVE
        + RESPA
        + "run 12\n",
        (2,),
    ),
    "direct forces with a net force": (
        box("triclinic")
        + pair("two_layers.pt forces direct virial conservative")
        + MOVE
        + "run 10\n",
        (2,),
    ),
    # long enough that many atoms are nobody's ghost
    "direct forces in a long box": (
        box("long") + pair("two_layers.pt forces direct virial conservative") + MOVE + "run 2\n",
        (2,),
    ),
    "droplet with a net torque": (
        box("droplet")
        + pair("two_layers.pt forces direct virial conservative")
        + MOVE
        + "run 10\n",
        (3,),
    ),
    "recursive bisection": (
        box("triclinic")
        + pair("two_layers.pt")
        + MOVE
        + "comm_style tiled\nfix balance all balance 10 1.0 rcb\nrun 30\n",
        (2,),
    ),
    "another grid of ranks": (
        "processors 1 * *\n"
        + box("triclinic")
        # shorter than the model needs: the pair style makes it longer
        + "comm_modify cutoff 5.0\n"
        + pair("two_layers.pt")
        + MOVE
        + "run 5\n",
        (2,),
    ),
    "minimize": (box("triclinic") + pair("two_layers.pt") + "minimize 0 0 5 20\n", (2,)),
    "constant pressure": (
        box("triclinic") + pair("two_layers.pt") + MOVE + NPT + "run 40\n",
        (2,),
    ),
}


@pytest.mark.parametrize("name", RUNS)
def test_ranks_agree(folder, name):
    text, ranks = RUNS[name]
    thermo, atoms = final_state(text, folder, 1)
    assert np.abs(atoms[:, 3:]).max() > 1e-4
    for count in ranks:
        other_thermo, other_atoms = final_state(text, folder, count)
        np.testing.assert_allclose(other_atoms, atoms, atol=10 * TOLERANCE)
        np.testing.assert_allclose(other_thermo, thermo, rtol=1e-8, atol=1e-8)


def test_one_inner_step_is_verlet_on_two_ranks(folder):
    start = box("triclinic") + pair("curl.pt") + MOVE
    thermo, atoms = final_state(start + "run 8\n", folder, 1)
    one_step = "run_style respa 2 1 inner 1 3.0 4.0 outer 2\nrun 8\n"
    our_thermo, our_atoms = final_state(start + one_step, folder, 2)
    np.testing.assert_allclose(our_atoms, atoms, atol=TOLERANCE)
    np.testing.assert_allclose(our_thermo, thermo, rtol=TOLERANCE, atol=1e-7)


def test_check_on_two_ranks(folder):
    """The same table of finite differences, to the digits that it shows."""
    text = box("triclinic") + pair("two_layers.pt check yes") + "run 0\n"
    tables = []
    for ranks in (1, 2):
        done = tools.run_input(text, folder, ranks=ranks)
        assert done.returncode == 0, done.stdout
        rows = re.findall(r"^  (?:atom ID|virial).*$", done.stdout, re.MULTILINE)
        tables.append([(line[:30], *map(float, line[30:62].split())) for line in rows])
    names, analytic, numeric = zip(*tables[1], strict=True)
    assert len(names) == 4 * 3 + 6
    assert names == tuple(row[0] for row in tables[0])
    np.testing.assert_allclose(analytic, [row[1] for row in tables[0]], atol=2e-8)
    np.testing.assert_allclose(numeric, analytic, atol=1e-4)
    assert np.abs(analytic).max() > 1e-2


def test_net_force_is_removed_over_all_ranks(folder):
    text = box("triclinic") + pair("two_layers.pt forces direct virial conservative net_force {}")
    text += "run 0\n"
    _, removed = final_state(text.format("remove"), folder, 2)
    _, kept = final_state(text.format("keep"), folder, 2)
    assert np.abs(kept[:, 3:].sum(axis=0)).max() > 1e-4
    assert np.abs(removed[:, 3:].sum(axis=0)).max() < 1e-12


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("newton off\n" + box("triclinic") + pair("curl.pt") + "run 1\n", "newton on"),
        (box("triclinic") + pair("missing.pt") + "run 1\n", "no model file 'missing.pt'"),
        (box("triclinic") + pair("curl.pt forces direct") + "run 1\n", "several MPI ranks"),
        (
            box("triclinic") + pair("long-range.pt") + "run 1\n",
            "'long-range.pt' states an infinite interaction range",
        ),
        (
            box("triclinic") + pair("two_layers.pt") + "neighbor 0.5 multi\nrun 1\n",
            "use neighbor style bin",
        ),
        # only the rank that owns the close pair sees the NaN
        (
            box("droplet")
            + "create_atoms 1 single 30 30 30\ncreate_atoms 1 single 30 30 33\n"
            + pair("nan.pt")
            + "run 1\n",
            "not finite",
        ),
    ],
    ids=["newton", "model file", "direct stress", "range", "neighbor style", "nan"],
)
def test_a_failure_stops_all_ranks(folder, text, words):
    done = tools.run_input(text, folder, ranks=2)
    assert done.returncode != 0
    assert words in done.stdout
