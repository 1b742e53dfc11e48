"""MD Bridge: trained machine-learned potentials with direct forces, in LAMMPS, i-PI and ASE.

The names that a script begins with are here; all others are in the modules of the package::

    from md_bridge import MDBridgeCalculator
    atoms.calc = MDBridgeCalculator("model.pt")

Nothing heavy is imported before it is used: a plain ``lmp`` imports this package on every start.
"""

from __future__ import annotations

import importlib
import os
import shutil
import sys
from typing import TYPE_CHECKING

from md_bridge._paths import cmake_prefix_path

if TYPE_CHECKING:
    from md_bridge.ase import MDBridgeCalculator
    from md_bridge.engine import Engine, structure_from_ase
    from md_bridge.errors import MDBridgeError
    from md_bridge.export import export_file, export_module, run_checks
    from md_bridge.model_options import ModelOptions

__all__ = [
    "Engine",
    "MDBridgeCalculator",
    "MDBridgeError",
    "ModelOptions",
    "__version__",
    "cmake_prefix_path",
    "export_file",
    "export_module",
    "run_checks",
    "structure_from_ase",
]

__version__ = "0.1.0"

_HOMES = {
    "Engine": "md_bridge.engine",
    "MDBridgeCalculator": "md_bridge.ase",
    "MDBridgeError": "md_bridge.errors",
    "ModelOptions": "md_bridge.model_options",
    "export_file": "md_bridge.export",
    "export_module": "md_bridge.export",
    "run_checks": "md_bridge.export",
    "structure_from_ase": "md_bridge.engine",
}


def __getattr__(name: str) -> object:
    """A public name, from the module that defines it (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})


def _find_cmake() -> None:
    """Put the folder of this interpreter on PATH, if cmake is needed and is not found without.

    An editable install, which alone keeps the Python sources away from the compiled part, compiles
    changed C++ sources when it is imported, with the cmake next to this interpreter. That is on
    PATH only if the environment is activated.
    """
    editable = not os.path.exists(os.path.join(os.path.dirname(__file__), "_build_info.py"))
    if editable and sys.executable and shutil.which("cmake") is None:
        folders = (os.environ.get("PATH", ""), os.path.dirname(sys.executable))
        os.environ["PATH"] = os.pathsep.join(filter(None, folders))


_find_cmake()
