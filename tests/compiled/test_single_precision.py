"""In single precision a compiled file is nearer to the double one than its TorchScript is."""

import ase.io
import numpy as np
import pytest

from md_bridge._paths import DATA
from md_bridge.engine import Engine, structure_from_ase
from md_bridge.model_options import ModelOptions
from md_bridge.symmetry.models.precision import in_double_precision

LARGEST = 1e-5
"""eV/Å, of a component."""


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["conservative_forces", "direct_forces"])
def test_forces_of_the_bundled_model(files, kind):
    made = files("bundled")
    structure = structure_from_ase(ase.io.read(DATA / "water-start.xyz"))
    with in_double_precision(made.exported, ModelOptions(), structure) as double:
        exact, exported, compiled = (
            getattr(Engine(path).evaluate(structure, None, **{kind: True}), kind)
            for path in (double, made.exported, made.compiled)
        )
    error = np.abs(compiled - exact).max()
    assert error < LARGEST
    assert error < np.abs(exported - exact).max()
