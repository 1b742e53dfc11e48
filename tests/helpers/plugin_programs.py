"""Compile classes of the LAMMPS plugin with a C++ test of theirs, without the pair style."""

import importlib.metadata
import os
import subprocess
from pathlib import Path

from md_bridge._paths import compiled

ROOT = Path(__file__).parents[2]
PLUGIN = ROOT / "lammps_plugin"
ENGINE = ROOT / "csrc" / "engine"


def _installed(package: str, name: str) -> Path:
    for file in importlib.metadata.files(package) or []:
        if str(file).endswith(name):
            return Path(str(file.locate())).resolve()
    raise FileNotFoundError(f"{name} of the Python package `{package}` is missing")


FLAGS = [
    "-std=c++20",
    "-O1",
    "-fPIC",
    "-Wall",
    "-Wextra",
    "-DLAMMPS_SMALLBIG",
    "-D_GLIBCXX_ASSERTIONS",
]


def _compile(output: Path, sources: list[Path], *options: str) -> Path:
    include = [f"-I{PLUGIN}", f"-I{ENGINE / 'include'}"]
    for header in (_installed("lammps", "lammps/pair.h"), _installed("mpich", "include/mpi.h")):
        include += ["-isystem", str(header.parent)]
    command = [os.environ.get("CXX", "c++"), *FLAGS, *include, *map(str, sources), *options]
    done = subprocess.run([*command, "-o", str(output)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-4000:]
    return output


def _link(library: Path) -> list[str]:
    return [str(library), f"-Wl,-rpath,{library.parent}"]


def program(folder: Path, test: str, *sources: str) -> Path:
    """A program of ``lammps_plugin/tests/<test>.cpp`` and these files of the plugin; no torch."""
    files = [PLUGIN / "tests" / f"{test}.cpp", *(PLUGIN / name for name in sources)]
    return _compile(
        folder / test,
        [*files, ENGINE / "elements.cpp"],
        # for fmt, which LAMMPS brings
        *_link(_installed("lammps", "lammps/liblammps.so.0")),
        *_link(_installed("mpich", "libmpi.so.12")),
        "-Wl,--allow-shlib-undefined",
    )


def lammps_plugin(folder: Path, test: str, *sources: str) -> Path:
    """The same as a library that LAMMPS's command ``plugin load`` takes, with the engine."""
    files = [PLUGIN / "tests" / f"{test}.cpp", *(PLUGIN / name for name in sources)]
    return _compile(
        folder / f"{test}plugin.so", files, "-shared", *_link(compiled("lib/libmdbridge.so"))
    )


def run(program: Path, ranks: int) -> None:
    """Run a program, which prints what is not as expected, on several ranks."""
    mpiexec = _installed("mpich", "bin/mpiexec.hydra")
    done = subprocess.run(
        [mpiexec, "-n", str(ranks), program], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
