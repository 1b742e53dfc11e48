"""Where a model puts atoms at rest, and how they vibrate there: relaxation, phonons, elasticity.

``rows`` and ``evaluator`` are what all of it stands on: the forces that are compared, one row each,
and their evaluation in batches.
"""
