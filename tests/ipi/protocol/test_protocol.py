"""The socket client against a server that does what i-PI never should."""

import os
import socket
import struct
import threading
import time
from multiprocessing import shared_memory
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ipi_tools import ANGSTROM, argon

from md_bridge.engine import EngineError
from md_bridge.ipi.client import Client
from md_bridge.ipi.session import SessionOptions, open_session
from md_bridge.model_options import ModelOptions

ATOMS = argon()
N = len(ATOMS)
CELL = ATOMS.cell.array.T * ANGSTROM


def header(name: str) -> bytes:
    return name.ljust(12).encode()


def init(parameters: str = " ", length: int | None = None) -> bytes:
    size = len(parameters) if length is None else length
    return header("INIT") + struct.pack("=ii", 0, size) + parameters.encode()


def positions(atoms=ATOMS, cell=CELL, count: int | None = None) -> bytes:
    cells = np.concatenate([np.ravel(cell), np.zeros(9)]).tobytes()
    number = struct.pack("=i", len(atoms) if count is None else count)
    return header("POSDATA") + cells + number + (atoms.positions * ANGSTROM).tobytes()


def receive(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        chunk = connection.recv(size - len(data))
        assert chunk, f"the client hung up after {len(data)} of {size} bytes"
        data += chunk
    return data


def receive_forces(connection: socket.socket, atoms: int = N) -> np.ndarray:
    assert receive(connection, 12) == header("FORCEREADY")
    receive(connection, 8)
    assert struct.unpack("=i", receive(connection, 4)) == (atoms,)
    forces = np.frombuffer(receive(connection, 24 * atoms)).reshape(-1, 3)
    receive(connection, 72)
    (length,) = struct.unpack("=i", receive(connection, 4))
    receive(connection, length)
    return forces


class Server:
    """Listens, and lets a function talk to each client that comes."""

    def __init__(self, prefix: str, name: str, *conversations):
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(prefix + name)
        self.listener.listen(8)
        self.errors: list[BaseException] = []
        self.thread = threading.Thread(target=self.serve, args=(conversations,), daemon=True)
        self.thread.start()

    def serve(self, conversations):
        try:
            for conversation in conversations:
                connection, _ = self.listener.accept()
                with connection:
                    connection.settimeout(20)
                    conversation(connection)
        except BaseException as error:
            self.errors.append(error)
        finally:
            self.listener.close()  # or the next client would wait to be accepted

    def close(self):
        self.thread.join(20)
        assert not self.errors


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    import models

    folder = tmp_path_factory.mktemp("protocol")
    ase.io.write(folder / "start.xyz", ATOMS)
    model = models.curl().export(folder / "curl.pt")
    return open_session(SessionOptions(folder / "start.xyz", model, ModelOptions(threads=1)))


@pytest.fixture
def prefix(tmp_path_factory):
    """A short one: the path of a unix socket has at most 107 characters."""
    folder = Path("/tmp") / f"mdb{os.getpid()}"
    folder.mkdir(exist_ok=True)
    yield f"{folder}/"
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()


def talk(session, prefix, *conversations, service="unix:water", timeout=5.0, stall_timeout=5.0):
    """Run a client in this thread against a server that holds these conversations."""
    name = service.partition(":")[2].partition("=")[0]
    server = Server(prefix, name, *conversations)
    client = Client(
        session,
        [service],
        timeout=timeout,
        stall_timeout=stall_timeout,
        sockets_prefix=prefix,
    )
    try:
        client.run()
    finally:
        server.close()
        os.unlink(prefix + name)


def say(*messages: bytes):
    """A conversation in which the server only talks, and hangs up."""

    def conversation(connection):
        connection.sendall(b"".join(messages))

    return conversation


def test_one_evaluation_the_old_way(session, prefix):
    """Message by message, waiting for each answer, as i-PI before consolidated messages."""

    def conversation(connection):
        for message, answer in (
            (header("STATUS"), "NEEDINIT"),
            (init() + header("STATUS"), "READY"),
            (positions() + header("STATUS"), "HAVEDATA"),
        ):
            connection.sendall(message)
            assert receive(connection, 12) == header(answer)
        connection.sendall(header("GETFORCE"))
        assert abs(receive_forces(connection)).max() > 1e-5
        connection.sendall(header("STATUS"))
        assert receive(connection, 12) == header("READY")
        connection.sendall(header("EXIT"))

    talk(session, prefix, conversation)


def test_byte_by_byte(session, prefix):
    def conversation(connection):
        for byte in init() + positions()[:400]:
            connection.sendall(bytes([byte]))
        connection.sendall(positions()[400:] + header("GETFORCE"))
        receive_forces(connection)
        connection.sendall(header("EXIT"))

    talk(session, prefix, conversation)


def test_hundred_clients_one_after_the_other(session, prefix):
    def conversation(connection):
        connection.sendall(init() + positions() + header("GETFORCE"))
        receive_forces(connection)
        connection.sendall(header("EXIT"))

    talk(session, prefix, conversation)
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(100):
        talk(session, prefix, conversation)
    assert len(os.listdir("/proc/self/fd")) <= before


def test_server_that_hangs_up_while_starting(session, prefix):
    def hang_up(connection):
        connection.sendall(header("STATUS"))
        receive(connection, 12)

    talk(session, prefix, hang_up, hang_up, hang_up, say(header("EXIT")))


@pytest.mark.parametrize(
    ("messages", "sentence"),
    [
        ([header("HELLO")], r'sent "HELLO", which is not a message of the i-PI protocol'),
        ([b"\x00\x01" * 6], r'sent "\\x00\\x01'),
        ([b"GET / HTTP/1.1\r\n\r\n"], r"is it i-PI that listens there"),
        ([init(), header("posdata")], r'sent "posdata"'),
        ([positions()], "POSDATA before INIT"),
        ([init(), header("GETFORCE")], "GETFORCE before POSDATA"),
        ([init(length=-1)], "initialisation string of -1 characters"),
        ([init(length=2**31 - 1)], "initialisation string of 2147483647 characters"),
        ([init("a:b, batch_size:0")], "batch_size:0; expected a positive integer"),
        ([init("batch_size:four")], "batch_size:four; expected a positive integer"),
        ([init("batch_size:-3")], "batch_size:-3; expected a positive integer"),
        ([init("batch_size:99999999999")], "expected a positive integer"),
        ([init("batch_size:2000000000")], "more than a gigabyte"),
        ([init(), init("batch_size:4")], "batches of 4 structures in the middle of a run"),
        ([init("batch_size:4"), init()], "began with batches of 4; restart the client"),
        ([init(), positions(count=N - 1)], f"{N - 1} atoms, but the template has {N} atoms"),
        ([init(), positions(count=2**31 - 1)], "2147483647 atoms, but the template has"),
        ([init(), positions(count=-5)], "-5 atoms, but the template has"),
        ([init(), positions(cell=CELL * np.nan)], "lattice vector 1 is not finite"),
        ([init(), positions(cell=CELL * 0)], "periodic along lattice vector 1"),
        ([init(), positions(cell=np.full(9, 20.0))], "no volume"),
        ([init()], "closed the connection without an EXIT message, after 0 force evaluations"),
        ([init(), b"STA"], r"closed the connection in the middle of a header \(3 of 12 bytes\)"),
        ([init(), positions()[:100]], r"in the middle of POSDATA \(100 of 160 bytes\)"),
        ([init(), positions()[:500]], rf"in the middle of POSDATA \(500 of {160 + 24 * N} bytes\)"),
    ],
)
def test_bad_messages_get_a_sentence(session, prefix, messages, sentence):
    with pytest.raises(EngineError, match=sentence):
        talk(session, prefix, say(*messages))


def test_positions_that_are_not_finite(session, prefix):
    broken = ATOMS.copy()
    broken.positions[5, 2] = np.nan
    with pytest.raises(EngineError, match=r"force evaluation 1 for unix:water: .* atom 5"):
        talk(session, prefix, say(init(), positions(broken)))


def test_server_that_stops_in_the_middle_of_a_message(session, prefix):
    def stop(connection):
        connection.sendall(init() + positions()[:300])
        connection.recv(1)  # until the client gives up

    start = time.monotonic()
    with pytest.raises(EngineError, match=r"stopped sending in the middle of POSDATA \(300 of"):
        talk(session, prefix, stop, stall_timeout=0.3)
    assert time.monotonic() - start < 5


def test_server_that_is_killed_after_some_steps(session, prefix):
    def conversation(connection):
        connection.sendall(init())
        for _ in range(3):
            connection.sendall(positions() + header("GETFORCE"))
            receive_forces(connection)

    with pytest.raises(
        EngineError, match="after 3 force evaluations: it has stopped or was killed"
    ):
        talk(session, prefix, conversation)


def test_no_server(session, prefix):
    client = Client(session, ["unix:nobody"], timeout=0.3, sockets_prefix=prefix)
    with pytest.raises(EngineError, match=r"no i-PI server answered for unix:nobody .* 0\.3 s"):
        client.run()


def test_no_host(session):
    client = Client(session, ["no-such-host.invalid:31415"], timeout=0.3)
    with pytest.raises(EngineError, match=r"no-such-host\.invalid"):
        client.run()


def test_nobody_listens_on_the_port(session, free_port):
    client = Client(session, [f"127.0.0.1:{free_port}"], timeout=0.3)
    with pytest.raises(EngineError, match=rf"port {free_port} of 127\.0\.0\.1 .*refused"):
        client.run()


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("water", '"water" is not an address'),
        ("unix:", '"unix:" is not an address'),
        (":31415", '":31415" is not an address'),
        ("localhost:0", '"0" is not a port between 1 and 65535'),
        ("localhost:65536", "not a port"),
        ("localhost:http", "not a port"),
        ("unix:water=energy", '"energy" is no kind of forces'),
        ("unix:" + "x" * 120, "at most 107 characters"),
    ],
)
def test_bad_addresses(session, address, sentence):
    with pytest.raises(EngineError, match=sentence):
        Client(session, [address], timeout=0.1).run()


