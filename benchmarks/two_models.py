r"""What a cheap model inside gains: conservative dynamics, one model, two models, side by side.

Runs NVE dynamics of the bundled water, or of models and a box of yours, in LAMMPS and i-PI in turns
(a round of all cases, then the next round), so that whatever else the machine does hits all alike.
Prints the time of a picosecond, the speed-up over conservative forces with the same (inner) step,
its bound S(M) from the costs of single evaluations, and which part of the bound is reached. Ratios
are formed within each round; what is printed is their median, and how far the rounds spread:

    two models  S(M) = M c_o / (M c_i + c_o)       one model  S(M) = M F / (M - 1 + F)

with c_o for a conservative evaluation of the outer model, c_i for one of the inner model, and F for
conservative over direct ones. Whether an M conserves the energy is another question, which
`md-bridge drift` answers.

    python benchmarks/two_models.py
    python benchmarks/two_models.py --inner inner.pt --m 4 --m 6 --m 8 --copies 2 --host lammps
    python benchmarks/two_models.py --outer sevennet-0.pt --inner nacl-inner.pt \
        --start nacl.xyz --timestep 2 --m 8 --copies 1
"""

import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from ase import Atoms
from ase.calculators.calculator import Calculator
from ase.io import write
from jinja2 import Environment, StrictUndefined
from rich.console import Console
from rich.progress import track
from rich.table import Table

from md_bridge._paths import DATA
from md_bridge.drift.judging.speed import speedup_bound
from md_bridge.drift.runs.starts import thermalise
from md_bridge.engine import Engine, cheapest_forces
from md_bridge.export.checks.costs import EvaluationCosts
from md_bridge.ipi import driver_path
from md_bridge.lammps import run_lmp
from md_bridge.structures import read_structure

OUTER, INNER, START = DATA / "water.pt", DATA / "water-inner.pt", DATA / "water-start.xyz"
ONE_MODEL_M = 4
# outer steps that are not timed: torch compiles, and i-PI's driver learns the stride
WARM_UP = 3

LAMMPS_INPUT = """
units metal
read_data start.data
pair_style mdbridge {{ model }} {{ keywords }}
pair_coeff * * {{ elements }}
fix nve all nve
timestep {{ 1e-3 * timestep_fs * m }}
{% if m > 1 %}run_style respa 2 {{ m }} inner 1 3.0 4.0 outer 2{% endif %}

thermo 1000000
run {{ warm_up }}
run {{ steps }}
"""

IPI_INPUT = """<simulation verbosity="high" safe_stride="1000000">
  <output prefix="run">
    <properties stride="1" filename="out"> [ step, conserved{electronvolt} ] </properties>
  </output>
  <total_steps> {{ steps + warm_up }} </total_steps>
  <prng> <seed> 1 </seed> </prng>
{% for name, forces in forcefields %}
  <ffdirect name="{{ name }}"> <pes> custom </pes> <pes_path> {{ pes_path }} </pes_path>
    <parameters> { model: {{ model }}, template: start.xyz, forces: {{ forces }}, stress: none
      {%- if inner %}, inner: {{ inner }}{% endif %} } </parameters> </ffdirect>
{% endfor %}
  <system>
    <initialize nbeads="1">
      <file mode="ase"> start.xyz </file>
      <velocities mode="thermal" units="kelvin"> 300 </velocities>
    </initialize>
    <forces>
{% if m > 1 %}
      <force forcefield="outer"> <mts_weights> [ 1, 0 ] </mts_weights> </force>
      <force forcefield="inner"> <mts_weights> [ -1, 1 ] </mts_weights> </force>
{% else %}
      <force forcefield="only"/>
{% endif %}
    </forces>
    <motion mode="dynamics">
      <dynamics mode="nve">
        <timestep units="femtosecond"> {{ timestep_fs * m }} </timestep>
        {% if m > 1 %}<nmts> [ 1, {{ m }} ] </nmts>{% endif %}

      </dynamics>
    </motion>
    <ensemble> <temperature units="kelvin"> 300 </temperature> </ensemble>
  </system>
</simulation>
"""


