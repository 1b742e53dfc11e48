"""What cannot be relaxed says so: settings, cells, explosions, noise, missing stresses."""

import ase.build
import crystals
import models
import numpy as np
import pytest
from ase import Atoms

from md_bridge.engine import ModelError
from md_bridge.errors import ArgumentError
from md_bridge.model_options import ModelOptions
from md_bridge.statics.errors import StaticsError
from md_bridge.statics.evaluator import Evaluator
from md_bridge.statics.noise import noise_floor
from md_bridge.statics.relaxing.api import relax
from md_bridge.statics.relaxing.lockstep import relax_together
from md_bridge.statics.relaxing.request import KINDS, RelaxRequest
from md_bridge.statics.relaxing.settings import RelaxSettings, settings_of_preset
from md_bridge.statics.rows import Row, make_rows
from md_bridge.statics.starts import Start
from md_bridge.structures import StructureError


@pytest.fixture(scope="module")
def springs(tmp_path_factory):
    return crystals.springs().export(tmp_path_factory.mktemp("models") / "springs.pt")


@pytest.fixture(scope="module")
def single(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    return crystals.springs().export(folder / "single.pt", dtype="float32")


def evaluator(path, forces="conservative"):
    return Evaluator(path, ModelOptions(), Row(forces, "none"))


def rattled():
    atoms = crystals.fcc(cubic=True)
    atoms.rattle(0.05, seed=1)
    return atoms


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"cell": "ful"}, r"cell found 'ful': did you mean 'full'\?"),
        ({"optimizer": "lbgfs"}, r"did you mean 'lbfgs'\?"),
        ({"space_group": "fixed"}, r"space_group found 'fixed': did you mean 'fix'\?"),
        ({"fmax": 0.0}, "fmax must be a positive force"),
        ({"steps": 0}, "steps must be 1 or more"),
        ({"pressure_GPa": 1.0}, "no effect on a cell that is fixed"),
    ],
)
def test_settings_that_cannot_be(settings, message):
    with pytest.raises(ArgumentError, match=message):
        RelaxSettings(**settings)


def test_presets_and_what_wins():
    assert settings_of_preset("matbench", {}) == RelaxSettings("full", 0.0, "fire", 0.02, 500)
    phonon = settings_of_preset("phonon", {"steps": 7, "cell": "iso"})
    assert phonon == RelaxSettings("iso", 0.0, "fire", 1e-4, 7, "fix")
    assert settings_of_preset("cookbook", {}).fmax == 1e-4
    assert settings_of_preset(None, {}) == RelaxSettings()
    with pytest.raises(ArgumentError, match=r"did you mean 'matbench'\?"):
        settings_of_preset("matbnech", {})


def test_random_copies_are_refused():
    with pytest.raises(ArgumentError, match="random draws another rotation"):
        make_rows(["conservative"], ["random"], KINDS)
    with pytest.raises(ArgumentError, match=r"did you mean 'direct-then-conservative'\?"):
        make_rows(["direct-than-conservative"], ["none"], KINDS)


def test_steps_that_do_not_suffice(springs):
    """The best structure is kept, not the last one."""
    (found,) = relax_together(evaluator(springs), [rattled()], optimizer="fire", fmax=1e-8, steps=5)
    assert found.status == "not converged"
    assert not found.converged
    assert found.steps == 5
    assert "after 5 steps its largest force is" in found.reason
    assert found.gradient == found.gradients.min() < found.gradients[-1]
    (again,) = evaluator(springs)([found.end])
    assert np.linalg.norm(again.forces, axis=1).max() == pytest.approx(found.gradient)


def test_a_cell_that_explodes_stops_alone(springs):
    """Neighbours out of reach: nothing holds the cell against a pressure from inside."""
    starts = [crystals.fcc(2.82), crystals.fcc(2.0 * crystals.REST)]
    found = relax_together(
        evaluator(springs), starts, cell="iso", pressure_GPa=-1.0, fmax=1e-6, steps=400
    )
    assert found[0].converged
    assert found[1].status == "stopped"
    assert "the cell explodes" in found[1].reason


def test_a_model_that_fails_stops_one_structure(tmp_path):
    path = models.nan_when_close(2.5).export(tmp_path / "nan.pt")
    good = ase.build.bulk("Ar", "fcc", a=5.4, cubic=True)
    good.rattle(0.02, seed=1)
    bad = Atoms("Ar2", [[0.0, 0.0, 0.0], [2.4, 0.0, 0.0]], cell=[20.0] * 3, pbc=True)
    found = relax_together(evaluator(path), [bad, good], fmax=1e-4)
    assert found[0].status == "stopped"
    assert "the model fails on it" in found[0].reason
    assert np.isnan(found[0].energy)
    assert found[1].converged


def test_cells_that_cannot_move(springs):
    slab = ase.build.fcc100("Al", (1, 1, 2), vacuum=6.0)
    with pytest.raises(StaticsError, match="open along c cannot be relaxed as full"):
        relax_together(evaluator(springs), [slab], cell="full")
    turned = slab.copy()
    turned.rotate(30.0, "x", rotate_cell=True)
    with pytest.raises(StaticsError, match="turn the structure"):
        relax_together(evaluator(springs), [turned], cell="slab")
    molecule = ase.build.molecule("H2")
    with pytest.raises(StaticsError, match="choose the cell fixed"):
        relax_together(evaluator(springs), [molecule], cell="slab")
    flat = slab.copy()
    flat.cell[2] = 0.0
    with pytest.raises(StaticsError, match="cell vector c of the slab is zero"):
        relax_together(evaluator(springs), [flat], cell="slab")


