"""Inputs of an argon crystal, in pieces: what comes before the output, and a run."""

ATOMS = 108
STEPS = 400

CRYSTAL = """
units {units}
lattice fcc 5.4
region box block 0 3 0 3 0 3
create_box 1 box
create_atoms 1 box
mass 1 39.948
pair_style lj/cut 8.0
pair_coeff * * {epsilon} 3.4
pair_modify shift yes
velocity all create 40 1
variable dt equal {timestep}
timestep ${{dt}}
fix move all nve
thermo 10
"""
METAL = CRYSTAL.format(units="metal", epsilon=0.0104, timestep=0.002)
REAL = CRYSTAL.format(units="real", epsilon=0.0104 * 23.060549, timestep=2.0)
FULL = "thermo_modify format float %.15g norm no\n"
END = 'print "at the end $(etotal:%.15g) eV, $(temp:%.15g) K"\n'
NVE = "thermo_style custom step temp etotal\n" + FULL + f"run {STEPS}\n" + END
