import argon_levels as argon
import models
import pytest


@pytest.fixture(scope="session")
def folder(tmp_path_factory, model_file):
    """Models of different cutoffs, layers and elements."""
    folder = tmp_path_factory.mktemp("committees")
    for name in ("strong_curl", "stand_in", "two_layers", "lennard_jones"):
        (folder / f"{name}.pt").symlink_to(model_file(name))
    models.curl(size=1e-2, epsilon=0.011, sigma=3.3).export(folder / "other_curl.pt")
    for number in (1, 2):
        model = models.anisotropic({0: 0.0, 2: 2e-3 * number, 4: 1e-3}, direct=0.02 * number)
        model.export(folder / f"anisotropic_{number}.pt")
    return folder


@pytest.fixture(scope="session")
def box(folder):
    """Commands that make the box of :data:`argon_levels.ATOMS` with velocities."""
    return argon.box(folder / "box.data")
