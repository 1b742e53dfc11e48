"""Finds a factory by its name, and calls it."""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from ase.calculators.calculator import BaseCalculator

from md_bridge.engine import ModelError
from md_bridge.errors import MDBridgeError
from md_bridge.model_names import Factory, ModelName
from md_bridge.text import nearest

__all__ = ["call_factory", "failure", "make"]

_DISTRIBUTIONS = {
    "fairchem": "fairchem-core",
    "mace": "mace-torch",
    "matgl": "matgl",
    "metatomic": "metatomic-torch",
    "metatomic_ase": "metatomic-ase",
    "nvidia_smi": "nvidia-ml-py3",
    "orb_models": "orb-models",
    "sevenn": "sevenn",
}
"""What brings a package, where that has another name."""
_GPU_WORDS = ("cuda", "nvidia", "gpu")

_files: dict[Path, tuple[tuple[int, int], ModuleType]] = {}
"""Modules of files that were run: when the file was changed and how long it is, and the module."""


def make(model: ModelName, device: str = "auto") -> tuple[Any, str]:
    """What the factory of this name returns.

    :param model: ``python:package.module:factory`` or ``python:file.py:factory``. A module may lie
        in the current folder
    :param device: handed to a parameter of that name; "auto" leaves it to the factory's own default
    :returns: an ASE calculator or a function, and the device that was chosen for it; empty: the
        factory has chosen
    :raises ArgumentError: the name has another form
    :raises ModelError: there is no such module or factory, a package is missing, it fails, or
        returns something else
    """
    with _found(model) as (found, who):
        if isinstance(found, BaseCalculator):
            return found, ""
        _require_function(found, who, "a function that returns an ASE calculator")
        chosen = _device(found, device, who)
        made = _call(found, {"device": chosen} if chosen else {}, who)
    if not (callable(made) or hasattr(made, "get_potential_energy")):
        raise ModelError(
            f"{who}() returned a {type(made).__name__}; expected an ASE calculator, or a function "
            "of Atoms that returns a dictionary"
        )
    return made, chosen


def call_factory(model: ModelName) -> Any:
    """Whatever the factory of this name returns.

    :param model: see :func:`make`
    :raises ArgumentError: the name has another form
    :raises ModelError: there is no such module or function, a package is missing, or it fails
    """
    with _found(model) as (found, who):
        _require_function(found, who, "a function without arguments")
        return _call(found, {}, who)


@contextlib.contextmanager
def _found(model: ModelName) -> Iterator[tuple[Any, str]]:
    """What a module has under the name of a factory, and how to call it in messages; meanwhile its
    folder is where Python looks first, also for what is imported when it is called, and what it
    prints does not go where results go, which other programs read."""
    factory = Factory.parse(model)
    folder = _named(Path(factory.module))[0] if factory.is_file else Path.cwd()
    with _importable(folder), contextlib.redirect_stdout(sys.stderr):
        module = _module(factory)
        found = getattr(module, factory.function, None)
        if found is None:
            known = [name for name in vars(module) if not name.startswith("_")]
            near = nearest(factory.function, known)
            hint = f" Did you mean '{near}'?" if near else ""
            raise ModelError(f"'{factory.module}' has no '{factory.function}'.{hint}")
        yield found, f"{factory.module}:{factory.function}"


def _require_function(found: Any, who: str, expected: str) -> None:
    if not callable(found):
        raise ModelError(f"{who} is a {type(found).__name__}; expected {expected}")


def failure(error: BaseException) -> str:
    """An exception of somebody else's code in words: its type and first line, and what to do where
    that is known.

    :param error: what was raised
    """
    lines = str(error).strip().splitlines()
    text = f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
    on_gpu = any(word in str(error).lower() for word in _GPU_WORDS)
    if on_gpu and not torch.cuda.is_available():
        text += " (torch finds no CUDA device here: let the factory make the model on the CPU)"
    return text


