"""What a simulation with i-PI should be, before it becomes an input file."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field

from md_bridge.errors import ArgumentError
from md_bridge.forces import FORCES, parse_kind
from md_bridge.ipi import SOCKETS_PREFIX
from md_bridge.model_options import ModelOptions, require_use_of_inner

__all__ = [
    "ENSEMBLES",
    "Plan",
    "make_plan",
]

ENSEMBLES = ("nve", "nvt", "npt")
TRANSPORTS = ("ffdirect", "unix", "shm", "inet")
THERMOSTATS = ("auto", "svr", "langevin", "pile_g", "pile_l")
BAROSTATS = ("isotropic", "flexible", "anisotropic")

# trajectories and checkpoints are larger than lines of properties
_TRAJECTORY_FACTOR = 10
_CHECKPOINT_FACTOR = 100
_THERMOSTAT_TAU = 100.0  # fs
_BAROSTAT_TAU = 500.0
# of the path of a unix socket
_LONGEST_PATH = 107


@dataclass(frozen=True)
class Plan:
    """What to simulate. Use :func:`make_plan`, which fills in and checks."""

    kinds: tuple[str, ...]
    """Kinds of forces: one, or ("conservative", "direct") with multiple time stepping."""
    inner_steps: int
    """M; 0 without multiple time stepping."""
    ensemble: str
    steps: int
    """Steps of i-PI, which are outer steps with multiple time stepping."""
    timestep: float
    """Inner time step, fs."""
    temperature: float
    """K, of the ensemble and of the velocities at the start."""
    pressure: float
    """bar."""
    beads: int
    thermostat: str
    """i-PI's name; empty for constant energy."""
    thermostat_tau: float
    """fs."""
    barostat: str
    """i-PI's name; empty unless the pressure is constant."""
    barostat_tau: float
    """fs."""
    transport: str
    address: str
    """Begin of the names of the sockets; for inet HOST:PORT, with the next port for the next
    forcefield."""
    clients: int
    stride: int
    """Steps between two lines of properties."""
    seed: int
    model_options: ModelOptions = field(default_factory=ModelOptions)

    @property
    def two_models(self) -> bool:
        """Whether the direct forcefield is served by a model of its own."""
        return bool(self.model_options.inner)

    @property
    def outer_timestep(self) -> float:
        """i-PI's time step, fs."""
        return self.timestep * max(self.inner_steps, 1)

    @property
    def trajectory_stride(self) -> int:
        """Steps between two frames."""
        return self.stride * _TRAJECTORY_FACTOR

    @property
    def checkpoint_stride(self) -> int:
        """Steps between two checkpoints."""
        return self.stride * _CHECKPOINT_FACTOR

    @property
    def batch_size(self) -> int:
        """Beads in one pass of the model, so that all clients have the same number of beads."""
        return math.ceil(self.beads / self.clients)


