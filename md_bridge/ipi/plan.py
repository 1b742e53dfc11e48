"""What a simulation with i-PI should be, before it becomes an input file."""

from __future__ import annotations

import difflib
import math
from dataclasses import dataclass

from md_bridge.engine import EngineError

ENSEMBLES = ("nve", "nvt", "npt")
FORCES = ("conservative", "direct", "mts:M")
TRANSPORTS = ("ffdirect", "unix", "shm", "inet")
THERMOSTATS = ("auto", "svr", "langevin", "pile_g", "pile_l")
BAROSTATS = ("isotropic", "flexible", "anisotropic")

# trajectories and checkpoints are larger than lines of properties
_TRAJECTORY_FACTOR = 10
_CHECKPOINT_FACTOR = 100


def parse_forces(text: str) -> tuple[tuple[str, ...], int]:
    """The kinds of forces that "conservative", "direct" or "mts:8" means, and M (0: no multiple
    time stepping).

    :raises EngineError: naming the nearest valid one
    """
    name, colon, number = text.partition(":")
    if name in ("conservative", "direct") and not colon:
        return (name,), 0
    if name == "mts":
        if number.isascii() and number.isdigit() and int(number) >= 1:
            return ("conservative", "direct"), int(number)
        raise EngineError(
            f'forces "{text}": expected mts:M with M inner steps per outer step, for example mts:4'
        )
    near = difflib.get_close_matches(name, ("conservative", "direct", "mts"), n=1)
    hint = f"did you mean {near[0].replace('mts', 'mts:4')}? " if near else ""
    raise EngineError(f'forces "{text}": {hint}There are {", ".join(FORCES)}')


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
    variant: str = ""
    """Of the model's outputs."""

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
    thermostat_tau: float = 100.0,
    barostat: str | None = None,
    barostat_tau: float = 500.0,
    transport: str = "ffdirect",
    address: str = "",
    clients: int = 1,
    stride: int = 10,
    seed: int = 1,
    variant: str = "",
) -> Plan:
    """Choose what was left open and refuse what does not go together.

    :param forces: "conservative", "direct" or "mts:M"
    :param pressure: bar; None is 0 with npt
    :param thermostat: "auto": see :func:`_choose_thermostat`
    :param barostat: None: isotropic with npt
    :param address: empty: "mdbridge", or localhost:31415 with inet
    :raises EngineError: saying which two settings contradict each other
    """
    kinds, inner_steps = parse_forces(forces)
    numbers = {"timestep": timestep, "temperature": temperature, "thermostat-tau": thermostat_tau}
    for name, value in {**numbers, "barostat-tau": barostat_tau}.items():
        if not (math.isfinite(value) and value > 0):
            raise EngineError(f"{name} must be positive, got {value:g}")
    for name, count in {"steps": steps, "beads": beads, "stride": stride}.items():
        if count < 1:
            raise EngineError(f"{name} must be at least 1, got {count}")
    if pressure is not None and not math.isfinite(pressure):
        raise EngineError(f"pressure must be finite (bar), got {pressure:g}")
    for given, name in ((pressure, "pressure"), (barostat, "barostat")):
        if ensemble != "npt" and given is not None:
            raise EngineError(f"a {name} needs the ensemble npt, got {ensemble}")
    if ensemble == "nve" and thermostat != "auto":
        raise EngineError(f"the thermostat {thermostat} needs the ensemble nvt or npt, got nve")
    if transport == "ffdirect" and (address or clients > 1):
        raise EngineError(
            "an address or several clients need sockets (the transport unix, shm or inet), got "
            "the transport ffdirect, with the model in i-PI's own process"
        )
    return Plan(
        kinds=kinds,
        inner_steps=inner_steps,
        ensemble=ensemble,
        steps=steps,
        timestep=timestep,
        temperature=temperature,
        pressure=pressure or 0.0,
        beads=beads,
        thermostat=_choose_thermostat(thermostat, ensemble, beads, kinds),
        thermostat_tau=thermostat_tau,
        barostat=(barostat or "isotropic") if ensemble == "npt" else "",
        barostat_tau=barostat_tau,
        transport=transport,
        address=_choose_address(transport, address),
        clients=clients,
        stride=stride,
        seed=seed,
        variant=variant,
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
        raise EngineError(
            "the thermostat svr does not thermalise the internal modes of a ring polymer: use "
            "pile_g or pile_l with several beads"
        )
    if thermostat.startswith("pile") and beads == 1:
        raise EngineError(f"the thermostat {thermostat} is one for several beads: use svr")
    return thermostat


def _choose_address(transport: str, address: str) -> str:
    if transport == "ffdirect":
        return ""
    if transport != "inet":
        if "/" in address:
            raise EngineError(
                f'the address "{address}" is the name of a socket, which has no slash'
            )
        return address or "mdbridge"
    address = address or "localhost:31415"
    host, _, port = address.rpartition(":")
    # the next port is for the next forcefield
    if not host or not (port.isascii() and port.isdigit() and 1 <= int(port) < 65535):
        raise EngineError(f'the address "{address}" should be HOST:PORT, such as localhost:31415')
    return address
