"""The tests of this folder on the emulated accelerator, in a process of their own: torch counts its
devices once, before the first gradient.
"""

import os
import subprocess
import sys
from pathlib import Path

import emulated_device
import pytest


@pytest.mark.skipif(emulated_device.IN_USE in os.environ, reason="this is that process")
def test_all_of_this_folder():
    try:
        emulated_device.build()
    except emulated_device.NoEmulationError as error:
        pytest.skip(str(error))
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        Path(__file__).parent,
    ]
    environment = {**os.environ, emulated_device.IN_USE: "1"}
    environment.pop("PYTEST_XDIST_WORKER", None)
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout
