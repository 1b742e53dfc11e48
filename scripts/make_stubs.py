"""Write md_bridge/_core.pyi, the types of the C++ engine as Python sees it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from pybind11_stubgen import main

import md_bridge.engine  # noqa: F401 (loads the libraries that _core needs)

if __name__ == "__main__":
    root = Path(__file__).parents[1]
    sys.argv = ["pybind11-stubgen", "md_bridge._core", "--output-dir", str(root)]
    main()
    subprocess.run(
        [sys.executable, "-m", "ruff", "format", "--quiet", root / "md_bridge" / "_core.pyi"],
        check=True,
    )
