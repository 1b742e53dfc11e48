"""Options `symmetrize` and `seed` in i-PI: averages over orientations in real runs."""

import json

import models
import numpy as np
import pytest
from ipi_tools import (
    ANGSTROM,
    DALTON,
    FEMTOSECOND,
    Simulation,
    argon,
    ffdirect,
    ffsocket,
    mts_forces,
)
from mts_reference import forces_of, multiple_time_step

from md_bridge import _core
from md_bridge.engine import Engine, EngineError, Structure, structure_from_ase
from md_bridge.ipi.driver import MDBridgeDriver

ENERGY, FORCE = _core.IPI_UNITS["electronvolt"], _core.IPI_UNITS["electronvolt_per_angstrom"]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("anisotropic") / "anisotropic.pt"
    return models.anisotropic({1: 0.02, 2: -0.03, 4: 0.03}).export(path)


@pytest.fixture
def start(tmp_path):
    """A file with 4 argon atoms."""
    argon(cells=1).write(tmp_path / "start.xyz")
    return tmp_path / "start.xyz"


@pytest.mark.parametrize(
    "options",
    [
        {"symmetrize": "octahedral"},
        {"symmetrize": "lebedev:2"},
        {"symmetrize": "random", "seed": "5"},
    ],
)
def test_is_what_the_engine_says(model, start, options):
    """Both kinds of forces with one rotation; each bead with its own, in a batch or by itself."""
    drivers = {
        kind: MDBridgeDriver(model=model, template=start, forces=kind, **options)
        for kind in ("conservative", "direct")
    }
    engine = Engine(model, **{k: int(v) if k == "seed" else v for k, v in options.items()})
    beads = [argon(cells=1, seed=seed) for seed in (1, 2)]
    cells = [bead.cell.array.T * ANGSTROM for bead in beads]
    positions = [bead.positions * ANGSTROM for bead in beads]
    for kind, driver in drivers.items():
        batch = driver(cells, positions)
        alone = [driver(cell, x) for cell, x in zip(cells, positions, strict=True)]
        for n, bead in enumerate(beads):
            # to the last digit what i-PI's lengths are in Å, as random rotations depend on it
            lengths = positions[n] / ANGSTROM, cells[n].T / ANGSTROM
            structure = Structure(bead.numbers, *lengths, [True] * 3)
            expected = engine.evaluate(structure, conservative_forces=True, direct_forces=True)
            forces = getattr(expected, f"{kind}_forces")
            for energy, found, _, _ in (batch[n], alone[n]):
                assert energy == pytest.approx(ENERGY * expected.energy, abs=1e-13)
                np.testing.assert_allclose(found, FORCE * forces, atol=1e-13)


@pytest.mark.parametrize(
    "kinds",
    [("direct",), ("conservative", "direct"), ("direct", "conservative")],
    ids=", then ".join,
)
def test_deviations_as_extras(model, start, kinds):
    """In atomic units, of the forces of each forcefield; for each bead of a batch."""
    options = {"symmetrize": "lebedev:2", "spread": True}
    drivers = {
        kind: MDBridgeDriver(model=model, template=start, forces=kind, **options) for kind in kinds
    }
    engine = Engine(model, symmetrize="lebedev:2")
    beads = [argon(cells=1, seed=seed) for seed in (1, 2)]
    cells = [bead.cell.array.T * ANGSTROM for bead in beads]
    for displacement in (0.0, 0.01, 0.01):  # a step, one that moves, a question that is repeated
        positions = [
            (bead.positions + displacement * bead.positions**2) * ANGSTROM for bead in beads
        ]
        for kind, driver in drivers.items():
            for n, (_, _, _, extras) in enumerate(driver(cells, positions)):
                bead = beads[n].copy()
                bead.positions = positions[n] / ANGSTROM
                expected = engine.evaluate(
                    structure_from_ase(bead),
                    energy_rot_std=True,
                    conservative_forces_rot_std=True,
                    direct_forces_rot_std=True,
                )
                found = json.loads(extras)
                assert set(found) == {"model", "energy_rot_std", "forces_rot_std"}
                np.testing.assert_allclose(
                    found["energy_rot_std"], [ENERGY * expected.energy_rot_std], rtol=1e-7
                )
                forces = getattr(expected, f"{kind}_forces_rot_std")
                np.testing.assert_allclose(
                    found["forces_rot_std"], FORCE * forces.ravel(), atol=1e-9
                )
                assert max(found["forces_rot_std"]) > 1e-5


