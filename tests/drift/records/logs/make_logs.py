"""Makes the logs in this folder, by running LAMMPS and i-PI: ``python make_logs.py``.

The inputs are ours, in the manner of the first examples of both programs: argon that melts, copper,
minimisations, thermostats, several runs in a log, logs that are appended to or cut off. All are so
short that the numbers, and not the physics, are the point.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

from md_bridge.lammps import run_lmp

HERE = Path(__file__).parent

ARGON = """
units {units}
atom_style atomic
lattice fcc {lattice}
region box block 0 3 0 3 0 3
create_box 1 box
create_atoms 1 box
mass 1 {mass}
pair_style lj/cut {cutoff}
pair_coeff 1 1 {epsilon} {sigma}
velocity all create {temperature} 87287 mom yes rot yes
neighbor {skin} bin
"""
METAL = ARGON.format(
    units="metal",
    lattice=5.4,
    mass=39.948,
    cutoff=7.0,
    epsilon=0.0104,
    sigma=3.4,
    temperature=160,
    skin=1.0,
)
REAL = ARGON.format(
    units="real",
    lattice=5.4,
    mass=39.948,
    cutoff=7.0,
    epsilon=0.238,
    sigma=3.4,
    temperature=160,
    skin=1.0,
)
REDUCED = ARGON.format(
    units="lj",
    lattice=0.8442,
    mass=1.0,
    cutoff=2.5,
    epsilon=1.0,
    sigma=1.0,
    temperature=3.0,
    skin=0.3,
)
COPPER = """
units metal
lattice fcc 3.615
region box block 0 3 0 3 0 3
create_box 1 box
create_atoms 1 box
pair_style eam
pair_coeff 1 1 Cu_u3.eam
velocity all create 1600.0 376847 mom yes
"""
NVE = "fix 1 all nve\n"
THERMO = "thermo 10\n"
RUN = "run 400\n"
DIGITS = "thermo_modify format float %.12g flush yes\n"

LAMMPS = {
    "metal-one": METAL + "timestep 0.008\n" + NVE + THERMO + RUN,
    "copper-one": COPPER + "timestep 0.004\n" + NVE + THERMO + RUN,
    "real-custom": REAL
    + "timestep 8.0\n"
    + NVE
    + "thermo_style custom step temp epair emol etotal press vol\n"
    + DIGITS
    + THERMO
    + RUN,
    "real-multi": REAL + "timestep 6.0\n" + NVE + "thermo_style multi\n" + THERMO + "run 200\n",
    "metal-yaml": METAL + "timestep 0.008\n" + NVE + "thermo_style yaml\n" + THERMO + RUN,
    "nose-hoover-econserve": METAL
    + "timestep 0.004\nfix 1 all nvt temp 80 80 0.2\n"
    + "thermo_style custom step time temp pe ke etotal econserve\n"
    + DIGITS
    + THERMO
    + RUN,
    "langevin": METAL + NVE + "fix 2 all langevin 80 80 0.1 48279\n" + THERMO + RUN,
    "langevin-tally": METAL
    + "timestep 0.002\n"
    + NVE
    + "fix 2 all langevin 80 80 0.1 48279 tally yes\n"
    + "thermo_style custom step temp etotal econserve\n"
    + THERMO
    + RUN,
    "berendsen": REAL
    + "timestep 2.0\n"
    + NVE
    + "fix 2 all temp/berendsen 80 80 100\n"
    + THERMO
    + RUN,
    "several-runs": METAL
    + THERMO
    + "minimize 1e-4 1e-4 50 100\nreset_timestep 0\n"
    + "velocity all create 160 87287 mom yes\ntimestep 0.002\nfix eq all nvt temp 80 80 0.1\n"
    + "run 100\nunfix eq\ntimestep 0.010\n"
    + NVE
    + RUN
    + "run 0\n",
    "real-norm": REAL
    + "timestep 8.0\n"
    + NVE
    + "thermo_style one\nthermo_modify norm yes\n"
    + THERMO
    + RUN,
    "metal-respa": METAL
    + "timestep 0.016\nrun_style respa 2 2 inner 1 3.0 4.0 outer 2\n"
    + NVE
    + THERMO
    + RUN,
    "restart": METAL
    + "timestep 0.004\nfix 1 all nvt temp 80 80 0.2\n"
    + THERMO
    + "run 50\nwrite_restart here\nclear\nread_restart here\n"
    + "pair_style lj/cut 7.0\npair_coeff 1 1 0.0104 3.4\n"
    + NVE
    + THERMO
    + RUN,
    "reduced": REDUCED + NVE + THERMO + RUN,
}
"""Inputs whose logs are kept as LAMMPS leaves them."""


def lammps(name: str, folder: Path) -> tuple[str, str]:
    """Log and screen of one input, without what depends on the machine."""
    (folder / "in.lammps").write_text(LAMMPS[name])
    ended = run_lmp(["-in", "in.lammps"], cwd=folder, threads=1, capture_output=True, check=True)
    return _plain((folder / "log.lammps").read_text()), _plain(ended.stdout.decode())


def _plain(text: str) -> str:
    return re.sub(r"(?<![\w.-])/(?:[\w.+-]+/)+", "", text)  # folders


SERVER = """<simulation verbosity="low">
  <output prefix="out">
    <properties stride="4" filename="{name}"> [ {columns} ] </properties>
  </output>
  <total_steps>400</total_steps>
  <prng><seed>31415</seed></prng>
  <ffdirect name="spring"><pes>harmonic</pes><parameters>{{ k1: 0.05 }}</parameters></ffdirect>
  <system>
    <initialize nbeads="{beads}">
      <file mode="xyz"> start.xyz </file>
      <velocities mode="thermal" units="kelvin"> 300 </velocities>
    </initialize>
    <forces><force forcefield="spring"/></forces>
    <motion mode="dynamics">
      <fixcom>False</fixcom>
      <dynamics mode="{mode}">
        <timestep units="femtosecond"> {step} </timestep>
        {thermostat}
      </dynamics>
    </motion>
    <ensemble><temperature units="kelvin"> 300 </temperature></ensemble>
  </system>