def _call(factory: Callable[..., Any], keywords: dict[str, str], who: str) -> Any:
    try:
        return factory(**keywords)
    except ModuleNotFoundError as error:
        raise ModelError(_missing(who, error)) from error
    except MDBridgeError as error:
        raise ModelError(f"{who}() failed: {error}") from error
    except (Exception, SystemExit) as error:  # it can raise anything, or call exit()
        raise ModelError(f"{who}() failed: {failure(error)}") from error


def _device(factory: Callable[..., Any], device: str, who: str) -> str:
    """What to hand to the factory; empty: nothing."""
    wanted = "" if device in ("", "auto") else device
    if wanted.startswith("cuda") and not torch.cuda.is_available():
        raise ModelError(f"device '{device}' was asked for, but torch finds no CUDA device here")
    try:
        parameter = inspect.signature(factory).parameters.get("device")
    except (TypeError, ValueError):  # of a compiled one
        parameter = None
    if parameter is None:
        if wanted not in ("", "cpu"):
            raise ModelError(
                f"device '{device}' was asked for, and {who}() has no parameter 'device' to hand "
                "it to: add one, or leave the device to it"
            )
        return ""
    if not wanted and parameter.default is parameter.empty:
        return "cuda" if torch.cuda.is_available() else "cpu"
    return wanted


def _module(factory: Factory) -> ModuleType:
    try:
        if not factory.is_file:
            importlib.invalidate_caches()  # the file may be a new one
            return importlib.import_module(factory.module)
        return _module_of_file(Path(factory.module))
    except ModelError:
        raise
    except ModuleNotFoundError as error:
        name = error.name or ""
        if factory.module == name or factory.module.startswith(f"{name}."):
            raise ModelError(
                f"Python cannot import '{factory.module}' (looked in {Path.cwd()} and among the "
                f"installed packages): {error}. For a file say python:file.py:{factory.function}"
            ) from error
        raise ModelError(_missing(f"'{factory.module}'", error)) from error
    except (Exception, SystemExit) as error:  # the user's file can raise anything, or call exit()
        raise ModelError(f"importing '{factory.module}' failed: {failure(error)}") from error


def _module_of_file(named: Path) -> ModuleType:
    path = named.resolve()
    if not path.is_file():
        raise ModelError(f"there is no file '{named}' (looked from {Path.cwd()})")
    folder, package = _named(path)
    if folder != path.parent:  # of a package, which its relative imports need
        with _importable(folder):
            return importlib.import_module(package)
    stamp = (path.stat().st_mtime_ns, path.stat().st_size)
    if path in _files and _files[path][0] == stamp:
        return _files[path][1]
    # a name of its own: that of the file may be one of a package
    name = f"{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:12]}"
    spec: Any = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # where dataclasses and pickle look for it
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    _files[path] = (stamp, module)
    return module


def _named(file: Path) -> tuple[Path, str]:
    """The folder that a module is imported from, and its dotted name there.

    Of a package that is not its own folder: modules in that may be called as others that they
    import, as those of md_bridge.calculators are.
    """
    path = file.resolve()
    names = [] if path.stem == "__init__" else [path.stem]
    folder = path.parent
    while (folder / "__init__.py").is_file():
        names.insert(0, folder.name)
        folder = folder.parent
    return folder, ".".join(names)


@contextlib.contextmanager
def _importable(folder: Path) -> Iterator[None]:
    """Modules of a folder can be imported, before all others."""
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        with contextlib.suppress(ValueError):  # the user's code may have changed it
            sys.path.remove(str(folder))


def _missing(who: str, error: ModuleNotFoundError) -> str:
    package = (error.name or "").partition(".")[0]
    if not package:
        return f"{who} failed: {error}"
    distribution = _DISTRIBUTIONS.get(package, package.replace("_", "-"))
    return (
        f"{who} needs the Python package {package}, which is not installed here: pip install "
        f"{distribution}"
    )
