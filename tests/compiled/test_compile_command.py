"""``md-bridge compile``, as a user types it; and what it leaves to the TorchScript in the file."""

import json
import re

import ase.io
import numpy as np
import pytest
import torch
from compiled_files import box
from compiled_files.archives import changed, functions_of
from model_commands import message, run
from models import lennard_jones
from pet_models import (
    DEFAULT_OUTPUTS,
    charged_pet_checkpoint,
    pet_checkpoint,
    uncertain_pet_checkpoint,
)

from md_bridge._paths import DATA
from md_bridge.cli import main
from md_bridge.compiled import agreement, api
from md_bridge.distil.files import copy_learned, read_student, write_student
from md_bridge.distil.student import Student
from md_bridge.engine import Engine, structure_from_ase
from md_bridge.export import export_file
from md_bridge.export.model_file import read_description
from md_bridge.symmetry.errors import SymmetryError

FUNCTIONS = ("conservative", "direct", "both")


def compile_(source, target, *options):
    return run(main, "compile", source, "-o", target, *options, "--threads", 1)


@pytest.fixture
def compiled_before(files, monkeypatch):
    """The student's files; its functions are not compiled again."""
    made = files("student")
    monkeypatch.setattr(api, "compile_function", functions_of(made.compiled))
    return made


def with_other_weights(made, path, by):
    """A file that these functions do not belong to: one weight is another."""
    earlier = read_student(made.exported)
    student = Student(earlier.architecture)
    copy_learned(earlier.state, student)
    with torch.no_grad():
        student.bias_1 += by
    write_student(student, earlier.architecture, path, "student", "small", {})
    return path


@pytest.fixture
def other_weights(compiled_before, tmp_path):
    return with_other_weights(compiled_before, tmp_path / "student.pt", 0.3)


def test_python_code_in_double_precision_compared_on_structures(files):
    """What the fixture's command said, of a compilation that was one."""
    made = files("module")
    said = json.loads((made.compiled.parent / "said.json").read_text())
    assert said["path"] == str(made.compiled)
    assert [row["function"] for row in said["compared"]] == ["direct", "conservative", "both"]
    for row in said["compared"]:
        assert 0 <= row["difference"] < 1e-9
        assert row["compiled_error"] is row["torchscript_error"] is None
        assert row["ratio"] == pytest.approx(row["torchscript_s"] / row["compiled_s"])
    description = read_description(made.compiled)
    assert description["dtype"] == "float64"
    assert description["source"] == "python:compiled_files.sources:curl"


def test_table(compiled_before, tmp_path):
    found = compile_(compiled_before.exported, tmp_path / "again.pt2")
    assert found.exit_code == 0, found.output
    text = message(found)
    assert "function TorchScript compiled faster forces differ by" in text.replace("┃ ", "")
    for function in FUNCTIONS:
        assert f"{function} " in text
    assert text.count(" times ") == 3
    errors = r"the compiled one differ by up to (\S+) eV/Å, those of TorchScript by (\S+) eV"
    of_compiled, of_torchscript = map(float, re.search(errors, text).groups())
    assert 0 < of_compiled < 2e-5
    assert 0 < of_torchscript < 1e-4
    assert f"wrote {tmp_path}/again.pt2" in text
    assert Engine(tmp_path / "again.pt2").info.dtype == "float32"


def test_structures_to_compare_on(compiled_before, tmp_path):
    ase.io.write(tmp_path / "argon.xyz", ase.Atoms("Ar2", [[0, 0, 0], [0, 0, 3]]))
    options = ("--structures", tmp_path / "argon.xyz")
    found = compile_(compiled_before.exported, tmp_path / "again.pt2", *options)
    assert found.exit_code == 1
    assert "does not know the element Ar" in message(found)
    assert [path.name for path in tmp_path.iterdir()] == ["argon.xyz"]
    found = compile_(compiled_before.exported, tmp_path / "a.pt2", *options, "--no-check")
    assert found.exit_code == 2
    assert "--structures are for the comparison" in message(found)