</simulation>
"""
CONSERVED = "time{picosecond}, conserved{electronvolt}, kinetic_md{electronvolt}"
LANGEVIN = '<thermostat mode="langevin"><tau units="femtosecond"> 50 </tau></thermostat>'
PILE = '<thermostat mode="pile_g"><tau units="femtosecond"> 50 </tau></thermostat>'
IPI = {
    "ipi-nve": {"mode": "nve", "columns": "step, " + CONSERVED, "step": 2.0},
    "ipi-units": {
        "mode": "nve",
        "columns": "time{femtosecond}, temperature{kelvin}, conserved{millielectronvolt}, "
        "potential{kelvin}",
        "step": 2.0,
    },
    "ipi-langevin": {"mode": "nvt", "columns": CONSERVED, "step": 2.0, "thermostat": LANGEVIN},
    "ipi-beads": {
        "mode": "nvt",
        "columns": CONSERVED + ", temperature{kelvin}, kinetic_cv{electronvolt}",
        "step": 1.0,
        "thermostat": PILE,
        "beads": 4,
    },
}
_PLACES = ((0.1 * i - 0.35, 0.05 * i - 0.2, 0.2 - 0.07 * i) for i in range(8))
START = "8\n# CELL(abcABC): 40 40 40 90 90 90 positions{angstrom} cell{angstrom}\n" + "".join(
    f"Ne {x:.2f} {y:.2f} {z:.2f}\n" for x, y, z in _PLACES
)


def ipi(name: str, folder: Path) -> str:
    """The properties of one input."""
    (folder / "start.xyz").write_text(START)
    values = {"name": "txt", "beads": 1, "thermostat": "", **IPI[name]}
    (folder / "input.xml").write_text(SERVER.format(**values))
    server = Path(sys.executable).parent / "i-pi"
    subprocess.run([server, "input.xml"], cwd=folder, check=True, capture_output=True)
    return (folder / "out.txt").read_text()


def made() -> dict[str, str]:
    """All files, by name."""
    files, screens = {}, {}
    for name in LAMMPS:
        with tempfile.TemporaryDirectory() as folder:
            files[f"{name}.log"], screens[name] = lammps(name, Path(folder))
    for name in IPI:
        with tempfile.TemporaryDirectory() as folder:
            files[f"{name}.out"] = ipi(name, Path(folder))
    files["screen.txt"] = screens["copper-one"]
    # logs that a second process went on with: the first one was killed in the middle of a line
    first, second = files["metal-one.log"], files["several-runs.log"]
    torn = first[: first.index("\n       250 ") + 20]
    files["appended.log"] = torn + second
    files["appended-command.log"] = torn + second[second.index("units metal") :]
    whole = files["real-custom.log"]
    files["killed.log"] = whole[: whole.index("\n       320 ") + 25]
    whole = files["ipi-nve.out"]
    files["ipi-killed.out"] = whole[: int(0.8 * len(whole))]
    return files


if __name__ == "__main__":
    for name, text in made().items():
        (HERE / name).write_text(text)
        print(f"{name:30} {len(text):8} bytes")
