"""Domain decomposition: any number of ranks gives what one rank gives."""

import lammps_tools as tools
import models
import numpy as np
import pytest

TOLERANCE = 1e-10

FINISH = """
thermo_style custom step temp pe ke etotal pxx pyy pzz pxy pxz pyz
run 0 post no
dump end all custom 1 end.dump id x y z fx fy fz
dump_modify end sort id format float %.17g
run 0
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory, model_file):
    folder = tmp_path_factory.mktemp("mpi")
    for name in ("lennard_jones", "two_layers"):
        (folder / f"{name}.pt").symlink_to(model_file(name))
    models.curl(size=0.02).export(folder / "curl.pt")
    models.nan_when_close(3.2).export(folder / "nan.pt")
    return folder


def final_state(text: str, folder, ranks: int):
    """Thermo output and (x, y, z, fx, fy, fz) of all atoms at the end."""
    run = tools.run_input(text + FINISH, folder, ranks=ranks)
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-1000:]
    lines = run.stdout.splitlines()
    header = max(n for n, line in enumerate(lines) if line.split()[:1] == ["Step"])
    thermo = np.array(lines[header + 1].split(), dtype=float)
    return thermo, np.loadtxt(folder / "end.dump", skiprows=9)[:, 1:]


def pair(words: str) -> str:
    return f"pair_style mdbridge {words}\npair_coeff * * Ar\n"


MOVE = "velocity all create 400 7 loop geom\nneighbor 0.4 bin\ntimestep 0.004\n"
LONG_BOX = tools.box(tools.argon(cells=(4, 2, 2), tilt=(1.5, -1.0, 0.8)), ["Ar"])
SMALL_BOX = tools.box(tools.argon(cells=(1, 1, 1)), ["Ar"])
SLAB = tools.box(tools.argon(cells=(2, 2, 1)), ["Ar"], boundary="p p s")
RESPA = "run_style respa 2 3 inner 1 3.0 4.0 outer 2\n"


def droplet() -> str:
    """All atoms in one corner of a large open box: some ranks own none."""
    atoms = tools.argon(cells=(2, 1, 1))
    atoms.set_cell([40.0, 40.0, 40.0])
    atoms.pbc = False
    atoms.positions += 2.0
    return tools.box(atoms, ["Ar"])


RUNS = {
    # sub-domains of 7.2 Å and less, interaction range 8 Å
    "two layers, triclinic": (
        LONG_BOX + pair("two_layers.pt") + MOVE + "run 30\n",
        (2, 3),
    ),
    "two layers, box smaller than the cutoff": (
        SMALL_BOX + pair("two_layers.pt") + MOVE + "run 20\n",
        (2,),
    ),
    "Lennard-Jones, slab": (SLAB + pair("lennard_jones.pt") + MOVE + "run 40\n", (2,)),
    "multiple time stepping": (LONG_BOX + pair("curl.pt") + MOVE + RESPA + "run 12\n", (2,)),
    "direct forces with a net force": (
        LONG_BOX + pair("two_layers.pt forces direct virial conservative") + MOVE + "run 10\n",
        (2,),
    ),
    # long enough that many atoms are nobody's ghost
    "direct forces in a long box": (
        tools.box(tools.argon(cells=(12, 2, 2)), ["Ar"])
        + pair("two_layers.pt forces direct virial conservative")
        + MOVE
        + "run 2\n",
        (2,),
    ),
    "droplet with a net torque": (
        droplet() + pair("two_layers.pt forces direct virial conservative") + MOVE + "run 10\n",
        (3,),
    ),
    "recursive bisection": (
        LONG_BOX
        + pair("two_layers.pt")
        + MOVE
        + "comm_style tiled\nfix balance all balance 10 1.0 rcb\nrun 30\n",
        (2,),
    ),
    "constant pressure": (
        LONG_BOX
        + pair("two_layers.pt")
        + MOVE
        + "unfix nve\nfix npt all npt temp 300 300 0.2 tri 0 0 1.0\nrun 40\n",
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


def test_lj_cut_on_four_ranks(folder):
    lj_cut = "pair_style lj/cut 8.5\npair_coeff * * 0.0104 3.4\n"
    run = MOVE + "run 3\n"
    thermo, atoms = final_state(LONG_BOX + lj_cut + run, folder, 4)
    our_thermo, our_atoms = final_state(LONG_BOX + pair("lennard_jones.pt") + run, folder, 4)
    np.testing.assert_allclose(our_atoms, atoms, atol=TOLERANCE)
    np.testing.assert_allclose(our_thermo, thermo, rtol=1e-9, atol=1e-9)


def test_net_force_is_removed_over_all_ranks(folder):
    text = LONG_BOX + pair("two_layers.pt forces direct virial conservative net_force {}")
    _, removed = final_state(text.format("remove"), folder, 2)
    _, kept = final_state(text.format("keep"), folder, 2)
    assert np.abs(kept[:, 3:].sum(axis=0)).max() > 1e-4
    assert np.abs(removed[:, 3:].sum(axis=0)).max() < 1e-12


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("newton off\n" + LONG_BOX + pair("curl.pt") + "run 1\n", "newton on"),
        (LONG_BOX + pair("missing.pt") + "run 1\n", "no model file 'missing.pt'"),
        (LONG_BOX + pair("curl.pt forces direct") + "run 1\n", "several MPI ranks"),
        # only the rank that owns the close pair sees the NaN
        (
            droplet()
            + "create_atoms 1 single 30 30 30\ncreate_atoms 1 single 30 30 33\n"
            + pair("nan.pt")
            + "run 1\n",
            "not finite",
        ),
    ],
    ids=["newton", "model file", "direct stress", "nan"],
)
def test_a_failure_stops_all_ranks(folder, text, words):
    run = tools.run_input(text, folder, ranks=2)
    assert run.returncode != 0
    assert words in run.stdout
