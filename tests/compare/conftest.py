"""Two analytic models of argon, structures with labels of another, and a start."""

from types import SimpleNamespace

import ase.io
import models
import pytest
from argon_labels import labelled_structures, start
from ase.build import bulk


@pytest.fixture(scope="module")
def argon(tmp_path_factory):
    """Files of models with both kinds of forces and with one, of labels, a start and a crystal."""
    folder = tmp_path_factory.mktemp("argon")
    ase.io.write(folder / "test.xyz", labelled_structures())
    ase.io.write(folder / "start.xyz", start())
    crystal = bulk("Ar", "fcc", a=5.26, cubic=True)
    crystal.rattle(0.03, seed=1)
    ase.io.write(folder / "crystal.xyz", crystal)
    ase.io.write(folder / "cell.xyz", bulk("Ar", "fcc", a=5.26))
    return SimpleNamespace(
        folder=folder,
        both=models.curl(size=2e-2).export(folder / "both.pt"),
        one=models.lennard_jones().export(folder / "one.pt"),
        labelled=folder / "test.xyz",
        start=folder / "start.xyz",
        crystal=folder / "crystal.xyz",
        cell=folder / "cell.xyz",
    )
