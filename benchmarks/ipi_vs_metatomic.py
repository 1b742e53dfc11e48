"""MD Bridge in i-PI next to i-PI's own metatomic driver: the same model, start, threads and steps.

Runs NVE dynamics of the bundled water in turns (a round of each, then the next round), so that
whatever else the machine does hits all alike, and prints the median time of a step and the ratio:
in i-PI's own process against metatomic's there, and over sockets against metatomic's over sockets.

    python benchmarks/ipi_vs_metatomic.py
    python benchmarks/ipi_vs_metatomic.py --steps 40 --rounds 5 --only mts --json
"""

import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click
from jinja2 import Environment, StrictUndefined
from rich.console import Console
from rich.progress import track
from rich.table import Table

from md_bridge._paths import DATA
from md_bridge.drift.judging.speed import speedup_bound
from md_bridge.ipi import driver_path

MODEL, START = DATA / "water.pt", DATA / "water-start.xyz"
SCRIPTS = Path(sys.executable).parent
DRIVERS = {
    "metatomic": "metatomic",
    "MD Bridge": "metatomic",
    "metatomic (socket)": "metatomic (socket)",
    "MD Bridge (socket)": "metatomic (socket)",
}
"""Each with the one that it is compared with."""
MULTIPLICITY = 8
BEADS = 16
# steps that are not timed: torch warms up, and the stride of multiple time stepping is learned
WARM_UP = 3

INPUT = """<simulation verbosity="high" safe_stride="1000">
  <output prefix="run">
    <properties stride="1" filename="out" flush="1"> [ step, conserved{electronvolt} ] </properties>
  </output>
  <total_steps> {{ steps }} </total_steps>
  <prng> <seed> 1 </seed> </prng>
{% for kind in kinds %}
{% if driver == "metatomic" %}
  <ffdirect name="{{ kind }}" threaded="{{ beads > 1 }}"> <pes> metatomic </pes>
    <batch_size> {{ beads }} </batch_size>
    <parameters> { model: {{ model }}, template: {{ start }},
      non_conservative: {{ kind == "direct" }} } </parameters>
  </ffdirect>
{% elif driver == "MD Bridge" %}
  <ffdirect name="{{ kind }}" threaded="{{ beads > 1 }}"> <pes> custom </pes>
    <pes_path> {{ pes_path }} </pes_path> <batch_size> {{ beads }} </batch_size>
    <parameters> { model: {{ model }}, template: {{ start }}, forces: {{ kind }} } </parameters>
  </ffdirect>
{% else %}
  <ffsocket name="{{ kind }}" mode="unix"> <address> {{ socket }}{{ kind }} </address>
    <latency> 1e-3 </latency> <batch_size> {{ beads }} </batch_size> </ffsocket>
{% endif %}
{% endfor %}
  <system>
    <initialize nbeads="{{ beads }}">
      <file mode="ase"> {{ start }} </file>
      <velocities mode="thermal" units="kelvin"> 300 </velocities>
    </initialize>
    <forces>
{% if mts %}
      <force forcefield="conservative"> <mts_weights> [ 1, 0 ] </mts_weights> </force>
      <force forcefield="direct"> <mts_weights> [ -1, 1 ] </mts_weights> </force>
{% else %}
      <force forcefield="{{ kinds[0] }}"/>
{% endif %}
    </forces>
    <motion mode="dynamics">
      <dynamics mode="nve">
        <timestep units="femtosecond"> {{ 0.5 * mts if mts else 0.5 }} </timestep>
        {% if mts %}<nmts> [ 1, {{ mts }} ] </nmts>{% endif %}
      </dynamics>
    </motion>
    <ensemble> <temperature units="kelvin"> 300 </temperature> </ensemble>
  </system>
</simulation>
"""


@dataclass(frozen=True)
class Case:
    """One kind of simulation."""

    name: str
    kinds: tuple[str, ...]
    mts: int = 0
    beads: int = 1
    steps_divisor: int = 1


CASES = {
    "conservative": Case("conservative", ("conservative",)),
    "direct": Case("direct", ("direct",)),
    "mts": Case(f"MTS M={MULTIPLICITY}", ("conservative", "direct"), mts=MULTIPLICITY),
    "pimd": Case(f"PIMD {BEADS} beads", ("conservative",), beads=BEADS, steps_divisor=4),
}


