"""Names of models that are no paths survive wherever paths are handled."""

from pathlib import Path

import pytest

from md_bridge.errors import ArgumentError
from md_bridge.model_names import (
    Factory,
    absolute_model,
    is_python_model,
    model_checksum,
    model_factory,
    precision_of,
    relative_model,
    require_model,
    same_model,
)
from md_bridge.model_options import ModelOptions, require_use_of_inner
from md_bridge.text import sha256_of


@pytest.fixture
def here(tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text("def make():\n    pass\n")
    (tmp_path / "sub").mkdir()
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__init__.py").write_text("")
    (tmp_path / "package" / "part.py").write_text("")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "module", "function"),
    [
        ("python:a.b:make", "a.b", "make"),
        ("python:/x/y.py:make", "/x/y.py", "make"),
        ("python:../y.py:make", "../y.py", "make"),
    ],
)
def test_parts(name, module, function):
    assert is_python_model(name)
    assert Factory.parse(name) == Factory(module, function)
    assert str(Path(name)) == name


@pytest.mark.parametrize("name", ["python:a", "python:", "python:a:", "python::f", "python:a:b c"])
def test_other_forms_are_refused(name):
    with pytest.raises(ArgumentError, match=r"must have the form python:package\.module:factory"):
        Factory.parse(name)


@pytest.mark.parametrize(
    ("name", "absolute"),
    [
        ("python:mine.py:make", "python:{here}/mine.py:make"),
        ("python:mine:make", "python:{here}/mine.py:make"),
        ("python:package.part:make", "python:{here}/package/part.py:make"),
        ("python:package:make", "python:{here}/package/__init__.py:make"),
        ("python:ase.calculators.emt:EMT", "python:ase.calculators.emt:EMT"),
        ("mine.py", "{here}/mine.py"),
    ],
)
def test_for_a_program_in_another_folder(here, name, absolute):
    expected = Path(absolute.format(here=here.resolve()))
    assert absolute_model(name) == expected
    assert same_model(name, expected)
    assert not same_model(name, "python:other:make")
    options = ModelOptions(inner=name)
    assert options.absolute().inner == str(expected)


@pytest.mark.parametrize(
    ("name", "seen"),
    [
        ("python:mine.py:make", "python:../mine.py:make"),
        ("python:mine:make", "python:../mine.py:make"),
        ("python:ase.calculators.emt:EMT", "python:ase.calculators.emt:EMT"),
        ("python:/x/y.py:make", "python:/x/y.py:make"),
        ("mine.py", "../mine.py"),
        ("/x/model.pt", "/x/model.pt"),
    ],
)
def test_from_a_file_in_another_folder(here, name, seen):
    assert relative_model(name, Path("sub")) == Path(seen)
    assert ModelOptions(inner=name).relative_to(Path("sub")).inner == seen
    if name.startswith("python:mine"):
        assert relative_model(name, Path()) == Path(name)


def test_checksums_and_what_is_not_there(here):
    assert model_checksum("python:mine:make") == sha256_of(here / "mine.py")
    assert model_checksum("python:mine.py:make") == sha256_of(here / "mine.py")
    assert len(model_checksum("python:ase.calculators.emt:EMT")) == 64
    assert [model_factory(f"python:{n}:make") for n in ("mine", "mine.py")] == ["make", "make"]
    assert model_factory("python:sys:exit") == "sys:exit"  # in no file
    assert model_factory("mine.py") == ""
    assert precision_of("model.pt", "float32") == "float32"
    assert precision_of("python:mine:make", "float64") == "its calculator's precision"
    for name in ("python:mine:make", "python:ase.calculators.emt:EMT", "mine.py"):
        require_model("model", name)
    for name, words in {
        "python:yours:make": "Python finds no module 'yours'",
        "python:a.b.c:make": "Python finds no module 'a.b.c'",
        "python:yours.py:make": "Python finds no file 'yours.py'",
        "yours.pt": "found no file 'yours.pt'",
    }.items():
        with pytest.raises(ArgumentError, match=words):
            require_model("model", name)


def test_a_model_inside_of_itself(here):
    options = ModelOptions(inner="python:mine:make")
    with pytest.raises(ArgumentError, match="names the outer model itself"):
        require_use_of_inner("python:mine.py:make", options, ["mts"])
    require_use_of_inner("python:package:make", options, ["mts"])
