"""What the tests of export, info, check and evaluate share."""

import ase.build
from click.testing import CliRunner

MODULES = """
from models import lennard_jones, two_layers

def argon():
    return two_layers().module

def not_a_module():
    return 3

def broken():
    return 1 / 0
"""


def run(command, *arguments):
    return CliRunner().invoke(command, [str(argument) for argument in arguments])


def message(result):
    """The error message on one line."""
    return " ".join(result.output.split())


def argon_crystal(seed):
    atoms = ase.build.bulk("Ar", "fcc", a=5.3, cubic=True)
    atoms.rattle(0.2, seed=seed)
    return atoms
