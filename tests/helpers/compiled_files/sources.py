"""Factories that ``md-bridge compile python:compiled_files.sources:…`` is called with."""

import models


def curl():
    """Lennard-Jones forces and a swirl, with a direct stress."""
    return models.curl(size=0.05).module
