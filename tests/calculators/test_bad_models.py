"""Whatever is wrong with a calculator, or with its factory, is said in a sentence."""

import pickle

import numpy as np
import pytest
from ase.calculators.emt import EMT
from python_models import argon, crystal, python_model

from md_bridge.ase import MDBridgeCalculator
from md_bridge.calculators.opening import open_model
from md_bridge.calculators.watching import Watch
from md_bridge.engine import Engine, ModelError, NonFiniteError, structure_from_ase

START = """
import numpy as np
from ase.calculators.calculator import Calculator, all_changes
from ase.calculators.lj import LennardJones

class Base(LennardJones):
    def __init__(self):
        super().__init__(sigma=3.4, epsilon=0.0104, rc=8.0)
        self.calls = 0

    def calculate(self, atoms=None, properties=None, system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        self.calls += 1
        self.spoil()

    def spoil(self):
        pass
"""


def spoiled(folder, body):
    return python_model(folder, START + body + "\ndef make():\n    return Spoiled()\n")


def evaluate(model, times=3):
    engine = Engine(model)
    for number in range(times):
        atoms = argon()
        atoms.rattle(0.01, seed=number)
        engine.evaluate(structure_from_ase(atoms), conservative_forces=True)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (
            "class Spoiled(Base):\n    implemented_properties = ['energy']",
            "gives no forces: its implemented_properties list energy",
        ),
        (
            "class Spoiled(Base):\n    forces_kind = 'derived'",
            "forces_kind of '.*' must be conservative or direct, found 'derived'",
        ),
        (
            "class Spoiled(Base):\n    def spoil(self):\n        if self.calls == 3:\n"
            "            raise ValueError('no such basis\\nfor argon')",
            r"failed: ValueError: no such basis$",
        ),
        (
            "class Spoiled(Base):\n    def spoil(self):\n        raise SystemExit('bye')",
            r"failed: SystemExit: bye$",
        ),
        (
            "class Spoiled(Base):\n    def spoil(self):\n        self.atoms.positions += 0.1\n"
            "    def calculate(self, atoms=None, properties=None, system_changes=()):\n"
            "        super().calculate(atoms, properties, system_changes)\n"
            "        atoms.positions[0] += 0.1",
            "changed the atoms that it was given",
        ),
        (
            "class Spoiled(Base):\n    kept = None\n    def spoil(self):\n"
            "        type(self).kept = type(self).kept or dict(self.results)\n"
            "        self.results = dict(self.kept)",
            "whose atoms have moved: it keeps old results",
        ),
        (
            "class Spoiled(Base):\n    kept = None\n    def spoil(self):\n"
            "        if self.kept is None:\n            self.kept = self.results['forces']\n"
            "        self.results['forces'] = self.kept",
            "gave the forces of the structure before, to the last bit, for one whose atoms have m",
        ),
        (
            "class Spoiled(Base):\n    def spoil(self):\n"
            "        self.results['forces'] = self.results['forces'][:-1]",
            r"gave a forces of the shape \(31, 3\); expected \(32, 3\) for 32 atoms",
        ),
        (
            "class Spoiled(Base):\n    def spoil(self):\n        del self.results['forces']",
            "gave no 'forces' for a structure of 32 atoms",
        ),
        (
            "class Spoiled(Base):\n    def spoil(self):\n        self.results['energy'] = 'low'",
            "gave a energy that is no array of numbers",
        ),
        (
            "class Spoiled(Base):\n    def spoil(self):\n"
            "        raise RuntimeError('Found no NVIDIA driver on your system')",
            r"Found no NVIDIA driver on your system \(torch finds no CUDA device here",
        ),
    ],
    ids=[
        "no forces",
        "unknown kind",
        "raises in the middle",
        "exits",
        "moves the atoms",
        "keeps results",
        "keeps forces",
        "too few forces",
        "forgets the forces",
        "no number",
        "no GPU",
    ],
)
def test_a_spoiled_calculator(tmp_path, monkeypatch, body, words):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(ModelError, match=words):
        evaluate(spoiled(tmp_path, body))


