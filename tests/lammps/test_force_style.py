"""Reference energies, forces and virials, after a run, after a restart, under respa, on ranks.

In the manner of LAMMPS's own force-style tests. The numbers in force_style/*.json come from other
programs: see make_force_style_references.py.
"""

import json
from pathlib import Path

import lammps_tools as tools
import numpy as np
import pytest
from ase import Atoms

REFERENCES = Path(__file__).parent / "force_style"
MODES = ("start", "direct", "newton off", "run", "restart", "respa")


def write(name: str) -> str:
    """Commands that write energy, virial pressure and forces as they are after the last run."""
    pressure = " ".join(f"$(c_virial[{k}]:%.17g)" for k in range(1, 7))
    return f"""
        print "$(pe:%.17g) {pressure}" file {name}.thermo screen no
        write_dump all custom {name}.dump id fx fy fz modify sort id format float %.17g
        """


class Case:
    """One reference file and the commands that should reproduce it."""

    def __init__(self, path: Path, model: Path, folder: Path):
        self.reference = json.loads(path.read_text())
        self.has_direct = "start_direct" in self.reference
        self.atoms = Atoms(
            self.reference["symbols"],
            self.reference["positions"],
            cell=self.reference["cell"],
            pbc=True,
        )
        self.elements = list(dict.fromkeys(self.reference["symbols"]))
        self.model = model
        self.data = folder / "start.data"

    def begin(self, keywords: str = "", setup: str = "") -> str:
        box = tools.box_from_file(
            self.atoms,
            self.elements,
            self.data,
            setup=setup,
            velocities=self.reference["velocities"],
        )
        return box + f"pair_style mdbridge {self.model} {keywords}\n" + self.after_pair_style()

    def after_pair_style(self) -> str:
        return f"""
            pair_coeff * * {" ".join(self.elements)}
            compute virial all pressure NULL virial
            thermo_style custom step pe c_virial[*]
            {tools.THERMO}
            neighbor 0.5 bin
            timestep {self.reference["timestep"]}
            """

    def commands(self, mode: str) -> str:
        """From an empty LAMMPS to the files that :func:`write` writes."""
        steps, multiplicity = self.reference["steps"], self.reference["multiplicity"]
        if mode == "start":
            text = self.begin() + "run 0\n"
        elif mode == "direct":
            text = self.begin("forces direct virial conservative") + "run 0\n"
        elif mode == "newton off":
            text = self.begin(setup="newton off") + "run 0\n"
        elif mode == "run":
            text = self.begin() + f"run {steps}\n"
        elif mode == "restart":
            half = steps // 2
            text = self.begin() + f"run {half}\nwrite_restart half.restart\nclear\n"
            text += "atom_modify map array\nread_restart half.restart\nfix nve all nve\n"
            text += self.after_pair_style() + f"run {half}\n"
        else:
            outer = self.reference["timestep"] * multiplicity
            text = self.begin() + f"timestep {outer}\n"
            text += f"run_style respa 2 {multiplicity} inner 1 3.0 4.0 outer 2\n"
            text += f"run {steps // multiplicity}\n"
        return text + write(mode.replace(" ", "_")) + "clear\n"

    def check(self, mode: str, folder: Path) -> None:
        place = {
            "start": "start",
            "direct": "start_direct",
            "newton off": "start",
            "respa": "after_respa",
        }
        expected = self.reference[place.get(mode, "after_run")]
        tolerance = self.reference["tolerance"]
        name = mode.replace(" ", "_")
        forces = np.loadtxt(folder / f"{name}.dump", skiprows=9)[:, 1:]
        assert np.abs(expected["forces"]).max() > 1e-4
        np.testing.assert_allclose(forces, expected["forces"], atol=tolerance, err_msg=mode)
        if "energy" not in expected:
            return
        energy, *pressure = np.loadtxt(folder / f"{name}.thermo")
        virial = np.array(pressure) * self.atoms.get_volume() / tools.BAR_PER_EV
        # both grow with the number of atoms; float32 has seven digits of an energy
        extensive = tolerance * len(self.atoms)
        assert energy == pytest.approx(expected["energy"], abs=extensive, rel=1e-12), mode
        np.testing.assert_allclose(virial, expected["virial"], atol=10 * extensive, err_msg=mode)


@pytest.mark.parametrize("ranks", [1, 2])
@pytest.mark.parametrize("name", sorted(path.stem for path in REFERENCES.glob("*.json")))
def test_force_style(name, ranks, model_file, water_model, tmp_path):
    path = REFERENCES / f"{name}.json"
    model = json.loads(path.read_text())["model"]
    case = Case(path, water_model if model == "water" else model_file(model), tmp_path)
    modes = [
        mode
        for mode in MODES
        if (case.has_direct or mode not in ("direct", "respa"))
        # refused with a sentence on several ranks: test_lammps_mpi.py
        and (ranks == 1 or mode != "newton off")
    ]
    done = tools.run_input("".join(map(case.commands, modes)), tmp_path, ranks=ranks)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-500:]
    for mode in modes:
        case.check(mode, tmp_path)
