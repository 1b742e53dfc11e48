"""What runs the network can be exchanged: nothing above it knows how it differentiates."""

from pathlib import Path

import cpp_programs
import models
import numpy as np
import pytest
import torch
from ase.build import bulk

from md_bridge.engine import Engine, ModelError, structure_from_ase

HERE = Path(__file__).parent
ENGINE = HERE.parents[1] / "csrc" / "engine"


def test_a_backend_whose_gradients_are_outputs(tmp_path):
    folder = cpp_programs.build(
        HERE / "second_backend",
        tmp_path,
        torch.utils.cmake_prefix_path,
        ENGINE_SOURCE_DIR=str(ENGINE),
    )
    assert cpp_programs.run(folder / "second_backend").strip() == "same"


def test_the_content_of_a_file_says_who_runs_it(tmp_path, model_file):
    """A model under any name; a zip archive of torch that holds no code."""
    plain = tmp_path / "model.without.the.usual.suffix"
    plain.write_bytes(model_file("curl").read_bytes())
    assert Engine(plain).info.cutoff > 0
    torch.save({"weights": torch.zeros(3)}, tmp_path / "checkpoint.pt")
    with pytest.raises(ModelError, match=r"checkpoint.pt': expected a model exp.* no whole Torch"):
        Engine(tmp_path / "checkpoint.pt")


def test_autograd_is_the_business_of_one_backend():
    words = ("requires_grad", "autograd", "AutoGradMode", "NoGrad", "detach")
    for file in sorted(ENGINE.rglob("*.?pp")):
        if file.parent.name not in ("torchscript", "compiled", "committee"):  # the backends
            text = file.read_text()
            assert not [word for word in words if word in text], file.name


ALL = dict.fromkeys(
    ("energy", "atomic_energies", "conservative_forces", "conservative_virial", "direct_forces"),
    True,
)


def differences(atoms, one, other):
    """The largest of each quantity."""
    found = [engine.evaluate(structure_from_ase(atoms), **ALL) for engine in (one, other)]
    return {
        name: np.abs(np.asarray(getattr(found[0], name)) - getattr(found[1], name)).max()
        for name in ALL
    }


def test_results_are_those_of_metatomics_wrapper_bit_for_bit(water, water_model):
    """The network is called without it, as it would do nothing but multiply all by one."""
    wrapped = Engine(water_model, check_consistency=True)
    assert set(differences(water, Engine(water_model), wrapped).values()) == {0.0}


@pytest.mark.parametrize("energy_unit", ["eV", "kcal/mol"])
def test_units_that_are_not_ours_are_converted(tmp_path, energy_unit):
    """By the wrapper, which is called then."""
    atoms = bulk("Ar", "fcc", a=5.4, cubic=True) * (2, 2, 2)
    atoms.rattle(0.1, seed=3)
    factor = {"eV": 1.0, "kcal/mol": 23.060547830619}[energy_unit]
    ours = models.curl(1e-3, 0.0104).export(tmp_path / "ours.pt")
    theirs = models.curl(1e-3 * factor, 0.0104 * factor).export(
        tmp_path / "theirs.pt", energy_unit=energy_unit
    )
    found = differences(atoms, Engine(ours), Engine(theirs))
    assert max(found.values()) < (1e-7 if energy_unit != "eV" else 1e-300), found
