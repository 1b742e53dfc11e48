"""i-PI: our driver and client next to its own metatomic driver."""

from __future__ import annotations

import os
import sys
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from md_bridge.bench.groups.plan import Box, Plan
from md_bridge.bench.models.files import ModelFiles, Source
from md_bridge.bench.panels import Bound, Panel, Subject
from md_bridge.bench.sessions import Session
from md_bridge.bench.sessions.process import Work, WorkerSession
from md_bridge.ipi import driver_path
from md_bridge.processes import find_program

__all__ = ["BEADS", "conservative_by_ipi", "ipi_panels", "remove_dead_sockets"]

BEADS = 16
OURS, THEIRS = "MD Bridge", "metatomic"
_SOCKETS = "/tmp/ipi_"
"""Where i-PI has its unix sockets."""
_ADDRESS = "mdbridge-bench-"
_BATH = """<thermostat mode="langevin"> <tau units="femtosecond"> 20 </tau> </thermostat>
        """
"""Of two models, for the reason that LAMMPS's has (:mod:`md_bridge.bench.groups.lammps`)."""


@dataclass(frozen=True)
class _Case:
    """One kind of dynamics."""

    name: str
    kinds: tuple[str, ...]
    """Forces of the forcefields."""
    multiplicity: int = 1
    beads: int = 1
    bath: str = ""
    """Thermostat; empty: none, which is NVE."""


@dataclass(frozen=True)
class _Driver:
    """Who answers i-PI."""

    name: str
    ours: bool
    model: Source
    sockets: bool = False
    inner: Source | None = None
    """Serves the direct forcefield."""


def remove_dead_sockets() -> None:
    """Remove the sockets of benchmarks that were killed."""
    for path in Path(_SOCKETS).parent.glob(f"{Path(_SOCKETS).name}{_ADDRESS}*"):
        pid = path.name.removeprefix(f"{Path(_SOCKETS).name}{_ADDRESS}").partition("-")[0]
        if not Path(f"/proc/{pid}").exists():
            path.unlink(missing_ok=True)


def ipi_panels(plan: Plan) -> Iterator[Panel]:
    """Each kind of dynamics by each driver; bounds are of the times of the same driver.

    :param plan: models, boxes, threads
    """
    for model, where in plan.cases():
        for sockets in (False, True) if plan.over_sockets(where) else (False,):
            drivers = [
                _Driver(OURS + suffix, True, source, sockets) for suffix, source in model.programs()
            ]
            drivers.append(_Driver(THEIRS, False, model.exported, sockets))
            subjects = [
                subject
                for case in _cases(plan, model)
                for driver in drivers
                for subject in _subjects(plan, where, case, driver)
            ]
            if model.inner_forces and not sockets:
                subjects += _two_models(plan, model, where)
            title = "i-PI over sockets" if sockets else "i-PI"
            yield Panel("ipi", title, model.name, where.atoms, plan.threads, plan.steps(),
                        tuple(subjects))  # fmt: skip


def _cases(plan: Plan, model: ModelFiles) -> list[_Case]:
    found = [_Case("conservative", ("conservative",))]
    if model.has_direct:
        found.append(_Case("direct", ("direct",)))
        found += [
            _Case(f"MTS M = {m}", ("conservative", "direct"), multiplicity=m)
            for m in plan.multiplicities
        ]
    return [*found, _Case(f"{BEADS} beads", ("conservative",), beads=BEADS)]


def _subjects(plan: Plan, where: Box, case: _Case, driver: _Driver) -> Iterator[Subject]:
    """A case by a driver."""
    bound = Bound(f"conservative, {driver.name}", f"direct, {driver.name}")
    yield Subject(
        f"{case.name}, {driver.name}",
        _open(plan, where, case, driver),
        against={THEIRS: f"{case.name}, {THEIRS}"} if driver.ours else {},
        multiplicity=case.multiplicity,
        bound=bound if case.multiplicity > 1 else None,
    )


def _two_models(plan: Plan, model: ModelFiles, where: Box) -> Iterator[Subject]:
    """Inner steps by a small model, which i-PI's own driver has no part in."""
    for suffix, source in model.programs():
        inner = model.inner_compiled if suffix else model.inner
        name = OURS + suffix
        alone = f"inner model alone, {name}"
        case = _Case("inner model alone", (model.inner_forces,))
        yield Subject(alone, _open(plan, where, case, _Driver(name, True, inner)))
        bound = Bound(f"conservative, {name}", alone, two_models=True)
        driver = _Driver(name, True, source, inner=inner)
        for m in plan.multiplicities:
            case = _Case(
                f"two models, M = {m}", ("conservative", "direct"), multiplicity=m, bath=_BATH
            )
            yield Subject(
                f"{case.name}, {name}",
                _open(plan, where, case, driver),
                multiplicity=m,
                bound=bound,
            )


