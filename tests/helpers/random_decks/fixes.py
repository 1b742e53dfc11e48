"""Fixes at random: what moves the atoms, and what else acts on them."""

import random
from dataclasses import dataclass, field

from random_decks.boxes import Box
from random_decks.potential import PLAIN
from random_decks.units import Units


@dataclass
class Fixes:
    """Lines by the ID of the fix, in the order in which they are given.

    ``ordered``: random numbers go to atoms in the order in which a rank has them, so atoms must be
    sorted into the same bins on both sides. ``counts``: the number of atoms changes.
    """

    lines: dict[str, list[str]] = field(default_factory=dict)
    ordered: bool = False
    counts: bool = False
    shapes_box: bool = False

    def add(self, name: str, *lines: str) -> None:
        self.lines[name] = [f"fix {name} {lines[0]}", *lines[1:]]

    def commands(self) -> list[str]:
        return [line for lines in self.lines.values() for line in lines]


def integrator(
    fixes: Fixes, r: random.Random, box: Box, units: Units, n_atoms: int, same_order: bool
) -> None:
    """One that moves all atoms; with a thermostat or barostat if there is something to control."""
    kinds = ["nve", "nve", "nve"]
    if n_atoms >= 4:
        kinds += ["nvt", "rescale", "limit", "csvr"] + ["langevin"] * same_order
        if any(box.periodic) and not box.leaning:
            kinds += ["npt", "npt", "nph"]
    kind = r.choice(kinds)
    hot = r.choice((40, 200))
    fs, bar = units.time, units.pressure
    temperature = f"temp {hot} {hot} {r.choice((50, 100)) * fs:.17g}"
    if kind in ("npt", "nph"):
        fixes.shapes_box = True
        pressure = f"{r.uniform(-500, 500) * bar:.17g} {r.uniform(-500, 500) * bar:.17g} "
        pressure += f"{r.choice((300, 1000)) * fs:.17g}"
        if all(box.periodic):
            shape = r.choice(("iso", "aniso") + ("tri",) * 3 * box.triclinic)
            control = f"{shape} {pressure}"
        else:
            axes = [axis for axis, periodic in zip("xyz", box.periodic, strict=True) if periodic]
            control = " ".join(f"{axis} {pressure}" for axis in axes)
        fixes.add("move", f"all npt {temperature} {control}")
        if kind == "nph":
            fixes.add("move", f"all nph {control} ptemp {hot}")
    elif kind == "nvt":
        fixes.add("move", f"all nvt {temperature}")
    elif kind == "limit":
        fixes.add("move", f"all nve/limit {units.lengths(0.02)}")
    else:
        fixes.add("move", "all nve")
    if kind == "langevin":
        fixes.ordered = True
        damp = f"{r.choice((20, 100)) * fs:.17g}"
        zero = r.choice(("", " zero yes"))
        fixes.add("bath", f"all langevin {hot} {hot} {damp} {r.randint(1, 99999)}{zero}")
    elif kind == "rescale":
        fixes.add("bath", f"all temp/rescale 2 {hot} {hot} 5.0 0.5")
    elif kind == "csvr":
        fixes.add("bath", f"all temp/csvr {hot} {hot} {50 * fs:.17g} {r.randint(1, 99999)}")


def strain(fixes: Fixes, r: random.Random, box: Box, units: Units) -> None:
    """fix deform of a periodic direction or of a tilt, fast enough to flip some boxes."""
    if fixes.shapes_box or box.leaning:
        return
    rate = f"{r.uniform(-1, 1) * r.choice((5e-4, 3e-3)) / units.time:.17g}"
    remap = r.choice(("x", "v", "none"))
    axes = [axis for axis, periodic in zip("xyz", box.periodic, strict=True) if periodic]
    tilts = [
        name
        for name, row in (("xy", 1), ("xz", 2), ("yz", 2))
        if box.triclinic and box.periodic[row]
    ]
    if not axes:
        return
    changes = r.choice(axes) if not tilts or r.random() < 0.5 else r.choice(tilts)
    fixes.shapes_box = True
    fixes.add("strain", f"all deform {r.choice((1, 2))} {changes} erate {rate} remap {remap}")


