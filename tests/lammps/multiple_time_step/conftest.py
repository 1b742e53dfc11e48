import argon_levels as argon
import models
import odd_models
import pytest
from metatomic.torch import ModelMetadata


@pytest.fixture(scope="session")
def folder(tmp_path_factory, model_file):
    """Models, and a box of atoms with velocities."""
    folder = tmp_path_factory.mktemp("levels")
    for name in (
        "strong_curl",
        "stand_in",
        "two_layers",
        "lennard_jones",
        "harmonic_direct",
        "uncertain",
    ):
        (folder / f"{name}.pt").symlink_to(model_file(name))
    models.anisotropic({0: 0.0, 2: 2e-3, 4: 1e-3}, direct=0.02).export(folder / "anisotropic.pt")
    models.curl(size=5.0).export(folder / "unrelated.pt")
    models.nan_when_close(3.2, "direct").export(folder / "nan_direct.pt")
    (folder / "copy.pt").write_bytes(model_file("strong_curl").read_bytes())
    odd_models.no_forces(folder / "no_forces.pt")
    metadata = ModelMetadata(name="student", extra={"teacher_variant": "pbe"})
    models.stand_in().export(folder / "of_pbe.pt", metadata=metadata)
    return folder


@pytest.fixture(scope="session")
def box(folder):
    """Commands that make the box."""
    return argon.box(folder / "box.data")
