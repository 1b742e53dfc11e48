"""Turn a trained model into a file that LAMMPS, i-PI and ASE run.

A plain torch module needs no knowledge of metatensor; see :func:`export_module`.
A metatrain checkpoint, or an exported file that wants other metadata: :func:`export_file`.
"""

from .batch import Batch, make_batch
from .check_result import Check
from .checkpoint import export_file
from .checks import run_checks
from .errors import ExportError
from .geometry import pair_vectors
from .module import export_module

__all__ = [
    "Batch",
    "Check",
    "ExportError",
    "export_file",
    "export_module",
    "make_batch",
    "pair_vectors",
    "run_checks",
]
