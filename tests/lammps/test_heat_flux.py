"""compute heat/flux, stress/atom and centroid/stress/atom: those of LAMMPS's own lj/cut."""

import lammps_tools as tools
import models
import numpy as np
import pytest

OURS = "pair_style mdbridge {} threads 1\npair_coeff * * Ar\n"
LJ_CUT = "pair_style lj/cut 8.5\npair_coeff * * 0.0104 3.4\n"
# a sub-domain, or the whole box, is smaller than the cutoff
BOXES = {
    "orthogonal": tools.argon(cells=(3, 2, 2)),
    "small triclinic": tools.argon(cells=(1, 1, 1), tilt=(1.0, 2.0, -1.3)),
}
FLUX = """
velocity all create 400 7 loop geom
neighbor 0.4 bin
timestep 0.004
fix nve all nve
compute ke all ke/atom
compute pe all pe/atom
compute stress all {stress} NULL virial
compute flux all heat/flux ke pe stress
compute sums all reduce sum c_stress[1] c_stress[2] c_stress[3] c_stress[4] c_stress[5] c_stress[6]
compute virial all pressure NULL virial
thermo 1
thermo_style custom step pe c_flux[1] c_flux[2] c_flux[3] c_flux[4] c_flux[5] c_flux[6]
fix out all print 1 "$(c_flux[1]:%.17g) $(c_flux[2]:%.17g) $(c_flux[3]:%.17g) \
$(c_flux[4]:%.17g) $(c_flux[5]:%.17g) $(c_flux[6]:%.17g) \
$(-c_sums[1]/vol:%.17g) $(-c_sums[2]/vol:%.17g) $(-c_sums[3]/vol:%.17g) \
$(-c_sums[4]/vol:%.17g) $(-c_sums[5]/vol:%.17g) $(-c_sums[6]/vol:%.17g) \
$(c_virial[1]:%.17g) $(c_virial[2]:%.17g) $(c_virial[3]:%.17g) \
$(c_virial[4]:%.17g) $(c_virial[5]:%.17g) $(c_virial[6]:%.17g)" file {name}.flux screen no
run 10
"""


def fluxes(folder, box: str, style: str, stress: str, ranks: int) -> np.ndarray:
    """By step: heat flux, sum of the atoms' stress and the virial pressure."""
    atoms = tools.box_from_file(BOXES[box], ["Ar"], folder / "box.data", boundary="p p p")
    text = atoms + style + FLUX.replace("{stress}", stress).replace("{name}", "out")
    done = tools.run_input(text, folder, ranks=ranks)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    return np.loadtxt(folder / "out.flux")


@pytest.mark.parametrize("ranks", [1, 4])
@pytest.mark.parametrize("stress", ["stress/atom", "centroid/stress/atom"])
@pytest.mark.parametrize("box", BOXES)
def test_equals_lj_cut(model_file, tmp_path, box, stress, ranks):
    if ranks > 1 and box != "orthogonal":
        pytest.skip("one cell of atoms is for one rank")
    expected = fluxes(tmp_path, box, LJ_CUT, stress, 1)
    found = fluxes(tmp_path, box, OURS.format(model_file("lennard_jones")), stress, ranks)
    scale = np.abs(expected[:, :6]).max()
    assert len(found) == len(expected) > 5
    np.testing.assert_allclose(found[:, :6], expected[:, :6], atol=1e-8 * scale, rtol=0)
    virial = found[:, 12:]
    np.testing.assert_allclose(found[:, 6:12], virial, atol=1e-6 * np.abs(virial).max(), rtol=0)


LEVELS = {
    "one model": ("{both}", "run_style respa 2 4 inner 1 3.0 4.0 outer 2"),
    "two models": ("{energy} inner {both}", "run_style respa 2 4 inner 1 3.0 4.0 outer 2"),
    "three levels": (
        "{both} inner {copy}",
        "run_style respa 3 2 2 inner 1 3.0 4.0 middle 2 5.0 6.0 outer 3",
    ),
}


