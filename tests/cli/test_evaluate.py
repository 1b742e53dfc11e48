"""``md-bridge evaluate``, as a user types it."""

import json
import re

import ase
import ase.build
import ase.io
import models
import numpy as np
import pytest
from ase.calculators.singlepoint import SinglePointCalculator
from metatomic_ase import MetatomicCalculator
from model_commands import argon_crystal, message, run
from rich.console import Console

from md_bridge.cli.models.evaluate import evaluate
from md_bridge.cli.tables import print_errors


def labelled(path, calculator, energy_offset, force_offset, config_type=None):
    """A structure labelled with the model's own predictions plus known errors."""
    atoms = argon_crystal(seed=len(str(path)) + int(1e3 * energy_offset))
    atoms.calc = calculator
    results = {
        "energy": atoms.get_potential_energy() - energy_offset * len(atoms),
        "forces": atoms.get_forces() - force_offset,
        "stress": atoms.get_stress(),
    }
    atoms.calc = SinglePointCalculator(atoms, **results)
    if config_type:
        atoms.info["config_type"] = config_type
    return atoms


def test_evaluate_finds_known_errors(folder):
    """Labels off by 3 and 1 meV/atom and by 20 meV/Å: the table says exactly that."""
    calculator = MetatomicCalculator(models.curl(0.0).export("m.pt"))
    structures = [
        labelled(folder, calculator, 0.003, 0.020, "cold"),
        labelled(folder, calculator, -0.001, -0.020, "hot"),
        labelled(folder, calculator, 0.003, 0.020, "cold"),
    ]
    ase.io.write("test.xyz", structures)
    result = run(evaluate, "m.pt", "test.xyz", "--json", "--plot", "p.png", "--batch-size", 2)
    assert result.exit_code == 0, result.output
    rows = {(r["quantity"], r["of"]): r for r in json.loads(result.stdout)["errors"]}
    energy = rows["energy", "all"]
    assert energy["mae"] == pytest.approx((3 + 1 + 3) / 3, rel=1e-4)
    assert energy["rmse"] == pytest.approx(np.sqrt((9 + 1 + 9) / 3), rel=1e-4)
    assert rows["energy", "hot"]["mae"] == pytest.approx(1.0, rel=1e-4)
    assert rows["energy", "cold"]["count"] == 2
    for kind in ("conservative force", "direct force"):
        for of in ("all", "Ar", "hot"):
            assert rows[kind, of]["rmse"] == pytest.approx(20.0, rel=1e-4)
    for kind in ("conservative stress", "direct stress"):
        assert rows[kind, "all"]["rmse"] < 1e-3
    assert (folder / "p.png").stat().st_size > 1000
    assert "meV/atom" in run(evaluate, "m.pt", "test.xyz").output


def test_evaluate_with_a_shift_of_each_element(folder):
    """Labels with other energies of the atoms: the shift finds them, and what is left is small."""
    calculator = MetatomicCalculator(models.lennard_jones_mixture().export("m.pt"))
    structures = []
    for count in range(4):
        atoms = argon_crystal(count)
        atoms.numbers[:count] = 36
        atoms.calc = calculator
        off = 1.5 * (atoms.numbers == 18).sum() - 40.0 * (atoms.numbers == 36).sum()
        energy = atoms.get_potential_energy() + off + 0.001 * len(atoms) * (-1) ** count
        atoms.calc = SinglePointCalculator(atoms, energy=energy)
        structures.append(atoms)
    ase.io.write("test.xyz", structures)
    plain = json.loads(run(evaluate, "m.pt", "test.xyz", "--json").stdout)
    assert plain["errors"][0]["mae"] > 1000
    assert "shifts_eV" not in plain
    shifted = json.loads(run(evaluate, "m.pt", "test.xyz", "--shift", "--json").stdout)
    assert shifted["errors"][0]["rmse"] < 1.0  # meV/atom: the labels are off by 1, up and down
    assert shifted["shifts_eV"] == pytest.approx({"Ar": 1.5, "Kr": -40.0}, abs=2e-3)
    assert re.search(
        r"shifted by \(eV per atom\): Ar \+1\.50\d+, Kr -40\.0\d+",
        message(run(evaluate, "m.pt", "test.xyz", "--shift")),
    )
    ase.io.write("few.xyz", structures[:2])
    result = run(evaluate, "m.pt", "few.xyz", "--shift")
    assert result.exit_code == 1
    assert "a shift of 2 element(s) needs more structures" in message(result)