def test_a_missing_direct_stress_is_named(tmp_path):
    path = models.harmonic(k_direct=1.5).export(tmp_path / "harmonic.pt")
    start = ase.build.bulk("H", "fcc", a=2.8)
    with pytest.raises(ModelError, match="stress"):
        relax_together(evaluator(path, "direct"), [start], cell="full")
    both = {"forces": ["conservative", "direct"], "settings": {"cell": "full"}}
    with pytest.raises(StaticsError, match=r"cell cannot move with direct forces .*keep it fixed"):
        relax(request_of(path, start, folder=tmp_path, **both))
    assert not (tmp_path / "kept").exists()  # the other row was not begun
    assert relax_together(evaluator(path, "direct"), [start])[0].converged


def request_of(path, *starts, **values):
    rows = tuple(make_rows(values.pop("forces", ["conservative"]), ["none"], KINDS))
    settings = RelaxSettings(**values.pop("settings", {}))
    named = tuple(Start(f"s{number}", atoms) for number, atoms in enumerate(starts))
    return RelaxRequest(path, named, rows, settings, **values)


def test_fmax_below_the_rounding(single, springs):
    floor = noise_floor(evaluator(single), rattled())
    assert 1e-8 < floor < 1e-5
    assert noise_floor(evaluator(springs), rattled()) < 1e-13
    settings = {"fmax": floor}
    with pytest.raises(
        ArgumentError, match=r"fmax of .* is below what the model computes"
    ) as error:
        relax(request_of(single, rattled(), settings=settings))
    assert "or double precision (--double)" in str(error.value)
    least = float(str(error.value).split("choose ")[1].split(" ")[0])
    assert 3.0 * floor < least < 10.0 * floor
    found = relax(request_of(single, rattled(), settings=settings, double=True))
    assert found.precision == "float64"
    assert found.converged(found.request.rows[0]) == 1


def test_fmax_below_the_rounding_of_a_later_start(tmp_path):
    """Each composition has its noise: that of a crystal under pressure is that of large forces."""
    single = crystals.springs(quartic=1e3).export(tmp_path / "single.pt", dtype="float32")
    pressed = crystals.fcc(2.4, cubic=True) * (2, 1, 1)
    fmax = 10.0 * noise_floor(evaluator(single), rattled())
    starts = (rattled(), pressed, pressed)
    with pytest.raises(ArgumentError, match=r"an atom of 's1' is .* \(1 more are below theirs\)"):
        relax(request_of(single, *starts, settings={"fmax": fmax}))
    found = relax(request_of(single, *starts, settings={"fmax": 0.1, "steps": 2}))
    near, away, same = (each.noise for each in found.relaxed[found.request.rows[0]])
    assert near == pytest.approx(fmax / 10.0)
    assert away == same > 10.0 * near
    assert found.noise[found.request.rows[0]] == away


def test_starts_are_looked_at_before_anything_is_done(springs):
    twice = crystals.fcc(cubic=True)
    twice.positions[1] = twice.positions[0] + 0.01
    with pytest.raises(StructureError, match="start 's1': atoms"):
        relax(request_of(springs, rattled(), twice))
    with pytest.raises(StaticsError, match=r"start 's0': .*Au"):
        relax(request_of(springs, ase.build.bulk("Au")))
    slab = ase.build.fcc100("Al", (1, 1, 2), vacuum=6.0)
    with pytest.raises(StaticsError, match="start 's0': a cell that is open along c"):
        relax(request_of(springs, slab, settings={"cell": "full"}))


def test_requests_that_cannot_be(springs):
    with pytest.raises(ArgumentError, match="host found 'lamps': did you mean 'lammps'"):
        request_of(springs, rattled(), host="lamps")
    with pytest.raises(ArgumentError, match="trajectory found 'xyz'"):
        request_of(springs, rattled(), trajectory="xyz")
    with pytest.raises(ArgumentError, match="symprec must be lengths"):
        request_of(springs, rattled(), symprec=(0.0,))
    with pytest.raises(ArgumentError, match="fixed_point compares direct and conservative"):
        request_of(springs, rattled(), fixed_point=True)


def test_a_start_that_spglib_cannot_read(tmp_path):
    """It is relaxed, and a sentence says what is not told; its group cannot be kept."""
    path = models.harmonic(r0=0.9, cutoff=1.5).export(tmp_path / "h.pt")
    start = Atoms("H2", [[0.0, 0.0, 0.0], [0.0, 0.0, 0.8]], cell=[6.0] * 3, pbc=True)
    found = relax(request_of(path, start, symprec=(0.95,)))
    assert found.converged(found.request.rows[0]) == 1
    (warning,) = found.warnings
    assert warning.startswith("Start 's0' has no space group to compare: ")
    assert found.verdicts(found.request.rows[0], 0)["unknown"] == 1
    for space_group in ("fix", "project"):
        with pytest.raises(StaticsError, match="start 's0': its space group cannot be kept"):
            relax(request_of(path, start, symprec=(0.95,), settings={"space_group": space_group}))


def test_a_hexagonal_crystal_is_warned_of(tmp_path):
    path = crystals.smooth_lennard_jones().export(tmp_path / "argon.pt")
    start = ase.build.bulk("Ar", "hcp", a=3.82, c=6.2)
    rows = tuple(make_rows(["conservative"], ["octahedral"], KINDS))
    found = relax(RelaxRequest(path, (Start("hcp", start),), rows, RelaxSettings(fmax=1e-3)))
    (warning,) = found.warnings
    assert "hcp" in warning
    assert "hexagonal:L" in warning