def make_plan(
    *,
    forces: str = "conservative",
    ensemble: str = "nve",
    steps: int = 1000,
    timestep: float = 0.5,
    temperature: float = 300.0,
    pressure: float | None = None,
    beads: int = 1,
    thermostat: str = "auto",
    thermostat_tau: float | None = None,
    barostat: str | None = None,
    barostat_tau: float | None = None,
    transport: str = "ffdirect",
    address: str = "",
    clients: int = 1,
    stride: int = 10,
    seed: int = 1,
    model_options: ModelOptions | None = None,
) -> Plan:
    """Choose what was left open and refuse what does not go together.

    :param forces: "conservative", "direct" or "mts:M"
    :param ensemble: one of :data:`ENSEMBLES`
    :param steps: of i-PI; outer steps with mts
    :param timestep: inner step, fs
    :param temperature: K
    :param pressure: bar; None is 0 with npt
    :param beads: of the ring polymers; 1: classical
    :param thermostat: "auto": see :func:`_choose_thermostat`
    :param thermostat_tau: fs; None: 100
    :param barostat: None: isotropic with npt
    :param barostat_tau: fs; None: 500
    :param transport: one of :data:`TRANSPORTS`
    :param address: empty: "mdbridge", or localhost:31415 with inet
    :param clients: processes that evaluate the model; more than one needs sockets
    :param stride: steps between two lines of properties
    :param seed: of all random numbers
    :param model_options: how the model is loaded and evaluated; also the inner model of mts:M
    :raises ArgumentError: a value out of its range, or two settings that contradict each other
    """
    kind, multiplicity = parse_kind(forces, least=1)
    kinds = FORCES if kind == "mts" else (kind,)
    options = model_options or ModelOptions()
    require_use_of_inner(None, options, [kind])
    for name, value in (
        ("timestep", timestep),
        ("temperature", temperature),
        ("thermostat_tau", thermostat_tau),
        ("barostat_tau", barostat_tau),
    ):
        if value is not None and not (math.isfinite(value) and value > 0):
            raise ArgumentError(name, f"must be positive, found {value:g}")
    for name, count in (("steps", steps), ("beads", beads), ("stride", stride)):
        if count < 1:
            raise ArgumentError(name, f"must be at least 1, found {count}")
    if pressure is not None and not math.isfinite(pressure):
        raise ArgumentError("pressure", f"must be finite (bar), found {pressure:g}")
    for name, given in (
        ("pressure", pressure),
        ("barostat", barostat),
        ("barostat_tau", barostat_tau),
    ):
        if ensemble != "npt" and given is not None:
            raise ArgumentError(name, f"needs the ensemble npt, found {ensemble}")
    if ensemble == "nve" and thermostat != "auto":
        raise ArgumentError("thermostat", f"{thermostat} needs the ensemble nvt or npt, found nve")
    if ensemble == "nve" and thermostat_tau is not None:
        raise ArgumentError("thermostat_tau", "needs the ensemble nvt or npt, found nve")
    if transport == "ffdirect" and (address or clients > 1):
        raise ArgumentError(
            "transport",
            "must be unix, shm or inet for an address or several clients, found ffdirect, with "
            "the model in i-PI's own process",
        )
    if clients > beads:
        raise ArgumentError(
            "clients",
            f"{clients} for {beads} {'bead' if beads == 1 else 'beads'}: each evaluates whole "
            "beads, so the others would have nothing to do",
        )
    return Plan(
        kinds=kinds,
        inner_steps=multiplicity or 0,
        ensemble=ensemble,
        steps=steps,
        timestep=timestep,
        temperature=temperature,
        pressure=pressure or 0.0,
        beads=beads,
        thermostat=_choose_thermostat(thermostat, ensemble, beads, kinds),
        thermostat_tau=thermostat_tau or _THERMOSTAT_TAU,
        barostat=(barostat or "isotropic") if ensemble == "npt" else "",
        barostat_tau=barostat_tau or _BAROSTAT_TAU,
        transport=transport,
        address=_choose_address(transport, address),
        clients=clients,
        stride=stride,
        seed=seed,
        model_options=options,
    )


def _choose_thermostat(thermostat: str, ensemble: str, beads: int, kinds: tuple[str, ...]) -> str:
    """A thermostat that samples the ensemble and disturbs the dynamics as little as it can.

    Global ones where forces are conservative. Direct forces alone heat the system up all the time,
    and unevenly: only a local thermostat takes the heat out where it arises.
    """
    if ensemble == "nve":
        return ""
    local = kinds == ("direct",)
    if thermostat == "auto":
        if beads > 1:
            return "pile_l" if local else "pile_g"
        return "langevin" if local else "svr"
    if thermostat == "svr" and beads > 1:
        raise ArgumentError(
            "thermostat",
            "svr does not thermalise the internal modes of a ring polymer: use pile_g or pile_l "
            "with several beads",
        )
    if thermostat.startswith("pile") and beads == 1:
        raise ArgumentError("thermostat", f"{thermostat} is one for several beads: use svr")
    return thermostat


def _choose_address(transport: str, address: str) -> str:
    if transport == "ffdirect":
        return ""
    if transport != "inet":
        address = address or "mdbridge"
        _check_socket_name(address)
        return address
    address = address or "localhost:31415"
    host, _, port = address.rpartition(":")
    # the next port is for the next forcefield
    if not re.fullmatch(r"[\w.-]+", host) or not (
        port.isascii() and port.isdigit() and 1 <= int(port) < 65535
    ):
        raise ArgumentError(
            "address", f'must be HOST:PORT, such as localhost:31415, found "{address}"'
        )
    return address


def _check_socket_name(address: str) -> None:
    """Refuse what cannot be part of a file's name, of an address of the client or of XML."""
    if not re.fullmatch(r"[\w.+@-]+", address, re.ASCII):
        raise ArgumentError(
            "address",
            "is the name of a socket and may have letters, digits and . _ + @ - in it, "
            f'found "{address}"',
        )
    longest = f"{SOCKETS_PREFIX}{address}-{max(FORCES, key=len)}"
    if len(longest) > _LONGEST_PATH:
        raise ArgumentError(
            "address",
            f"must be shorter by {len(longest) - _LONGEST_PATH} characters: the path of a socket, "
            f"{longest}, may have {_LONGEST_PATH}",
        )
