"""Commands that look at a model by itself look at one of Python, too: info, check, jacobian."""

import json

import numpy as np
import pytest
from ase.io import write
from click.testing import CliRunner
from python_models import argon, crystal, of_file, python_model, toy

from md_bridge.cli import main
from md_bridge.drift.protocols import jacobian
from md_bridge.drift.protocols.base import ProtocolRequest
from md_bridge.export.checks.calculator_runner import CalculatorRunner, open_predictor
from md_bridge.export.checks.checks import check_agreement, run_checks
from md_bridge.export.checks.derivatives import check_forces, check_stress
from md_bridge.export.checks.first_guess import check_first_guess
from md_bridge.export.description import describe
from md_bridge.export.errors import ExportError

JUDGED = ("forces = -dE/dx", "stress = dE/dstrain / V", "translation", "permutation", "batches")
"""Checks that every conservative calculator has and passes."""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    write(tmp_path / "start.xyz", crystal())
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def message(result):
    return " ".join(result.output.split())


def checks_of(model, structures=None, **options):
    return {check.name: check for check in run_checks(model, structures, **options)}


def test_info(folder):
    facts = describe(toy(folder, "asks"))
    assert facts["name"] == "Asks"
    assert facts["elements"] == ["Ar"]
    assert facts["inputs"] == {"charge": None, "spin_multiplicity": None}
    assert [output["name"] for output in facts["outputs"]] == [
        *("energy", "forces", "stress", "direct_forces", "direct_stress", "energies")
    ]
    assert facts["interaction_range_A"] is None
    assert json.loads(json.dumps(facts)) == facts
    shown = run("info", "python:toy.py:asks")
    assert shown.exit_code == 0, shown.output
    assert "charge (to be given), spin_multiplicity (to be given)" in message(shown)
    assert "direct_forces (eV/A, per atom)" in message(shown)
    for word in ("parameters", "MB", "torch", "cutoff"):
        assert word not in shown.output
    python_model(folder, "from ase.calculators.emt import EMT as make", stem="emt")
    assert "elements all" in message(run("info", "python:emt.py:make"))


def test_info_says_what_is_assumed(folder):
    more = "Asks.structure_info = {'charge': 2}\n"
    assert describe(toy(folder, "asks", more))["inputs"] == {
        "charge": "charge 2",
        "spin_multiplicity": None,
    }


def test_check(folder):
    result = run("check", toy(folder), "start.xyz", "--json")
    assert result.exit_code == 0, result.output
    found = {check["name"]: check for check in json.loads(result.stdout)["checks"]}
    for name in (*JUDGED, "smoothness of dimers", "smoothness in bulk", "isolated atoms"):
        assert found[name]["passed"] is True, found[name]
    for name in ("order of pairs", "single precision"):
        assert found[name]["value"] is None
        assert "not checked: a calculator makes its own pair list" in found[name]["detail"]
    assert found["direct = conservative"]["value"] > 0
    assert found["first guess of M"]["passed"] is None
    table = run("check", "python:toy.py:make", "start.xyz")
    assert table.exit_code == 0
    assert "forces = -dE/dx" in table.output


def test_checks_give_the_numbers_of_the_file(tmp_path, model_file):
    file = model_file("strong_curl")
    models = [open_predictor(model) for model in (of_file(tmp_path, file), file)]
    for check in (check_agreement, check_first_guess, check_forces, check_stress):
        found, expected = (check(model, [argon()]) for model in models)
        assert found.passed is expected.passed
        if found.passed is None:
            assert found.value == pytest.approx(expected.value, rel=1e-6)
            assert found.detail == expected.detail
    small = argon()[:6]
    found, expected = (model.evaluate([small])[0] for model in models)
    assert models[0].energy(small) == pytest.approx(models[1].energy(small), abs=1e-12)
    for name in ("energies", "forces", "stress", "direct_stress"):
        value = getattr(expected, name)
        np.testing.assert_allclose(getattr(found, name), value, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("spoil", "failed"),
    [
        ("self.results['forces'] *= 1.001", "forces = -dE/dx"),
        ("self.results['stress'] *= 1.001", "stress = dE/dstrain / V"),
        ("self.results['energy'] += 1e-3 * self.atoms.positions[0, 0]", "translation"),
        ("self.results['forces'][0] += [1e-3, 0, 0]", "permutation"),
        ("self.results['energy'] += 1e-3 * (self.atoms.positions[1, 2] > 2.7)", "smoothness"),
    ],
)
def test_what_is_wrong_is_found(folder, spoil, failed):
    more = f"""
class Spoiled(OneKind):
    def calculate(self, *arguments):
        super().calculate(*arguments)
        {spoil}
        n = len(self.atoms)
        self.results["energies"] = np.full(n, self.results["energy"] / n)

def spoiled():
    return Spoiled()
"""
    if failed == "smoothness":  # an atom that crosses a plane
        from md_bridge.export.checks.smoothness import find_jumps

        runner, atoms = CalculatorRunner(toy(folder, "spoiled", more)), crystal()
        place = atoms.positions[1, 2]

        def path(x):
            moved = atoms.copy()
            moved.positions[1, 2] = place + x
            return moved

        grid = np.linspace(2.7 - place - 0.3, 2.7 - place + 0.35, 9).tolist()
        assert find_jumps(runner, path, 1, np.array([0.0, 0.0, 1.0]), grid).energy > 9e-4
        return
    found = checks_of(toy(folder, "spoiled", more), [crystal()])
    assert found[failed].passed is False, found[failed]


