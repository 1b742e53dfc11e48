"""The examples for i-PI run as they stand."""

import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from ipi_tools import I_PI, environment, start_client

import md_bridge.ipi
from md_bridge._paths import DATA
from md_bridge.cli import main

EXAMPLES = Path(__file__).parents[1] / "examples" / "ipi"


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
    clients = []
    if "sockets" in name:
        services = [f"unix:{socket_name}conservative", f"unix:{socket_name}direct=direct"]
        arguments = [DATA / "water.pt", "--template", DATA / "water-start.xyz"]
        for service in services:
            arguments += ["--serve", service]
        clients.append(start_client(tmp_path, arguments))
    run = subprocess.run(
        [*I_PI, path.name],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env=environment(),
        timeout=300,
    )
    for client in clients:
        client.communicate(timeout=30)
        assert client.returncode == 0
    assert run.returncode == 0, run.stdout + run.stderr
    rows = np.loadtxt(next(tmp_path.glob("*.out")))
    assert rows.shape[0] == 3
    conserved = rows[:, 2]
    # eV, 81 atoms; beads that all start in one place are still flying apart
    assert abs(conserved - conserved[0]).max() < (0.5 if "pimd" in name else 0.05)


def test_example_names_its_files():
    """Relative to the folder, as a user runs it."""
    for path in EXAMPLES.glob("*.xml"):
        for name in re.findall(r"\.\./\.\./[\w./-]+", path.read_text(encoding="utf-8")):
            assert (EXAMPLES / name).exists(), f"{path.name}: {name}"


def test_command_prints_the_driver():
    result = CliRunner().invoke(main, ["ipi-driver"])
    assert Path(result.output.strip()) == md_bridge.ipi.driver_path()
    assert md_bridge.ipi.driver_path().is_file()