def test_evaluate_tells_elements_apart(folder):
    """Forces on krypton are wrong by 50 meV/Å along x, those on argon are right."""
    calculator = MetatomicCalculator(models.lennard_jones_mixture().export("m.pt"))
    atoms = argon_crystal(1)
    krypton = np.arange(len(atoms)) % 3 == 0
    atoms.numbers[krypton] = 36
    atoms.calc = calculator
    energy, forces = atoms.get_potential_energy(), atoms.get_forces()
    forces[krypton, 0] += 0.05
    atoms.calc = SinglePointCalculator(atoms, energy=energy, forces=forces)
    ase.io.write("test.xyz", atoms)
    rows = json.loads(run(evaluate, "m.pt", "test.xyz", "--json").stdout)["errors"]
    errors = {row["of"]: row["rmse"] for row in rows if row["quantity"] == "conservative force"}
    assert errors["Ar"] < 1e-3
    assert errors["Kr"] == pytest.approx(50 / np.sqrt(3), rel=1e-4)
    assert errors["all"] == pytest.approx(50 * np.sqrt(krypton.mean() / 3), rel=1e-4)


def test_evaluate_with_nothing_to_compare(folder):
    """A cluster that is labelled with a stress only, which it cannot have."""
    models.lennard_jones().export("m.pt")
    atoms = argon_crystal(1)
    atoms.pbc = False
    atoms.calc = SinglePointCalculator(atoms, stress=np.zeros(6))
    ase.io.write("test.traj", atoms)
    for options in ([], ["--plot", "p.png"]):
        result = run(evaluate, "m.pt", "test.traj", *options)
        assert result.exit_code == 1
        assert "no label" in message(result)


def test_evaluate_with_other_names_and_mixed_boundaries(folder):
    calculator = MetatomicCalculator(models.lennard_jones().export("m.pt"))
    crystal, cluster = argon_crystal(1), argon_crystal(2)
    cluster.pbc = False
    for atoms in (crystal, cluster):
        atoms.calc = calculator
        energy, forces = atoms.get_potential_energy(), atoms.get_forces()
        atoms.calc = None
        atoms.info["dft_energy"] = energy - 0.002 * len(atoms)
        atoms.arrays["dft_forces"] = forces
    ase.io.write("test.xyz", [crystal, cluster, crystal])
    keys = ["--energy-key", "dft_energy", "--force-key", "dft_forces"]
    rows = json.loads(run(evaluate, "m.pt", "test.xyz", *keys, "--json").stdout)["errors"]
    values = {(row["quantity"], row["of"]): row["mae"] for row in rows}
    assert values["energy", "all"] == pytest.approx(2.0, rel=1e-4)
    assert values["conservative force", "all"] < 1e-3
    assert ("direct force", "all") not in values

    result = run(evaluate, "m.pt", "test.xyz")
    assert result.exit_code == 1
    assert "no labels 'energy', 'forces' or 'stress'; it has" in message(result)
    assert "dft_energy" in result.output


def test_evaluate_errors(folder):
    models.lennard_jones().export("m.pt")
    (folder / "bad.xyz").write_text("this is no xyz file")
    assert "ASE cannot read a structure from bad.xyz" in message(run(evaluate, "m.pt", "bad.xyz"))
    result = run(evaluate, "none.pt", "bad.xyz")
    assert result.exit_code == 1
    message_of_bad = message(run(evaluate, "bad.xyz", "bad.xyz"))
    assert "'bad.xyz' is not a model file: expected a metatrain checkpoint" in message_of_bad