def _open(
    plan: Plan,
    where: Box,
    case: _Case,
    driver: _Driver,
    variables: Mapping[str, str] | None = None,
) -> Callable[[float], Session]:
    def open_session(limit_s: float) -> Session:
        driver.model.need()
        address = f"{_ADDRESS}{os.getpid()}-{uuid.uuid4().hex[:6]}-"
        task = {
            "kind": "ipi_simulation",
            "input": _input_text(plan, where.path, case, driver, address),
            "clients": _clients(plan, where.path, case, driver, address),
        }
        leftovers = [Path(f"{_SOCKETS}{address}{kind}") for kind in case.kinds]
        work = Work(task, plan.threads, plan.new_folder(), variables or {}, leftovers)
        return WorkerSession(work, limit_s)

    return open_session


def conservative_by_ipi(
    plan: Plan, where: Box, model: ModelFiles, variables: Mapping[str, str] | None = None
) -> list[Subject]:
    """Dynamics with conservative forces in i-PI, by each driver.

    :param plan: threads, folders
    :param where: the box
    :param model: its files
    :param variables: of the environment of i-PI
    """
    case = _Case("conservative", ("conservative",))
    drivers = [_Driver(OURS + suffix, True, source) for suffix, source in model.programs()]
    drivers.append(_Driver(THEIRS, False, model.exported))
    return [Subject(one.name, _open(plan, where, case, one, variables)) for one in drivers]


def _clients(
    plan: Plan, start: Path, case: _Case, driver: _Driver, address: str
) -> list[list[str]]:
    """Command lines: ``md-bridge ipi-client`` for all forcefields, or i-PI's driver for each."""
    if not driver.sockets:
        return []
    model = driver.model.need()
    if driver.ours:
        services = [f"--serve=unix:{address}{kind}={kind}" for kind in case.kinds]
        program = [sys.executable, "-m", "md_bridge", "ipi-client"]
        device = ["--device", plan.device]
        return [[*program, str(model), "--template", str(start), *device, *services]]
    found = []
    for kind in case.kinds:
        parameters = (
            f"model={model},template={start},device={plan.device},"
            f"non_conservative={kind == 'direct'}"
        )
        program = [str(find_program("i-pi-driver-py", "ipi"))]
        found.append([*program, "-u", "-a", address + kind, "-m", "metatomic", "-o", parameters])
    return found


def _input_text(plan: Plan, start: Path, case: _Case, driver: _Driver, address: str) -> str:
    """The input of i-PI, from the velocities of the start's temperature.

    :param plan: inner step
    :param address: prefix of the unix sockets
    """
    forcefields = "\n".join(
        _forcefield(plan, start, case, kind, driver, address) for kind in case.kinds
    )
    if case.multiplicity > 1:
        forces = (
            '<force forcefield="conservative"> <mts_weights> [ 1, 0 ] </mts_weights> </force>\n'
            '      <force forcefield="direct"> <mts_weights> [ -1, 1 ] </mts_weights> </force>'
        )
        levels = f"<nmts> [ 1, {case.multiplicity} ] </nmts>"
    else:
        forces, levels = f'<force forcefield="{case.kinds[0]}"/>', ""
    timestep_fs = plan.timestep_fs * case.multiplicity
    return f"""<simulation verbosity="quiet" safe_stride="1000000000">
  <output prefix="run">
    <properties stride="1000000" filename="out"> [ step, conserved{{electronvolt}} ] </properties>
  </output>
  <total_steps> 1000000000 </total_steps>
  <prng> <seed> 1 </seed> </prng>
{forcefields}
  <system>
    <initialize nbeads="{case.beads}">
      <file mode="ase"> {start} </file>
      <velocities mode="thermal" units="kelvin"> 300 </velocities>
    </initialize>
    <forces>
      {forces}
    </forces>
    <motion mode="dynamics">
      <dynamics mode="{"nvt" if case.bath else "nve"}">
        {case.bath}<timestep units="femtosecond"> {timestep_fs:.10g} </timestep> {levels}
      </dynamics>
    </motion>
    <ensemble> <temperature units="kelvin"> 300 </temperature> </ensemble>
  </system>
</simulation>
"""


def _forcefield(
    plan: Plan, start: Path, case: _Case, kind: str, driver: _Driver, address: str
) -> str:
    model = driver.model.need()
    batch = f"<batch_size> {case.beads} </batch_size>"
    if driver.sockets:
        return f"""  <ffsocket name="{kind}" mode="unix"> <address> {address}{kind} </address>
    <latency> 1e-3 </latency> {batch} </ffsocket>"""
    threaded = f'threaded="{case.beads > 1}"'
    if driver.ours:
        inner = f", inner: {driver.inner.need()}" if driver.inner else ""
        return f"""  <ffdirect name="{kind}" {threaded}> <pes> custom </pes>
    <pes_path> {driver_path()} </pes_path> {batch}
    <parameters> {{ model: {model}, template: {start}, device: {plan.device},
      forces: {kind}{inner} }} </parameters>
  </ffdirect>"""
    return f"""  <ffdirect name="{kind}" {threaded}> <pes> metatomic </pes> {batch}
    <parameters> {{ model: {model}, template: {start}, device: {plan.device},
      non_conservative: {kind == "direct"} }}
    </parameters>
  </ffdirect>"""