class TestSharedMemory:
    KINDS = ("pos", "h", "ih", "pot", "force", "vir")

    @pytest.fixture
    def segments(self):
        sizes = dict(zip(self.KINDS, (24 * N, 72, 72, 8, 24 * N, 72), strict=True))
        made = {
            kind: shared_memory.SharedMemory(create=True, size=size) for kind, size in sizes.items()
        }
        yield made
        for segment in made.values():
            segment.close()
            segment.unlink()

    def posdata(self, names) -> bytes:
        message = header("POSDATA") + struct.pack("=i", N)
        for name in names:
            message += struct.pack("=i", len(name)) + name.encode()
        return message

    def test_evaluation(self, session, prefix, segments):
        def conversation(connection):
            cell = np.frombuffer(segments["h"].buf, count=9)
            cell[:] = CELL.ravel()
            x = np.frombuffer(segments["pos"].buf, count=3 * N)
            x[:] = ATOMS.positions.ravel() * ANGSTROM
            connection.sendall(init() + self.posdata(s.name for s in segments.values()))
            connection.sendall(header("GETFORCE"))
            assert receive(connection, 12) == header("FORCEREADY")
            (length,) = struct.unpack("=i", receive(connection, 4))
            receive(connection, length)
            forces = np.frombuffer(segments["force"].buf, count=3 * N)
            assert abs(forces).max() > 1e-5
            connection.sendall(header("EXIT"))
            del cell, x, forces

        talk(session, prefix, conversation, service="shm:water")

    @pytest.mark.parametrize(
        ("names", "sentence"),
        [
            (["nothing-of-this-name"] * 6, "cannot open i-PI's shared-memory segment nothing-of"),
            (["../etc/passwd"] * 6, "must not have a slash"),
            (["x" * 300], "a name of 300 characters"),
            ([""], "a name of 0 characters"),
        ],
    )
    def test_bad_names(self, session, prefix, names, sentence):
        with pytest.raises(EngineError, match=sentence):
            talk(session, prefix, say(init(), self.posdata(names)), service="shm:water")

    def test_small_segment(self, session, prefix, segments):
        """A batch of 400 needs far more than what is there."""
        names = [segment.name for segment in segments.values()]
        message = init("batch_size:400") + self.posdata(names)
        with pytest.raises(EngineError, match=r"has .* bytes, but .* are needed"):
            talk(session, prefix, say(message), service="shm:water")


def test_random_bytes_end_with_a_sentence(session, prefix):
    """A good conversation with some bytes changed: it works, or there is a sentence; no hang."""
    good = init() + positions() + header("GETFORCE") + header("STATUS")
    rng = np.random.default_rng(11)
    for _ in range(60):
        stream = bytearray(good)
        for place in rng.integers(0, len(init()) + 160, rng.integers(1, 6)):
            stream[place] = rng.integers(0, 256)
        with pytest.raises(EngineError):
            talk(session, prefix, say(bytes(stream)), timeout=0.2)
