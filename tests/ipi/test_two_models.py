"""Two models in i-PI: a cheap one serves the direct forcefield, the accurate one the other."""

import json
import re

import models
import mts_reference
import numpy as np
import odd_models
import pytest
from ase.build import bulk
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
from metatomic.torch import ModelMetadata

from md_bridge import _core
from md_bridge.engine import Engine, EngineError, ModelError, Pairs, structure_from_ase
from md_bridge.errors import ArgumentError
from md_bridge.ipi.session import SessionOptions, open_session
from md_bridge.model_options import INNER_OPTIONS, ModelOptions

FORCE = _core.IPI_UNITS["electronvolt_per_angstrom"]
LENGTH = _core.IPI_UNITS["angstrom"]
AGREEMENT = re.compile(
    r"the inner model's forces differ from the conservative ones by (\S+), these are (\S+) eV/Ang"
)
M, TIMESTEP = 4, 2.0  # fs, the inner one


@pytest.fixture(scope="module")
def folder(tmp_path_factory, model_file):
    from ase.io import write

    folder = tmp_path_factory.mktemp("two")
    for name in ("strong_curl", "stand_in", "lennard_jones", "harmonic_direct", "uncertain"):
        (folder / f"{name}.pt").symlink_to(model_file(name))
    models.curl(size=5.0).export(folder / "unrelated.pt")
    models.nan_when_close(3.4, "direct").export(folder / "nan_direct.pt")
    odd_models.no_forces(folder / "no_forces.pt")
    (folder / "copy.pt").write_bytes(model_file("strong_curl").read_bytes())
    metadata = ModelMetadata(name="student", extra={"teacher_variant": "pbe"})
    models.stand_in().export(folder / "of_pbe.pt", metadata=metadata)
    write(folder / "start.xyz", argon())
    return folder


def reference(folder, steps, outer="strong_curl", inner="stand_in", kind="direct"):
    """All frames of the plain scheme, atomic units."""
    atoms = argon()

    def force(name, kind):
        engine, pairs = Engine(folder / f"{name}.pt"), Pairs(1.0)

        def evaluate(x):
            moved = atoms.copy()
            moved.positions = x / LENGTH
            result = engine.evaluate(structure_from_ase(moved), pairs, **{f"{kind}_forces": True})
            return FORCE * np.array(getattr(result, f"{kind}_forces"))

        return evaluate

    masses = atoms.get_masses() * DALTON
    return mts_reference.multiple_time_step(
        atoms.positions * ANGSTROM,
        Simulation(atoms, [], "").momenta() / masses[:, None],
        masses,
        force(outer, "conservative"),
        force(inner, kind),
        TIMESTEP * FEMTOSECOND,
        M,
        steps,
    )


def assert_reference(found, folder, steps, kind="direct"):
    """What i-PI holds at the end is what the plain scheme has, to 1e-10."""
    atoms = argon()
    expected = reference(folder, steps, kind=kind)[-1]
    assert np.abs(found["q"][0] - atoms.positions * ANGSTROM).max() > 0.3
    np.testing.assert_allclose(found["q"][0], expected.positions, rtol=0, atol=1e-10)
    masses = DALTON * atoms.get_masses()[:, None]
    np.testing.assert_allclose(found["p"][0] / masses, expected.velocities, rtol=0, atol=1e-12)


def session(folder, outer="strong_curl", **options):
    inner = options.pop("inner", "stand_in")
    path = str(folder / f"{inner}.pt") if inner else ""
    of_inner = {
        name: options.pop(name) for name in (*INNER_OPTIONS, "max_correction") if name in options
    }
    models = ModelOptions(inner=path, **of_inner)
    return open_session(
        SessionOptions(folder / "start.xyz", folder / f"{outer}.pt", models, **options)
    )