def test_deviations_in_a_run(model, tmp_path):
    """i-PI writes them; a run over sockets has them by an option of the client."""
    driver = ffdirect("cons", model, "conservative", symmetrize="lebedev:2", spread=True)
    simulation = Simulation(
        argon(cells=1),
        [driver],
        '<force forcefield="cons"/>',
        steps=2,
        output='<trajectory filename="std" stride="1" extra_type="forces_rot_std"> '
        "extras </trajectory>",
    )
    result = simulation.run(tmp_path / "run")
    assert result.ok, result.log
    (written,) = (tmp_path / "run").glob("*std*")
    found = np.loadtxt(written).reshape(3, 4, 3)  # of three steps, the first too
    start = argon(cells=1)
    expected = Engine(model, symmetrize="lebedev:2").evaluate(
        structure_from_ase(start), conservative_forces_rot_std=True
    )
    np.testing.assert_allclose(
        found[0], FORCE * expected.conservative_forces_rot_std, rtol=1e-6, atol=1e-12
    )


def test_deviations_need_a_set(model, start):
    with pytest.raises(EngineError, match="symmetrize none has one: choose a set"):
        MDBridgeDriver(model=model, template=start, spread=True)


def test_in_a_run_over_sockets(model, tmp_path, socket_name):
    """With one inner step per outer one the direct forces cancel: multiple time stepping gives the
    same as conservative forces do in i-PI's process.
    """
    atoms = argon(cells=1)

    def run(folder, forcefields, forces, *clients, inner=0):
        simulation = Simulation(atoms, forcefields, forces, steps=6, inner_steps=inner)
        result = simulation.run(tmp_path / folder, *clients)
        assert result.ok, result.log + str(result.client_messages)
        return result.positions()[0], result.momenta()[0]

    driver = ffdirect("cons", model, "conservative", symmetrize="octahedral")
    expected = run("in-process", [driver], '<force forcefield="cons"/>')
    sockets = [ffsocket(name, socket_name + name) for name in ("cons", "direct")]
    client = [model, "--template", "start.xyz", "--symmetrize", "octahedral"]
    for name, kind in (("cons", "conservative"), ("direct", "direct")):
        client += ["--serve", f"unix:{socket_name}{name}={kind}"]
    found = run("sockets", sockets, mts_forces(), client, inner=1)
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(found[1], expected[1], rtol=1e-7, atol=1e-7)


PLAIN = {"symmetrize": "octahedral", "direct_symmetrize": "none"}


def test_direct_forces_that_are_not_averaged(model, start):
    """They come alone, from one copy, whether the conservative ones are evaluated there or not; the
    energy is that of the conservative forcefield."""
    drivers = {
        kind: MDBridgeDriver(model=model, template=start, forces=kind, uncertainty=True, **PLAIN)
        for kind in ("conservative", "direct")
    }
    averaged, plain = Engine(model, symmetrize="octahedral"), Engine(model)
    for seed, order in enumerate([("direct", "conservative"), ("conservative", "direct")], 1):
        atoms = argon(cells=1, seed=seed)
        cell, x = atoms.cell.array.T * ANGSTROM, atoms.positions * ANGSTROM
        structure = Structure(atoms.numbers, x / ANGSTROM, cell.T / ANGSTROM, [True] * 3)
        found = {kind: drivers[kind](cell, x) for kind in order}
        energy, forces, virial, extras = found["conservative"]
        expected = averaged.evaluate(structure, conservative_forces=True, conservative_virial=True)
        assert energy == pytest.approx(ENERGY * expected.energy, abs=1e-13)
        np.testing.assert_allclose(forces, FORCE * expected.conservative_forces, atol=1e-13)
        assert "energy_uncertainty" in extras
        energy, forces, virial, extras = found["direct"]
        expected = plain.evaluate(structure, direct_forces=True, direct_virial=True)
        assert energy == 0.0
        np.testing.assert_allclose(forces, FORCE * expected.direct_forces, atol=1e-13)
        np.testing.assert_allclose(virial, ENERGY * expected.direct_virial, atol=1e-13)
        assert "energy_uncertainty" not in extras


