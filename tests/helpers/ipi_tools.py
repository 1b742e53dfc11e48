"""Real i-PI in tests: inputs, runs with clients, and what came out of them."""

import os
import re
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass, field
from pathlib import Path

import ase.io
import numpy as np
from ase import Atoms, units
from ipi.utils.units import unit_to_internal
from warm_starts import Started

import md_bridge.ipi

I_PI = [sys.executable, str(Path(sys.executable).parent / "i-pi")]
MD_BRIDGE = [sys.executable, "-m", "md_bridge"]
ANGSTROM = unit_to_internal("length", "angstrom", 1.0)
ELECTRONVOLT = unit_to_internal("energy", "electronvolt", 1.0)
FEMTOSECOND = unit_to_internal("time", "femtosecond", 1.0)
DALTON = unit_to_internal("mass", "dalton", 1.0)

PROPERTIES = {
    "step": "step",
    "conserved": "conserved",
    "potential": "potential",
    "kinetic": "kinetic_md",
    "pressure": "pressure_md",
    "volume": "volume",
    "temperature": "temperature",
}
# of all that i-PI writes, nothing has more than nine digits
EXACT_RUN = """
import sys
import numpy as np
from ipi.scripting import InteractiveSimulation
from ipi.utils.softexit import softexit

with open("input.xml") as text:
    simulation = InteractiveSimulation(text)
simulation.run(int(sys.argv[1]))
system = simulation.syslist[0]
shape = (system.beads.nbeads, -1, 3)
np.savez(
    "exact",
    q=np.reshape(system.beads.q, shape),
    p=np.reshape(system.beads.p, shape),
    cell=system.cell.h,
    virial=system.forces.vir / system.beads.nbeads,
)
softexit.trigger(status="success", message="done")
"""
MTS_WEIGHTS = {"conservative": "[1, 0]", "direct": "[-1, 1]"}


def environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}


def argon(cells: int = 2, seed: int = 1, temperature: float = 40.0) -> Atoms:
    """Liquid-like argon, upper triangular cell, with velocities."""
    from ase.build import bulk
    from ase.md.velocitydistribution import MaxwellBoltzmannDistribution

    rng = np.random.default_rng(seed)
    atoms = bulk("Ar", "fcc", a=5.6, cubic=True).repeat(cells)
    atoms.rattle(0.15, rng=rng)
    MaxwellBoltzmannDistribution(atoms, temperature_K=temperature, rng=rng)
    return atoms


def ffdirect(name: str, model: Path, forces: str, *, batch: int = 1, **parameters) -> str:
    """MD Bridge's own driver in i-PI's process."""
    given = {"model": model, "template": "start.xyz", "forces": forces, **parameters}
    text = ", ".join(f"{key}: {value}" for key, value in given.items())
    threaded = "True" if batch > 1 else "False"
    return f"""<ffdirect name="{name}" threaded="{threaded}">
    <pes>custom</pes> <pes_path>{md_bridge.ipi.driver_path()}</pes_path>
    <batch_size>{batch}</batch_size> <parameters>{{ {text} }}</parameters> </ffdirect>"""


def metatomic_ffdirect(name: str, model: Path, **parameters) -> str:
    """i-PI's own driver for the same files."""
    given = {"model": model, "template": "start.xyz", **parameters}
    text = ", ".join(f"{key}: {value}" for key, value in given.items())
    return f"""<ffdirect name="{name}"> <pes>metatomic</pes>
    <parameters>{{ {text} }}</parameters> </ffdirect>"""


def ffsocket(name: str, address: str, mode: str = "unix", batch: int = 1, port: int = 0) -> str:
    port_text = f"<port>{port}</port>" if port else ""
    return f"""<ffsocket name="{name}" mode="{mode}"> <address>{address}</address> {port_text}
    <latency>1e-4</latency> <batch_size>{batch}</batch_size> </ffsocket>"""


