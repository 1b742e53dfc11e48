"""Files for other machines, the way back, and what commands say of compiled files."""

import json
import re
import shlex

import numpy as np
import pytest
import torch
from compiled_files import box
from compiled_files.archives import changed, functions_of
from model_commands import run

from md_bridge import _core
from md_bridge.cli import main
from md_bridge.compiled import api
from md_bridge.compiled.functions import Function
from md_bridge.compiled.inductor import compile_function
from md_bridge.engine import Engine, structure_from_ase
from md_bridge.export import ExportError
from md_bridge.export.model_file import read_description


@pytest.fixture
def module(files):
    return files("module")


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ({"torch": "2.1.0"}, ["torch 2.1.0", f"this is torch {torch.__version__.split('+')[0]}"]),
        ({"cpu": "Quantum 9", "cpu_features": "avx avx4096"}, ["Quantum 9", "avx4096"]),
        ({"format": "7"}, ["another version of MD Bridge"]),
        ({"dtype": "float32"}, ["the precision float32", "TorchScript file in it has float64"]),
    ],
)
def test_a_file_for_another_machine(module, tmp_path, lines, said):
    path = changed(module.compiled, tmp_path, **lines)
    with pytest.raises(_core.ModelError) as error:
        Engine(path)
    assert all(words in str(error.value) for words in said)
    assert len(commands_of(error.value)) == 2


def commands_of(error):
    """The words of the commands that a sentence has."""
    return [shlex.split(command) for command in re.findall("`md-bridge (.*?)`", str(error))]


@pytest.mark.parametrize("kind", ["module", "student", "shares"])
def test_the_commands_of_a_refusal(files, tmp_path, monkeypatch, kind):
    """The first makes the same file anew; the second takes out what is in the refused one."""
    made = files(kind)
    path = changed(made.compiled, tmp_path, torch="2.1.0")
    with pytest.raises(_core.ModelError) as error:
        Engine(path)
    again, back = commands_of(error.value)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(api, "compile_function", functions_of(made.compiled))
    done = run(main, *again, "--no-check")
    assert done.exit_code == 0, done.output
    assert read_description(tmp_path / "model.pt2") == read_description(made.compiled)
    done = run(main, *back)
    assert done.exit_code in (0, 3), done.output  # its checks may fail, which says nothing here
    structure = structure_from_ase(box(made))
    wanted = {"conservative_forces": True, "direct_forces": True}
    expected, *found = (
        Engine(model).evaluate(structure, **wanted)
        for model in (made.exported, tmp_path / "model.pt", tmp_path / "model.pt2")
    )
    for one in found:
        assert one.energy == pytest.approx(expected.energy, abs=1e-4)
        np.testing.assert_allclose(one.direct_forces, expected.direct_forces, atol=1e-4)


@pytest.mark.parametrize(
    ("given", "variant", "words"),
    [
        ({}, "", "model.ckpt"),
        (
            {"dtype": "float64", "trust": True},
            "pbe",
            "model.ckpt --dtype float64 --variant pbe --trust",
        ),
        (
            {"elements": [18, "Kr"], "cutoff": 6.5, "layers": 2, "energy_unit": "kcal/mol"},
            "",
            "model.ckpt --elements Ar,Kr --cutoff 6.5 --layers 2 --energy-unit kcal/mol",
        ),
        ({"devices": ["cpu"], "metadata": {"name": "mine"}}, "", "model.ckpt"),
    ],
)
def test_what_it_was_made_with(given, variant, words):
    assert api._arguments("model.ckpt", given, variant) == words


def test_the_description_names_this_cpu(module):
    description = read_description(module.compiled)
    assert description["cpu_features"].split() == _core.cpu_features()
    assert description["direct_forces"] == "non_conservative_force"
    assert description["functions"] == "conservative direct both"
    assert description["stress_per_atom"] == ""
    assert Engine(module.compiled).info.supported_devices == ["cpu"]


def test_other_functions_than_this_engine_knows(module, tmp_path):
    path = changed(module.compiled, tmp_path, kind="graphs")
    with pytest.raises(_core.ModelError, match="unknown kind, 'graphs'") as error:
        Engine(path)
    assert commands_of(error.value)[1] == ["export", str(path), "-o", "model.pt"]


def test_no_gpu(module):
    with pytest.raises(_core.ModelError) as error:
        Engine(module.compiled, device="cuda")
    assert "was compiled for the CPU" in str(error.value)
    assert f"md-bridge export {module.compiled} -o model.pt" in str(error.value)


def test_the_way_back(module, tmp_path):
    result = run(main, "export", module.compiled, "-o", tmp_path / "back.pt", "--no-check")
    assert result.exit_code == 0, result.output
    structure = structure_from_ase(box(module))
    wanted = {"conservative_forces": True, "direct_forces": True}
    back, inside = (
        Engine(path).evaluate(structure, **wanted)
        for path in (tmp_path / "back.pt", module.exported)
    )
    assert back.energy == inside.energy
    assert (back.direct_forces == inside.direct_forces).all()


def test_commands_take_it(module):
    found = json.loads(run(main, "info", module.compiled, "--json").output)
    assert found["path"] == str(module.compiled)
    assert any(note.startswith("compiled for") for note in Engine(module.compiled).info.notes)
    checked = run(main, "check", module.compiled, "--json")
    assert checked.exit_code in (0, 3), checked.output


def test_a_size_that_became_a_constant(tmp_path):
    """It would compute with the first so many atoms only."""
    function = Function(
        "sum", lambda x: (x[: len(x)].sum() * len(x),), (torch.ones(7, 3),), (("atoms", 3),)
    )
    with pytest.raises(ExportError, match="axis 0 of argument 0 is always 7"):
        compile_function(function, tmp_path)


def test_sizes_that_an_example_does_not_tell_apart(tmp_path):
    """It would compute with as many pairs as there are atoms."""
    example = (torch.ones(7), torch.ones(7))
    sizes = (("atoms",), ("pairs",))
    function = Function("sum", lambda x, y: (torch.zeros(len(x)).sum() + y,), example, sizes)
    with pytest.raises(ExportError, match=r"as many pairs as atoms \(7\)"):
        compile_function(function, tmp_path)


def test_an_operation_that_stands_in_the_way(tmp_path):
    function = Function(
        "odd", lambda x: (x if x.sum() > 3.0 else -x,), (torch.ones(7, 3),), (("atoms", 3),)
    )
    with pytest.raises(ExportError, match="its TorchScript file runs as before"):
        compile_function(function, tmp_path)
