"""Files for other machines, the way back, and what commands say of compiled files."""

import json

import pytest
import torch
from compiled_files import box
from compiled_files.archives import changed
from model_commands import run

from md_bridge import _core
from md_bridge.cli import main
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
    for words in [
        *said,
        f"md-bridge export {path} -o model.pt",
        "md-bridge compile python:compiled_files.sources:curl -o model.pt2",
    ]:
        assert words in str(error.value)


def test_the_description_names_this_cpu(module):
    description = read_description(module.compiled)
    assert description["cpu_features"].split() == _core.cpu_features()
    assert description["direct_forces"] == "non_conservative_force"
    assert description["functions"] == "conservative direct both"
    assert description["stress_per_atom"] == ""
    assert Engine(module.compiled).info.supported_devices == ["cpu"]


def test_other_functions_than_this_engine_knows(module, tmp_path):
    with pytest.raises(_core.ModelError, match="unknown kind, 'graphs'"):
        Engine(changed(module.compiled, tmp_path, kind="graphs"))


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