def client_commands(case: Case, driver: str, socket: str) -> list[list[str | Path]]:
    """``md-bridge ipi-client`` for all forcefields of this case, or i-PI's driver for each."""
    if driver == "MD Bridge (socket)":
        services = [f"--serve=unix:{socket}{kind}={kind}" for kind in case.kinds]
        return [[SCRIPTS / "md-bridge", "ipi-client", MODEL, "--template", START, *services]]
    commands: list[list[str | Path]] = []
    for kind in case.kinds:
        parameters = f"model={MODEL},template={START},non_conservative={kind == 'direct'}"
        address = ["-u", "-a", f"{socket}{kind}", "-m", "metatomic", "-o", parameters]
        commands.append([SCRIPTS / "i-pi-driver-py", *address])
    return commands


@contextmanager
def clients(commands: list[list[str | Path]], folder: Path) -> Iterator[None]:
    """The clients of a simulation, until i-PI ends them."""
    with open(folder / "client.log", "w") as log:
        processes = [subprocess.Popen(list(map(str, c)), stderr=log, stdout=log) for c in commands]
        try:
            yield
            for process in processes:
                process.wait(30)
        finally:
            for process in processes:
                process.kill()


def step_times(case: Case, driver: str, steps: int) -> list[float]:
    """Seconds of each step, as i-PI reports them."""
    socket = f"mdbridge-bench-{os.getpid()}-{uuid.uuid4().hex[:6]}-"
    total = max(steps // case.steps_divisor, 4) + WARM_UP
    text = (
        Environment(undefined=StrictUndefined)
        .from_string(INPUT)
        .render(
            driver=driver,
            steps=total,
            kinds=case.kinds,
            mts=case.mts,
            beads=case.beads,
            model=MODEL,
            start=START,
            pes_path=driver_path(),
            socket=socket,
        )
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "input.xml").write_text(text, encoding="utf-8")

        commands = client_commands(case, driver, socket) if "(socket)" in driver else []
        with clients(commands, folder):
            command = [str(SCRIPTS / "i-pi"), "input.xml"]
            result = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if result.returncode != 0:
        raise click.ClickException(f"i-PI failed ({case.name}, {driver}):\n{result.stdout[-2000:]}")
    found = re.findall(r"Average timings at MD step\s+\d+\. t/step:\s+([0-9.eE+-]+)", result.stdout)
    return [float(value) for value in found[WARM_UP:]]


def rows(times: dict[tuple[str, str], list[float]], cases: list[str]) -> list[dict[str, object]]:
    """Medians and ratios, one row a case and driver."""
    median = {key: statistics.median(values) for key, values in times.items()}
    return [
        {
            "case": CASES[case].name,
            "driver": driver,
            "seconds_per_step": median[case, driver],
            "metatomic_over_this": median[case, reference] / median[case, driver],
        }
        for case in cases
        for driver, reference in DRIVERS.items()
    ]


def fused_efficiency(times: dict[tuple[str, str], list[float]]) -> dict[str, float]:
    """Speed-up of MTS over conservative dynamics as a fraction of its bound S(M), by driver."""
    median = {key: statistics.median(values) for key, values in times.items()}
    result = {}
    for driver in DRIVERS:
        conservative = median["conservative", driver]
        bound = speedup_bound(MULTIPLICITY, conservative / median["direct", driver])
        result[driver] = MULTIPLICITY * conservative / median["mts", driver] / bound
    return result


@click.command(help=__doc__)
@click.option("--steps", default=20, show_default=True, help="Timed steps in a round.")
@click.option("--rounds", default=3, show_default=True, help="Rounds of all drivers.")
@click.option("--only", type=click.Choice(list(CASES)), multiple=True, help="Only this case.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def main(steps: int, rounds: int, only: tuple[str, ...], as_json: bool) -> None:
    """Run the benchmark and print it."""
    cases = list(only) or list(CASES)
    times: dict[tuple[str, str], list[float]] = {(c, d): [] for c in cases for d in DRIVERS}
    turns = [(case, driver) for _ in range(rounds) for case in cases for driver in DRIVERS]
    for case, driver in track(turns, "i-PI", console=Console(stderr=True), transient=True):
        times[case, driver] += step_times(CASES[case], driver, steps)
    table_rows = rows(times, cases)
    efficiency = fused_efficiency(times) if {"conservative", "direct", "mts"} <= set(cases) else {}
    if as_json:
        print(json.dumps({"rows": table_rows, "fraction_of_bound": efficiency}, indent=2))
        return
    table = Table("simulation", "driver", "ms/step", "metatomic / this")
    for row in table_rows:
        milliseconds = f"{1000 * float(str(row['seconds_per_step'])):.1f}"
        table.add_row(
            str(row["case"]), str(row["driver"]), milliseconds, f"{row['metatomic_over_this']:.2f}"
        )
    Console().print(table)
    for driver, fraction in efficiency.items():
        print(f"MTS M={MULTIPLICITY}, {driver}: {fraction:.2f} of the bound S({MULTIPLICITY})")


if __name__ == "__main__":
    main()
