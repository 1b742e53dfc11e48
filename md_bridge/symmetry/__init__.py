"""How much symmetry has a model learned? Its response to rotations and mirrors, sector by sector.

For any function of points, a torch module or a plain one::

    from md_bridge.symmetry import analyse

    result = analyse(forces_of, positions, law="vector", lmax=8)
    result.rms, result.B["z"][4, 1], result.after("octahedral")
"""

from __future__ import annotations

from md_bridge.symmetry.api import analyse
from md_bridge.symmetry.errors import SymmetryError
from md_bridge.symmetry.group.grids import O3Grid, o3_grid
from md_bridge.symmetry.measuring.laws import LAWS, Law
from md_bridge.symmetry.measuring.points import FunctionOnPoints
from md_bridge.symmetry.results.guards import Convergence, RandomDeviation
from md_bridge.symmetry.results.response import Response
from md_bridge.symmetry.results.spectrum import Spectrum

__all__ = [
    "LAWS",
    "Convergence",
    "FunctionOnPoints",
    "Law",
    "O3Grid",
    "RandomDeviation",
    "Response",
    "Spectrum",
    "SymmetryError",
    "analyse",
    "o3_grid",
]
