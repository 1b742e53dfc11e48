"""Nothing is kept for each number of pairs, which in dynamics is another one at every step."""

import subprocess
import sys

import pytest

from md_bridge._paths import DATA

# a process of its own: what others have given back would be used first
SCRIPT = """
import sys
import ase.io
import numpy as np
from md_bridge.ase import MDBridgeCalculator

def resident():
    with open("/proc/self/statm") as text:
        return 4096 * int(text.read().split()[1])

atoms = ase.io.read(sys.argv[2])
atoms.calc = MDBridgeCalculator(sys.argv[1], forces="direct", threads=1)
cell, random, sizes = atoms.cell.array, np.random.default_rng(1), []
for step in range(150):
    atoms.set_cell((1 + 0.04 * np.sin(0.37 * step)) * cell, scale_atoms=True)
    atoms.rattle(0.002, rng=random)
    atoms.get_forces()
    if step in (20, 149):
        sizes.append(resident())
print(sizes[1] - sizes[0])
"""


@pytest.mark.slow
def test_memory_does_not_grow_with_the_numbers_of_pairs(files):
    """In single precision; with weights packed for oneDNN it was 600 MB more."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, files("bundled").compiled, DATA / "water-start.xyz"],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 32e6
