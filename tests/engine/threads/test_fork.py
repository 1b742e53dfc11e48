"""Processes that are forked from one that has evaluated a model, as multiprocessing does."""

import os
import subprocess
import sys
import textwrap

import pytest

from md_bridge._paths import DATA

PARENT = f"""
import multiprocessing, sys
import numpy as np
from ase.io import read
from md_bridge import MDBridgeCalculator
from md_bridge.engine import EngineError, choose_threads, get_threads, set_threads

atoms = read("{DATA / "water-start.xyz"}")
atoms.calc = MDBridgeCalculator("{DATA / "water.pt"}", device="cpu")
set_threads(2)
before = atoms.get_forces()
"""


def run(script: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", PARENT + textwrap.dedent(script)],
        env={**os.environ, "OMP_NUM_THREADS": "2"},
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("calculator", ["inherited", "new"])
def test_a_forked_process_evaluates(calculator):
    """Its forces are those of the parent, at other positions and at the same."""
    run(f"""
        def child(shift):
            copy = atoms.copy()
            copy.positions += shift
            copy.calc = atoms.calc
            if {calculator == "new"}:
                copy.calc = MDBridgeCalculator("{DATA / "water.pt"}", forces="direct", device="cpu")
                copy.calc.set(forces="conservative")
            return copy.get_forces()

        with multiprocessing.get_context("fork").Pool(2) as pool:
            for forces in pool.map_async(child, [0.0, 0.5]).get(timeout=60):
                np.testing.assert_allclose(forces, before, atol=2e-4)
        np.testing.assert_allclose(atoms.get_forces(), before)
        assert get_threads() == 2
    """)


def test_threads_that_a_forked_process_cannot_have():
    run("""
        def child(_):
            assert choose_threads(0) == 1
            set_threads(1)
            set_threads(2)

        with multiprocessing.get_context("fork").Pool(1) as pool:
            try:
                pool.map_async(child, [0]).get(timeout=60)
            except EngineError as error:
                assert "forked" in str(error) and "spawn" in str(error), error
            else:
                sys.exit("no error")
    """)
