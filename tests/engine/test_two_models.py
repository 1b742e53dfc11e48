"""Two models, a cheap one inside and the accurate one outside: against a plain reference."""

import models
import mts_reference
import numpy as np
import pytest
from ase import units
from ase.build import bulk
from mts_reference import forces_of

from md_bridge.engine import (
    Engine,
    EngineError,
    FusedForces,
    ModelError,
    structure_from_ase,
)

M, STEPS = 4, 50
TIMESTEP = 2.0 * units.fs


def crystal(seed=3):
    atoms = bulk("Ar", "fcc", a=5.4, cubic=True) * (2, 2, 2)
    cell = atoms.cell.array
    cell[1, 0], cell[2, 1] = 1.0, -0.5
    atoms.set_cell(cell, scale_atoms=True)
    atoms.rattle(0.1, seed=seed)
    return atoms


def start_velocities(atoms, kelvin=120.0):
    rng = np.random.default_rng(5)
    sigma = np.sqrt(units.kB * kelvin / atoms.get_masses())[:, None]
    return sigma * rng.normal(size=(len(atoms), 3))


def drive(fused, atoms, kind="direct", outer_steps=STEPS):
    """The scheme of the reference on one FusedForces object; the frames of all outer steps."""
    atoms, velocities = atoms.copy(), start_velocities(atoms)
    inverse_mass = 1.0 / atoms.get_masses()[:, None]

    def forces():
        structures = [structure_from_ase(atoms)]
        outer = np.array(fused.outer(structures)[0].conservative_forces)
        inner = np.array(getattr(fused.inner(structures)[0], f"{kind}_forces"))
        return inner, outer - inner

    frames = [mts_reference.Frame(atoms.positions.copy(), velocities.copy())]
    fast, correction = forces()
    for _ in range(outer_steps):
        velocities = velocities + 0.5 * M * TIMESTEP * correction * inverse_mass
        for _ in range(M):
            velocities = velocities + 0.5 * TIMESTEP * fast * inverse_mass
            atoms.positions += TIMESTEP * velocities
            found = fused.inner([structure_from_ase(atoms)])[0]
            fast = np.array(getattr(found, f"{kind}_forces"))
            velocities = velocities + 0.5 * TIMESTEP * fast * inverse_mass
        fast, correction = forces()
        velocities = velocities + 0.5 * M * TIMESTEP * correction * inverse_mass
        frames.append(mts_reference.Frame(atoms.positions.copy(), velocities.copy()))
    return frames


def reference(outer, inner, atoms, kind="direct", **inner_options):
    return mts_reference.multiple_time_step(
        atoms.positions,
        start_velocities(atoms),
        atoms.get_masses(),
        forces_of(outer, atoms, "conservative"),
        forces_of(inner, atoms, kind, **inner_options),
        TIMESTEP,
        M,
        STEPS,
    )


def assert_same(frames, expected, tolerance):
    for found, other in zip(frames, expected, strict=True):
        np.testing.assert_allclose(found.positions, other.positions, rtol=0, atol=tolerance)
        np.testing.assert_allclose(found.velocities, other.velocities, rtol=0, atol=tolerance)


@pytest.mark.parametrize("kind", ["direct", "conservative"])
def test_two_models_follow_the_reference(model_file, kind):
    outer, inner = model_file("strong_curl"), model_file("stand_in")
    atoms = crystal()
    fused = FusedForces(Engine(outer), 1.0, inner=Engine(inner), inner_forces=kind)
    assert not fused.one_model
    frames = drive(fused, atoms, kind)
    assert np.abs(frames[-1].positions - frames[0].positions).max() > 0.5
    assert_same(frames, reference(outer, inner, atoms, kind), 1e-10)
    # M inner evaluations and one outer one for each outer step, and a set-up
    counts = fused.counts
    assert (counts.inner_only, counts.outer_only) == (1 + M * STEPS, 1 + STEPS)
    assert counts.both == 0
    assert fused.stride == M


def test_the_forces_of_the_two_models_differ(model_file):
    """The test above could not tell which model is asked otherwise."""
    atoms = crystal()
    paths = model_file("strong_curl"), model_file("stand_in")
    found = [
        forces_of(path, atoms, kind)(atoms.positions)
        for path in paths
        for kind in ("direct", "conservative")
    ]
    for i, a in enumerate(found):
        assert all(np.abs(a - b).max() > 5e-3 for b in found[:i])


def test_one_file_given_twice_is_one_model(model_file):
    path = model_file("strong_curl")
    atoms = crystal()
    alone = FusedForces(Engine(path), 1.0)
    twice = FusedForces(Engine(path), 1.0, inner=Engine(path))
    assert alone.one_model
    assert twice.one_model
    assert_same(drive(twice, atoms), drive(alone, atoms), 0.0)
    for name in ("inner_only", "outer_only", "both", "reused"):
        assert getattr(twice.counts, name) == getattr(alone.counts, name)
    assert twice.counts.both > 0


def test_other_options_are_another_model(model_file):
    """One file, symmetrised outside only."""
    path = model_file("strong_curl")
    atoms = crystal()
    outer = Engine(path, symmetrize="octahedral")
    fused = FusedForces(outer, 1.0, inner=Engine(path))
    assert not fused.one_model
    structure = structure_from_ase(atoms)
    expected = outer.evaluate(structure, conservative_forces=True).conservative_forces
    found = fused.outer([structure])[0]
    np.testing.assert_allclose(found.conservative_forces, expected, rtol=0, atol=1e-14)
    assert found.direct_forces is None
    direct = forces_of(path, atoms, "direct")(atoms.positions)
    np.testing.assert_allclose(
        fused.inner([structure])[0].direct_forces, direct, rtol=0, atol=1e-14
    )


def test_conservative_inner_forces_of_one_model_need_no_correction(model_file):
    path = model_file("strong_curl")
    fused = FusedForces(Engine(path), 1.0, inner_forces="conservative")
    assert fused.one_model
    frames = drive(fused, crystal(), "conservative")
    assert fused.counts.both > 0
    expected = reference(path, path, crystal(), "conservative")
    assert_same(frames, expected, 1e-10)


@pytest.mark.parametrize("short_one_inside", [True, False])
def test_models_share_one_pair_list(model_file, short_one_inside):
    """A list that was rebuilt by turns for each cutoff would be built in almost each step."""
    short, long = Engine(model_file("stand_in")), Engine(model_file("strong_curl"))
    inner, outer = (short, long) if short_one_inside else (long, short)
    fused = FusedForces(outer, 1.0, inner=inner)
    drive(fused, crystal())
    alone = FusedForces(long, 1.0)
    drive(alone, crystal())
    assert 1 <= alone.pair_list_builds < 20
    assert fused.pair_list_builds <= alone.pair_list_builds + 2


def test_a_batch_of_two_models(model_file):
    outer, inner = Engine(model_file("strong_curl")), Engine(model_file("stand_in"))
    fused = FusedForces(outer, 1.0, inner=inner)
    beads = [structure_from_ase(crystal(seed)) for seed in range(3)]
    fused.inner(beads)
    for bead, cheap, dear in zip(beads, fused.inner(beads), fused.outer(beads), strict=True):
        np.testing.assert_allclose(
            cheap.direct_forces,
            inner.evaluate(bead, direct_forces=True).direct_forces,
            rtol=0,
            atol=1e-13,
        )
        expected = outer.evaluate(bead, conservative_forces=True, conservative_virial=True)
        np.testing.assert_allclose(
            dear.conservative_virial, expected.conservative_virial, rtol=0, atol=1e-12
        )
    assert (fused.counts.inner_only, fused.counts.outer_only) == (1, 1)


def test_the_inner_model_lacks_its_forces(model_file):
    outer, inner = Engine(model_file("strong_curl")), Engine(model_file("lennard_jones"))
    with pytest.raises(ModelError, match=r"lennard_jones.*cannot give direct forces"):
        FusedForces(outer, 1.0, inner=inner)
    FusedForces(outer, 1.0, inner=inner, inner_forces="conservative")
    with pytest.raises(EngineError, match='"conservative" and "direct" forces, found "exact"'):
        FusedForces(outer, 1.0, inner=inner, inner_forces="exact")


def test_the_inner_model_lacks_an_element(model_file):
    outer, inner = Engine(model_file("strong_curl")), Engine(model_file("harmonic_direct"))
    fused = FusedForces(outer, 1.0, inner=inner)
    with pytest.raises(ModelError, match=r"harmonic_direct.*does not know the element Ar"):
        fused.inner([structure_from_ase(crystal())])


def test_models_of_another_unit_of_length(tmp_path, model_file):
    """The file says in which unit its model computes; the engine converts."""
    scaled = models.AnalyticModel(
        models.Curl(0.01 * 100.0, 0.009, 0.33, 0.46), ["Kr", "Ar"], 0.46
    ).export(tmp_path / "nm.pt", length_unit="nm")
    structure = structure_from_ase(crystal())
    outer = Engine(model_file("strong_curl"))
    found, expected = (
        FusedForces(outer, 1.0, inner=Engine(path)).inner([structure])[0].direct_forces
        for path in (scaled, model_file("stand_in"))
    )
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-10)
