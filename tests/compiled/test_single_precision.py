"""How near a compiled file comes to the model in double precision, and to its TorchScript."""

import numpy as np
import pytest

from md_bridge.bench.boxes import box
from md_bridge.engine import Engine, structure_from_ase
from md_bridge.model_options import ModelOptions
from md_bridge.symmetry.models.precision import in_double_precision

LARGEST = 1e-5
"""eV/Å, of a component."""
FORCES = ["conservative_forces", "direct_forces"]


def forces(path, structure, kind):
    return getattr(Engine(path).evaluate(structure, None, **{kind: True}), kind)


@pytest.mark.slow
@pytest.mark.parametrize("atoms", [81, 192, 648])
@pytest.mark.parametrize("kind", FORCES)
def test_forces_of_the_bundled_model(files, kind, atoms):
    """1e-5 holds against the model in double precision, from which the TorchScript file itself is
    farther: it rounds positions, and the compiled functions pair vectors."""
    made = files("bundled")
    structure = structure_from_ase(box(atoms))
    with in_double_precision(made.exported, ModelOptions(), structure) as double:
        exact, exported, compiled = (
            forces(path, structure, kind) for path in (double, made.exported, made.compiled)
        )
    of_compiled, of_exported = (np.abs(found - exact).max() for found in (compiled, exported))
    print(f"{kind}, {atoms} atoms: {of_compiled:.1e}, TorchScript {of_exported:.1e} eV/Å")
    assert of_compiled < LARGEST


@pytest.mark.slow
@pytest.mark.parametrize("kind", FORCES)
def test_the_bundled_model_in_double_precision(files, kind):
    made = files("bundled in double")
    structure = structure_from_ase(box(192))
    found, expected = (forces(path, structure, kind) for path in (made.compiled, made.exported))
    assert np.abs(expected).max() > 1.0
    assert np.abs(found - expected).max() < 1e-10
