"""What can go wrong with real i-PI: a sentence, an exit status other than 0, and no hang."""

import json
import os
import re
import signal
import socket
import subprocess

import ase.io
import models
import pytest
from click.testing import CliRunner
from ipi_tools import (
    I_PI,
    Simulation,
    argon,
    environment,
    ffdirect,
    ffsocket,
    start_client,
    wait_for,
)

from md_bridge.cli.ipi.client import ipi_client

FORCES = '<force forcefield="one"/>'


@pytest.fixture(scope="module")
def lj(tmp_path_factory):
    return models.lennard_jones().export(tmp_path_factory.mktemp("lj") / "lj.pt")


@pytest.fixture
def start(tmp_path):
    path = tmp_path / "start.xyz"
    ase.io.write(path, argon())
    return path


def client_error(*arguments) -> str:
    """Run the command in this process; it must fail, without a traceback."""
    result = CliRunner().invoke(ipi_client, [*map(str, arguments), "--timeout", "0.2"])
    assert result.exit_code == 1, result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.output


class TestClientCommand:
    def test_no_server(self, lj, start):
        message = client_error(lj, "--template", start, "--serve", "unix:nobody-is-here")
        assert "no i-PI server answered for unix:nobody-is-here" in message
        assert "/tmp/ipi_nobody-is-here within 0.2 s (No such file or directory)" in message

    def test_socket_that_was_left_behind(self, lj, start, tmp_path):
        with socket.socket(socket.AF_UNIX) as left:
            left.bind(str(tmp_path / "ipi_left"))
        arguments = ["--serve", "unix:left", "--sockets-prefix", f"{tmp_path}/ipi_"]
        message = client_error(lj, "--template", start, *arguments)
        assert f"the file {tmp_path}/ipi_left is there, but nobody listens" in message
        assert "Remove it, and start i-PI again" in message

    def test_negative_threads(self, lj, start):
        arguments = [lj, "--template", start, "--serve", "unix:x", "--threads", "-1"]
        result = CliRunner().invoke(ipi_client, [*map(str, arguments), "--timeout", "0.2"])
        assert result.exit_code == 2
        assert "-1 is not in the range x>=0" in result.output

    def test_missing_model(self, start):
        message = client_error("nowhere.pt", "--template", start, "--serve", "unix:x")
        assert "nowhere.pt" in message

    def test_file_that_is_no_model(self, start, tmp_path):
        (tmp_path / "text.pt").write_text("not a model")
        message = client_error(tmp_path / "text.pt", "--template", start, "--serve", "unix:x")
        assert "text.pt" in message

    def test_element_not_in_the_model(self, lj, tmp_path):
        ase.io.write(tmp_path / "xe.xyz", ase.Atoms("ArXe", [[0, 0, 0], [0, 0, 4]]))
        message = client_error(lj, "--template", tmp_path / "xe.xyz", "--serve", "unix:x")
        assert "Xe" in message

    def test_direct_forces_of_a_model_without(self, lj, start):
        message = client_error(lj, "--template", start, "--serve", "unix:x=direct")
        assert "non_conservative_force" in message

    def test_one_address_with_both_kinds(self, model_file, start):
        both = ["--serve", "unix:x=conservative", "--serve", "shm:x=direct"]
        message = client_error(model_file("curl"), "--template", start, *both)
        assert '"unix:x=conservative" and "shm:x=direct" are one address' in message

    def test_bad_address(self, lj, start):
        message = client_error(lj, "--template", start, "--serve", "x=forces")
        assert "expected unix:NAME, shm:NAME or HOST:PORT" in message


@pytest.fixture
def endless(tmp_path, lj, socket_name):
    """i-PI and a client in a run that does not end by itself."""
    simulation = Simulation(argon(), [ffsocket("one", socket_name)], FORCES, steps=10**6)
    simulation.write(tmp_path)
    log = open(tmp_path / "log.i-pi", "w")  # noqa: SIM115 (closed below)
    ipi = subprocess.Popen(
        [*I_PI, "input.xml"], cwd=tmp_path, stdout=log, stderr=log, env=environment()
    )
    client = start_client(
        tmp_path, [lj, "--template", "start.xyz", "--serve", f"unix:{socket_name}"]
    )
    properties = tmp_path / "run.properties"
    try:
        wait_for(lambda: properties.exists() and properties.stat().st_size > 3000, 60)
        yield ipi, client
    finally:
        for process in (ipi, client):
            process.kill()
            process.wait()
        log.close()
        if os.path.exists(f"/tmp/ipi_{socket_name}"):
            os.unlink(f"/tmp/ipi_{socket_name}")