def test_a_comparison_that_fails_leaves_nothing(compiled_before, other_weights, tmp_path):
    found = compile_(other_weights, tmp_path / "wrong.pt2")
    assert found.exit_code == 1
    assert "compiled, the model computes something else" in message(found)
    assert [path.name for path in tmp_path.iterdir()] == ["student.pt"]
    # without the change these are its functions
    assert compile_(compiled_before.exported, tmp_path / "right.pt2").exit_code == 0


def forces_differ_by(made, path, atoms):
    one, other = (
        Engine(model).evaluate(structure_from_ase(atoms), conservative_forces=True)
        for model in (path, made.compiled)
    )
    return np.abs(one.conservative_forces - other.conservative_forces).max()


def test_a_small_difference_that_is_no_rounding(compiled_before, tmp_path):
    """1e-4 eV/Å lies between two files in single precision of which one rounds positions, and not
    between the better one and the model in double precision."""
    atoms = box(compiled_before)
    ase.io.write(tmp_path / "box.xyz", atoms)
    trial = with_other_weights(compiled_before, tmp_path / "trial.pt", 1e-2)
    by = 1e-2 * 1e-4 / forces_differ_by(compiled_before, trial, atoms)
    path = with_other_weights(compiled_before, tmp_path / "nearly.pt", by)
    assert 5e-5 < forces_differ_by(compiled_before, path, atoms) < 2e-4
    found = compile_(path, tmp_path / "wrong.pt2", "--structures", tmp_path / "box.xyz")
    assert found.exit_code == 1
    assert "from that of the model in double precision, where rounding explains" in message(found)
    assert not (tmp_path / "wrong.pt2").exists()


def test_a_model_that_has_no_double_precision(compiled_before, monkeypatch, tmp_path):
    """It is compared with its TorchScript only, which is said."""

    def refuse(*_):
        raise SymmetryError("it cannot be converted")

    monkeypatch.setattr(agreement, "in_double_precision", refuse)
    found = compile_(compiled_before.exported, tmp_path / "again.pt2")
    assert found.exit_code == 0, found.output
    assert "forces differ by" in message(found)
    assert "the model does not compute in double precision" in message(found)
    assert "those of TorchScript by" not in message(found)


def test_no_check(other_weights, tmp_path):
    """Nothing is compared, nor shown."""
    found = compile_(other_weights, tmp_path / "wrong.pt2", "--no-check")
    assert found.exit_code == 0, found.output
    assert "TorchScript" not in found.stdout
    found = compile_(other_weights, tmp_path / "wrong.pt2", "--no-check", "--json")
    assert json.loads(found.stdout) == {"path": str(tmp_path / "wrong.pt2"), "compared": []}


def test_what_cannot_be_compiled(tmp_path):
    lennard_jones().export(tmp_path / "lj.pt")
    found = compile_(tmp_path / "lj.pt", tmp_path / "lj.pt2")
    assert found.exit_code == 1
    assert "md-bridge compile python:package.module:factory" in message(found)
    assert not (tmp_path / "lj.pt2").exists()
    assert "should end in .pt2" in message(compile_(tmp_path / "lj.pt", "lj.pt"))


def test_other_variants_are_torchscript(files, tmp_path):
    """In the file are functions of one network and, as its TorchScript, another one: energies tell
    who answered."""
    made = files("student")
    outputs = ("energy", "energy/other")
    pet = export_file(pet_checkpoint(tmp_path / "pet.ckpt", outputs), tmp_path / "pet.pt")
    path = changed(
        made.compiled, tmp_path, pet, energy="energy/other", direct_forces="", direct_stress=""
    )
    structure = structure_from_ase(box(made))
    wanted = {"conservative_forces": True}
    student = Engine(made.compiled).evaluate(structure, **wanted)
    for variant, expected in (
        ("", Engine(pet).evaluate(structure, **wanted)),
        ("other", student),
    ):
        found = Engine(path, variant=variant).evaluate(structure, **wanted)
        assert found.energy == expected.energy
        np.testing.assert_array_equal(found.conservative_forces, expected.conservative_forces)
    assert abs(student.energy - Engine(pet).evaluate(structure).energy) > 0.1


