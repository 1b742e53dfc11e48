"""Where the tests of this folder run: on CUDA where there is any, and on the emulated accelerator
(:mod:`emulated_device`) in a process of its own, which ``test_emulated_accelerator.py`` starts.
"""

import os
from pathlib import Path

import emulated_device
import models
import pytest
import torch
from ase.build import bulk

EMULATED = os.environ.get(emulated_device.IN_USE) == "1"
DEVICES = ["xpu", "xpu:1"] if EMULATED else ["cuda"]


@pytest.fixture
def emulated(accelerator):
    """What counts the transfers."""
    if accelerator is None:
        pytest.skip("a true device does not count")
    return accelerator


@pytest.fixture(params=DEVICES)
def device(request, accelerator):
    """Where the models are to be."""
    if request.param == "cuda" and not torch.cuda.is_available():
        pytest.skip("there is no CUDA device here")
    return request.param


@pytest.fixture(scope="session")
def export(tmp_path_factory):
    """A function from an analytic model (and dtype) to a file of it for any device."""
    folder = tmp_path_factory.mktemp("devices")
    known = {**models.ALL, "anisotropic": lambda: models.anisotropic({1: 0.3, 4: 0.2})}

    def file(name, dtype="float64") -> Path:
        path = folder / f"{name}-{dtype}.pt"
        return path if path.exists() else known[name]().export(path, dtype)

    return file


@pytest.fixture
def argon():
    """A rattled crystal of 32 atoms, some of them some cells away."""
    atoms = bulk("Ar", "fcc", a=5.3, cubic=True) * (2, 2, 2)
    atoms.rattle(0.15, seed=3)
    atoms.positions[::5] += 3 * atoms.cell[1] - 2 * atoms.cell[0]
    atoms.positions += 40.0
    return atoms
