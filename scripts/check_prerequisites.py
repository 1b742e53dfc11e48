"""Say what is missing before the set-up starts, instead of failing in the middle of it."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
import sysconfig


def missing() -> list[str]:
    """One line for each thing that the set-up needs and does not find."""
    problems = []
    if not (3, 10) <= sys.version_info[:2] <= (3, 13):
        found = ".".join(str(part) for part in sys.version_info[:3])
        problems.append(
            f"Python 3.10 to 3.13 is needed, found {found}; name another: make PYTHON=python3.12"
        )
    if importlib.util.find_spec("ensurepip") is None:
        problems.append("Python's venv module cannot install pip: apt-get install python3-venv")
    headers = sysconfig.get_paths()["include"]
    if not os.path.exists(os.path.join(headers, "Python.h")):
        problems.append(f"Python.h is not in {headers}: apt-get install python3-dev")
    compiler = os.environ.get("CXX", "c++")
    if shutil.which(compiler) is None:
        problems.append(f"there is no C++ compiler '{compiler}': apt-get install g++")
    if not sys.platform.startswith("linux"):
        problems.append(f"only Linux is supported, found {sys.platform}")
    return problems


if __name__ == "__main__":
    for problem in missing():
        print(f"set-up: {problem}", file=sys.stderr)
    sys.exit(1 if missing() else 0)
