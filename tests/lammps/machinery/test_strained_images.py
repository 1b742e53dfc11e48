"""Commands of LAMMPS that strain atoms and their ghosts, and leave the box as it is."""

import lammps_tools as tools
import models
import numpy as np
import pytest

BOXES = {
    "orthogonal": tools.argon(cells=(2, 2, 2)),
    "triclinic": tools.argon(cells=(2, 2, 2), tilt=(1.0, 0.5, -0.5)),
    # sub-domains so long that two ranks know some atoms as one image only
    "long": tools.argon(cells=(4, 2, 2)),
}
LJ_CUT = "pair_style lj/cut 8.5\npair_coeff * * 0.0104 3.4\n"
VOIGT = range(1, 7)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, model_file):
    folder = tmp_path_factory.mktemp("strain")
    (folder / "lennard_jones.pt").symlink_to(model_file("lennard_jones"))
    models.curl(size=0.02).export(folder / "curl.pt")
    return folder


def pair(path) -> str:
    return f"pair_style mdbridge {path} threads 1\npair_coeff * * Ar\n"


def numbers(folder, name, style, commands, words, ranks=1) -> np.ndarray:
    """What these thermo words are after a run of no steps."""
    values = " ".join(f"$({word}:%.15g)" for word in words)
    text = (
        tools.box_from_file(BOXES[name], ["Ar"], folder / "argon.data")
        + style
        + commands
        + f"thermo_style custom step {' '.join(words)}\nrun 0\n"
        + f'print "{values}" file values.txt\n'
    )
    run = tools.run_input(text, folder, ranks=ranks)
    assert run.returncode == 0, run.stdout[-2000:]
    return np.loadtxt(folder / "values.txt")


@pytest.mark.parametrize(
    ("name", "ranks"),
    [("orthogonal", 1), ("triclinic", 1), ("orthogonal", 2), ("triclinic", 2), ("long", 2)],
)
def test_numerical_virial(folder, name, ranks):
    """``fix numdiff/virial`` differentiates the energy, and finds the virial that we state."""
    commands = "compute v all pressure NULL virial\nfix nd all numdiff/virial 1 1e-5\n"
    # xx, yy, zz, yz, xz, xy of the fix; xx, yy, zz, xy, xz, yz of the compute
    words = [f"c_v[{k}]" for k in (1, 2, 3, 6, 5, 4)] + [f"f_nd[{k}]" for k in VOIGT]
    stated, found = numbers(folder, name, pair("curl.pt"), commands, words, ranks).reshape(2, 6)
    assert np.abs(stated).max() > 100
    np.testing.assert_allclose(found, stated, atol=0.01)


@pytest.mark.parametrize("ranks", [1, 2])
def test_numerical_elastic_constants(folder, ranks):
    """``compute born/matrix numdiff`` differentiates the virial."""
    commands = "compute v all pressure NULL virial\ncompute b all born/matrix numdiff 1e-5 v\n"
    words = [f"c_b[{k}]" for k in range(1, 22)]
    for name in ("orthogonal", "triclinic"):
        ours = numbers(folder, name, pair("lennard_jones.pt"), commands, words, ranks)
        theirs = numbers(folder, name, LJ_CUT, commands, words)
        assert np.abs(theirs).max() > 10
        np.testing.assert_allclose(ours, theirs, atol=1e-3)
