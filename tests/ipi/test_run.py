"""``md-bridge ipi-run``: i-PI and its clients, started, watched and stopped together."""

import errno
import json
import os
import re
import signal
import socket
import subprocess
from pathlib import Path

import ase.io
import numpy as np
import pytest
from click.testing import CliRunner
from ipi_tools import MD_BRIDGE, Run, Simulation, argon, environment, ffdirect, ffsocket, wait_for

from md_bridge.cli import main
from md_bridge.ipi import runner
from md_bridge.ipi.reader import read_simulation
from md_bridge.ipi.runner import StepCounter

FORCES = '<force forcefield="one"/>'
# the inputs of these tests hold their positions themselves
TEMPLATE = ("--template", "start.xyz")


def command(folder, *arguments) -> subprocess.Popen:
    return subprocess.Popen(
        [*MD_BRIDGE, "ipi-run", *map(str, arguments)],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    )


def finish(process, timeout=240) -> tuple[int, str, str]:
    """Exit status and texts; whatever happens, nothing stays behind."""
    try:
        output, message = process.communicate(timeout=timeout)
    finally:
        process.kill()
    assert "Traceback (most" not in message
    return process.returncode, output, message


def children(process) -> dict[str, int]:
    """Numbers of the processes that it has started, by "i-pi" and "client"."""
    pids = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    names = {}
    for pid in pids:
        line = Path(f"/proc/{pid}/cmdline").read_bytes()
        names["client" if b"ipi-client" in line else "i-pi"] = int(pid)
    return names


def gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


def more_steps(folder, total: int) -> None:
    """Raise <total_steps> of the RESTART, as its user would."""
    text = (folder / "RESTART").read_text()
    text = re.sub(r"<total_steps>\d+<", f"<total_steps>{total}<", text)
    (folder / "RESTART").write_text(text)


def simulation(forcefield, steps=6) -> Simulation:
    return Simulation(argon(), [forcefield], FORCES, steps=steps)


def test_input_that_exists_and_its_restart(model_file, tmp_path):
    """Six steps and six more are the same as twelve."""
    forcefield = ffdirect("one", model_file("curl"), "conservative")
    twice, once = simulation(forcefield), simulation(forcefield, 12)
    twice.write(tmp_path / "twice")
    status, output, message = finish(command(tmp_path / "twice", "input.xml"))
    assert status == 0, message
    assert "6 steps in" in output
    assert "output in run.*" in output
    more_steps(tmp_path / "twice", 12)
    status, output, message = finish(command(tmp_path / "twice", "RESTART", "--json"))
    assert status == 0, message
    summary = json.loads(output)
    assert (summary["first_step"], summary["last_step"], summary["complete"]) == (6, 12, True)
    expected = once.run(tmp_path / "once")
    found = Run(twice, tmp_path / "twice", 0, "", [], [], [])
    np.testing.assert_allclose(found.positions(), expected.positions(), rtol=0, atol=2e-7)
    assert list(found.table()["step"]) == list(range(13))


def test_start_over_sockets_with_two_clients(model_file, tmp_path, socket_name):
    """Four beads, two for each client; the conserved quantity says that all got their forces. Steps
    enough for the second client to come in time on a machine that has other work."""
    ase.io.write(tmp_path / "start.xyz", argon())
    arguments = "--forces mts:2 --ensemble nvt --beads 4 --temperature 40 --steps 40 --stride 1"
    process = command(
        tmp_path,
        *["start.xyz", "-m", model_file("curl"), *arguments.split()],
        *["--transport", "unix", "--address", socket_name.rstrip("-"), "--clients", "2"],
    )
    status, output, message = finish(process)
    assert status == 0, message
    assert "40 steps in" in output
    conserved = np.loadtxt(tmp_path / "input.out")[:, 2]
    assert np.ptp(conserved) < 1e-3
    for log in ("log.client", "log.client-2"):
        assert "i-PI said EXIT after" in (tmp_path / log).read_text()


