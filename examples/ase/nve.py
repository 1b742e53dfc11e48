"""NVE with ASE on the bundled water model: python examples/ase/nve.py"""

from ase import units
from ase.io import read
from ase.md.verlet import VelocityVerlet

from md_bridge.ase import MDBridgeCalculator

atoms = read("md_bridge/data/water-start.xyz")
atoms.calc = MDBridgeCalculator("md_bridge/data/water.pt")  # or forces="direct"

dynamics = VelocityVerlet(atoms, timestep=0.5 * units.fs)
for _ in range(5):
    dynamics.run(10)
    print(f"{dynamics.get_time() / units.fs:5.1f} fs   {atoms.get_total_energy():.4f} eV")
