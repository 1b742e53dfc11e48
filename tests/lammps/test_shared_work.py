"""What several ranks share out, or do several times: direct stresses, and atoms of other ranks."""

import re

import lammps_tools as tools
import numpy as np
import pytest

PRESSURE = "thermo_style custom step pe pxx pyy pzz pxy pxz pyz\nthermo 1\n"
MOVE = "velocity all create 200 7 loop geom\nneighbor 0.5 bin\ntimestep 0.002\n"


def box(folder, cells=(3, 2, 2), tilt=(1.0, 0.5, -0.5)) -> str:
    return tools.box_from_file(tools.argon(cells=cells, tilt=tilt), ["Ar"], folder / "box.data")


def pair(path, keywords: str = "") -> str:
    return f"pair_style mdbridge {path} threads 1 {keywords}\npair_coeff * * Ar\n"


def warnings(done) -> list[str]:
    return re.findall(r"^WARNING: (Pair style mdbridge: .*)", done.stdout, re.MULTILINE)


@pytest.mark.parametrize("ranks", [1, 2, 4])
def test_direct_stress_of_atoms(model_file, tmp_path, ranks):
    """The shares of the ranks add up to the stress that another file gives for the whole."""
    file = tmp_path / "pressure.txt"
    write = " ".join(f"$({name}:%.15g)" for name in ("pxx", "pyy", "pzz", "pxy", "pxz", "pyz"))
    write = f"fix out all print 1 '{write}' file {file} screen no title ''\n"
    found = {}
    for name, number in (("strong_curl", 1), ("shared_stress", ranks)):
        text = box(tmp_path) + pair(model_file(name), "forces direct")
        done = tools.run_input(text + PRESSURE + MOVE + write + "run 5\n", tmp_path, ranks=number)
        assert done.returncode == 0, done.stdout[-2000:]
        assert not any("direct stress" in warning for warning in warnings(done))
        found[name] = np.loadtxt(file)
    expected = found["strong_curl"]
    assert len(expected) == 6
    scale = np.abs(expected).max()
    np.testing.assert_allclose(found["shared_stress"], expected, rtol=0, atol=1e-9 * scale)


def test_direct_stress_of_the_whole(model_file, tmp_path):
    text = box(tmp_path) + pair(model_file("strong_curl"), "forces direct") + "run 1\n"
    done = tools.run_input(text, tmp_path, ranks=2)
    assert done.returncode != 0
    (warning,) = warnings(done)
    assert "a direct stress cannot be put together from several MPI ranks" in warning
    assert ".pt' gives that of whole structures" in warning


def test_pressure_control_by_the_direct_stress(model_file, tmp_path):
    """Several ranks move the box as one does."""
    npt = "unfix nve\nfix npt all npt temp 50 50 0.1 aniso 1000 1000 0.5\n"
    end = "variable side equal lx\nprint 'side $(v_side:%.14g)'\n"
    sides = []
    for ranks in (1, 2):
        text = box(tmp_path) + pair(model_file("shared_stress"), "forces direct")
        done = tools.run_input(text + MOVE + npt + "run 20\n" + end, tmp_path, ranks=ranks)
        assert done.returncode == 0, done.stdout[-2000:]
        sides.append(float(re.search(r"^side (\S+)", done.stdout, re.MULTILINE).group(1)))
    assert sides[1] == pytest.approx(sides[0], abs=1e-9)
    assert abs(sides[0] - 16.2) > 1e-4


@pytest.mark.parametrize("ranks", [1, 2, 4])
def test_atoms_that_are_evaluated_several_times(model_file, tmp_path, ranks):
    """In a box of one and a half cutoffs each rank sees all atoms: as many times as there are
    ranks is each of them evaluated. A warning appears once, above 3."""
    text = box(tmp_path, cells=(2, 2, 2)) + pair(model_file("lennard_jones"), "timing yes")
    done = tools.run_input(text + MOVE + "run 2\nrun 2\n", tmp_path, ranks=ranks)
    assert done.returncode == 0, done.stdout[-2000:]
    lines = re.findall(
        r"^  sites/owned +(\S+) \(atoms evaluated per atom; at most (\S+) on a rank\)$",
        done.stdout,
        re.MULTILINE,
    )
    assert len(lines) == 2
    for mean, most in lines:
        assert float(mean) == ranks
        # of 32 atoms not every rank has as many
        assert ranks <= float(most) <= (1.5 * ranks if ranks > 1 else 1)
    if ranks < 4:
        assert warnings(done) == []
    else:
        (warning,) = warnings(done)
        assert (
            "each atom is evaluated 4.0 times, since 4 ranks evaluate all atoms within" in warning
        )
        assert "use fewer ranks with more threads each" in warning


def test_levels_warn_too(model_file, tmp_path):
    respa = "run_style respa 2 2 inner 1 3.0 4.0 outer 2\n"
    text = box(tmp_path, cells=(2, 2, 2)) + pair(model_file("strong_curl")) + respa + MOVE
    done = tools.run_input(text + "run 1\nrun 1\n", tmp_path, ranks=4)
    assert done.returncode == 0, done.stdout[-2000:]
    (warning,) = warnings(done)
    assert "each atom is evaluated" in warning
