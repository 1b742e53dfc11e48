"""i-PI and its clients, started and stopped together."""

from __future__ import annotations

import contextlib
import signal
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from md_bridge.engine import EngineError
from md_bridge.ipi.reader import SimulationFile, read_simulation
from md_bridge.processes import GRACE_SECONDS, Program, RunError, find_program

__all__ = [
    "RESTART",
    "SERVER_LOG",
    "SimulationEnd",
    "StepCounter",
    "check_folder",
    "client_log",
    "restart_stamp",
    "run",
]

RESTART = Path("RESTART")
SERVER_LOG = Path("log.i-pi")

_POLL_SECONDS = 0.1
# i-PI looks for a signal once in a second, and may wait for the evaluation that is under way
_STOP_SECONDS = 300.0
_PROBE_SECONDS = 1.0


@dataclass(frozen=True)
class SimulationEnd:
    """How a simulation ended."""

    first_step: int
    last_step: int
    total_steps: int
    seconds: float

    @property
    def complete(self) -> bool:
        """Whether all steps were made."""
        return self.last_step >= self.total_steps


def run(
    simulation: SimulationFile,
    clients: Sequence[Sequence[str]],
    progress: Callable[[int], None],
    *,
    stopping: Callable[[], None] = lambda: None,
    environment: dict[str, str] | None = None,
) -> SimulationEnd:
    """Run i-PI in this folder with these clients, to its end.

    Whatever ends this function (an exception of a signal handler, say) stops all of them: i-PI
    writes its RESTART first.

    :param simulation: what :func:`md_bridge.ipi.reader.read_simulation` found
    :param clients: command lines
    :param progress: called with the steps done so far
    :param stopping: called when i-PI is told to stop, which may take some seconds
    :param environment: variables for the clients on top of those of this process
    :raises EngineError: as :func:`check_folder`
    :raises RunError: if one of them fails; it has the reason
    """
    check_folder(simulation)
    counter = StepCounter(simulation)
    start = time.monotonic()
    # a RESTART goes on, and so do its logs
    mode = "ab" if simulation.first_step else "wb"
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(
            Program("i-PI", [find_program("i-pi", "ipi"), simulation.path], SERVER_LOG, mode)
        )
        running = [
            stack.enter_context(
                Program(f"client {number}", command, client_log(number), mode, environment)
            )
            for number, command in enumerate(clients, start=1)
        ]
        try:
            _watch(server, running, lambda: progress(counter()))
        except BaseException:
            stopping()
            _stop(server, running)
            raise
        for client in running:
            client.wait(GRACE_SECONDS)
    if server.status != 0:
        raise RunError(server.failure())
    last = read_simulation(RESTART).first_step if RESTART.exists() else simulation.total_steps
    progress(last)
    return SimulationEnd(
        simulation.first_step, last, simulation.total_steps, time.monotonic() - start
    )


def check_folder(simulation: SimulationFile) -> None:
    """Refuse what would make i-PI stop at once, or answer to somebody else's clients.

    :param simulation: i-PI's input file, as read
    :raises EngineError: if there is a file EXIT, nothing is left to do or a socket is taken
    """
    if Path("EXIT").exists():
        raise EngineError(
            "there is a file EXIT in this folder, which makes i-PI stop at once: remove it"
        )
    if simulation.first_step >= simulation.total_steps:
        raise EngineError(
            f"{simulation.path} is at step {simulation.first_step} of "
            f"{simulation.total_steps}: raise its <total_steps> to go on"
        )
    for forcefield in simulation.sockets:
        if forcefield.mode == "inet":
            _check_port(forcefield.address, forcefield.port)
            continue
        file = Path(simulation.sockets_prefix + forcefield.address)
        if file.is_socket() and _is_left_over(file):
            _remove_left_over(file, forcefield.name, simulation.path)
        if file.exists():
            raise EngineError(
                f"the address {forcefield.address} of the forcefield {forcefield.name} is taken "
                f"({file}): another i-PI uses it; write another <address> into {simulation.path}"
            )


