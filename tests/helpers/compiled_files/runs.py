"""Short runs of LAMMPS on the boxes of these models."""

import lammps_tools as tools
import numpy as np

from compiled_files import moving_box

RUN = """
{box}
pair_style mdbridge {model} {keywords}
pair_coeff * * {elements}
velocity all create 100.0 12345
timestep 0.0005
thermo 1
thermo_style custom step pe ke press fnorm
{method}
run 10
"""


def trajectory(folder, made, model, ranks=1, keywords="", method="", atoms=None):
    """Step, energies, pressure and forces of eleven steps of LAMMPS.

    Of :func:`~compiled_files.moving_box`, or of ``atoms``.
    """
    atoms = moving_box(made) if atoms is None else atoms
    text = RUN.format(
        box=tools.box_from_file(atoms, made.elements, folder / "box.data"),
        model=model,
        keywords=keywords,
        elements=" ".join(made.elements),
        method=method,
    )
    done = tools.run_input(text, folder, ranks=ranks)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = [line.split() for line in done.stdout.splitlines()]
    return np.array([[float(x) for x in row] for row in rows if len(row) == 5 and row[0].isdigit()])