def test_noise_is_no_error_of_forces(folder):
    """What computes in single precision is differentiated with longer steps."""
    more = """
class Single(OneKind):
    def calculate(self, *arguments):
        super().calculate(*arguments)
        for name, value in self.results.items():
            self.results[name] = np.float32(value)

def single():
    return Single()
"""
    model = toy(folder, "single", more)
    found = checks_of(model, [crystal()])
    assert [found[name] for name in JUDGED if not found[name].passed] == []
    assert found["forces = -dE/dx"].tolerance == 5e-2
    assert "single precision only" in found["smoothness in bulk"].detail
    runner = CalculatorRunner("python:toy.py:make")
    runner.find_precision([crystal(), argon()])
    assert runner.is_double


def test_what_cannot_be_checked_is_said(folder):
    found = checks_of(toy(folder, "direct_alone"), [crystal()])
    assert "gives direct forces alone" in found["forces = -dE/dx"].detail
    assert "gives no conservative stress" in found["stress = dE/dstrain / V"].detail
    assert "of the direct forces" in found["rotation"].detail
    code = "from ase.calculators.lj import LennardJones as make"
    nameless = python_model(folder, code, stem="nameless")
    with pytest.raises(ExportError, match="does not say which elements it knows"):
        run_checks(nameless)
    with pytest.raises(ExportError, match="variant is for exported files"):
        run_checks(nameless, [crystal()], model_options=_options(variant="pbe"))
    code = "def make():\n    def forces(atoms):\n        return {}\n"
    code += "    forces.implemented_properties = ['forces']\n    return forces\n"
    with pytest.raises(ExportError, match="gives no energy, which the checks are about"):
        run_checks(python_model(folder, code, stem="forces"), [crystal()])


def _options(**values):
    from md_bridge.model_options import ModelOptions

    return ModelOptions(**values)


def test_check_with_an_inner_model(folder, model_file):
    inner = model_file("stand_in")
    result = run("check", toy(folder), "start.xyz", "--inner", inner, "--json", "--lenient")
    assert result.exit_code == 0, result.output
    compared = json.loads(result.stdout)["inner"]
    assert compared["difference_rms"] > 0
    assert compared["outer_s"] > 0


def request_of(model, atoms, folder):
    return ProtocolRequest(model, atoms, folder)


def silent(what, share):
    assert 0 <= share <= 1


def test_jacobian_is_that_of_the_file(tmp_path, model_file):
    """By differences and by autograd."""
    file, atoms = model_file("strong_curl"), argon()[:8]
    found, expected = (
        jacobian.run(request_of(model, atoms, tmp_path), silent)
        for model in (of_file(tmp_path, file), file)
    )
    for name in ("lambda", "double_precision", "exact"):
        assert found.summary[name] == pytest.approx(expected.summary[name], rel=1e-5)
    assert found.summary["lambda"] > 1e-2
    assert found.summary["conservative_lambda"] < found.summary["conservative_limit"] < 1e-4
    assert len(found.rows) == len(expected.rows)
    assert found.passed
    for one, other in zip(
        found.summary["by_distance"], expected.summary["by_distance"], strict=True
    ):
        if other["norm_share"] > 1e-3:
            value = other["asymmetry"]["value"]
            assert one["asymmetry"]["value"] == pytest.approx(value, rel=1e-4)


def test_jacobian_of_forces_that_are_no_gradient(folder):
    more = """
class Wrong(Toy):
    def calculate(self, *arguments):
        super().calculate(*arguments)
        self.results["forces"] = self.results["direct_forces"]

def wrong():
    return Wrong()
"""
    result = jacobian.run(request_of(toy(folder, "wrong", more), crystal(), folder), silent)
    assert result.passed is False
    # signs of four vectors are few: the same to a factor
    ratio = result.summary["conservative_lambda"] / result.summary["lambda"]
    assert 0.5 < ratio < 2


def test_jacobian_by_command(folder):
    result = run("protocol", "jacobian", toy(folder, "direct_alone"), "start.xyz", "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["conservative_lambda"] is None
    write(folder / "large.xyz", argon().repeat((2, 2, 2)))
    result = run("protocol", "jacobian", "python:toy.py:make", "large.xyz")
    assert result.exit_code == 2
    assert "has 256 atoms, and the Jacobian of a model that Python evaluates" in message(result)
    result = run("protocol", "jacobian", "python:toy.py:one_kind", "start.xyz")
    assert result.exit_code == 1
    assert "cannot give direct forces" in message(result)
