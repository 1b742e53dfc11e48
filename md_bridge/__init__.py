"""MD Bridge: trained machine-learned potentials with direct forces, in LAMMPS, i-PI and ASE.

Nothing heavy is imported here: a plain ``lmp`` imports this package on every start.
"""

__version__ = "0.1.0"