@pytest.fixture(scope="module")
def without_inner_forces(model_file, tmp_path_factory):
    """Files of the Lennard-Jones model; in two of them it has direct forces, which are zero."""
    folder = tmp_path_factory.mktemp("levels")
    both = models.nan_when_close(0.5, "direct").export(folder / "both.pt")
    copy = models.nan_when_close(0.4, "direct").export(folder / "copy.pt")
    return {"energy": model_file("lennard_jones"), "both": both, "copy": copy}


@pytest.mark.parametrize("ranks", [1, 2])
@pytest.mark.parametrize("stress", ["stress/atom", "centroid/stress/atom"])
@pytest.mark.parametrize("levels", LEVELS)
def test_levels_equal_lj_cut(without_inner_forces, tmp_path, levels, stress, ranks):
    """Without forces in the levels below, the outer steps are those of velocity Verlet."""
    if ranks > 1 and levels == "three levels":
        pytest.skip("seen on two levels")
    expected = fluxes(tmp_path, "orthogonal", LJ_CUT, stress, 1)
    words, style = LEVELS[levels]
    keywords = words.format(**without_inner_forces) + " max_correction 1e6"
    found = fluxes(tmp_path, "orthogonal", OURS.format(keywords) + style + "\n", stress, ranks)
    scale = np.abs(expected[:, :6]).max()
    assert len(found) == len(expected) > 5
    np.testing.assert_allclose(found[:, :6], expected[:, :6], atol=1e-8 * scale, rtol=0)
    virial = found[:, 12:]
    np.testing.assert_allclose(found[:, 6:12], virial, atol=1e-6 * np.abs(virial).max(), rtol=0)


def test_levels_evaluate_nothing_twice(without_inner_forces, tmp_path):
    """Virials of atoms are part of the evaluation that serves both levels."""
    words, style = LEVELS["one model"]
    keywords = words.format(**without_inner_forces) + " max_correction 1e6 timing yes"
    fluxes(tmp_path, "orthogonal", OURS.format(keywords) + style + "\n", "stress/atom", 1)
    log = (tmp_path / "log.lammps").read_text()
    # the set-up and ten outer steps, of four inner ones each
    assert "direct only 30, both at once 11, conservative only 0" in log


def test_levels_with_a_model_of_positions(without_inner_forces, model_file, tmp_path):
    words, style = LEVELS["two models"]
    files = {**without_inner_forces, "energy": model_file("in_a_field")}
    text = tools.box_from_file(BOXES["orthogonal"], ["Ar"], tmp_path / "box.data")
    text += OURS.format(words.format(**files) + " max_correction 1e6") + style + "\n"
    text += "compute stress all stress/atom NULL\ncompute sum all reduce sum c_stress[1]\n"
    done = tools.run_input(
        text + "thermo_style custom step c_sum\ntimestep 1e-3\nrun 1\n", tmp_path
    )
    assert done.returncode != 0
    assert "the per-atom virial that compute stress/atom or heat/flux asks for" in done.stdout


def test_message_passing_sums_to_the_virial(model_file, tmp_path):
    """Both forms, on several ranks; here they are not the same."""
    found = {}
    for stress in ("stress/atom", "centroid/stress/atom"):
        style = OURS.format(model_file("two_layers"))
        one, four = (fluxes(tmp_path, "orthogonal", style, stress, n) for n in (1, 4))
        scale = np.abs(one[:, :6]).max()
        np.testing.assert_allclose(four[:, :6], one[:, :6], atol=1e-8 * scale, rtol=0)
        virial = one[:, 12:]
        np.testing.assert_allclose(one[:, 6:12], virial, atol=1e-6 * np.abs(virial).max())
        found[stress] = one[:, :6]
    assert np.abs(found["stress/atom"] - found["centroid/stress/atom"]).max() > 1e-6