@pytest.mark.parametrize("kind", ["direct", "conservative"])
def test_session_follows_the_reference(folder, kind):
    """To more digits than i-PI's checkpoints have."""
    atoms, steps = argon(), 50
    served = session(folder, inner_forces=kind)
    served.serve("conservative")
    served.serve("direct")
    cell = atoms.cell.array.T * LENGTH

    def force(kind):
        return lambda x: np.array(served.evaluate(kind, [cell], [x])[0][1])

    masses = atoms.get_masses() * DALTON
    found = mts_reference.multiple_time_step(
        atoms.positions * ANGSTROM,
        Simulation(atoms, [], "").momenta() / masses[:, None],
        masses,
        force("conservative"),
        force("direct"),
        TIMESTEP * FEMTOSECOND,
        M,
        steps,
    )[-1]
    expected = reference(folder, steps, kind=kind)[-1]
    assert np.abs(found.positions - atoms.positions * ANGSTROM).max() > 0.3
    np.testing.assert_allclose(found.positions, expected.positions, rtol=0, atol=1e-10)
    np.testing.assert_allclose(found.velocities, expected.velocities, rtol=0, atol=1e-12)
    counts = served.counts
    assert (counts.inner_only, counts.outer_only, counts.both) == (1 + M * steps, 1 + steps, 0)
    assert served.replicas == 1


def simulation(forcefields, steps=8, **options):
    return Simulation(
        argon(),
        forcefields,
        mts_forces(),
        steps=steps,
        timestep=M * TIMESTEP,
        inner_steps=M,
        **options,
    )


