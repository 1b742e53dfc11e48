"""`dimension 2`: images in x and y only, no forces along z."""

import lammps_tools as tools
import models
import numpy as np
import pytest

LJ_CUT = "pair_style lj/cut 8.5\npair_coeff * * 0.0104 3.4\n"
MOVE = "velocity all create 150 7 loop geom\nneighbor 0.5 bin\ntimestep 0.004\n"
ENFORCE = "fix flat all enforce2d\n"
WORDS = ("pe", "temp", "press", "pxx", "pyy", "pxy", "fmax")


@pytest.fixture(scope="module")
def folder(tmp_path_factory, model_file):
    folder = tmp_path_factory.mktemp("flat")
    (folder / "lennard_jones.pt").symlink_to(model_file("lennard_jones"))
    models.curl(size=0.02).export(folder / "curl.pt")
    models.anisotropic({1: 0.05}).export(folder / "leaning.pt")
    return folder


def box(boundary: str = "p p p", triclinic: bool = False) -> str:
    """A hexagonal layer of argon, rattled; y is shorter than the range of the forces."""
    shape = "prism 0 6 0 2 -0.5 0.5 1.5 0 0" if triclinic else "block 0 6 0 2 -0.5 0.5"
    return f"""
        units metal
        dimension 2
        boundary {boundary}
        atom_modify map array
        lattice hex 3.9
        region box {shape}
        create_box 1 box
        create_atoms 1 region box
        mass 1 39.948
        displace_atoms all random 0.1 0.1 0 77
        fix nve all nve
        {tools.THERMO}
        """


def pair(name: str, keywords: str = "") -> str:
    return f"pair_style mdbridge {name}.pt threads 1 {keywords}\npair_coeff * * Ar\n"


def numbers(folder, *commands: str, ranks: int = 1, words=WORDS) -> np.ndarray:
    values = " ".join(f"$({word}:%.15g)" for word in words)
    text = "\n".join([*commands, f'print "{values}" file values.txt\n'])
    run = tools.run_input(text, folder, ranks=ranks)
    assert run.returncode == 0, run.stdout[-2000:]
    return np.array([float(number) for number in (folder / "values.txt").read_text().split()])


@pytest.mark.parametrize(
    ("boundary", "triclinic", "ranks"),
    [("p p p", False, 1), ("p p p", False, 2), ("p p p", True, 2), ("s s p", False, 2)],
)
def test_dynamics(folder, boundary, triclinic, ranks):
    start = box(boundary, triclinic)
    found, expected = (
        numbers(folder, start, style, MOVE, ENFORCE, "run 20", ranks=ranks)
        for style in (pair("lennard_jones"), LJ_CUT)
    )
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)
    assert found[1] > 1.0


def test_minimize(folder):
    found, expected = (
        numbers(folder, box(), style, ENFORCE, "minimize 0 1e-8 200 400", words=["pe"])
        for style in (pair("lennard_jones"), LJ_CUT)
    )
    np.testing.assert_allclose(found, expected, atol=1e-9)


def test_multiple_time_stepping(folder):
    ends = [
        numbers(folder, box(), pair("curl"), MOVE, ENFORCE, style, "run 12", ranks=ranks)
        for style, ranks in (
            ("run_style verlet", 1),
            ("run_style respa 2 1 inner 1 3.0 4.0 outer 2", 1),
            ("run_style respa 2 2 inner 1 3.0 4.0 outer 2", 1),
            ("run_style respa 2 2 inner 1 3.0 4.0 outer 2", 2),
        )
    ]
    np.testing.assert_allclose(ends[1], ends[0], rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(ends[3], ends[2], rtol=1e-8, atol=1e-8)
    assert not np.allclose(ends[2], ends[0], rtol=1e-6)


def test_no_forces_out_of_the_plane(folder):
    """A network need not know that a plane of atoms is its own mirror image."""
    words = ["bound(all,zmin)", "bound(all,zmax)", "fcm(all,z)", "ke"]
    ends = numbers(folder, box(), pair("leaning"), MOVE, "run 10", words=words)
    np.testing.assert_array_equal(ends[:3], 0.0)
    assert ends[3] > 0.0


def test_no_direct_stress(folder):
    run = tools.run_input(box() + pair("curl", "forces direct") + "run 1\n", folder)
    assert run.returncode == 1
    assert "a box of three dimensions" in run.stdout
