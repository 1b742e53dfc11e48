"""Speed beside the alternatives: ASE, i-PI, LAMMPS, measured in turns on this machine.

``models`` and ``boxes`` are what is evaluated; ``programs`` evaluate, each in a process of its own;
``sessions`` talk to them; ``groups`` say what is compared with what; ``runner`` lets them take
turns; ``results`` is the file, ``tables`` and ``plots`` show it.
"""

from md_bridge.bench.api import BenchSettings, quick, run_benchmark
from md_bridge.bench.errors import BenchError, UnavailableError
from md_bridge.bench.results import Results

__all__ = [
    "BenchError",
    "BenchSettings",
    "Results",
    "UnavailableError",
    "quick",
    "run_benchmark",
]
