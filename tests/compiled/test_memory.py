"""Nothing is kept for each number of pairs, which in dynamics is another one at every step."""

import subprocess
import sys

import ase.io
import pytest
from compiled_files import moving_box

from md_bridge._paths import DATA
from md_bridge.bench.sessions.lammps import Deck, LammpsSession

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


BREATHE = """\
fix breathe all deform 1 x wiggle 0.2 0.05 y wiggle 0.2 0.07 remap x
fix cool all langevin 100.0 100.0 0.02 4711"""
TURN = 200
"""Steps; the memory after the first turns is that of the largest number of pairs."""
MOST_MB = 3.0
"""For 400 steps: 8 kB each, and a list of pairs that was kept would be twenty times as much."""


@pytest.mark.parametrize(("kind", "multiplicity"), [("module", 1), ("module", 4)])
def test_memory_of_lammps_is_flat(tmp_path, files, kind, multiplicity):
    """In a box that swings, so that the number of pairs is another one at every step."""
    made = files(kind)
    ase.io.write(tmp_path / "start.xyz", moving_box(made))
    keywords = "max_correction 10" if multiplicity > 1 else ""
    for model in (made.compiled, made.exported):
        deck = Deck(tmp_path / "start.xyz", model, 0.5, keywords, multiplicity, BREATHE)
        session = LammpsSession(deck, 1, 1, tmp_path / model.suffix[1:], 120.0)
        try:
            sizes = [session.run(TURN, 120.0).details["rss_MB"] for _ in range(4)]
        finally:
            session.close()
        assert sizes[-1] - sizes[1] < MOST_MB, sizes