def test_direct_forces_alone_have_the_energy_of_the_averages(model, start):
    driver = MDBridgeDriver(model=model, template=start, forces="direct", **PLAIN)
    atoms = argon(cells=1)
    energy, forces, *_ = driver(atoms.cell.array.T * ANGSTROM, atoms.positions * ANGSTROM)
    expected = Engine(model, symmetrize="octahedral").evaluate(structure_from_ase(atoms))
    assert energy == pytest.approx(ENERGY * expected.energy, abs=1e-12)
    expected = Engine(model).evaluate(structure_from_ase(atoms), direct_forces=True)
    np.testing.assert_allclose(forces, FORCE * expected.direct_forces, atol=1e-12)


@pytest.mark.parametrize("sockets", [False, True])
def test_multiple_time_stepping_with_plain_inner_forces(model, tmp_path, socket_name, sockets):
    atoms, inner, steps = argon(cells=1), 3, 4
    names = {"cons": "conservative", "direct": "direct"}
    if sockets:
        forcefields = [ffsocket(name, socket_name + name) for name in names]
        client = [model, "--template", "start.xyz", "--symmetrize", "octahedral", "-v"]
        client += ["--direct-symmetrize", "none"]
        for name, kind in names.items():
            client += ["--serve", f"unix:{socket_name}{name}={kind}"]
        clients = [client]
    else:
        forcefields = [ffdirect(name, model, kind, **PLAIN) for name, kind in names.items()]
        clients = []
    simulation = Simulation(
        atoms, forcefields, mts_forces(), steps=steps, timestep=6.0, inner_steps=inner
    )
    run = simulation.run(tmp_path, *clients)
    assert run.ok, run.log + str(run.client_messages)
    masses = atoms.get_masses()[:, None] * DALTON
    forces = {
        "conservative": forces_of(model, atoms, "conservative", symmetrize="octahedral"),
        "direct": forces_of(model, atoms, "direct"),
    }
    last = multiple_time_step(
        atoms.positions * ANGSTROM,
        simulation.momenta() / masses,
        masses,
        *(lambda x, f=f: FORCE * f(x / ANGSTROM) for f in forces.values()),
        2.0 * FEMTOSECOND,
        inner,
        steps,
    )[-1]
    # i-PI's checkpoints have nine digits
    np.testing.assert_allclose(run.positions()[0], last.positions / ANGSTROM, rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(run.momenta()[0], last.velocities * masses, rtol=1e-7, atol=1e-7)
    counts = run.evaluations()
    if not sockets:  # which of the two asks first is chance there
        assert counts["direct_only"] == inner + (steps - 1) * (inner - 1)
        assert (counts["conservative_only"], counts["both"]) == (1, steps)
    # what i-PI calls the potential is that of the averages
    averaged = Engine(model, symmetrize="octahedral")
    atoms.positions = run.positions()[0]
    energy = ENERGY * averaged.evaluate(structure_from_ase(atoms)).energy
    assert run.table()["potential"][-1] == pytest.approx(energy, rel=1e-7)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"symmetrize": "cubic"}, "symmetrize expects one of none, octahedral, .*, found 'cubic'"),
        ({"seed": 3}, "a seed has no effect without symmetrize random"),
        (
            {"symmetrize": "random", "seed": -1},
            "seed must be a whole number, 0 or larger, found -1",
        ),
        (
            {"symmetrize": "random", "seed": "x"},
            "seed must be a whole number, 0 or larger, found x",
        ),
        (
            {"direct_symmetrize": "none", "symmetrize": "random"},
            "leave this out, or choose a fixed",
        ),
        ({"symetrize": "random"}, "unknown parameter symetrize: did you mean symmetrize?"),
    ],
)
def test_bad_input(model, start, options, message):
    with pytest.raises(EngineError, match=message):
        MDBridgeDriver(model=model, template=start, **options)
