"""``lmp -sf omp``: LAMMPS takes its OpenMP variants of all styles that have one; ours has none."""

import lammps_tools as tools
import numpy as np
import pytest

BOX = tools.argon(cells=(2, 2, 2), tilt=(1.0, 0.5, -0.5))
WRITE = "write_dump all custom {}.dump id x y z fx fy fz modify sort id format float %.17g\n"
STYLES = {
    "plain": "pair_style mdbridge {} threads 1\npair_coeff * * Ar\n",
    "overlay": "pair_style hybrid/overlay mdbridge {} threads 1 lj/cut 7.0\n"
    "pair_coeff * * mdbridge Ar\npair_coeff * * lj/cut 0.002 3.0\n",
}
VERLET = "run 6\nrun 6\n"
INNER_OUTER = "run_style respa 2 3 inner 1 3.0 4.0 outer 2\nrun 4\nrun 4\n"
BY_STYLE = "run_style respa 2 3 hybrid 2 1\nrun 4\nrun 4\n"


@pytest.mark.parametrize(
    ("style", "run"),
    # not the overlay with inner and outer levels: lj/cut/omp has none
    [("plain", INNER_OUTER), ("overlay", VERLET), ("overlay", BY_STYLE)],
    ids=["inner and outer levels", "overlay", "overlay with levels for each style"],
)
def test_suffix_omp_changes_nothing(model_file, tmp_path, style, run):
    text = tools.box_from_file(BOX, ["Ar"], tmp_path / "data")
    text += STYLES[style].format(model_file("strong_curl"))
    text += "velocity all create 400 7 loop geom\nneighbor 0.4 bin\ntimestep 0.003\n"
    found = {}
    for name, arguments in (("omp", ["-sf", "omp", "-pk", "omp", "2"]), ("none", [])):
        ended = tools.run_input(text + run + WRITE.format(name), tmp_path, *arguments)
        assert ended.returncode == 0, ended.stdout[-2000:]
        assert ("omp" in ended.stdout) == (name == "omp")
        found[name] = np.loadtxt(tmp_path / f"{name}.dump", skiprows=9)[:, 1:]
    assert np.abs(found["none"][:, 3:]).max() > 1e-2
    np.testing.assert_allclose(found["omp"], found["none"], atol=1e-9)
