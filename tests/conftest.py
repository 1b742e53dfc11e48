"""Fixtures shared by all tests: exported analytic models and the bundled water."""

import contextlib
import os
import signal
import socket
import uuid
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import models
import pytest
import torch
import warm_starts
from ase import Atoms

from md_bridge._paths import DATA


def pytest_configure() -> None:
    """Programs that tests start inherit signals that are ignored, as under nohup or in the
    background; tests that send them need the default."""
    for number, handler in (
        (signal.SIGINT, signal.default_int_handler),
        (signal.SIGHUP, signal.SIG_DFL),
    ):
        if signal.getsignal(number) == signal.SIG_IGN:
            with contextlib.suppress(ValueError):  # not in the main thread
                signal.signal(number, handler)


@pytest.fixture(scope="session", autouse=True)
def _torchscript_as_it_is() -> Iterator[None]:
    """TorchScript that tests call by themselves is not optimised, which takes seconds for each
    network and each kind of call: metatomic's calculators are asked once or twice for a reference.
    The engine sees to its own calls."""
    with torch.jit.optimized_execution(False):
        yield


@pytest.fixture(scope="session", autouse=True)
def _warm_starts() -> Iterator[None]:
    """i-PI, where the package starts it, is a fork of a process that has imported it."""
    with patch("md_bridge.processes._start", warm_starts.start):
        yield


@pytest.fixture(scope="session")
def model_file(tmp_path_factory):
    """A function from the name of an analytic model (and dtype) to its exported file."""
    folder = tmp_path_factory.mktemp("models")

    def export(name: str, dtype: str = "float64") -> Path:
        path = folder / f"{name}-{dtype}.pt"
        return path if path.exists() else models.ALL[name]().export(path, dtype)

    return export


@pytest.fixture(scope="session")
def water_model() -> Path:
    """The bundled model."""
    return DATA / "water.pt"


@pytest.fixture
def water() -> Atoms:
    """The bundled box of 27 water molecules at 300 K."""
    from ase.io import read

    return read(DATA / "water-start.xyz")


@pytest.fixture
def socket_name() -> str:
    """Beginning of the names of this test's unix sockets, which all tests of a machine share."""
    return f"mdbridge-test-{os.getpid()}-{uuid.uuid4().hex[:8]}-"


@pytest.fixture
def free_port() -> int:
    """A TCP port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def ipi_clients(monkeypatch):
    """The commands of the clients that `md-bridge ipi-run` would start; it stops before it does."""
    commands = []

    def stop(simulation, clients, progress, **_):
        commands.extend(clients)
        raise KeyboardInterrupt

    monkeypatch.setattr("md_bridge.ipi.runner.run", stop)
    return commands
