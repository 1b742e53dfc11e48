"""Commands that measure a model say of a compiled file what they say of its TorchScript."""

import json

import ase.io
import numpy as np
import pytest
from compiled_files import box
from model_commands import argon_crystal, run

from md_bridge.bench.errors import UnavailableError
from md_bridge.bench.models.files import prepare_model
from md_bridge.bench.sessions.process import Work, WorkerSession
from md_bridge.cli import main
from md_bridge.committee import Committee
from md_bridge.engine import Engine, structure_from_ase


def certified(content):
    return [(finding["name"], finding["outcome"]) for finding in content["findings"]]


def turned(content):
    found = content["quantities"]
    return {name: [found[name]["rms"], found[name]["worst_atom"]] for name in found}


def layers(content):
    return [[layer["name"], layer["whole"]] for layer in content["layers"]["layers"]]


def relaxed(content):
    (found,) = content["rows"]["conservative"]["results"]
    return [found[name] for name in ("steps", "energy_eV", "largest_force_eV_per_angstrom")]


def vibrations(content):
    return [each["gamma_optical_THz"] for each in content["results"]]


def loops(content):
    return [[path["conservative"]["work"], path["direct"]["work"]] for path in content["paths"]]


def asymmetry(content):
    return content["lambda"]


def correction(content):
    found = content["inner"]
    return [found[name] for name in ("conservative_rms", "difference_rms", "asymmetry", "change")]


COMMANDS = {
    "certify": ("MODEL s.xyz --only order,direct", certified),
    "symmetry": ("MODEL s.xyz --lmax 2 --orientations 0 --quantity energy,direct_forces", turned),
    "relax": ("MODEL s.xyz --steps 4 --trajectory none", relaxed),
    "phonons": ("MODEL s.xyz --supercell 1,1,1 --mesh 1 --fc raw --forces direct", vibrations),
    "protocol loop": ("MODEL s.xyz", loops),
    "protocol jacobian": ("MODEL s.xyz", asymmetry),
}
OF_WATER = {
    "symmetry": ("MODEL w.xyz --lmax 2 --orientations 0 --quantity energy --layers *_node", layers),
    "check": ("MODEL w.xyz --inner INNER", correction),
}


def leaves(content):
    """Numbers and names in their order."""
    if isinstance(content, dict):
        return [leaf for name in content for leaf in [name, *leaves(content[name])]]
    if isinstance(content, list | tuple):
        return [leaf for each in content for leaf in leaves(each)]
    return [content]


def assert_same(command, options, taken, files, folder, kind, tolerance):
    """Both files give the same numbers and names."""
    made, student = files(kind), files("student")
    found = []
    for name in ("compiled", "exported"):
        places = {"MODEL": getattr(made, name), "INNER": getattr(student, name)}
        words = [places.get(word, word) for word in options.split()]
        out = [] if command == "check" else ["--out", folder / name]
        done = run(main, *command.split(), *words, *out, "--threads", 1, "--json")
        assert done.exit_code in (0, 3), done.output  # so short runs may say nothing
        found.append(leaves(taken(json.loads(done.stdout))))
    assert len(found[0]) == len(found[1]) > 0
    for ours, theirs in zip(*found, strict=True):
        if isinstance(theirs, float):
            assert ours == pytest.approx(theirs, rel=tolerance, abs=tolerance)
        else:
            assert ours == theirs


@pytest.mark.parametrize("command", COMMANDS)
def test_of_a_module(command, files, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ase.io.write("s.xyz", argon_crystal(0))
    assert_same(command, *COMMANDS[command], files, tmp_path, "module", 1e-6)


@pytest.mark.parametrize(
    "command",
    [
        pytest.param("symmetry", id="symmetry --layers", marks=pytest.mark.slow),
        pytest.param("check", id="check --inner", marks=pytest.mark.slow),
    ],
)
def test_of_a_pet(command, files, tmp_path, monkeypatch):
    """Its layers, and with a compiled student inside."""
    monkeypatch.chdir(tmp_path)
    made = files("adaptive PET")
    atoms = box(made, 2)
    atoms.set_velocities(np.random.default_rng(1).normal(0, 0.01, (len(atoms), 3)))
    ase.io.write("w.xyz", atoms)
    assert_same(command, *OF_WATER[command], files, tmp_path, "adaptive PET", 1e-3)


def test_the_benchmark_takes_the_exported_model_out_of_it(files, tmp_path):
    made = files("module")
    found = prepare_model(str(made.compiled), tmp_path, None, print, compile_missing=False)
    assert found.compiled.path == made.compiled.resolve()
    assert found.path.read_bytes() == made.exported.read_bytes()
    assert found.has_direct


def test_a_committee_of_a_compiled_file_and_its_own_model(files):
    """Which agree."""
    made = files("module")
    structure = structure_from_ase(box(made))
    committee = Committee([str(made.compiled), str(made.exported)])
    (found,) = committee.evaluate([structure], forces=True)
    expected = Engine(made.exported).evaluate(structure, conservative_forces=True)
    np.testing.assert_allclose(found.forces, expected.conservative_forces, atol=1e-9)
    assert found.energy == pytest.approx(expected.energy, abs=1e-9)
    assert np.abs(found.forces_std).max() < 1e-9
    assert found.energy_std < 1e-9


def test_a_comparison_with_the_model_that_it_was_made_of(files, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ase.io.write("s.xyz", argon_crystal(0))
    made = files("module")
    models = [f"compiled={made.compiled}", f"exported={made.exported}"]
    words = ["--start", "s.xyz", "--measures", "lambda,relax", "--fmax", 0.01, "--threads", 1]
    done = run(main, "compare", *models, *words, "--json")
    assert done.exit_code in (0, 3), done.output
    measures = json.loads(done.stdout)["measures"]
    numbers = {name: {m: row["numbers"] for m, row in measures[name].items()} for name in measures}
    found, expected = (relaxed(numbers["relax"][name]) for name in ("compiled", "exported"))
    assert found == pytest.approx(expected, rel=1e-6)
    found, expected = (numbers["lambda"][name]["lambda"] for name in ("compiled", "exported"))
    assert found == pytest.approx(expected, rel=1e-6)
    assert expected > 1e-3


def open_alone(folder, made, forces):
    """The functions of a file, called without our engine."""
    ase.io.write(folder / "start.xyz", box(made))
    task = {"kind": "compiled_call", "model": str(made.compiled), "forces": forces, "threads": 1}
    return WorkerSession(Work({**task, "start": str(folder / "start.xyz")}, 1, folder), 60.0)


@pytest.mark.parametrize("forces", ["conservative", "direct"])
def test_bench_calls_functions_alone(files, tmp_path, forces):
    """With the forces that the engine has of them."""
    made = files("student")
    session = open_alone(tmp_path, made, forces)
    try:
        found = session.first["forces"]
        assert session.run(3, 60.0).seconds > 0
    finally:
        session.close()
    engine = Engine(made.compiled, remove_net_force=False)
    wanted = {f"{forces}_forces": True}
    expected = engine.evaluate(structure_from_ase(box(made)), **wanted)
    np.testing.assert_allclose(found, getattr(expected, f"{forces}_forces"), atol=1e-5)
    assert np.abs(found).max() > 0.01


@pytest.mark.parametrize("kind", ["adaptive PET", "module"])
def test_bench_calls_no_functions_that_need_more(files, tmp_path, kind):
    with pytest.raises(UnavailableError, match="only where the cutoff is fixed"):
        open_alone(tmp_path, files(kind), "conservative")