def test_committees_are_torchscript(files, tmp_path):
    """As above; forces that are wanted beside a committee belong to its energies."""
    made = files("student")
    checkpoint = uncertain_pet_checkpoint(tmp_path / "pet.ckpt", members=3)
    pet = export_file(checkpoint, tmp_path / "pet.pt")
    path = changed(made.compiled, tmp_path, pet)
    structure = structure_from_ase(box(made))
    for wanted in ({"committee": True}, {"committee": True, "conservative_forces": True}):
        found, expected = (Engine(model).evaluate(structure, **wanted) for model in (path, pet))
        assert len(found.committee) == 3
        for name in ("energy", *wanted):
            np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
    alone = Engine(path).evaluate(structure, conservative_forces=True)
    assert alone.energy == Engine(made.compiled).evaluate(structure).energy
    assert abs(alone.energy - found.energy) > 0.1


def test_charges_and_spins_are_torchscript(files, tmp_path):
    """As above: the functions know of the neutral singlet only."""
    made = files("student")
    pet = export_file(charged_pet_checkpoint(tmp_path / "pet.ckpt"), tmp_path / "pet.pt")
    path = changed(made.compiled, tmp_path, pet)
    structure = structure_from_ase(box(made))
    wanted = {"conservative_forces": True}
    energies = []
    for charge, spin in ((1, 2), (-1, 2), (0, 3)):
        found, expected = (
            Engine(model, charge=charge, spin_multiplicity=spin).evaluate(structure, **wanted)
            for model in (path, pet)
        )
        assert found.energy == expected.energy
        np.testing.assert_array_equal(found.conservative_forces, expected.conservative_forces)
        energies.append(found.energy)
    assert min(abs(np.diff(sorted(energies)))) > 1e-4
    neutral = Engine(path).evaluate(structure, **wanted)
    assert neutral.energy == Engine(made.compiled).evaluate(structure, **wanted).energy


@pytest.mark.slow
def test_a_variant_is_compiled(tmp_path):
    """Its energy and forces, not those of the default, which the file has as TorchScript; so it has
    the stress of the variant, which metatrain takes for no stress."""
    outputs = [f"{name}/other" for name in DEFAULT_OUTPUTS] + list(DEFAULT_OUTPUTS)
    checkpoint = pet_checkpoint(
        tmp_path / "pet.ckpt", outputs, num_gnn_layers=1, num_attention_layers=1
    )
    pet = export_file(checkpoint, tmp_path / "pet.pt")
    found = compile_(pet, tmp_path / "pet.pt2", "--variant", "other")
    assert found.exit_code == 0, found.output
    description = read_description(tmp_path / "pet.pt2")
    assert description["energy"] == "energy/other"
    assert description["direct_forces"] == "non_conservative_force/other"
    assert description["direct_stress"] == ""
    structure = structure_from_ase(ase.io.read(DATA / "water-start.xyz"))
    wanted = {"conservative_forces": True, "direct_forces": True, "direct_virial": True}
    energies = []
    for variant in ("", "other"):
        ours, theirs = (
            Engine(path, variant=variant).evaluate(structure, **wanted)
            for path in (tmp_path / "pet.pt2", pet)
        )
        for name in ("energy", *wanted):
            np.testing.assert_allclose(
                getattr(ours, name), getattr(theirs, name), atol=1e-4, rtol=1e-4, err_msg=name
            )
        energies.append(ours.energy)
    assert abs(energies[1] - energies[0]) > 1e-3
    missing = compile_(pet, tmp_path / "none.pt2", "--variant", "third")
    assert missing.exit_code == 1
    assert "the model has no output 'energy/third'" in message(missing)
