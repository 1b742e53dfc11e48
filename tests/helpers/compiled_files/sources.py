"""Factories that ``md-bridge compile python:compiled_files.sources:…`` is called with."""

import models


def curl():
    """Lennard-Jones forces and a swirl, with a direct stress and an uncertainty, which is not
    compiled."""
    return models.Uncertain(models.curl(size=0.05).module)
