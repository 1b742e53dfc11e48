"""Boxes and atoms at random: tiny, flat, long, tilted, open, far from the origin, nearly empty."""

import itertools
import random
from dataclasses import dataclass, field

import numpy as np

from random_decks.units import Units

CLOSEST = 3.15  # Å between two atoms, images included
MOST_ATOMS = 60
SHIFTS = np.array(list(itertools.product(range(-2, 3), repeat=3)))


@dataclass
class Box:
    """Lower triangular cell (rows, Å), where it begins, and the atoms in it."""

    boundary: list[str]
    cell: np.ndarray
    origin: np.ndarray
    positions: np.ndarray = field(default_factory=lambda: np.zeros((0, 3)))
    types: list[int] = field(default_factory=list)

    @property
    def periodic(self) -> list[bool]:
        """For each direction."""
        return [kind == "p" for kind in self.boundary]

    @property
    def leaning(self) -> bool:
        """Whether LAMMPS would flip the box at once if its shape could change."""
        xx, yy = self.cell[0, 0], self.cell[1, 1]
        tilts = (self.cell[1, 0] / xx, self.cell[2, 0] / xx, self.cell[2, 1] / yy)
        return max(map(abs, tilts)) > 0.5

    def narrowest(self) -> float:
        """Distance of the nearest opposite faces among the periodic ones."""
        widths = 1.0 / np.linalg.norm(np.linalg.inv(self.cell), axis=0)
        return float(min(widths[self.periodic], default=99.0))

    @property
    def triclinic(self) -> bool:
        return bool(np.any(np.tril(self.cell, -1)))


def random_box(r: random.Random) -> Box:
    """An empty box whose images of one atom are far enough apart."""
    while True:
        kind = r.choice(("tiny", "small", "medium", "medium", "large", "long", "flat", "droplet"))
        ranges = {
            "tiny": [(3.3, 6.0)] * 3,
            "small": [(5.0, 11.0)] * 3,
            "medium": [(9.0, 17.0)] * 3,
            "large": [(15.0, 20.0)] * 3,
            "long": [(24.0, 40.0), (4.0, 8.0), (4.0, 8.0)],
            "flat": [(10.0, 20.0), (10.0, 20.0), (3.4, 6.0)],
            "droplet": [(25.0, 50.0)] * 3,
        }[kind]
        r.shuffle(ranges)
        boundary = [r.choice("pppppfsm") for _ in range(3)]
        if r.random() < 0.4:
            boundary = ["p"] * 3
        if kind == "droplet":
            boundary = [r.choice("ppf") for _ in range(3)]
        cell = np.diag([r.uniform(*limits) for limits in ranges])
        if r.random() < 0.5:
            for row, column in ((1, 0), (2, 0), (2, 1)):
                # LAMMPS wants the second direction of a tilt periodic
                if boundary[row] == "p" and r.random() < 0.8:
                    share = r.choice((r.uniform(-0.5, 0.5), r.uniform(-0.5, 0.5), 0.495, 1.3))
                    cell[row, column] = share * cell[column, column]
        vectors = SHIFTS[np.any(SHIFTS != 0, axis=1)] @ cell
        if np.linalg.norm(vectors, axis=1).min() < CLOSEST:
            continue
        far = r.choice((0.0, 0.0, 1.0, 1.0, 1e3))
        origin = np.array([far * r.uniform(-8.0, 8.0) for _ in range(3)])
        return Box(boundary, cell, origin)


def fill(box: Box, r: random.Random, n_types: int) -> None:
    """Put atoms into a box, one after the other, wherever there is room."""
    volume = np.linalg.det(box.cell)
    aim = min(MOST_ATOMS, max(1, round(volume * r.uniform(0.003, 0.024))))
    margin = np.array([0.0 if periodic else 0.06 for periodic in box.periodic])
    part = r.uniform(0.3, 1.0) if r.random() < 0.2 else 1.0  # all atoms in one corner
    shifts = SHIFTS[np.all((SHIFTS == 0) | np.array(box.periodic), axis=1)] @ box.cell
    positions = np.zeros((0, 3))
    for _ in range(40 * aim):
        fractions = np.array([r.random() for _ in range(3)])
        fractions = margin + (part - 2 * margin) * fractions
        position = fractions @ box.cell
        apart = positions[:, None, :] + shifts[None, :, :] - position
        if not apart.size or np.linalg.norm(apart, axis=2).min() > CLOSEST:
            positions = np.vstack([positions, position])
        if len(positions) == aim:
            break
    box.positions = positions + box.origin
    box.types = [r.randint(1, n_types) for _ in positions]


def data_file(
    box: Box, units: Units, masses: list[float], atom_style: str, r: random.Random
) -> str:
    """The box and its atoms for ``read_data``, in an order that is not that of the IDs."""
    high = box.origin + np.diag(box.cell)
    lines = ["# drawn at random", "", f"{len(box.positions)} atoms", f"{len(masses)} atom types"]
    for axis, low, top in zip("xyz", box.origin, high, strict=True):
        lines.append(f"{units.lengths(low, top)} {axis}lo {axis}hi")
    if box.triclinic:
        tilts = units.lengths(box.cell[1, 0], box.cell[2, 0], box.cell[2, 1])
        lines.append(f"{tilts} xy xz yz")
    if atom_style != "sphere":
        lines += ["", "Masses", ""]
        lines += [f"{i} {mass * units.mass:.17g}" for i, mass in enumerate(masses, 1)]
    lines += ["", f"Atoms # {atom_style}", ""]
    rows = []
    for tag, (kind, position) in enumerate(zip(box.types, box.positions, strict=True), 1):
        mass = masses[kind - 1] * units.mass
        charge = r.uniform(-0.2, 0.2) * units.charge
        before = {
            "atomic": f"{tag} {kind}",
            "charge": f"{tag} {kind} {charge}",
            "full": f"{tag} {r.randint(1, 5)} {kind} {charge}",
            # the density of a sphere of diameter 1 Å
            "sphere": f"{tag} {kind} {units.lengths(1.0)} "
            f"{mass / (np.pi / 6 * units.length**3):.17g}",
        }[atom_style]
        rows.append(f"{before} {units.lengths(*position)}")
    r.shuffle(rows)
    return "\n".join([*lines, *rows, ""])
