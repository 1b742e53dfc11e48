"""Energy-conservation tests: runs in LAMMPS and i-PI, their statistics and the report."""