@dataclass(frozen=True)
class Case:
    """One kind of dynamics: which model drives, with which forces, and which one is inside."""

    name: str
    model: Path
    forces: str
    m: int = 1
    inner: Path | None = None
    longer: int = 1
    """How many times as many steps are timed: of cheap ones, all that is not a step would show."""

    def forcefields(self) -> list[tuple[str, str]]:
        """Name and forces of i-PI's forcefields."""
        if self.m == 1:
            return [("only", self.forces)]
        return [("outer", "conservative"), ("inner", "direct")]

    def keywords(self) -> str:
        """What LAMMPS's pair style is told."""
        inner = f"inner {self.inner}" if self.inner else ""
        # LAMMPS asks for a pressure in the first and last step, and not all inner models have one
        return inner if self.m > 1 else f"forces {self.forces} virial conservative"


def cases(outer: Path, inner: Path, multiplicities: Sequence[int]) -> list[Case]:
    """The single evaluations that the bounds are made of, then what they are the bounds of."""
    one_model = cheapest_forces(Engine(outer)) == "direct"
    return [
        Case("conservative", outer, "conservative"),
        *([Case("direct", outer, "direct")] if one_model else []),
        Case("inner model alone", inner, cheapest_forces(Engine(inner)), longer=8),
        *([Case(f"one model, M = {ONE_MODEL_M}", outer, "", ONE_MODEL_M)] if one_model else []),
        *(Case(f"two models, M = {m}", outer, "", m, inner) for m in multiplicities),
    ]


@dataclass(frozen=True)
class Box:
    """What moves, and how fast."""

    atoms: Atoms
    timestep_fs: float
    """The inner step."""

    @property
    def elements(self) -> list[str]:
        """In the order of LAMMPS's types."""
        return sorted(set(self.atoms.symbols))


def start_of(path: Path, copies: int, timestep_fs: float) -> Box:
    """Copies of the box; velocities are new, or the copies would move alike for ever."""
    atoms = read_structure(path) * (copies, copies, copies)
    moving = thermalise(atoms, Calculator(), 300.0, timestep_fs, 0, 0, lambda steps: None)
    return Box(moving, timestep_fs)


def rendered(text: str, **values: Any) -> str:
    """A template with its values."""
    return Environment(undefined=StrictUndefined).from_string(text).render(**values)


