"""What a loaded model does to the memory of its process: nothing is fetched anew at each step."""

import json
import subprocess
import sys

import models

PROGRAM = """
import json, resource, sys
import numpy as np
from md_bridge.engine import Engine

def touch():
    blocks = [np.ones(50_000_000) for _ in range(3)]  # of 400 MB: together more than a GB

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize() / 2**20

engine = Engine(sys.argv[1])
before = resident()
touch()
kept = resident() - before
faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
touch()
faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - faults
del engine
print(json.dumps({"kept": kept, "faults": faults, "left": resident() - before}))
"""


def test_memory_is_kept_between_evaluations_and_given_back_with_the_model(tmp_path):
    """Of blocks as large structures need them, together beyond any limit that glibc has."""
    path = models.lennard_jones().export(tmp_path / "lj.pt")
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, path], check=True, capture_output=True, text=True
    )
    found = json.loads(done.stdout)
    assert found["kept"] > 1100  # MB
    assert found["faults"] < 1000  # pages of 4 kB: 293,000 if they came anew
    assert found["left"] < 100
