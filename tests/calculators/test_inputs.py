"""Charge and spin multiplicity, in every command: handed on to a model of Python that asks for
them, refused at load where they are missing, or where nobody asks for them."""

import json
import re

import ipi_tools
import numpy as np
import pytest
from ase.io import write
from click.testing import CliRunner
from python_models import crystal, toy

from md_bridge.cli import main
from md_bridge.engine import ModelError

GIVEN = ("--charge", "2", "--spin-multiplicity", "3")
OTHER = "python:toy.py:one_kind"
SHORT = ("--equilibrate", "0", "--ps")
COMMANDS = {
    "drift": ("drift", "MODEL", "start.xyz", "--forces", "conservative", *SHORT, "0.001"),
    "tune": ("tune", "MODEL", "start.xyz", *SHORT, "0.01"),
    **{
        f"protocol {name}": ("protocol", name, "MODEL", "start.xyz", *SHORT, "0.05")
        for name in ("order", "reverse", "resonance", "smoothness", "thermostat")
    },
    "protocol loop": ("protocol", "loop", "MODEL", "start.xyz"),
    "protocol jacobian": ("protocol", "jacobian", "MODEL", "start.xyz"),
    "symmetry": ("symmetry", "MODEL", "start.xyz", "--lmax", "1", "--orientations", "0"),
    "relax": ("relax", "MODEL", "start.xyz"),
    "phonons": ("phonons", "MODEL", "perfect.xyz", "--supercell", "1,1,1", "--fc", "raw"),
    "check": ("check", "MODEL", "start.xyz", "--lenient"),
    "evaluate": ("evaluate", "MODEL", "labelled.xyz"),
    "certify": ("certify", "MODEL", "start.xyz", "--only", "derivatives", "--out", "certify"),
    # which are handed to the first alone
    "compare": ("compare", "MODEL", OTHER, "--start", "start.xyz", "--measures", "lambda"),
    "distil": ("distil", "MODEL", "start.xyz", "-o", "inner.pt", "--frames", "14", "--steps", "1"),
    "ipi-client": ("ipi-client", "MODEL", "-t", "start.xyz", "-s", "unix:none", "--timeout", "0"),
}


def slow(value):
    return pytest.param(value, marks=pytest.mark.slow)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    from ase.build import bulk

    atoms = crystal()
    write(tmp_path / "start.xyz", atoms)
    write(tmp_path / "perfect.xyz", bulk("Ar", "fcc", a=5.3, cubic=True))
    atoms.info["energy"], atoms.arrays["forces"] = 0.0, np.zeros((len(atoms), 3))
    write(tmp_path / "labelled.xyz", atoms)
    toy(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    return tmp_path


def run(words, model, *options):
    words = [f"python:toy.py:{model}" if word == "MODEL" else word for word in words]
    return CliRunner().invoke(main, [*words, *options])


def message(result):
    return " ".join(result.output.split())


@pytest.mark.parametrize("command", COMMANDS)
def test_a_model_that_is_not_given_them_is_refused(folder, command):
    result = run(COMMANDS[command], "asks")
    assert result.exit_code == 1, result.output
    assert re.search(
        r"needs the charge of each structure: give it \((--)?charge\)", message(result)
    )
    result = run(COMMANDS[command], "asks", "--charge", "1")
    assert result.exit_code == 1
    assert "needs the spin multiplicity of each structure" in message(result)


@pytest.mark.parametrize("command", COMMANDS)
def test_those_that_nobody_asks_for_are_refused(folder, command):
    result = run(COMMANDS[command], "make", "--charge", "1")
    assert result.exit_code == 1, result.output
    assert "charge has no effect: the model 'python:" in message(result)


@pytest.mark.parametrize(
    "command",
    [
        *("relax", "check", "certify", "compare", "evaluate", "symmetry"),
        *("protocol loop", "protocol jacobian", "protocol resonance"),
        *(slow("phonons"), slow("distil"), slow("protocol smoothness")),
    ],
)
def test_they_reach_the_model(folder, command):
    """Which fails without them."""
    result = run(COMMANDS[command], "asks", *GIVEN, *(["--no-tune"] if command == "distil" else []))
    assert result.exit_code in (0, 3), result.output


def test_energies_are_those_of_the_charge(folder):
    rows = [
        json.loads(run(COMMANDS["evaluate"], model, "--json", *options).stdout)["errors"]
        for model, options in (("asks", GIVEN), ("make", ()))
    ]
    energies = [row["mae"] for each in rows for row in each if row["quantity"] == "energy"]
    assert abs(energies[0] - energies[-1]) == pytest.approx(20.0 * 1000 / 4, rel=0.01)  # meV/atom


@pytest.mark.parametrize("host", ["lammps", slow("i-pi")])
def test_drift_hands_them_on(folder, host):
    result = run(
        COMMANDS["drift"], "asks", *GIVEN, "--host", host, "--replicas", "1", "--out", host
    )
    assert result.exit_code in (0, 3), result.output


def test_inputs_for_ipi(folder):
    words = ("ipi-input", "start.xyz", "-m", "MODEL", "--forces", "mts:2", "--steps", "2")
    made = run(words, "asks", *GIVEN)
    assert made.exit_code == 0, made.output
    text = (folder / "input.xml").read_text()
    assert text.count("charge: 2.0") == text.count("spin_multiplicity: 3.0") == 2
    program = ipi_tools.Started(
        [ipi_tools.I_PI[1], "input.xml"], folder, ipi_tools.environment(), folder / "log"
    )
    assert program.wait(120) == 0, (folder / "log").read_text()
    missing = run((*words, "--overwrite"), "asks")
    if missing.exit_code == 0:  # it writes what i-PI refuses
        program = ipi_tools.Started(
            [ipi_tools.I_PI[1], "input.xml"], folder, ipi_tools.environment(), folder / "log"
        )
        assert program.wait(120) == 1
        assert "needs the charge of each structure" in (folder / "log").read_text()


def test_an_inner_model_in_ase_gets_those_of_the_outer_one(folder):
    from md_bridge.ase import MDBridgeCalculator, MultipleTimeStep

    atoms = crystal()
    atoms.calc = MDBridgeCalculator("python:toy.py:asks", charge=1, spin_multiplicity=3)
    MultipleTimeStep(atoms, 4.0, 2, inner="python:toy.py:asks").run(1)
    atoms.calc = MDBridgeCalculator("python:toy.py:make")
    with pytest.raises(ModelError, match="needs the charge of each structure"):
        MultipleTimeStep(atoms, 4.0, 2, inner="python:toy.py:asks")


def test_lammps(folder):
    """As words of ``${model}``."""
    ipi_tools.ase.io.write(
        "start.data", crystal(), format="lammps-data", specorder=["Ar"], masses=True
    )
    (folder / "in.argon").write_text(
        "units metal\nread_data start.data\npair_style mdbridge ${model} threads 1\n"
        "pair_coeff * * Ar\nrun 0\nprint 'energy $(pe:%.10g)' file energy\n"
    )
    energies = []
    for model, options in (("asks", GIVEN), ("make", ())):
        result = run(("lammps", "--model", "MODEL", *options, "-in", "in.argon"), model)
        assert result.exit_code == 0, result.output
        energies.append(float((folder / "energy").read_text().split()[1]))
    assert energies[0] - energies[1] == pytest.approx(20.0, abs=1e-6)
    result = run(("lammps", "--model", "MODEL", "-in", "in.argon"), "asks")
    assert result.exit_code == 1
    assert "needs the charge of each structure" in message(result)
    result = run(("lammps", "--charge", "1", "-in", "in.argon"), "make")
    assert result.exit_code == 2
    assert "without --model there is no variable" in message(result)


def test_a_comparison_hands_them_to_the_models_that_ask(folder):
    """And keeps the rows of the others, whatever the charge."""
    words = ("compare", "MODEL", OTHER, "--labelled", "labelled.xyz", "--measures", "errors")
    means, kept = [], []
    for charge in ("2", "1"):
        result = run(words, "asks", "--charge", charge, "--spin-multiplicity", "3", "--json")
        assert result.exit_code in (0, 3), result.output
        rows = json.loads(result.stdout)["measures"]["errors"]
        means.append({name: energy_error(row["numbers"]) for name, row in rows.items()})
        kept.append({name: row["kept"] for name, row in rows.items()})
    other = means[0]["toy:one_kind"]
    assert means[0]["toy:asks"] == pytest.approx(20.0 * 1000 / 4, rel=0.01)  # meV/atom
    assert means[1]["toy:asks"] == pytest.approx(10.0 * 1000 / 4, rel=0.02)
    assert other == means[1]["toy:one_kind"] < 100.0
    assert kept[0] == {"toy:asks": None, "toy:one_kind": None}
    assert kept[1]["toy:asks"] is None
    assert kept[1]["toy:one_kind"] is not None


def energy_error(numbers):
    (row,) = [each for each in numbers["errors"] if each["quantity"] == "energy"]
    return row["mae"]
