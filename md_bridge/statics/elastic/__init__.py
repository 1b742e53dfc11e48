"""Elastic constants of a crystal, from the stress of strained cells.

``tensors`` (Voigt's notation, symmetry, averages) <- ``results`` <- ``tables``;
``settings``, ``strains`` (strained cells, the fit) <- ``api``.
"""

from md_bridge.statics.elastic.api import measure_elasticity
from md_bridge.statics.elastic.results import Elasticity, Stiffness
from md_bridge.statics.elastic.settings import ElasticRequest

__all__ = ["ElasticRequest", "Elasticity", "Stiffness", "measure_elasticity"]
