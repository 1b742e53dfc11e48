"""What a user writes for MODEL: the path of a file, or ``python:package.module:factory``.

A name that begins with ``python:`` is no path, though it travels as one: whoever resolves, compares
or checks models goes through these functions.
"""

from __future__ import annotations

import importlib.util
import os
from dataclasses import dataclass
from pathlib import Path

from md_bridge.errors import ArgumentError
from md_bridge.text import sha256_of

__all__ = [
    "PYTHON",
    "Factory",
    "ModelName",
    "absolute_model",
    "is_python_model",
    "model_checksum",
    "model_factory",
    "precision_of",
    "relative_model",
    "require_model",
    "same_model",
]

PYTHON = "python:"
"""How names of models begin that Python evaluates."""

ModelName = str | os.PathLike[str]


def is_python_model(model: ModelName) -> bool:
    """Whether this is the name of a factory, and no path.

    :param model: what a user wrote
    """
    return os.fspath(model).startswith(PYTHON)


@dataclass(frozen=True)
class Factory:
    """A function of a module that makes a model."""

    module: str
    """Dotted name of the module, or the path of its file, which ends in ``.py``."""
    function: str

    @classmethod
    def parse(cls, model: ModelName) -> Factory:
        """The factory that a name means.

        :param model: ``python:package.module:factory`` or ``python:file.py:factory``
        :raises ArgumentError: it has another form
        """
        module, _, function = os.fspath(model).removeprefix(PYTHON).rpartition(":")
        if not module or not function.isidentifier():
            raise ArgumentError(
                "model",
                "must have the form python:package.module:factory or python:file.py:factory, "
                f"found '{os.fspath(model)}'",
            )
        return cls(module, function)

    @property
    def is_file(self) -> bool:
        """Whether the module is named by the path of its file."""
        return self.module.endswith(".py")

    def local_file(self) -> Path | None:
        """Where the file is that was named, or that lies below the current folder, which comes
        before all others; None: among the installed packages."""
        if self.is_file:
            return Path(self.module)
        below = Path(*self.module.split("."))
        candidates = (below.with_suffix(".py"), below / "__init__.py")
        return next((file for file in candidates if file.is_file()), None)

    def file(self) -> Path | None:
        """The file of the module; None if it has none, or there is no such module."""
        local = self.local_file()
        if local is not None:
            return local if local.is_file() else None
        try:
            spec = importlib.util.find_spec(self.module)
        except (ImportError, ValueError):
            return None
        origin = spec.origin if spec is not None else None
        return Path(origin) if origin is not None and Path(origin).is_file() else None

    def of(self, module: str | Path) -> Path:
        """The name of the same function of another module.

        :param module: its name, or path
        """
        return Path(f"{PYTHON}{module}:{self.function}")


def absolute_model(model: ModelName) -> Path:
    """The name of the same model for a program that runs in another folder.

    :param model: what a user wrote
    :raises ArgumentError: it begins with ``python:`` and has not that form
    """
    if not is_python_model(model):
        return Path(model).resolve()
    factory = Factory.parse(model)
    local = factory.local_file()
    return factory.of(factory.module if local is None else local.resolve())


def relative_model(model: ModelName, folder: Path) -> Path:
    """How a file in a folder names the model: by an absolute path if that is how it was named.

    :param model: what a user wrote, seen from the current folder
    :param folder: of the file
    :raises ArgumentError: it begins with ``python:`` and has not that form
    """
    if not is_python_model(model):
        return Path(model) if os.path.isabs(model) else Path(os.path.relpath(model, folder))
    factory = Factory.parse(model)
    local = factory.local_file()
    here = folder.resolve() == Path.cwd() and not factory.is_file
    if local is None or local.is_absolute() or here:
        return Path(model)
    return factory.of(os.path.relpath(local, folder))


def same_model(one: ModelName, other: ModelName) -> bool:
    """Whether two names mean one model.

    :param one: what a user wrote
    :param other: the same
    """
    if is_python_model(one) != is_python_model(other):
        return False
    return os.fspath(absolute_model(one)) == os.fspath(absolute_model(other))


def require_model(argument: str, model: ModelName) -> None:
    """Refuse the name of a model that is not there, without loading it.

    :param argument: whose value it is
    :param model: what a user wrote
    :raises ArgumentError: there is no such file or module
    """
    if not is_python_model(model):
        if Path(model).is_file():
            return
        raise ArgumentError(
            argument, f"must be the file of an exported model, found no file '{model}'"
        )
    factory = Factory.parse(model)
    if factory.file() is None:
        what = "file" if factory.is_file else "module"
        raise ArgumentError(
            argument,
            f"is '{model}', and Python finds no {what} '{factory.module}' (looked from "
            f"{Path.cwd()})",
        )


def model_checksum(model: ModelName) -> str:
    """SHA-256 of the file, or of the file that the factory is in: what that reads does not count.

    :param model: of a model that is there
    :returns: empty if the factory is in no file
    :raises OSError: the file cannot be read
    """
    file = Factory.parse(model).file() if is_python_model(model) else Path(model)
    return "" if file is None else sha256_of(file)


def precision_of(model: ModelName, dtype: str) -> str:
    """How precise the arithmetic is, for people: a calculator does not say.

    :param model: what a user wrote
    :param dtype: as the engine has it, whose own numbers are in double precision
    """
    return "its calculator's precision" if is_python_model(model) else dtype


def model_factory(model: ModelName) -> str:
    """What tells a model from others of the same checksum: two factories may be in one file.

    :param model: of a model that is there
    :returns: the function, with its module if that is in no file; empty for a model that is a file
    """
    if not is_python_model(model):
        return ""
    factory = Factory.parse(model)
    return factory.function if factory.file() else f"{factory.module}:{factory.function}"