@dataclass
class Simulation:
    """One i-PI simulation: which forcefields, and how the atoms move."""

    atoms: Atoms
    forcefields: list[str]
    forces: str
    steps: int = 10
    timestep: float = 2.0  # fs, the outer one
    inner_steps: int = 0  # 0: no multiple time stepping
    beads: int = 1
    mode: str = "nve"
    dynamics: str = ""  # thermostat, barostat
    ensemble: str = ""
    output: str = ""
    checkpoint_stride: int = 1  # for positions(), which are those of the last one; takes time
    properties: dict[str, str] = field(default_factory=lambda: dict(PROPERTIES))

    def xml(self) -> str:
        """The input; positions and momenta in atomic units, as i-PI ignores their units here."""
        nmts = f"<nmts> [1, {self.inner_steps}] </nmts>" if self.inner_steps else ""
        what = ", ".join(self.properties.values())
        return f"""<simulation verbosity="medium" safe_stride="{self.checkpoint_stride}">
  <output prefix="run">
    <properties stride="1" filename="properties" flush="1"> [{what}] </properties>
    <checkpoint stride="{self.checkpoint_stride}" filename="checkpoint" overwrite="True"/>
    {self.output}
  </output>
  <total_steps>{self.steps}</total_steps>
  <prng><seed>7</seed></prng>
  {"".join(self.forcefields)}
  <system>
    <initialize nbeads="{self.beads}">
      <positions mode="manual"> {array(self.positions() * ANGSTROM)} </positions>
      <labels mode="manual"> [{", ".join(self.atoms.get_chemical_symbols())}] </labels>
      <masses mode="manual" units="dalton"> {array(self.atoms.get_masses())} </masses>
      <cell mode="manual" units="angstrom"> {array(self.atoms.cell.array.T)} </cell>
      <momenta mode="manual"> {array(np.tile(self.momenta(), (self.beads, 1)))} </momenta>
    </initialize>
    <forces> {self.forces} </forces>
    <motion mode="dynamics"> <fixcom> False </fixcom>
      <dynamics mode="{self.mode}">
        <timestep units="femtosecond"> {self.timestep} </timestep> {nmts} {self.dynamics}
      </dynamics>
    </motion>
    <ensemble> {self.ensemble} </ensemble>
  </system>
</simulation>"""

    def positions(self) -> np.ndarray:
        """[beads, N, 3] at the start, Å; beads near the atoms, each elsewhere."""
        spread = 0.1 if self.beads > 1 else 0.0
        shape = (self.beads, len(self.atoms), 3)
        return self.atoms.positions + np.random.default_rng(5).normal(0, spread, shape)

    def momenta(self) -> np.ndarray:
        """[N, 3] at the start, atomic units."""
        velocities = self.atoms.get_velocities() * units.fs * ANGSTROM / FEMTOSECOND
        return velocities * self.atoms.get_masses()[:, None] * DALTON

    def write(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        ase.io.write(folder / "start.xyz", self.atoms)
        (folder / "input.xml").write_text(self.xml(), encoding="utf-8")

    def run_exactly(self, folder: Path) -> dict[str, np.ndarray]:
        """Run i-PI and return its own numbers at the end, atomic units, with all digits: ``q`` and
        ``p`` [beads, N, 3], ``cell`` [3, 3] (vectors in columns), ``virial`` [3, 3]."""
        self.write(folder)
        (folder / "exact.py").write_text(EXACT_RUN)
        words = [str(folder / "exact.py"), str(self.steps)]
        started = Started(words, folder, environment(), folder / "log.i-pi")
        try:
            status = started.wait(240)
        finally:
            started.kill()
        assert status == 0, (folder / "log.i-pi").read_text()
        with np.load(folder / "exact.npz") as found:
            return dict(found)

    def run(self, folder: Path, *clients: list[str], timeout: float = 240) -> "Run":
        """Run i-PI and these clients (arguments after ``ipi-client MODEL --template``)."""
        self.write(folder)
        ipi = Started([I_PI[1], "input.xml"], folder, environment(), folder / "log.i-pi")
        running, texts = [], []
        for number, client in enumerate(clients):
            words = ["md_bridge", "ipi-client", *map(str, client)]
            texts.append([folder / f"client-{number}.{name}" for name in ("out", "messages")])
            running.append(Started(words, folder, environment(), *texts[-1]))
        try:
            statuses = [client.wait(timeout) for client in running]
            status = ipi.wait(timeout)
        finally:
            for process in (ipi, *running):
                process.kill()
        log_text = (folder / "log.i-pi").read_text(encoding="utf-8")
        outputs, messages = ([text[k].read_text() for text in texts] for k in (0, 1))
        return Run(self, folder, status, log_text, statuses, outputs, messages)


def start_client(folder: Path, arguments: list[str]) -> subprocess.Popen:
    """``md-bridge ipi-client`` in this folder; text on stdout and stderr."""
    return subprocess.Popen(
        [*MD_BRIDGE, "ipi-client", *map(str, arguments)],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    )


@dataclass
class Run:
    """What a simulation left behind."""

    simulation: Simulation
    folder: Path
    status: int
    log: str
    client_statuses: list[int]
    client_outputs: list[str]
    client_messages: list[str]

    @property
    def ok(self) -> bool:
        return self.status == 0 and not any(self.client_statuses)

    def evaluations(self) -> dict[str, int]:
        """What MD Bridge says it evaluated: direct, conservative, both, reused, lists."""
        found = re.search(
            r"(\d+) evaluations of direct forces, (\d+) of conservative forces, (\d+) of both at "
            r"once \((\d+) used twice\); (\d+) pair lists built",
            "".join([self.log, *self.client_messages]),
        )
        assert found is not None, self.log
        names = ("direct_only", "conservative_only", "both", "reused", "pair_list_builds")
        return dict(zip(names, map(int, found.groups()), strict=True))

    def table(self) -> dict[str, np.ndarray]:
        """i-PI's properties file, in atomic units, nine digits."""
        rows = np.loadtxt(self.folder / "run.properties", ndmin=2)
        return dict(zip(self.simulation.properties, rows.T, strict=True))

    def positions(self) -> np.ndarray:
        """[beads, N, 3] after the last step, Å, nine digits."""
        return self._checkpoint("q") / ANGSTROM

    def momenta(self) -> np.ndarray:
        """[beads, N, 3] after the last step, atomic units, nine digits."""
        return self._checkpoint("p")

    def _checkpoint(self, name: str) -> np.ndarray:
        root = ElementTree.parse(self.folder / "run.checkpoint").getroot()
        node = root.find(f"./system/beads/{name}")
        assert node is not None
        assert node.text is not None
        numbers = np.array(node.text.strip().strip("[]").split(","), dtype=float)
        return numbers.reshape(self.simulation.beads, -1, 3)


def array(values: np.ndarray) -> str:
    return f"[ {', '.join(f'{value:.17g}' for value in np.ravel(values))} ]"


def mts_forces(conservative: str = "cons", direct: str = "direct") -> str:
    """The <force> elements of multiple time stepping with these forcefields."""
    return "".join(
        f'<force forcefield="{name}"><mts_weights> {MTS_WEIGHTS[kind]} </mts_weights></force>'
        for name, kind in ((conservative, "conservative"), (direct, "direct"))
    )


def wait_for(condition, seconds: float = 30.0) -> None:
    """Wait until ``condition()`` is true; fails if it never is."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)
