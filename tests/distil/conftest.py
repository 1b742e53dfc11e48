"""A small teacher with known answers, and a student of it."""

import ase.build
import numpy as np
import pytest

from md_bridge.distil import DistilRequest
from md_bridge.distil.api import perform
from md_bridge.model_options import ModelOptions


def argon(seed=1, size=2):
    atoms = ase.build.bulk("Ar", "fcc", a=5.4, cubic=True).repeat((size, size, size))
    atoms.rattle(0.05, seed=seed)
    return atoms


@pytest.fixture(scope="session")
def start():
    return argon()


@pytest.fixture
def request_of(model_file, start, tmp_path):
    """A request for the smallest student, changed by keywords."""

    def made(**changes):
        values = {
            "teacher": model_file("curl"),
            "starts": [start],
            "out": tmp_path / "inner.pt",
            "temperatures_k": (30.0, 60.0),
            "frames": 28,
            "steps": 12,
            "tune": False,
            "model_options": ModelOptions(device="cpu", threads=1),
        }
        return DistilRequest(**{**values, **changes})

    return made


@pytest.fixture
def make(request_of):
    """Make it."""

    def made(progress=lambda stage, share, detail: None, **changes):
        return perform(request_of(**changes), progress)

    return made


def same_frames(one, other):
    """Whether two folders hold the same blocks, bit for bit."""
    names = [sorted(f.relative_to(d) for d in [p / "frames"] for f in d.rglob("*.npz"))
             for p in (one, other)]
    assert names[0] == names[1] and names[0]
    for name in names[0]:
        first, second = np.load(one / "frames" / name), np.load(other / "frames" / name)
        for key in first:
            if not np.array_equal(first[key], second[key]):
                return False
    return True
