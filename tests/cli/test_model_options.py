"""What a user says of a model reaches every program that evaluates it."""

import json
import re
from dataclasses import fields

import ase.io
import click
import pytest
from ase.build import bulk
from click.testing import CliRunner

import md_bridge.export.description
from md_bridge.cli import main
from md_bridge.cli.command import Command
from md_bridge.cli.options import model_options, with_seed
from md_bridge.errors import ArgumentError
from md_bridge.ipi.parameters import client_arguments
from md_bridge.lammps.keywords import pair_style_keywords
from md_bridge.model_options import ModelOptions

WITH_A_MODEL = [
    ["check"],
    ["evaluate"],
    ["ipi-input"],
    ["ipi-run"],
    ["ipi-client"],
    ["drift"],
    ["tune"],
    ["protocol", "order"],
    ["protocol", "jacobian"],
]


def run(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture
def start(tmp_path):
    atoms = bulk("Ar", "fcc", a=5.5, cubic=True) * (2, 2, 2)
    atoms.rattle(0.1, seed=0)
    ase.io.write(tmp_path / "start.xyz", atoms)
    return tmp_path / "start.xyz"


@pytest.mark.parametrize("command", WITH_A_MODEL, ids=" ".join)
@pytest.mark.parametrize("name", ["variant", "direct-variant", "device", "extensions", "threads"])
def test_every_command_with_a_model_has_them(command, name):
    assert re.search(rf"^ .*--{name} ", run(*command, "--help").stdout, re.M)


@pytest.mark.parametrize("command", WITH_A_MODEL, ids=" ".join)
def test_those_with_multiple_time_stepping_have_an_inner_model(command):
    has_one = command not in (["evaluate"], ["protocol", "jacobian"])
    found = re.findall(r"^  --(inner\S*) ", run(*command, "--help").stdout, re.M)
    expected = ["inner", "inner-forces", "inner-variant", "inner-symmetrize"]
    if command == ["check"]:  # it looks at the models themselves
        expected.pop()
    assert found == (expected if has_one else [])


def test_info_loads_a_model_too(model_file, tmp_path, monkeypatch):
    """With the compiled extensions that it needs, as all other commands."""
    seen = []
    load = md_bridge.export.description.load_exported

    def look(path, extensions=""):
        seen.append(extensions)
        return load(path, extensions)

    monkeypatch.setattr("md_bridge.export.description.load_exported", look)
    assert run("info", model_file("curl"), "--extensions", tmp_path).exit_code == 0
    assert seen == [str(tmp_path)]


@pytest.mark.parametrize("command", [["check"], ["protocol", "jacobian"]], ids=" ".join)
def test_those_without_symmetrize_say_why(command):
    text = " ".join(run(*command, "--help").stdout.split())
    assert "There is no --symmetrize: it looks at the model itself." in text


def test_they_are_gathered():
    @click.command(cls=Command)
    @model_options(seed=True, uncertainty=True, inner=True, correction=True)
    def show(model_options):
        click.echo(repr(model_options))

    assert CliRunner().invoke(show, []).stdout.strip() == repr(ModelOptions())
    values = {
        "variant": "pbe",
        "direct_variant": "-",
        "uncertainty_variant": "scan",
        "device": "cpu",
        "extensions": "folder",
        "symmetrize": "random",
        "direct_symmetrize": "random",
        "seed": 7,
        "threads": 3,
        "charge": -1.0,
        "spin_multiplicity": 2.0,
        "inner": "small.pt",
        "inner_forces": "direct",
        "inner_variant": "scan",
        "inner_symmetrize": "octahedral",
        "max_correction": 2.5,
    }
    assert set(values) == {field.name for field in fields(ModelOptions)}
    words = [f"--{name.replace('_', '-')}={value}" for name, value in values.items()]
    result = CliRunner().invoke(show, words)
    assert result.stdout.strip() == repr(ModelOptions(**values))


def test_one_seed_is_that_of_all_random_numbers():
    assert with_seed(ModelOptions(symmetrize="random"), 5).seed == 5
    assert with_seed(ModelOptions(inner="small.pt", inner_symmetrize="random"), 5).seed == 5
    # the engine refuses a seed that has nothing to act on
    assert with_seed(ModelOptions(symmetrize="octahedral"), 5).seed is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"symmetrize": "random"}, "found 'none'; direct forces have the random rotation"),
        ({"symmetrize": "octahedral", "inner": "small.pt"}, "say inner_symmetrize, or leave this"),
        ({"direct_symmetrize": "octahedral"}, "averaged only where the energy is"),
        (
            {"symmetrize": "octahedral", "direct_symmetrize": "random"},
            "beside symmetrize octahedral it must be none or a fixed set, too",
        ),
        (
            {"direct_symmetrize": "", "inner_symmetrize": "octahedral"},
            "of the one model there is direct_symmetrize",
        ),
    ],
)
def test_sets_for_the_direct_forces_that_make_no_sense(options, message):
    with pytest.raises(ArgumentError, match=message):
        ModelOptions(**{"direct_symmetrize": "none", **options})


def test_the_set_of_the_direct_forces_for_each_host():
    options = ModelOptions(symmetrize="octahedral", direct_symmetrize="none")
    assert pair_style_keywords(options) == " symmetrize octahedral symmetrize/direct none"
    expected = ["--symmetrize", "octahedral", "--direct-symmetrize", "none"]
    assert client_arguments(options) == expected
    assert ModelOptions(symmetrize="octahedral", direct_symmetrize="octahedral").inner == ""


@pytest.mark.parametrize("host", ["lammps", "i-pi"])
def test_drift_hands_them_to_the_host(model_file, start, tmp_path, host):
    result = run(
        *("drift", model_file("strong_curl"), start, "--out", tmp_path / "out", "--host", host),
        *("--forces", "conservative", "--replicas", 1, "--timestep", 4, "--ps", 0.2),
        *("--temperature", 80, "--equilibrate", 0.02, "--direct-symmetrize", "none"),
        *("--symmetrize", "octahedral", "--device", "cpu", "--threads", 1, "--json"),
    )
    assert result.exit_code in (0, 3), result.output
    folder = tmp_path / "out" / "runs" / f"{host}-conservative-replica-1"
    text = "\n".join(path.read_text() for path in [*folder.glob("in.*"), *folder.glob("*.xml")])
    assert re.search(r"symmetrize:? octahedral", text)
    assert re.search(r"(symmetrize/direct|direct_symmetrize:) none", text)
    assert re.search(r"device:? cpu", text)
    assert json.loads(result.stdout)["settings"]["threads"] == 1
    # runs with another symmetry are not mixed with these
    other = run("drift", model_file("strong_curl"), start, "--out", tmp_path / "out")
    assert other.exit_code == 2
    assert "holds runs with other settings" in " ".join(other.stderr.split())


def test_an_unknown_symmetry_is_an_error_before_anything_runs(model_file, start, tmp_path):
    words = ["drift", model_file("strong_curl"), start, "--out", tmp_path / "out"]
    result = run(*words, "--symmetrize", "octahedrl")
    assert result.exit_code in (1, 2)
    assert "octahedral" in result.stderr
    assert not (tmp_path / "out").exists()


def test_ipi_input_writes_them(model_file, start, tmp_path):
    out = tmp_path / "input.xml"
    words = ["ipi-input", start, "-m", model_file("curl"), "-o", out, "--forces", "mts:4"]
    result = run(*words, "--symmetrize", "octahedral", "--device", "cpu")
    assert result.exit_code == 0, result.output
    text = out.read_text()
    assert len(re.findall(r"symmetrize: octahedral", text)) == 2
    assert len(re.findall(r"device: cpu", text)) == 2


def test_ipi_run_hands_them_to_its_clients(model_file, start, tmp_path, monkeypatch, ipi_clients):
    """And those that are the default need not be said."""
    monkeypatch.chdir(tmp_path)
    words = [
        "ipi-run",
        start,
        "-m",
        model_file("curl"),
        "--transport",
        "unix",
        "--beads",
        2,
        "--clients",
        2,
    ]
    result = run(*words, "--symmetrize", "random", "--seed", 5, "--device", "cpu")
    assert result.exit_code == 130, result.output
    assert len(ipi_clients) == 2
    line = " ".join(map(str, ipi_clients[0]))
    for part in ("--symmetrize random", "--seed 5", "--device cpu"):
        assert part in line
    assert "--variant" not in line
    assert "-m md_bridge ipi-client" in line


def test_evaluate_is_of_the_symmetrised_model(model_file, start, tmp_path):
    atoms = ase.io.read(start)
    atoms.info["energy"] = 0.0
    ase.io.write(tmp_path / "test.xyz", atoms)
    words = ["evaluate", model_file("curl"), tmp_path / "test.xyz"]
    result = run(*words, "--symmetrize", "tetrahedral")
    assert result.exit_code == 1
    assert "octahedral" in result.stderr
    assert run(*words, "--symmetrize", "octahedral", "--threads", 1).exit_code == 0