def test_a_sound_calculator(tmp_path):
    evaluate(spoiled(tmp_path, "class Spoiled(Base):\n    pass"))


def test_a_number_that_is_not_finite(tmp_path):
    body = (
        "class Spoiled(Base):\n    def spoil(self):\n        self.results['forces'][4, 1] = np.nan"
    )
    with pytest.raises(NonFiniteError, match="not finite on atom 4 "):
        evaluate(spoiled(tmp_path, body))


def test_old_results_are_right_where_nothing_moved(tmp_path):
    """The same structure again, moved as a whole, with an atom in another cell, or turned."""
    engine = Engine(spoiled(tmp_path, "class Spoiled(Base):\n    pass"))
    atoms = argon()
    moved, wrapped, turned = atoms.copy(), atoms.copy(), atoms.copy()
    moved.positions += [4.0, 0.0, 0.0]
    wrapped.positions[3] += 8 * atoms.cell[1]
    turned.rotate(90, "z", rotate_cell=True)
    for each in (atoms, atoms, moved, wrapped, turned):
        engine.evaluate(structure_from_ase(each), conservative_forces=True)


FACTORIES = """
from ase.calculators.emt import EMT

def make():
    return EMT()

def number():
    return 3

def broken():
    return 1 / 0

def elsewhere():
    import no_such_package_of_ours

def orb():
    import orb_models_of_nobody.forcefield

def on(device):
    calculator = EMT()
    calculator.device = device
    return calculator

constant = 7
instance = EMT()
"""


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("mine:mak", "'mine' has no 'mak'. Did you mean 'make'"),
        ("mine:number", r"mine:number\(\) returned a int; expected an ASE calculator"),
        ("mine:broken", r"mine:broken\(\) failed: ZeroDivisionError"),
        ("mine:constant", "mine:constant is a int; expected a function"),
        ("mine:elsewhere", "needs the Python package no_such_package_of_ours, which is not inst"),
        ("mine:orb", "pip install orb-models-of-nobody"),
        ("yours:make", "Python cannot import 'yours'"),
        ("gone.py:make", "there is no file 'gone.py'"),
        ("faulty:make", "importing 'faulty' failed: SyntaxError"),
        ("mine", "must have the form python:package.module:factory"),
    ],
)
def test_a_factory_that_is_none(tmp_path, monkeypatch, target, words):
    (tmp_path / "mine.py").write_text(FACTORIES)
    (tmp_path / "faulty.py").write_text("def make(:")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelError, match=words):
        Engine(f"python:{target}")


def test_devices(tmp_path, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    model = python_model(tmp_path, FACTORIES, "on")
    assert Engine(model).info.device == "cpu"
    with pytest.raises(ModelError, match="'cuda' was asked for, but torch finds no CUDA device"):
        Engine(model, "cuda")
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    assert Engine(model, "cuda:1").info.device == "cuda:1"
    with pytest.raises(ModelError, match="has no parameter 'device' to hand it to"):
        Engine(python_model(tmp_path, FACTORIES, "make"), "cuda")


def test_forms_of_factories(tmp_path, monkeypatch):
    """A module of the current folder, one of a package, an instance, and a changed file."""
    package = tmp_path / "models_of_mine"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "parts.py").write_text("from ase.calculators.emt import EMT\n")
    (package / "whole.py").write_text("from .parts import EMT\n\ndef make():\n    return EMT()\n")
    (tmp_path / "mine_too.py").write_text(FACTORIES)
    monkeypatch.chdir(tmp_path)
    for target in (
        "models_of_mine.whole:make",
        f"{package / 'whole.py'}:make",
        "mine_too:make",
        "mine_too:instance",
    ):
        assert Engine(f"python:{target}").info.name == "EMT"
    model = python_model(tmp_path, FACTORIES, stem="changing")
    Engine(model)
    code = "from ase.calculators.lj import LennardJones\ndef make():\n    return LennardJones()\n"
    assert Engine(python_model(tmp_path, code, stem="changing")).info.name == "LennardJones"


