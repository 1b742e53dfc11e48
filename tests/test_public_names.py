"""What the package offers: ``__all__``, docstrings, one root of all errors, a light start."""

import ast
import importlib
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import md_bridge
from md_bridge.errors import MDBridgeError

SOURCES = Path(md_bridge.__file__).parent


def public_modules() -> list[str]:
    """Names of all modules that have no leading underscore, outside the commands."""
    names = [module.name for module in pkgutil.walk_packages([str(SOURCES)], "md_bridge.")]
    parts = [name.split(".") for name in names]
    return ["md_bridge"] + [
        ".".join(part)
        for part in parts
        if part[1] != "cli" and not any(piece.startswith("_") for piece in part)
    ]


MODULES = public_modules()


def tree_of(name: str) -> ast.Module:
    path = SOURCES.joinpath(*name.split(".")[1:])
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return ast.parse(file.read_text(encoding="utf-8"))


def undocumented(module: ast.Module) -> list[str]:
    """Names of public functions and classes that have no docstring, and their parameters that no
    ``:param:`` speaks of."""
    found = []
    for node in module.body:
        if not isinstance(node, ast.FunctionDef | ast.ClassDef) or node.name.startswith("_"):
            continue
        if isinstance(node, ast.FunctionDef):
            if is_private(node):
                continue
            found += undocumented_of(node, ast.get_docstring(node) or "", node.name)
        else:
            of_class = ast.get_docstring(node) or ""
            found += [] if of_class else [node.name]
            for method in node.body:
                if isinstance(method, ast.FunctionDef) and not is_private(method):
                    text = of_class if method.name == "__init__" else ast.get_docstring(method)
                    found += undocumented_of(method, text or "", f"{node.name}.{method.name}")
    return found


def is_private(method: ast.FunctionDef) -> bool:
    """Methods of Python's own, and functions and methods that :mod:`typing` only describes."""
    overloads = {"overload"} & {getattr(d, "id", "") for d in method.decorator_list}
    return bool(overloads) or (method.name.startswith("_") and method.name != "__init__")


def undocumented_of(function: ast.FunctionDef, text: str, name: str) -> list[str]:
    if "see :py:meth:" in text:  # documented where the interface is defined
        return []
    arguments = function.args
    names = [a.arg for a in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]
    missing = [n for n in names if n not in ("self", "cls") and f":param {n}:" not in text]
    return [f"{name}({argument})" for argument in missing] + ([] if text else [name])


@pytest.mark.parametrize("name", MODULES)
def test_public_names(name):
    """Each module says which names are public; they exist and explain themselves."""
    module = importlib.import_module(name)
    public = getattr(module, "__all__", [])
    assert len(set(public)) == len(public)
    for each in public:
        assert getattr(module, each) is not None
        assert each == "__version__" or not each.startswith("_")
    tree = tree_of(name)
    defined = [node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    assert hasattr(module, "__all__") or not defined, f"{name} has no __all__"
    assert [each for each in defined if not each.startswith("_") and each not in public] == []
    assert undocumented(tree) == []


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("def f(): pass\ndef _g(a): pass", ["f"]),
        ("def f(a, *, b):\n ':param a: 1'", ["f(b)"]),
        ("class A:\n 'A.'\n def f(self): pass\n def _g(self): pass", ["A.f"]),
        ("class A:\n ':param a: 1'\n def __init__(self, a, b): pass", ["A.__init__(b)"]),
        ("class A:\n def f(self):\n  'F.'", ["A"]),
        ("class A:\n 'A.'\n @overload\n def f(self, a): ...", []),
        ("@overload\ndef f(a): ...", []),
    ],
)
def test_a_missing_docstring_is_seen(source, found):
    assert undocumented(ast.parse(source)) == found


def test_one_root_of_all_errors():
    found = set()
    for name in MODULES:
        for value in vars(importlib.import_module(name)).values():
            if isinstance(value, type) and issubclass(value, Exception):
                found.add(value)
    own = {error for error in found if error.__module__.startswith("md_bridge")}
    assert len(own) > 8
    assert {error.__name__ for error in own if not issubclass(error, MDBridgeError)} == set()


def test_names_of_the_package():
    """They are those of the modules, imported when they are used."""
    from md_bridge.ase import MDBridgeCalculator
    from md_bridge.engine import Engine
    from md_bridge.export import export_module

    assert md_bridge.MDBridgeCalculator is MDBridgeCalculator
    assert md_bridge.Engine is Engine
    assert md_bridge.export_module is export_module
    assert set(md_bridge.__all__) <= set(dir(md_bridge))
    with pytest.raises(AttributeError, match="module 'md_bridge' has no attribute 'Motor'"):
        md_bridge.Motor  # noqa: B018


def run(code: str, **environment: str) -> str:
    command = [sys.executable, "-c", code]
    return subprocess.run(
        command, env=environment, check=True, capture_output=True, text=True
    ).stdout.strip()


def test_the_package_imports_nothing_heavy():
    """A plain ``lmp`` imports it, and asks for the folder of the plugin, on every start."""
    code = (
        "import sys, md_bridge.lammps, md_bridge.model_options, md_bridge.errors; "
        "print({'torch', 'numpy', 'ase', 'metatomic', 'ipi', 'click'} & set(sys.modules) or '')"
    )
    assert run(code) == ""


def test_path_is_kept(tmp_path):
    """It is added to for cmake alone: nothing twice, and the current folder never."""
    code = "import os, md_bridge; print(os.environ.get('PATH', ''))"
    folder = str(Path(sys.executable).parent)
    assert run(code, PATH="") in ("", folder)
    assert run(code, PATH=str(tmp_path)) in (str(tmp_path), f"{tmp_path}:{folder}")
    (tmp_path / "cmake").write_text("#!/bin/sh\n")
    (tmp_path / "cmake").chmod(0o755)
    assert run(code, PATH=str(tmp_path)) == str(tmp_path)