def check(run, folder, steps=8):
    assert run.ok, run.log + str(run.client_messages)
    last = reference(folder, steps)[-1]
    momenta = last.velocities * argon().get_masses()[:, None] * DALTON
    np.testing.assert_allclose(run.positions()[0], last.positions / ANGSTROM, rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(run.momenta()[0], momenta, rtol=1e-7, atol=1e-7)
    counts = run.evaluations()
    assert (counts["direct_only"], counts["conservative_only"]) == (1 + M * steps, 1 + steps)
    assert counts["both"] == 0
    assert counts["pair_list_builds"] <= 2
    said = AGREEMENT.findall(run.log + "".join(run.client_messages))
    assert len(said) == 1


def in_process(folder, **parameters):
    inner = {"inner": folder / "stand_in.pt", **parameters}
    return [
        ffdirect(name, folder / "strong_curl.pt", kind, **inner)
        for name, kind in (("cons", "conservative"), ("direct", "direct"))
    ]


def test_in_process(folder, tmp_path):
    check(simulation(in_process(folder)).run(tmp_path), folder)


def test_follows_the_reference_to_all_digits(folder, tmp_path):
    assert_reference(simulation(in_process(folder), 50).run_exactly(tmp_path), folder, 50)


@pytest.mark.parametrize("steps", [50])
def test_the_same_model_inside_is_one_model(folder, tmp_path, steps):
    """Bit for bit, and at the price of one."""
    ends = []
    for name, inner in (("one", {}), ("two", {"inner": folder / "strong_curl.pt"})):
        forcefields = [
            ffdirect(name, folder / "strong_curl.pt", kind, **inner)
            for name, kind in (("cons", "conservative"), ("direct", "direct"))
        ]
        ends.append(simulation(forcefields, steps).run_exactly(tmp_path / name))
        log = (tmp_path / name / "log.i-pi").read_text()
        assert re.search(rf"{steps} of both at once \(\d+ used twice\)", log)
    for name in ("q", "p", "virial"):
        np.testing.assert_array_equal(ends[0][name], ends[1][name])


def test_the_same_model_inside_a_session_is_one_model(folder):
    """Bit for bit, whatever is asked for."""
    atoms, rng = argon(), np.random.default_rng(6)
    cell = atoms.cell.array.T * LENGTH
    sessions = [session(folder, inner=inner) for inner in ("", "strong_curl")]
    for served in sessions:
        served.serve("conservative")
        served.serve("direct")
    for kind in ("conservative", *4 * ("direct", "direct", "conservative")):
        if kind == "direct":
            atoms.positions += rng.normal(0, 0.01, atoms.positions.shape)
        one, two = (
            served.evaluate(kind, [cell], [atoms.positions * LENGTH]) for served in sessions
        )
        for k in range(3):
            np.testing.assert_array_equal(one[0][k], two[0][k])
    assert sessions[0].counts.both == sessions[1].counts.both > 2


def test_over_sockets(folder, tmp_path, socket_name):
    forcefields = [ffsocket("cons", socket_name + "c"), ffsocket("direct", socket_name + "d")]
    client = [folder / "strong_curl.pt", "--inner", folder / "stand_in.pt", "-v"]
    client += ["--template", "start.xyz", "--serve", f"unix:{socket_name}c"]
    client += ["--serve", f"unix:{socket_name}d=direct"]
    check(simulation(forcefields).run(tmp_path, client), folder)


def path_integral(forcefields, steps, beads=4):
    """At constant pressure, with a box that moves fast."""
    forcefields = [
        text.replace("<batch_size>1<", f"<batch_size>{beads}<").replace(
            'threaded="False"', 'threaded="True"'
        )
        for text in forcefields
    ]
    return simulation(
        forcefields,
        steps=steps,
        beads=beads,
        mode="npt",
        dynamics="""<thermostat mode="pile_g"> <tau units="femtosecond"> 100 </tau> </thermostat>
          <barostat mode="isotropic"> <tau units="femtosecond"> 200 </tau>
          <thermostat mode="langevin"> <tau units="femtosecond"> 100 </tau> </thermostat>
          </barostat>""",
        ensemble="""<temperature units="kelvin"> 40 </temperature>
          <pressure units="megapascal"> 1 </pressure>""",
    )


def test_path_integral_at_constant_pressure(folder, tmp_path):
    """Energy and virial are those of the outer model, bead by bead."""
    run = path_integral(in_process(folder), 3)
    run.properties["virial"] = "virial_cv"
    run = run.run(tmp_path)
    assert run.ok, run.log
    counts = run.evaluations()
    assert (counts["direct_only"], counts["conservative_only"]) == (1 + 3 * M, 1 + 3)
    rows = np.loadtxt(tmp_path / "run.properties")
    columns = list(run.simulation.properties)
    volumes, potentials = (rows[:, columns.index(name)] for name in ("volume", "potential"))
    virial = rows[-1, columns.index("virial") :]
    assert volumes[-1] != volumes[0]
    atoms = argon()
    atoms.set_cell(atoms.cell.array * (volumes[-1] / volumes[0]) ** (1 / 3))
    energies, virials, cheap = [], [], []
    outer, inner = (Engine(folder / f"{name}.pt") for name in ("strong_curl", "stand_in"))
    for bead in run.positions():
        atoms.positions = bead
        structure = structure_from_ase(atoms)
        result = outer.evaluate(structure, conservative_virial=True)
        energies.append(result.energy)
        virials.append(result.conservative_virial)
        cheap.append(inner.evaluate(structure, direct_virial=True).direct_virial)
    electronvolt = _core.IPI_UNITS["electronvolt"]
    assert potentials[-1] == pytest.approx(electronvolt * np.mean(energies), rel=1e-6)

    def as_printed(virials):
        mean = electronvolt * np.mean(virials, axis=0) / volumes[-1]
        return mean[[0, 1, 2, 0, 0, 1], [0, 1, 2, 1, 2, 2]]

    size = np.abs(virial).max()
    np.testing.assert_allclose(virial, as_printed(virials), rtol=1e-5, atol=1e-5 * size)
    assert np.abs(virial - as_printed(cheap)).max() > 0.05 * size


def test_path_integral_with_a_copy_of_the_model_inside(folder, tmp_path):
    """The box goes by the virials of both levels: those of one model."""
    ends = []
    for name, inner in (("one", {}), ("two", {"inner": folder / "copy.pt"})):
        forcefields = [
            ffdirect(name, folder / "strong_curl.pt", kind, **inner)
            for name, kind in (("cons", "conservative"), ("direct", "direct"))
        ]
        ends.append(path_integral(forcefields, 20, beads=2).run_exactly(tmp_path / name))
    for name, tolerance in (("q", 1e-9), ("p", 1e-7), ("cell", 1e-10), ("virial", 1e-10)):
        np.testing.assert_allclose(ends[0][name], ends[1][name], rtol=0, atol=tolerance)
    assert abs(ends[0]["cell"][0, 0] / (argon().cell[0, 0] * ANGSTROM) - 1) > 1e-4


def test_results_and_extras(folder):
    """What the direct forcefield gets, and what is handed on besides."""
    atoms = argon()
    served = session(folder, "uncertain", uncertainty=True, force_extras=True)
    served.serve("conservative")
    served.serve("direct")
    frame = ([atoms.cell.array.T * LENGTH], [atoms.positions * LENGTH])
    [(energy, forces, virial, extras)] = served.evaluate("direct", *frame)
    inner = Engine(folder / "stand_in.pt").evaluate(
        structure_from_ase(atoms), direct_forces=True, direct_virial=True
    )
    electronvolt = _core.IPI_UNITS["electronvolt"]
    assert energy == pytest.approx(electronvolt * inner.energy, abs=1e-12)
    np.testing.assert_allclose(forces, FORCE * inner.direct_forces, rtol=0, atol=1e-13)
    np.testing.assert_allclose(virial, electronvolt * inner.direct_virial, rtol=0, atol=1e-13)
    assert "energy_uncertainty" not in json.loads(extras)
    [(_, forces, _, extras)] = served.evaluate("conservative", *frame)
    given = json.loads(extras)
    np.testing.assert_allclose(
        np.ravel(given["direct_forces"]), np.ravel(FORCE * inner.direct_forces), atol=1e-13
    )
    np.testing.assert_allclose(np.ravel(given["conservative_forces"]), np.ravel(forces), atol=1e-13)
    assert len(given["energy_uncertainty"]) == len(atoms)


def test_conservative_forces_of_an_inner_model_without_direct_ones(folder):
    """The outer model need not have direct forces either."""
    atoms = argon()
    served = session(folder, "lennard_jones", inner="lennard_jones", inner_forces="conservative")
    served.serve("conservative")
    served.serve("direct")
    frame = ([atoms.cell.array.T * LENGTH], [atoms.positions * LENGTH])
    inner, outer = (served.evaluate(kind, *frame)[0] for kind in ("direct", "conservative"))
    for k in range(3):
        np.testing.assert_allclose(inner[k], outer[k], rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"inner": "nowhere"}, ModelError, "no model file '.*nowhere.pt'"),
        (
            {"inner": "harmonic_direct"},
            ModelError,
            "harmonic_direct.* does not know the element Ar",
        ),
        (
            {"inner": "lennard_jones", "inner_forces": "direct"},
            ModelError,
            "lennard_jones.* cannot give direct forces",
        ),
        ({"inner": "no_forces"}, ModelError, "no_forces.* cannot give"),
        ({"inner": "of_pbe"}, ModelError, r"of_pbe.* was made for the variant pbe"),
        ({"max_correction": 0.0}, ArgumentError, "max_correction must be a positive finite number"),
        ({"inner_variant": "pbe"}, ModelError, "stand_in.* cannot give .*/pbe"),
        (
            {"inner": "", "inner_forces": "direct"},
            ArgumentError,
            "inner_forces 'direct' is about a model of its own .* name its file, too",
        ),
        (
            {"inner_forces": "dircet"},
            ArgumentError,
            "must be auto or conservative or direct, found 'dircet'",
        ),
    ],
)
def test_bad_input(folder, options, error, message):
    with pytest.raises(error, match=message):
        session(folder, **options).serve("direct")


