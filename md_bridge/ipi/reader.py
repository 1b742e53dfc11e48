"""What an input file of i-PI (or its RESTART) says about how it is run."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ase import Atoms

from md_bridge.engine import EngineError
from md_bridge.forces import FORCES
from md_bridge.ipi import SOCKETS_PREFIX
from md_bridge.ipi.template import atoms_of_simulation, parse_xml

__all__ = [
    "SimulationFile",
    "SocketForcefield",
    "read_simulation",
    "services",
    "template_atoms",
]


@dataclass(frozen=True)
class SocketForcefield:
    """A forcefield that waits for a client."""

    name: str
    mode: str
    """unix, shm or inet."""
    address: str
    port: int

    @property
    def where(self) -> str:
        """As the client's --serve wants it."""
        if self.mode == "inet":
            return f"{self.address}:{self.port}"
        return f"{self.mode}:{self.address}"


@dataclass(frozen=True)
class SimulationFile:
    """The part of an input file that whoever starts the programs must know."""

    path: Path
    sockets: tuple[SocketForcefield, ...]
    sockets_prefix: str
    beads: int | None
    """Of all systems together; None if the file does not say."""
    first_step: int
    total_steps: int
    prefix: str
    properties: tuple[str, int] | None
    """Name of the properties file that is written most often, and the steps between its lines."""
    root: ElementTree.Element


def read_simulation(path: Path) -> SimulationFile:
    """Read an input file, or the RESTART that i-PI leaves.

    :param path: of the file
    :raises EngineError: if it is not XML, or a number in it is none
    """
    root = parse_xml(path)
    output = root.find("output")
    prefix = "i-pi" if output is None else output.get("prefix", "i-pi").strip()
    return SimulationFile(
        path=path,
        sockets=tuple(_socket(path, node) for node in root.iter("ffsocket")),
        sockets_prefix=root.get("sockets_prefix", SOCKETS_PREFIX),
        beads=_beads(path, root),
        first_step=_number(path, root, "step", 0),
        total_steps=_number(path, root, "total_steps", 1000),
        prefix=prefix,
        properties=_properties(path, output, prefix),
        root=root,
    )


def services(simulation: SimulationFile, asked: Mapping[str, str]) -> list[str]:
    """What one client must serve, from the names of the forcefields.

    :param simulation: what the input file says
    :param asked: the kind of forces by name of forcefield, where the names do not say it
    :returns: one ADDRESS=FORCES for each forcefield
    :raises EngineError: if a name is unknown, or nothing says which forces a forcefield wants
    """
    names = [forcefield.name for forcefield in simulation.sockets]
    for name, kind in asked.items():
        if name not in names:
            raise EngineError(
                f"{simulation.path} has no <ffsocket> named '{name}'; "
                f"it has {', '.join(names) or 'none'}"
            )
        if kind not in FORCES:
            raise EngineError(f"{name}={kind}: there are conservative and direct forces")
    result = []
    for forcefield in simulation.sockets:
        wanted = asked.get(forcefield.name)
        if wanted is None and forcefield.name in FORCES:
            wanted = forcefield.name
        if wanted is None and len(names) == 1:
            wanted = "conservative"
        if wanted is None:
            raise EngineError(
                f"which forces does the forcefield '{forcefield.name}' of {simulation.path} want? "
                f"Say --serve {forcefield.name}=conservative or --serve {forcefield.name}=direct, "
                "or name it so"
            )
        result.append(f"{forcefield.where}={wanted}")
    return result


def template_atoms(simulation: SimulationFile) -> Atoms | Path:
    """The file that the simulation starts from, or the atoms that a RESTART holds.

    :param simulation: what the input file says
    :returns: a path, from i-PI's folder; or atoms, in Å
    :raises EngineError: if there is neither
    """
    return atoms_of_simulation(simulation.path, simulation.root)


def _socket(path: Path, node: ElementTree.Element) -> SocketForcefield:
    address = (node.findtext("address") or "localhost").strip()
    port = _number(path, node, "port", 65535)
    return SocketForcefield(
        node.get("name", "").strip(), node.get("mode", "inet").strip(), address, port
    )


def _beads(path: Path, root: ElementTree.Element) -> int | None:
    nodes = [*root.iter("initialize"), *root.iter("beads")]
    if not nodes or root.find("system_template") is not None:
        return None
    texts = [node.get("nbeads", "1").strip() for node in nodes]
    return sum(map(int, texts)) if all(text.isdecimal() for text in texts) else None


def _number(path: Path, node: ElementTree.Element, tag: str, default: int) -> int:
    text = node.findtext(tag)
    try:
        return default if text is None else int(text)
    except ValueError:
        raise EngineError(f"{path}: <{tag}> should be a whole number, found {text}") from None


def _properties(
    path: Path, output: ElementTree.Element | None, prefix: str
) -> tuple[str, int] | None:
    found = []
    for node in output.iter("properties") if output is not None else ():
        text = node.get("stride", "1")
        if not text.strip().isdigit():
            raise EngineError(
                f"{path}: the stride of <properties> should be a whole number, found {text}"
            )
        # with flush="0" or large, lines come late: no progress to be seen
        if node.get("flush", "1").strip() == "1":
            found.append((int(text), f"{prefix}.{node.get('filename', 'out').strip()}"))
    if not found:
        return None
    stride, name = min(found)
    return name, stride
