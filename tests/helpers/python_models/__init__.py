"""Models that Python evaluates, as files of factories."""

from pathlib import Path

from ase import Atoms
from ase.build import bulk

OF_FILE = """
from md_bridge.calculators.metatomic import metatomic_calculator

def make():
    return metatomic_calculator({path!r})
"""


def python_model(folder: Path, code: str, function: str = "make", stem: str = "made") -> str:
    """The name of a factory with this code."""
    path = folder / f"{stem}.py"
    path.write_text(code, encoding="utf-8")
    return f"python:{path}:{function}"


def of_file(folder: Path, exported: Path) -> str:
    """An exported file through metatomic's own calculator."""
    code = OF_FILE.format(path=str(exported))
    return python_model(folder, code, stem=f"of_{exported.stem.replace('-', '_')}")


def argon(lattice: float = 5.4) -> Atoms:
    """A rattled and sheared crystal: all components of a stress differ."""
    atoms = bulk("Ar", "fcc", a=lattice, cubic=True) * (2, 2, 2)
    cell = atoms.cell.array @ [[1.02, 0.0, 0.0], [0.03, 0.97, 0.0], [0.01, 0.02, 1.01]]
    atoms.set_cell(cell, scale_atoms=True)
    atoms.rattle(0.1, seed=1)
    return atoms