def test_both_forcefields_name_the_same_inner_model(folder, tmp_path):
    forcefields = [
        ffdirect("cons", folder / "strong_curl.pt", "conservative"),
        in_process(folder)[1],
    ]
    run = simulation(forcefields, steps=1).run(tmp_path)
    assert not run.ok
    assert "give both the same value" in run.log
    assert "one with inner = ''" in run.log


def test_a_broken_force_of_the_inner_model_stops_the_run(folder, tmp_path):
    run = simulation(in_process(folder, inner=folder / "nan_direct.pt"), 25).run(tmp_path)
    assert not run.ok
    assert re.search(r"inner forces: .* direct force that is not finite on atom \d+", run.log)
    assert "end of the simulation" not in run.log


def both_forces(served, positions):
    """At one place, as i-PI asks for them when it sets up."""
    served.serve("conservative")
    served.serve("direct")
    frame = ([argon().cell.array.T * LENGTH], [positions * LENGTH])
    served.evaluate("direct", *frame)
    before = served.take_news()
    served.evaluate("conservative", *frame)
    return before, served.take_news()


def test_how_the_forces_agree_is_said_once(folder):
    atoms, served = argon(), session(folder)
    before, news = both_forces(served, atoms.positions)
    assert before == ""
    structure = structure_from_ase(atoms)
    outer, inner = (Engine(folder / f"{name}.pt") for name in ("strong_curl", "stand_in"))
    exact = outer.evaluate(structure, conservative_forces=True).conservative_forces
    cheap = inner.evaluate(structure, direct_forces=True).direct_forces
    found = [float(number) for number in AGREEMENT.search(news).groups()]
    expected = [np.sqrt(np.mean((exact - cheap) ** 2)), np.sqrt(np.mean(exact**2))]
    np.testing.assert_allclose(found, expected, rtol=6e-3)
    assert both_forces(served, atoms.positions + 0.01 * np.sin(atoms.positions)) == ("", "")