def test_server_is_killed_in_the_middle_of_a_run(endless):
    ipi, client = endless
    ipi.kill()
    _, message = client.communicate(timeout=30)
    assert client.returncode == 1
    assert "i-PI closed the connection" in message
    assert "it has stopped or was killed" in message
    assert "Traceback" not in message


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_client_is_interrupted(endless, number, status):
    _, client = endless
    client.send_signal(number)
    _, message = client.communicate(timeout=30)
    assert client.returncode == status
    assert "Traceback" not in message


def test_server_ends_on_request(endless):
    """i-PI writes its restart file and says EXIT."""
    ipi, client = endless
    ipi.send_signal(signal.SIGTERM)
    client.communicate(timeout=30)
    assert client.returncode == 0
    ipi.wait(timeout=30)


def test_client_waits_for_a_slow_server(tmp_path, lj, socket_name):
    """The client starts first, and i-PI opens its socket seconds later."""
    simulation = Simulation(argon(), [ffsocket("one", socket_name)], FORCES, steps=2)
    simulation.write(tmp_path)
    client = start_client(
        tmp_path, [lj, "--template", "start.xyz", "--serve", f"unix:{socket_name}", "--json"]
    )
    run = subprocess.run(
        [*I_PI, "input.xml"], cwd=tmp_path, capture_output=True, env=environment(), timeout=120
    )
    output, message = client.communicate(timeout=30)
    assert (run.returncode, client.returncode) == (0, 0), message
    assert json.loads(output)["conservative_only"] == 3


class TestInProcess:
    """Errors of the driver in i-PI's own process."""

    @pytest.mark.parametrize("threaded", [False, True])
    def test_model_breaks_in_the_middle_of_a_run(self, tmp_path, threaded):
        """Two atoms fly at each other, and the model has no forces for them when they meet."""
        model = models.nan_when_close(3.2).export(tmp_path / "nan.pt")
        atoms = ase.Atoms("Ar2", [[5, 5, 5], [8.3, 5, 5]], cell=[20, 20, 20], pbc=True)
        atoms.set_velocities([[0.05, 0, 0], [-0.05, 0, 0]])
        forcefield = ffdirect("one", model, "conservative")
        if threaded:
            forcefield = forcefield.replace('threaded="False"', 'threaded="True"')
        run = Simulation(atoms, [forcefield], FORCES, steps=100).run(tmp_path / "run", timeout=60)
        assert run.status == 1
        atom = (
            r"a conservative force that is not finite on atom [01] \(counted from 0, element Ar\)"
        )
        assert re.search(atom, run.log)
        # the state of the last good step
        assert (tmp_path / "run" / "RESTART").exists()
        assert 2 <= len(run.table()["step"]) < 100

    def test_wrong_parameters_end_ipi_at_once(self, tmp_path, lj):
        forcefield = ffdirect("one", lj, "direct")
        run = Simulation(argon(), [forcefield], FORCES).run(tmp_path, timeout=60)
        assert run.status == 1
        assert "non_conservative_force" in run.log.splitlines()[-1]

    def test_constant_pressure_without_a_virial(self, tmp_path):
        model = models.harmonic(k_direct=1.5).export(tmp_path / "h2.pt")
        dimer = ase.Atoms("H2", [[0, 0, 0], [0, 0, 2.1]], cell=[12, 12, 12], pbc=True)
        simulation = Simulation(
            dimer,
            [ffdirect("one", model, "direct", stress="none")],
            FORCES,
            mode="npt",
            dynamics="""<barostat mode="isotropic"> <tau units="femtosecond"> 200 </tau>
                <thermostat mode="langevin"> <tau> 4000 </tau> </thermostat> </barostat>
                <thermostat mode="langevin"> <tau> 4000 </tau> </thermostat>""",
            ensemble="<temperature> 1e-3 </temperature> <pressure> 1e-6 </pressure>",
        )
        run = simulation.run(tmp_path / "run", timeout=60)
        assert run.status == 1
        assert "i-PI changed the cell" in run.log
