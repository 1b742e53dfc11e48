"""A program: the forces of an i-PI input at its start, with all digits; i-PI itself prints nine.

``python ipi_program.py INPUT RESULT``
"""

import sys
from pathlib import Path

import numpy as np

__all__ = ["main"]


def main(source: str, target: str) -> None:
    """Write ``energy`` (eV), ``forces`` [N, 3] (eV/Å) and ``virial`` [3, 3] (eV) as ``.npz``.

    :param source: i-PI's input
    :param target: of the file to write
    """
    from ipi.scripting import InteractiveSimulation
    from ipi.utils.depend import dstrip
    from ipi.utils.softexit import softexit
    from ipi.utils.units import unit_to_internal

    simulation = InteractiveSimulation(Path(source).read_text(encoding="utf-8"))
    forces = simulation.syslist[0].forces
    electronvolt = unit_to_internal("energy", "electronvolt", 1.0)
    electronvolt_per_angstrom = unit_to_internal("force", "ev/ang", 1.0)
    upper = np.triu(dstrip(forces.vir))  # i-PI keeps this half alone
    np.savez(
        target,
        energy=float(forces.pot) / electronvolt,
        forces=np.reshape(dstrip(forces.f), (-1, 3)) / electronvolt_per_angstrom,
        virial=(upper + np.triu(upper, 1).T) / electronvolt,
    )
    simulation.run(1)  # the run goes on from there
    softexit.trigger(status="success", message="done")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