def others(fixes: Fixes, r: random.Random, box: Box, units: Units, ranks: int, tiled: bool) -> None:
    """Forces and constraints on groups, walls, balancing."""
    force = units.force()
    few = [f"{r.uniform(-0.01, 0.01) * force:.17g}" for _ in range(3)]
    kinds = ["setforce", "addforce", "momentum", "spring", "viscous", "recenter", "wall", "balance"]
    for kind in r.sample(kinds, r.choice((0, 0, 1, 1, 2))):
        if kind == "setforce":
            fixes.add("hold", f"few setforce {r.choice(('0.0', 'NULL'))} 0.0 {r.choice(few)}")
        elif kind == "addforce":
            fixes.add("push", f"left addforce {' '.join(few)}")
        elif kind == "momentum":
            fixes.add("still", f"all momentum {r.randint(1, 4)} linear 1 1 1")
        elif kind == "spring":
            stiffness = r.uniform(0.01, 0.2) * force / units.length
            fixes.add("tie", f"right spring/self {stiffness:.17g}")
        elif kind == "viscous":
            friction = 1e-3 * force / units.velocity
            fixes.add("drag", f"all viscous {friction:.17g}")
        # an atom that comes or goes moves the centre, and all atoms with it, by more than a skin,
        # of which several ranks see no more than that each has moved too far for its list
        elif kind == "recenter" and all(box.periodic) and ranks == 1:
            fixes.add("centre", "all recenter INIT INIT INIT")
        elif kind == "wall" and not box.triclinic:  # walls are not tilted
            for axis, boundary in zip("xyz", box.boundary, strict=True):
                if boundary == "f":
                    fixes.add(f"wall{axis}", f"all wall/reflect {axis}lo EDGE {axis}hi EDGE")
        elif kind == "balance" and ranks > 1:
            fixes.add("even", f"all balance {r.randint(1, 4)} 1.0 " + "rcb" * tiled + SHIFT[tiled])


SHIFT = ("shift xyz 5 1.0", "")


def exchange(
    fixes: Fixes,
    r: random.Random,
    box: Box,
    units: Units,
    n_atoms: int,
    n_types: int,
    open_region: bool,
) -> None:
    """Monte Carlo that inserts, deletes or swaps atoms: each trial is an energy of its own."""
    seed = r.randint(1, 99999)
    kinds = ["evaporate"]
    if not open_region and not fixes.shapes_box and {*box.boundary} <= {"p", "f"}:
        kinds.append("deposit")
    if all(box.periodic):
        kinds += ["gcmc", "gcmc", "widom"]
    if n_types > 1 and n_atoms >= 4:
        kinds += ["swap", "swap"]
    kind = r.choice(kinds)
    every = r.randint(1, 3)
    # of an atom that it tries to delete LAMMPS takes out the pairs with others, but not those with
    # images of its own: with lj/cut they stay in the energy, with a model the atom is gone
    if kind in ("gcmc", "widom") and box.narrowest() < PLAIN.largest_cutoff:
        return
    fixes.ordered = True
    if kind == "gcmc":
        fixes.counts = True
        potential = r.uniform(-0.3, 0.0) * units.energy
        moves = r.choice((0, 3))
        fixes.add(
            "trade",
            f"all gcmc {every} 3 {moves} 1 {seed} 300 {potential:.17g} {units.lengths(0.3)} "
            f"full_energy overlap_cutoff {units.lengths(2.9)}",
        )
    elif kind == "widom":
        fixes.add("trade", f"all widom {every} 3 1 {seed} 300 full_energy")
    elif kind == "swap":
        fixes.add("trade", f"all atom/swap {every} 3 {seed} 300 ke no types 1 2")
    elif kind == "evaporate":
        fixes.counts = True
        fixes.add("trade", f"all evaporate {every + 1} 1 everywhere {seed}")
    else:
        fixes.counts = True
        place = f"region everywhere near {units.lengths(3.1)} attempt 50"
        fixes.add("trade", f"all deposit 2 1 {every} {seed} {place}")