def lammps_seconds(case: Case, box: Box, steps: int, threads: int, folder: Path) -> float:
    """Seconds of an outer step in LAMMPS."""
    write(folder / "start.data", box.atoms, format="lammps-data", specorder=box.elements,
          masses=True, velocities=True, units="metal")  # fmt: skip
    text = rendered(
        LAMMPS_INPUT, model=case.model, keywords=case.keywords(), elements=" ".join(box.elements),
        m=case.m, timestep_fs=box.timestep_fs, warm_up=WARM_UP, steps=steps,
    )  # fmt: skip
    (folder / "in.lammps").write_text(text, encoding="utf-8")
    done = run_lmp(
        ["-in", "in.lammps", "-log", "none"],
        threads=threads,
        cwd=folder,
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        raise click.ClickException(f"LAMMPS failed ({case.name}):\n{done.stdout[-2000:]}")
    return float(re.findall(r"Loop time of (\S+)", done.stdout)[-1]) / steps


def ipi_seconds(case: Case, box: Box, steps: int, threads: int, folder: Path) -> float:
    """Seconds of an outer step in i-PI."""
    write(folder / "start.xyz", box.atoms, format="extxyz")
    text = rendered(
        IPI_INPUT, model=case.model, inner=case.inner, forcefields=case.forcefields(), m=case.m,
        pes_path=driver_path(), timestep_fs=box.timestep_fs, warm_up=WARM_UP, steps=steps,
    )  # fmt: skip
    (folder / "input.xml").write_text(text, encoding="utf-8")
    done = subprocess.run(
        [str(Path(sys.executable).parent / "i-pi"), "input.xml"],
        cwd=folder,
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": str(threads)},
    )
    if done.returncode != 0:
        raise click.ClickException(f"i-PI failed ({case.name}):\n{done.stdout[-2000:]}")
    found = re.findall(r"Average timings at MD step\s+\d+\. t/step:\s+([0-9.eE+-]+)", done.stdout)
    return statistics.fmean(float(value) for value in found[WARM_UP:])


HOSTS = {"lammps": lammps_seconds, "i-pi": ipi_seconds}


def rows_of(host: str, box: Box, seconds: dict[Case, list[float]]) -> list[dict[str, Any]]:
    """Of one host and size: a row for each kind of dynamics.

    :param seconds: of an outer step, one number a round
    """
    names = {case.name: case for case in seconds}
    conservative = seconds[names["conservative"]]
    rows: list[dict[str, Any]] = []
    for case, values in seconds.items():
        gains = [case.m * slow / fast for slow, fast in zip(conservative, values, strict=True)]
        row: dict[str, Any] = {
            "host": host,
            "atoms": len(box.atoms),
            "dynamics": case.name,
            "s/ps": 1e3 / box.timestep_fs * statistics.median(values) / case.m,
            "speed-up": statistics.median(gains),
            "from": min(gains),
            "to": max(gains),
        }
        if case.m > 1:
            cheap = seconds[names["inner model alone" if case.inner else "direct"]]
            bounds = [
                EvaluationCosts(slow, inner).speedup_bound(case.m)
                if case.inner
                else speedup_bound(case.m, slow / inner)
                for slow, inner in zip(conservative, cheap, strict=True)
            ]
            reached = [gain / bound for gain, bound in zip(gains, bounds, strict=True)]
            row["bound"] = statistics.median(bounds)
            row["speed-up/bound"] = statistics.median(reached)
        rows.append(row)
    return rows


@click.command(help=__doc__)
@click.option("--inner", type=click.Path(path_type=Path), default=INNER, help="Model inside.")
@click.option("--outer", type=click.Path(path_type=Path), default=OUTER, help="Model outside.")
@click.option("--m", "multiplicities", type=click.IntRange(2), multiple=True, default=(4, 6, 8),
              show_default=True, help="Inner steps; repeat.")  # fmt: skip
@click.option("--start", type=click.Path(path_type=Path, exists=True), default=START,
              help="Periodic structure.")  # fmt: skip
@click.option("--copies", type=click.IntRange(1), multiple=True, default=(1, 2), show_default=True,
              help="Of it in each direction; repeat.")  # fmt: skip
@click.option("--timestep", "timestep_fs", default=0.5, show_default=True, help="Inner step, fs.")
@click.option("--host", "hosts", type=click.Choice(list(HOSTS)), multiple=True,
              default=tuple(HOSTS), show_default=True, help="Repeat for both.")  # fmt: skip
@click.option("--steps", default=24, show_default=True, help="Timed inner steps in a round.")
@click.option("--rounds", default=5, show_default=True, help="Rounds of all cases.")
@click.option("--threads", default=1, show_default=True, help="Of torch.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def main(
    inner: Path,
    outer: Path,
    multiplicities: tuple[int, ...],
    start: Path,
    copies: tuple[int, ...],
    timestep_fs: float,
    hosts: tuple[str, ...],
    steps: int,
    rounds: int,
    threads: int,
    as_json: bool,
) -> None:
    """Run the benchmark and print it."""
    for path in (outer, inner):
        if not path.is_file():
            raise click.ClickException(f"there is no file {path}: give a model with --inner")
    todo = cases(outer.resolve(), inner.resolve(), multiplicities)
    boxes = {number: start_of(start, number, timestep_fs) for number in copies}
    turns = [
        (host, number, case)
        for host in hosts
        for number in copies
        for _ in range(rounds)
        for case in todo
    ]
    seconds: dict[tuple[str, int], dict[Case, list[float]]] = {
        (host, number): {case: [] for case in todo} for host in hosts for number in copies
    }
    for host, number, case in track(turns, console=Console(stderr=True), transient=True):
        with tempfile.TemporaryDirectory() as folder:
            outer_steps = max(1, round(steps * case.longer / case.m))
            found = HOSTS[host](case, boxes[number], outer_steps, threads, Path(folder))
        seconds[host, number][case].append(found)
    rows = [row for (host, number), found in seconds.items()
            for row in rows_of(host, boxes[number], found)]  # fmt: skip
    if as_json:
        print(json.dumps({"threads": threads, "rounds": rounds, "rows": rows}, indent=2))
        return
    columns = list(dict.fromkeys(key for row in rows for key in row))
    table = Table(*columns, title=f"{threads} thread(s), medians of {rounds} rounds")
    for row in rows:
        cells = [row.get(key, "") for key in columns]
        table.add_row(*(f"{v:.2f}" if isinstance(v, float) else str(v) for v in cells))
    Console().print(table)


if __name__ == "__main__":
    main()