class Endless:
    """A run over a socket that goes on until it is stopped."""

    def __init__(self, folder, model, socket_name, **more):
        self.folder = folder
        self.simulation = simulation(ffsocket("one", socket_name), steps=10**6)
        self.simulation.write(folder)
        self.process = command(folder, "input.xml", "--model", model, *TEMPLATE)
        properties = folder / "run.properties"
        wait_for(lambda: properties.exists() and properties.stat().st_size > 3000, 240)
        self.children = children(self.process)


@pytest.fixture
def endless(tmp_path, model_file, socket_name):
    run = None
    try:
        run = Endless(tmp_path, model_file("curl"), socket_name)
        yield run
    finally:
        if run is not None:
            run.process.kill()
            for pid in run.children.values():
                if not gone(pid):
                    os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize(("number", "expected"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interrupted(endless, model_file, number, expected):
    """Nothing is left running, and the RESTART goes on where the run stopped."""
    endless.process.send_signal(number)
    status, _, message = finish(endless.process)
    assert status == expected
    assert all(gone(pid) for pid in endless.children.values())
    found = re.search(
        r"stopped at step (\d+) of 1000000; to go on: md-bridge ipi-run RESTART", message
    )
    assert found is not None, message
    step = int(found.group(1))
    assert step > 10
    more_steps(endless.folder, step + 3)
    again = command(endless.folder, "RESTART", "--model", model_file("curl"))
    status, output, message = finish(again)
    assert status == 0, message
    assert "3 steps in" in output
    steps = np.loadtxt(endless.folder / "run.properties")[:, 0]
    np.testing.assert_array_equal(steps, np.arange(step + 4))


def test_client_is_killed(endless):
    os.kill(endless.children["client"], signal.SIGKILL)
    status, _, message = finish(endless.process)
    assert status == 1
    assert "client 1 was killed by SIGKILL" in message
    assert "to go on: md-bridge ipi-run RESTART" in message
    assert all(gone(pid) for pid in endless.children.values())


def test_server_is_killed(endless):
    os.kill(endless.children["i-pi"], signal.SIGKILL)
    status, _, message = finish(endless.process)
    assert status == 1
    assert "i-PI was killed by SIGKILL. The end of log.i-pi:" in message
    assert "i-PI has not written a RESTART" in message
    assert all(gone(pid) for pid in endless.children.values())


def test_client_cannot_start(model_file, tmp_path, socket_name):
    """The model has no direct forces; i-PI would wait for its client for ever."""
    simulation(ffsocket("one", socket_name)).write(tmp_path)
    model = model_file("lennard_jones")
    process = command(tmp_path, "input.xml", "-m", model, *TEMPLATE, "--serve", "one=direct")
    status, _, message = finish(process)
    assert status == 1
    assert "client 1 failed with exit status 1. The end of log.client:" in message
    assert "non_conservative_force" in message


def test_i_pi_cannot_start(model_file, tmp_path):
    simulation(ffdirect("one", model_file("curl"), "conservative", skin=-1)).write(tmp_path)
    status, _, message = finish(command(tmp_path, "input.xml"))
    assert status == 1
    assert "i-PI failed with exit status 1. The end of log.i-pi:" in message
    assert "at least 0 Å" in message


def test_interrupted_while_it_is_imported(model_file, tmp_path):
    """Before there is anything to stop."""
    simulation(ffdirect("one", model_file("curl"), "conservative"), 10**6).write(tmp_path)
    process = command(tmp_path, "input.xml")
    maps = Path(f"/proc/{process.pid}/maps")
    wait_for(lambda: "libtorch_cpu" in maps.read_text(), 60)
    process.send_signal(signal.SIGINT)
    status, _, message = finish(process)
    assert status == 130
    assert "Traceback" not in message


def test_killed(endless):
    """What it has started ends with it, and i-PI writes its RESTART."""
    endless.process.kill()
    endless.process.wait()
    # in a container nobody may reap them
    ended = [
        lambda pid=pid: gone(pid) or ") Z " in Path(f"/proc/{pid}/stat").read_text()
        for pid in endless.children.values()
    ]
    wait_for(lambda: all(end() for end in ended), 60)
    assert (endless.folder / "RESTART").exists()


class TestRefuses:
    """In this process: nothing is started."""

    @pytest.fixture(autouse=True)
    def folder(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)

    def invoke(self, *arguments) -> str:
        result = CliRunner().invoke(main, ["ipi-run", *map(str, arguments)])
        assert result.exit_code in (1, 2), result.output
        assert isinstance(result.exception, SystemExit)
        return " ".join(result.output.split())

    def write(self, *forcefields, steps=6):
        Simulation(argon(), list(forcefields), FORCES, steps=steps).write(Path())

    def test_address_that_is_taken(self, model_file, socket_name):
        self.write(ffsocket("one", socket_name))
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(f"/tmp/ipi_{socket_name}")
            other.listen()
            message = self.invoke("input.xml", "-m", model_file("curl"), *TEMPLATE)
        os.unlink(f"/tmp/ipi_{socket_name}")
        assert f"the address {socket_name} of the forcefield one is taken" in message

    def test_socket_that_nobody_uses_is_removed(self, model_file, socket_name):
        """Left by an i-PI that was killed, it would keep the next one from starting."""
        self.write(ffsocket("one", socket_name), ffsocket("two", "no/such-folder"))
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(f"/tmp/ipi_{socket_name}")
        from md_bridge.ipi.runner import check_folder

        check_folder(read_simulation(Path("input.xml")))
        assert not Path(f"/tmp/ipi_{socket_name}").exists()

    def test_socket_of_somebody_else_that_nobody_uses(self, model_file, socket_name, monkeypatch):
        """/tmp is sticky: only its owner may remove it."""
        self.write(ffsocket("one", socket_name))

        def refuse(path):
            raise PermissionError(errno.EPERM, "Operation not permitted")

        with socket.socket(socket.AF_UNIX) as other:
            other.bind(f"/tmp/ipi_{socket_name}")
        with monkeypatch.context() as patch:
            patch.setattr(Path, "unlink", refuse)
            message = self.invoke("input.xml", "-m", model_file("curl"), *TEMPLATE)
        os.unlink(f"/tmp/ipi_{socket_name}")
        assert f"cannot remove /tmp/ipi_{socket_name}, the socket that an i-PI has left" in message
        assert "another <address> for the forcefield one into input.xml" in message

    def test_socket_in_use_that_this_container_does_not_list(
        self, model_file, socket_name, monkeypatch
    ):
        """Two containers with one /tmp: the i-PI of the other one listens, and goes on doing so."""
        self.write(ffsocket("one", socket_name))
        monkeypatch.setattr(runner, "_open_sockets", set)
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(f"/tmp/ipi_{socket_name}")
            other.listen()
            message = self.invoke("input.xml", "-m", model_file("curl"), *TEMPLATE)
            assert Path(f"/tmp/ipi_{socket_name}").is_socket()
        os.unlink(f"/tmp/ipi_{socket_name}")
        assert f"the address {socket_name} of the forcefield one is taken" in message

    def test_port_that_is_none(self, model_file):
        self.write(ffsocket("one", "127.0.0.1", "inet", port=70000))
        message = self.invoke("input.xml", "-m", model_file("curl"), *TEMPLATE)
        assert "127.0.0.1:70000: a port is a number between 1 and 65535" in message

    def test_port_that_is_taken(self, model_file):
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen()
            port = other.getsockname()[1]
            self.write(ffsocket("one", "127.0.0.1", "inet", port=port))
            message = self.invoke("input.xml", "-m", model_file("curl"), *TEMPLATE)
        assert f"i-PI cannot listen on 127.0.0.1:{port}: Address already in use" in message

    def test_exit_file(self, model_file):
        self.write(ffdirect("one", model_file("curl"), "conservative"))
        Path("EXIT").touch()
        assert "file EXIT in this folder" in self.invoke("input.xml")

    def test_nothing_left_to_do(self, model_file):
        self.write(ffdirect("one", model_file("curl"), "conservative"))
        text = Path("input.xml").read_text()
        Path("input.xml").write_text(text.replace("<total_steps>", "<step>6</step><total_steps>"))
        assert "input.xml is at step 6 of 6: raise its <total_steps>" in self.invoke("input.xml")

    @pytest.mark.parametrize(
        "option",
        [("--clients", 2), ("--model", "x"), ("--threads", 1), ("--device", "cpu"), TEMPLATE],
    )
    def test_clients_without_a_socket(self, model_file, option):
        self.write(ffdirect("one", model_file("curl"), "conservative"))
        message = self.invoke("input.xml", *option)
        assert f"has no <ffsocket>, so there is no client for {option[0]}" in message

    def test_name_of_no_socket(self, model_file, socket_name):
        self.write(ffsocket("one", socket_name))
        message = self.invoke("input.xml", "-m", model_file("curl"), "--serve", "two=direct")
        assert "no <ffsocket> named 'two'; it has one" in message

    def test_sockets_without_a_model(self, socket_name):
        self.write(ffsocket("one", socket_name))
        assert "input.xml waits for clients (one): say --model FILE" in self.invoke("input.xml")

    def test_which_forces(self, model_file, socket_name):
        """A guess would give wrong forces."""
        self.write(ffsocket("one", socket_name), ffsocket("two", socket_name + "2"))
        message = self.invoke("input.xml", "-m", model_file("curl"), "--serve", "one=direct")
        assert "which forces does the forcefield 'two' of input.xml want?" in message
        message = self.invoke("input.xml", "-m", model_file("curl"), "--serve", "one=both")
        assert "one=both: there are conservative and direct forces" in message
        message = self.invoke("input.xml", "-m", model_file("curl"), "--serve", "one")
        assert "expected NAME=FORCES, found one" in message

    def test_options_of_another_kind_of_input(self, model_file):
        self.write(ffdirect("one", model_file("curl"), "conservative"))
        assert "input.xml is an input already" in self.invoke("input.xml", "--forces", "mts:4")
        assert "start.xyz is a structure: say --model FILE" in self.invoke("start.xyz")

    def test_files_that_are_none(self):
        assert "cannot read nowhere.xml: No such file" in self.invoke("nowhere.xml")
        Path("broken.xml").write_text("<simulation><output>")
        assert "broken.xml is not valid XML" in self.invoke("broken.xml")


def test_steps_are_counted_from_the_output(tmp_path, monkeypatch):
    """Not those of an earlier run, whose file i-PI renames first; and those of an earlier part."""
    monkeypatch.chdir(tmp_path)
    Path("input.xml").write_text(
        "<simulation><output prefix='run'><properties stride='5' filename='out'/></output>"
        "<total_steps>100</total_steps></simulation>"
    )
    output = Path("run.out")
    output.write_text("# old\n 0 0\n 5 0\n")
    counter = StepCounter(read_simulation(Path("input.xml")))
    assert counter() == 0
    output.rename("#run.out#0#")
    output.write_text("# new\n 0 0\n")
    assert counter() == 0
    with output.open("a") as stream:
        stream.write(" 5 0\n 10")
    assert counter() == 5
    with output.open("a") as stream:
        stream.write(" 0\n")
    assert counter() == 10
    text = Path("input.xml").read_text()
    Path("input.xml").write_text(text.replace("<total", "<step>10</step><total"))
    counter = StepCounter(read_simulation(Path("input.xml")))
    assert counter() == 10
    with output.open("a") as stream:
        stream.write(" 15 0\n")
    assert counter() == 15
