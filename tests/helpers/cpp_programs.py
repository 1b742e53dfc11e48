"""Build small C++ programs against the installed engine."""

import subprocess
import sys
from pathlib import Path

import md_bridge

CMAKE = Path(sys.executable).with_name("cmake")


def build(source: Path, folder: Path, *prefixes: str, **definitions: str) -> Path:
    """Configure and build the CMake project in ``source``; the folder with its program.

    :param prefixes: for ``CMAKE_PREFIX_PATH``, besides the engine's own
    """
    path = ";".join([md_bridge.cmake_prefix_path(), *prefixes])
    options = [f"-D{name}={value}" for name, value in definitions.items()]
    run(CMAKE, "-S", source, "-B", folder, f"-DCMAKE_PREFIX_PATH={path}", *options)
    run(CMAKE, "--build", folder)
    return folder


def run(*command: object) -> str:
    """What the program printed; its own messages if it fails."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