@pytest.mark.parametrize("inner", ["", "unrelated"])
def test_forces_of_different_surfaces_stop_the_run(folder, inner):
    """Of one model or of two."""
    outer = "strong_curl" if inner else "unrelated"
    moved = argon().positions
    with pytest.raises(EngineError, match=r"do not belong to one potential.*max_correction"):
        both_forces(session(folder, outer, inner=inner), moved)
    both_forces(session(folder, outer, inner=inner, max_correction=1e6), moved)


def test_atoms_at_rest_say_nothing_yet(folder):
    served = session(folder)
    lattice = bulk("Ar", "fcc", a=5.6, cubic=True).repeat(2).positions
    assert both_forces(served, lattice) == ("", "")
    assert AGREEMENT.search(both_forces(served, argon().positions)[1])


def test_elements_in_different_orders(folder):
    """Of the template, of the outer and of the inner model."""
    from ase.io import write

    atoms = argon()
    atoms.numbers[np.random.default_rng(2).permutation(len(atoms))[: len(atoms) // 3]] = 36
    write(folder / "mixed.xyz", atoms)
    outer = models.lennard_jones_mixture().export(folder / "mixture.pt")
    inner = models.krypton_argon().export(folder / "reversed.pt")
    options = ModelOptions(inner=str(inner))
    served = open_session(SessionOptions(folder / "mixed.xyz", outer, options))
    served.serve("conservative")
    served.serve("direct")
    frame = ([atoms.cell.array.T * LENGTH], [atoms.positions * LENGTH])
    for kind, path in (("direct", inner), ("conservative", outer)):
        expected = Engine(path).evaluate(structure_from_ase(atoms), conservative_forces=True)
        [(_, forces, _, _)] = served.evaluate(kind, *frame)
        np.testing.assert_allclose(forces, FORCE * expected.conservative_forces, rtol=0, atol=1e-13)