def _is_left_over(file: Path) -> bool:
    """Whether nobody listens at a socket.

    One that the kernel lists is open; it is not touched, since another i-PI would take us for a
    client that comes and dies. But the list is that of this container, and another one may have the
    same folder for its sockets: only a connection that is refused proves that nobody is there.
    """
    if str(file) in _open_sockets():
        return False
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(_PROBE_SECONDS)
        try:
            probe.connect(str(file))
        except ConnectionRefusedError:
            return True
        except OSError:  # no permission, or a full queue: somebody has it
            return False
    return False


def _remove_left_over(file: Path, forcefield: str, input_file: Path) -> None:
    """Remove the socket of an i-PI that was killed."""
    try:
        file.unlink()
    except OSError as error:
        raise EngineError(
            f"cannot remove {file}, the socket that an i-PI has left behind: {error.strerror}. "
            f"Write another <address> for the forcefield {forcefield} into {input_file}"
        ) from error


def restart_stamp() -> int:
    """A number that changes when i-PI writes its RESTART; 0 if there is none."""
    return RESTART.stat().st_mtime_ns if RESTART.exists() else 0


def client_log(number: int) -> Path:
    """Where the client of this number (from 1) writes.

    :param number: of the client, from 1
    """
    return Path("log.client" if number == 1 else f"log.client-{number}")


class StepCounter:
    """Steps done, from the number of lines in i-PI's properties file; reads only what is new.

    :param simulation: i-PI's input file, as read, before i-PI starts
    """

    def __init__(self, simulation: SimulationFile) -> None:
        self._steps = simulation.first_step
        self._restarted = simulation.first_step > 0
        name, self._stride = simulation.properties or ("", 0)
        self._path = Path(name)
        # i-PI gives a file of an earlier run another name before it writes its own
        self._old = self._inode()
        self._offset = self._path.stat().st_size if self._old is not None else 0
        if not self._restarted:
            self._offset = 0
            self._steps = -self._stride  # the first line is step 0

    def _inode(self) -> int | None:
        return self._path.stat().st_ino if self._path.is_file() else None

    def __call__(self) -> int:
        """Steps done so far; what the start says while nothing has been written."""
        inode = self._inode()
        if inode is None or (inode == self._old and not self._restarted):
            return max(self._steps, 0)
        with self._path.open("rb") as stream:
            stream.seek(self._offset)
            whole, newline, _ = stream.read().rpartition(b"\n")
        self._offset += len(whole) + len(newline)
        rows = sum(1 for line in whole.splitlines() if not line.startswith(b"#"))
        self._steps += rows * self._stride
        return max(self._steps, 0)


def _watch(server: Program, clients: Sequence[Program], tick: Callable[[], None]) -> None:
    """Wait for the end of i-PI.

    :raises RunError: if a client fails first
    """
    while server.status is None:
        server.wait(_POLL_SECONDS)
        tick()
        for client in clients:
            # a client whose server dies fails too, and is not the reason
            if client.status and not server.wait(GRACE_SECONDS):
                raise RunError(client.failure())


def _stop(server: Program, clients: Sequence[Program]) -> None:
    """Let i-PI write its RESTART; it says EXIT to its clients. A second signal cuts this short."""
    server.signal(signal.SIGTERM)
    with contextlib.suppress(KeyboardInterrupt, SystemExit):
        server.wait(_STOP_SECONDS)
    if server.status is None:
        server.signal(signal.SIGKILL)
    for client in clients:
        client.signal(signal.SIGTERM)


def _check_port(host: str, port: int) -> None:
    """Refuse a port that is taken. i-PI itself would say so in a traceback."""
    if not 0 < port < 65536:
        raise EngineError(
            f"i-PI cannot listen on {host}:{port}: a port is a number between 1 and 65535; write "
            "another <port> into the input"
        )
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise EngineError(
                f"i-PI cannot listen on {host}:{port}: {error.strerror}; write another <address> "
                "or <port> into the input"
            ) from error


def _open_sockets() -> set[str]:
    """Paths of all unix sockets that a process of this network namespace has open."""
    with open("/proc/net/unix", encoding="utf-8", errors="replace") as table:
        rows = [line.split(maxsplit=7) for line in table]
    return {row[7].rstrip("\n") for row in rows if len(row) == 8}