def test_evaluate_names_the_structure_with_a_wrong_label(folder):
    models.lennard_jones().export("m.pt")
    good, bad = argon_crystal(0), argon_crystal(1)
    good.info["energy"] = 1.0
    where = "structure 1 of 'test.traj'"
    for label, value, expected in (
        ("energy", [1.0, 2.0], f"'energy' of {where} should be one number, found 2"),
        ("energy", "low", f"'energy' of {where} should be numbers, found 'low'"),
        ("energy", np.nan, f"'energy' of {where} is not finite"),
        ("stress", [1.0, 2.0], f"'stress' of {where} should have 6 or 9 numbers, found 2"),
        ("stress", [1.0] * 5 + [np.inf], f"'stress' of {where} is not finite"),
    ):
        atoms = bad.copy()
        atoms.info[label] = np.asarray(value)[()]
        ase.io.write("test.traj", [good, atoms])
        result = run(evaluate, "m.pt", "test.traj")
        assert result.exit_code == 1, (label, value)
        assert expected in message(result), result.output
    for value, expected in (
        (np.zeros((4, 2)), "'dft' of structure 1 of 'test.xyz' should have the shape (4, 3)"),
        (np.full((4, 3), np.nan), "'dft' of structure 1 of 'test.xyz' is not finite"),
    ):
        atoms = bad.copy()
        atoms.arrays["dft"] = value
        ase.io.write("test.xyz", [good, atoms])
        result = run(evaluate, "m.pt", "test.xyz", "--force-key", "dft")
        assert result.exit_code == 1
        assert expected in message(result), result.output
    ase.io.write("test.traj", [good, ase.Atoms(info={"energy": 0.0})])
    assert f"{where} has no atoms" in message(run(evaluate, "m.pt", "test.traj"))
    water = ase.build.molecule("H2O")
    water.info["energy"] = 0.0
    ase.io.write("test.traj", [good, water])
    assert f"{where} has H, O, which" in message(run(evaluate, "m.pt", "test.traj"))


def test_evaluate_refuses_predictions_that_are_not_finite(folder):
    """The engine says so; no number is printed."""
    atoms = argon_crystal(0)
    atoms.info["energy"], atoms.arrays["forces"] = 1.0, np.zeros((4, 3))
    close = atoms.copy()
    close.positions[1] = close.positions[0] + [0.3, 0.0, 0.0]
    ase.io.write("test.xyz", [atoms, close])
    for where in ("energy", "direct"):
        models.nan_when_close(0.5, where).export("m.pt")
        result = run(evaluate, "m.pt", "test.xyz", "--json")
        assert result.exit_code == 1
        kind = "conservative" if where == "energy" else "direct"
        assert (
            f"Error: structure 1 of 'test.xyz': the model returned a {kind} force that is not "
            "finite on atom"
        ) in message(result)
        assert result.stdout == ""


def test_evaluate_looks_at_the_plot_first(folder):
    """Nothing else is read: the model and the labels of these lines do not exist."""
    for plot, expected in (
        ("p.pgn", "should end in one of .*Did you mean '.png'"),
        ("plot", "should end in one of "),
        ("nowhere/p.png", "the folder 'nowhere' does not exist"),
    ):
        result = run(evaluate, "none.pt", "none.xyz", "--plot", plot)
        assert result.exit_code == 1
        assert re.search(expected, message(result)), result.output


def test_a_plot_that_fails_comes_after_the_table(folder, monkeypatch):
    models.lennard_jones().export("m.pt")
    atoms = argon_crystal(0)
    atoms.info["energy"] = 1.0
    ase.io.write("test.xyz", atoms)

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("md_bridge.cli.models.evaluate.draw_parity", fail)
    result = run(evaluate, "m.pt", "test.xyz", "--plot", "p.png")
    assert result.exit_code == 1
    assert "meV/atom" in result.output
    assert "could not write 'p.png': [Errno 28] No space left" in message(result)


@pytest.mark.parametrize("columns", [80, 30])
def test_only_names_of_groups_are_folded(columns):
    row = {
        "quantity": "conservative stress",
        "by": "group",
        "of": "surface [110] with adsorbates at 900 K, r2SCAN, second batch",
        "unit": "meV/Å³",
        "mae": 0.000123,
        "rmse": 1.23e-05,
        "label_spread": 9.87e-07,
        "count": 123456789,
    }
    with (console := Console(width=columns)).capture() as capture:
        print_errors(console, [row])
    text = capture.get()
    for part in ("conservative stress", "0.000123", "1.23e-05", "9.87e-07", "123456789", "meV/Å³"):
        assert part in text
    assert "…" not in text
    assert "[110]" in text.replace(" ", "").replace("\n", "")