def test_copies_of_the_calculator_find_the_model_again():
    atoms = argon()
    atoms.symbols[:] = "Cu"
    atoms.calc = MDBridgeCalculator("python:ase.calculators.emt:EMT")
    again = pickle.loads(pickle.dumps(atoms))
    expected = argon()
    expected.symbols[:] = "Cu"
    expected.calc = EMT()
    np.testing.assert_allclose(again.get_forces(), expected.get_forces(), rtol=0, atol=1e-11)


def test_results_are_known_to_be_old_by_the_motion_of_atoms():
    atoms = argon()
    numbers = {"energy": np.array([1.0]), "forces": np.ones((len(atoms), 3))}
    whole, wrapped, turned, moved = (atoms.copy() for _ in range(4))
    whole.positions += [4.0, 0.0, 0.0]
    wrapped.positions[3] += atoms.cell[1] - 2 * atoms.cell[0]
    turned.rotate(90, "z", rotate_cell=True)
    moved.positions[3] += [0.0, 0.01, 0.0]
    for now in (atoms, whole, wrapped, turned):
        watch = Watch("mine")
        watch.require_new(atoms, numbers)
        watch.require_new(now, numbers)
    watch = Watch("mine")
    watch.require_new(atoms, numbers)
    with pytest.raises(ModelError, match="gave the energy and forces of the structure before"):
        watch.require_new(moved, numbers)
    watch.require_new(atoms, {**numbers, "energy": np.array([1.1])})
    with pytest.raises(ModelError, match="gave the forces of the structure before"):
        watch.require_new(moved, {**numbers, "energy": np.array([1.2])})


def test_forces_of_zero_may_stay():
    """Of an atom alone, or of atoms out of each other's reach."""
    watch, atoms = Watch("mine"), crystal()
    for energy in (1.0, 1.0, 1.1):
        atoms.positions[0, 0] += 0.5
        none = np.zeros((len(atoms), 3))
        watch.require_new(atoms.copy(), {"energy": np.array([energy]), "forces": none})


def test_forces_that_were_not_computed_again(tmp_path):
    body = (
        "class Spoiled(Base):\n    def calculate(self, atoms=None, properties=None, changes=()):\n"
    )
    body += (
        "        if self.calls == 0:\n            super().calculate(atoms, properties, changes)\n"
    )
    body += "        self.calls += 1\n        self.results['energy'] = float(self.calls)\n"
    with pytest.raises(ModelError, match="gave no 'forces'"):
        evaluate(spoiled(tmp_path, body))


def test_modules_beside_a_factory_are_not_taken_for_packages(tmp_path, monkeypatch):
    """Of a package: its folder is not where others are looked for."""
    (tmp_path / "wrapper").mkdir()
    (tmp_path / "wrapper" / "__init__.py").write_text("")
    (tmp_path / "wrapper" / "wrapped.py").write_text(
        "def make():\n    from wrapped import calculator\n    return calculator()\n"
    )
    (tmp_path / "wrapped.py").write_text("from ase.calculators.emt import EMT as calculator\n")
    monkeypatch.chdir(tmp_path)
    for name in ("python:wrapper/wrapped.py:make", "python:wrapper.wrapped:make"):
        assert open_model(name).name == "EMT"


def test_small_moves_with_the_same_results_add_up():
    """As at the end of a relaxation, whose steps are shorter than what one evaluation may move."""
    watch = Watch("m")
    atoms = crystal()
    same = {"energy": np.array([1.0]), "forces": np.full((len(atoms), 3), 0.1)}
    watch.require_new(atoms.copy(), same)
    atoms.positions[0] += 9e-5
    watch.require_new(atoms.copy(), same)
    atoms.positions[0] += 9e-5
    with pytest.raises(ModelError, match="it keeps old results"):
        watch.require_new(atoms.copy(), same)
