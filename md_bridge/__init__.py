"""MD Bridge: trained machine-learned potentials with direct forces, in LAMMPS, i-PI and ASE.

Nothing heavy is imported here: a plain ``lmp`` imports this package on every start.
"""

import os
import shutil
import sys

from md_bridge._paths import cmake_prefix_path as cmake_prefix_path

__version__ = "0.1.0"

# An editable install compiles changed C++ sources when it is imported, with the cmake next to this
# interpreter, which is on PATH only if the environment is activated.
if shutil.which("cmake") is None:
    os.environ["PATH"] = os.environ.get("PATH", "") + os.pathsep + os.path.dirname(sys.executable)
