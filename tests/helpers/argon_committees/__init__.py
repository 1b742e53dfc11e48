"""Committees of argon models in LAMMPS."""

import json

import lammps_tools as tools
from argon_levels import INNER_STEP

# of cutoffs 6, 4.6 and 4 Å, the last one twice as far by message passing; all with direct forces
MEMBERS = ("strong_curl", "stand_in", "two_layers")
M = 3
RESPA = f"run_style respa 2 {M} inner 1 3.0 4.0 outer 2\n"
MOVE = f"neighbor 1.0 bin\ntimestep {M * INNER_STEP}\n"
COMPUTES = """
    compute std all mdbridge/atom forces_std
    compute dev all mdbridge/committee
    """
DUMP = "id x y z fx fy fz c_std[1] c_std[2] c_std[3] modify sort id format float %.17g\n"
THERMO = "thermo_style custom step pe c_dev c_dev[1]\nthermo_modify format float %.17g norm no\n"
PRINT = (
    'print \'{"scalar": $(c_dev:%.17g), "energy_std": $(c_dev[1]:%.17g), "per_atom": '
    '$(c_dev[2]:%.17g), "largest": $(c_dev[3]:%.17g), "smallest": $(c_dev[4]:%.17g), "mean": '
    '$(c_dev[5]:%.17g), "id": $(c_dev[6]:%.17g), "pe": $(pe:%.17g)}\' file numbers.json\n'
)


def paths(folder, names=MEMBERS):
    """Files of the models with these names."""
    return [folder / f"{name}.pt" for name in names]


def pair(folder, names=MEMBERS, keywords=""):
    """The pair style of a committee of these."""
    first, *others = paths(folder, names)
    committee = " ".join(map(str, others))
    return (
        f"pair_style mdbridge {first} committee {committee} threads 1 {keywords}\n"
        "pair_coeff * * Ar\n"
    )


def run(text, folder, ranks=1):
    """What LAMMPS prints on these commands."""
    done = tools.run_input(text, folder, ranks=ranks)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    return done.stdout


def numbers(folder):
    """What :data:`PRINT` has printed: the last numbers of compute mdbridge/committee, and pe."""
    return json.loads((folder / "numbers.json").read_text())
