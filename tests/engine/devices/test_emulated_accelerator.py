"""The tests of this folder, and those of the engine, on the emulated accelerator, in a process of
their own: torch counts its devices once, before the first gradient.
"""

import os
import subprocess
import sys
from pathlib import Path

import emulated_device
import pytest

HERE = Path(__file__).parent
ENGINE = [
    path
    for path in sorted([*HERE.parent.glob("test_*.py"), *HERE.parent.glob("averages/test_*.py")])
    # programs of their own, and a model that was not exported for the accelerator
    if path.name not in ("test_cpp_example.py", "test_water_model.py")
]


@pytest.mark.skipif(emulated_device.IN_USE in os.environ, reason="this is that process")
@pytest.mark.parametrize(
    "tests",
    [
        pytest.param([HERE], id="what goes there and comes back"),
        pytest.param(ENGINE, id="all of the engine", marks=pytest.mark.slow),
    ],
)
def test_on_the_accelerator(tests):
    try:
        emulated_device.build()
    except emulated_device.NoEmulationError as error:
        pytest.skip(str(error))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests]
    environment = {**os.environ, emulated_device.IN_USE: "1"}
    environment.pop("PYTEST_XDIST_WORKER", None)
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout
