"""The examples for i-PI run as they stand, and are what ``md-bridge ipi-input`` writes."""

import re
import shlex
import subprocess
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from ipi_tools import I_PI, environment, start_client, wait_for

import md_bridge.ipi
from md_bridge._paths import DATA
from md_bridge.cli import main
from md_bridge.cli.ipi.input import ipi_input
from md_bridge.cli.ipi.options import plan_arguments
from md_bridge.ipi.input import render
from md_bridge.ipi.plan import make_plan
from md_bridge.ipi.start import read_start
from md_bridge.lammps import run_lmp
from md_bridge.model_options import ModelOptions

EXAMPLES = Path(__file__).parents[2] / "examples" / "ipi"


def shortened(name: str, folder: Path, socket_name: str) -> Path:
    """A copy of an example with few steps, the paths made absolute and sockets of its own."""
    text = (EXAMPLES / name).read_text(encoding="utf-8")
    text = re.sub(r"<total_steps>.*?</total_steps>", "<total_steps> 2 </total_steps>", text)
    text = text.replace("../../md_bridge/data", str(DATA))
    text = text.replace("../../md_bridge/ipi/driver.py", str(md_bridge.ipi.driver_path()))
    text = text.replace("<address> water-", f"<address> {socket_name}")
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("name", sorted(path.name for path in EXAMPLES.glob("*.xml")))
def test_example_runs(name, tmp_path, socket_name):
    path = shortened(name, tmp_path, socket_name)
    with open(tmp_path / "log", "w") as log:
        server = subprocess.Popen(
            [*I_PI, path.name], cwd=tmp_path, stdout=log, stderr=log, env=environment()
        )
    try:
        if "sockets" in name:
            services = [f"unix:{socket_name}conservative", f"unix:{socket_name}direct=direct"]
            arguments = [DATA / "water.pt", "--template", DATA / "water-start.xyz"]
            arguments += [f"--serve={service}" for service in services]
            client = start_client(tmp_path, arguments)
            client.communicate(timeout=300)
            assert client.returncode == 0
        elif "lammps" in name:
            run_lammps(tmp_path, socket_name)
        status = server.wait(300)
    finally:
        server.kill()
    assert status == 0, (tmp_path / "log").read_text()
    rows = np.loadtxt(next(tmp_path.glob("*.out")))
    assert rows.shape[0] == 3
    conserved = rows[:, 2]
    # eV, 81 atoms; beads that all start in one place are still flying apart
    assert abs(conserved - conserved[0]).max() < (0.5 if "pimd" in name else 0.05)


def run_lammps(folder: Path, socket_name: str) -> None:
    """The example for LAMMPS, until i-PI ends it."""
    wait_for(lambda: Path(f"/tmp/ipi_{socket_name}conservative").exists(), 120)
    text = (EXAMPLES / "in.lammps-client").read_text(encoding="utf-8")
    text = text.replace("water-conservative", f"{socket_name}conservative")
    text = text.replace("../../md_bridge/data", str(DATA))
    text = text.replace("../lammps", str(EXAMPLES.parent / "lammps"))
    (folder / "in.client").write_text(text, encoding="utf-8")
    done = run_lmp(
        ["-in", "in.client"], threads=1, cwd=folder, capture_output=True, text=True, timeout=300
    )
    assert "Got EXIT message from i-PI" in done.stdout + done.stderr


def commands() -> dict[str, list[str]]:
    """What the README says that the examples were written with, by name of the example."""
    text = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    lines = [
        shlex.split(line)[2:] for line in re.findall(r"^ +(md-bridge ipi-input .*)$", text, re.M)
    ]
    return {arguments[-1]: arguments for arguments in lines}


def written(arguments: list[str]) -> str:
    """What the command would write in the folder of the examples."""
    options = ipi_input.make_context("ipi-input", list(arguments)).params
    start = options["start"]
    driver = Path("../../md_bridge/ipi/driver.py")
    return render(
        options["out"],
        read_start(start),
        start,
        options["model"],
        make_plan(**plan_arguments(options, ModelOptions(inner=str(options["inner"] or "")))),
        driver,
    )


@pytest.mark.parametrize("name", sorted(commands()))
def test_example_is_what_the_command_writes(name, monkeypatch):
    monkeypatch.chdir(EXAMPLES)
    assert Path(name).read_text(encoding="utf-8") == written(commands()[name])


def test_short_example_says_the_same(monkeypatch):
    """The one that the README shows has no more than it needs, but the same physics."""
    monkeypatch.chdir(EXAMPLES)
    arguments = [*commands()["npt-mts.xml"][:3], "--forces", "mts:4", "--steps", "50"]
    ours = ElementTree.fromstring(written([*arguments, "-o", "mts.xml"]))
    short = ElementTree.parse("mts.xml").getroot()
    for path in ("./system", "./ffdirect[1]", "./ffdirect[2]", "./total_steps", "./prng"):
        assert content(short.find(path)) == content(ours.find(path))


def content(node):
    """An element without blanks and comments, with numbers as numbers."""
    words = []
    for word in (node.text or "").replace(",", " , ").split():
        try:
            words.append(float(word))
        except ValueError:
            words.append(word)
    return node.tag, node.attrib, words, [content(child) for child in node]


def test_example_names_its_files():
    """Relative to the folder, as a user runs it."""
    for path in (*EXAMPLES.glob("*.xml"), EXAMPLES / "in.lammps-client"):
        for name in re.findall(r"\.\./\.\./[\w./-]+", path.read_text(encoding="utf-8")):
            assert (EXAMPLES / name).exists(), f"{path.name}: {name}"


def test_command_prints_the_driver():
    result = CliRunner().invoke(main, ["ipi-driver"])
    assert Path(result.output.strip()) == md_bridge.ipi.driver_path()
    assert md_bridge.ipi.driver_path().is_file()
