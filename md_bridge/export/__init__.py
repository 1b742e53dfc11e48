"""Turn a trained model into a file that LAMMPS, i-PI and ASE run.

A plain torch module needs no knowledge of metatensor; see :func:`export_module`.
A metatrain checkpoint, or an exported file that wants other metadata: :func:`export_file`.
"""

from md_bridge.export.checkpoint import export_file
from md_bridge.export.checks.checks import run_checks
from md_bridge.export.checks.result import Check
from md_bridge.export.errors import ExportError
from md_bridge.export.torch_module.batch import Batch, make_batch
from md_bridge.export.torch_module.geometry import pair_vectors
from md_bridge.export.torch_module.module import export_module

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
