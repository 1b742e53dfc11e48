"""A network of the published size: all copies go by within a bounded memory."""

import subprocess
import sys
from pathlib import Path

import pytest

from md_bridge._paths import DATA
from md_bridge.bench.models.files import XS, prepare_model

LIMIT_GIB = 2.0
# the largest resident memory of the command itself, not of other children of the tests
PROGRAM = """
import atexit, resource, sys
def tell():
    print("KiB", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)
atexit.register(tell)
from md_bridge.cli import main
main(sys.argv[1:])
"""


@pytest.mark.slow
def test_a_pet_of_the_published_size(tmp_path: Path):
    """81 atoms at degree 8: 684 copies, with all quantities, stay within 2 GiB."""
    model = prepare_model(XS, tmp_path, None, print, compile_missing=False).path
    command = [
        *(sys.executable, "-c", PROGRAM, "symmetry", str(model), str(DATA / "water-start.xyz")),
        *("--lmax", "4", "--orientations", "0", "--out", str(tmp_path / "out")),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    # random weights need not be converged at this degree
    assert done.returncode in (0, 3), done.stderr
    assert "743 turned copies took" in " ".join(done.stdout.split())
    largest = int(done.stderr.rpartition("KiB")[2]) / 2**20
    assert 0.1 < largest < LIMIT_GIB
