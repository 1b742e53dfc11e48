"""compute stress/atom and heat/flux in LAMMPS, with virials of atoms from compiled functions."""

import lammps_tools as tools
import numpy as np
import pytest
from ase import units
from compiled_files import moving_box

STEPS = 5
RUN = """
{box}
pair_style mdbridge {model} threads 1
pair_coeff * * {elements}
timestep 0.0005
compute virial all pressure NULL virial
{computes}
fix out all print 1 "{columns}" file out screen no
run {steps}
"""
COMPUTES = """
compute ke all ke/atom
compute pe all pe/atom
compute stress all {form} NULL virial
compute flux all heat/flux ke pe stress
compute sums all reduce sum {columns}
"""
VIRIAL = " ".join(f"$(c_virial[{k}]:%.17g)" for k in range(1, 7))
# xx yy zz xy xz yz, of the centroid form yx zx zy too: a network that is not invariant under
# rotations turns atoms, and the sum is not symmetric
COLUMNS = {"stress/atom": 6, "centroid/stress/atom": 9}


def of_atoms(form: str) -> str:
    """What is printed of the heat flux and of the sum of the atoms' stress, made symmetric."""
    flux = [f"$(c_flux[{k}]:%.17g)" for k in range(1, 7)]
    off = 3 if COLUMNS[form] == 9 else 0
    sums = [f"$(-c_sums[{k}]/vol:%.17g)" for k in (1, 2, 3)]
    sums += [f"$(-0.5*(c_sums[{k}]+c_sums[{k + off}])/vol:%.17g)" for k in (4, 5, 6)]
    return " ".join(flux + sums)


def printed(folder, made, model, form="", ranks=1):
    """By step: the virial pressure, and with a form of the atoms' stress (``compute``) the heat
    flux and the sum of that stress too."""
    atoms = moving_box(made)
    names = [f"c_stress[{k + 1}]" for k in range(COLUMNS.get(form, 0))]
    computes = COMPUTES.format(form=form, columns=" ".join(names)) if form else ""
    velocities = atoms.get_velocities() * 1000 * units.fs  # Å/ps
    text = RUN.format(
        box=tools.box_from_file(atoms, made.elements, folder / "box.data", velocities=velocities),
        model=model,
        elements=" ".join(made.elements),
        computes=computes,
        columns=f"{VIRIAL} {of_atoms(form)}" if form else VIRIAL,
        steps=STEPS,
    )
    done = tools.run_input(text, folder, ranks=ranks)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = np.loadtxt(folder / "out")
    assert len(rows) > STEPS - 1
    return rows[:, :6], rows[:, 6:12], rows[:, 12:]


def assert_same(found, expected, tolerance):
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance * np.abs(expected).max())


@pytest.mark.parametrize("ranks", [1, 2])
@pytest.mark.parametrize("form", ["stress/atom", "centroid/stress/atom"])
def test_equal_those_of_the_torchscript_file(files, tmp_path, form, ranks):
    """Of a student: those of a plain module come from the TorchScript file inside."""
    made = files("student")
    expected = printed(tmp_path, made, made.exported, form)
    found = printed(tmp_path, made, made.compiled, form, ranks)
    for ours, theirs in zip(found, expected, strict=True):
        assert np.abs(theirs).max() > 1e-3
        assert_same(ours, theirs, 1e-5)  # in single precision


def test_of_a_pet(files, tmp_path):
    """Whose TorchScript has no virials of atoms, but all together: their sum is its virial."""
    made = files("adaptive PET")
    expected, *_ = printed(tmp_path, made, made.exported)
    fluxes = []
    for form in ("stress/atom", "centroid/stress/atom"):
        one, two = (printed(tmp_path, made, made.compiled, form, ranks) for ranks in (1, 2))
        for ours, theirs in zip(two, one, strict=True):
            assert_same(ours, theirs, 1e-8)
        virial, flux, sums = one
        assert_same(virial, expected, 1e-8)
        assert_same(sums, expected, 1e-8)
        fluxes.append(flux)
    # in a message-passing network the two are not the same
    assert np.abs(fluxes[0] - fluxes[1]).max() > 1e-6 * np.abs(fluxes[0]).max()
