"""Energy-conservation tests: statistics of H(t), runs in LAMMPS and i-PI, and the report about them."""
