"""An accelerator that is none (``accelerator.cpp``), for a machine without any: two devices of
torch's type ``xpu``, which count what goes to them and comes back."""

import ctypes
import hashlib
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import torch

ALL_QUANTITIES = dict.fromkeys(
    (
        "energy",
        "atomic_energies",
        "conservative_forces",
        "conservative_virial",
        "direct_forces",
        "direct_virial",
        "atomic_virials",
        "halved_atomic_virials",
    ),
    True,
)
"""To ask an engine for."""

IN_USE = "MDBRIDGE_TEST_EMULATED_DEVICE"
"""Environment variable of the process that has it."""

SOURCE = Path(__file__).with_name("accelerator.cpp")


class NoEmulationError(Exception):
    """The sentence for a skipped test."""


@dataclass(frozen=True)
class Counts:
    """Transfers to the device, from it, and how often the host waited for a number in between
    (``item()``, sizes that depend on numbers)."""

    uploads: int
    downloads: int
    waits: int

    def __sub__(self, other: "Counts") -> "Counts":
        return Counts(
            self.uploads - other.uploads,
            self.downloads - other.downloads,
            self.waits - other.waits,
        )


class EmulatedDevice:
    """The accelerator, from now on: to be there before the first gradient of this process, for
    torch counts the devices then.
    """

    def __init__(self) -> None:
        self._library = ctypes.CDLL(str(build()))
        torch.xpu._lazy_init = lambda: None  # called before Python moves a tensor there

    def used_from_elsewhere(self) -> int:
        """Operations on one device while the other one was the current one."""
        return self._number("elsewhere")

    def counts(self) -> Counts:
        """Since the process began."""
        numbers = (self._number(name) for name in ("uploads", "downloads", "waits"))
        return Counts(*numbers)

    def _number(self, name: str) -> int:
        function = getattr(self._library, f"emulated_{name}")
        function.restype = ctypes.c_int64
        return function()


def build() -> Path:
    """Compile the library, unless somebody has already on this machine.

    :raises NoEmulationError: there is no compiler, or this torch has true devices of the type
    """
    if torch.xpu._is_compiled():
        raise NoEmulationError("this torch has XPU devices of its own")
    compiler = shutil.which(os.environ.get("CXX", "g++"))
    if compiler is None:
        raise NoEmulationError("no C++ compiler is here to build the emulated accelerator")
    root = Path(torch.__file__).parent
    key = hashlib.sha256(f"{torch.__version__} {root} {SOURCE.read_text()}".encode()).hexdigest()[
        :16
    ]
    library = Path(tempfile.gettempdir()) / f"md-bridge-tests-{os.getuid()}" / f"emulated-{key}.so"
    if library.exists():
        return library
    library.parent.mkdir(mode=0o700, exist_ok=True)
    new = library.with_suffix(f".{os.getpid()}")
    abi = int(torch.compiled_with_cxx11_abi())
    command = [compiler, "-shared", "-fPIC", "-O0", "-std=c++20", f"-D_GLIBCXX_USE_CXX11_ABI={abi}"]
    command += [f"-isystem{root / 'include'}", str(SOURCE), "-o", str(new)]
    command += [f"-L{root / 'lib'}", f"-Wl,-rpath,{root / 'lib'}", "-lc10", "-ltorch_cpu"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    new.rename(library)
    return library
