"""A deck from a seed."""

import itertools
import math
import random
from dataclasses import dataclass, field

import numpy as np
from ase.data import atomic_masses, atomic_numbers

from random_decks import changes
from random_decks import fixes as fix_styles
from random_decks.boxes import Box, data_file, fill, random_box
from random_decks.interactions import (
    Both,
    Interaction,
    Surroundings,
    random_elements,
    random_interaction,
)
from random_decks.units import ELECTRON, METAL, REAL, SI, Units

THERMO = [
    "compute each all pe/atom",
    "compute sum all reduce sum c_each",
    "thermo_style custom step atoms temp pe c_sum pxx pyy pzz pxy pxz pyz vol",
    "thermo_modify format float %.17g norm no lost warn",
]
SAVE = "SAVE"  # stands for the lines that write what is compared


@dataclass
class Deck:
    """Lines of both sides (see :func:`text`), and the atoms in a file if they come from one.

    ``features``: what was drawn, for counting.
    """

    seed: int
    ranks: int
    units: Units
    lines: list[str | Both]
    features: list[str]
    data: str | None = None

    def text(self, side: str) -> str:
        """The input of one side, ``lj`` or ``mdbridge``; files begin with seed and side."""
        name = f"{self.seed}.{side}"
        saved = 0
        lines = [f"print 'deck {name}'"]
        for line in self.lines:
            if isinstance(line, Both):
                line = line.theirs if side == "lj" else line.ours
            if line == SAVE:
                saved += 1
                lines.append(
                    f"print '$(step) $(atoms) $(pe:%.17g) $(c_sum:%.17g) $(pxx:%.17g) "
                    "$(pyy:%.17g) $(pzz:%.17g) $(pxy:%.17g) $(pxz:%.17g) $(pyz:%.17g) "
                    f"$(vol:%.17g)' append {name}.thermo screen no"
                )
                lines.append(
                    f"write_dump all custom {name}.{saved}.dump id type xu yu zu vx vy vz fx fy fz "
                    "modify sort id format float %.17g"
                )
            elif line:
                lines.append(line.replace("@", name))
        return "\n".join([*lines, f"print 'done {name}'", "suffix off", "clear", ""])

    @property
    def saves(self) -> int:
        return self.lines.count(SAVE)


@dataclass
class State:
    """What a deck is at one line of it."""

    r: random.Random
    seed: int
    ranks: int
    units: Units
    box: Box
    atom_style: str
    elements: list[str]
    newton: bool
    tiled: bool
    header: list[str | Both]
    n_atoms: int = 0
    sorting: str = ""
    neighbours: list[str] = field(default_factory=list)
    communication: str = ""
    timestep: str = ""
    integrator: str | Both = "run_style verlet"
    fixes: fix_styles.Fixes = field(default_factory=fix_styles.Fixes)
    used_rerun: bool = False
    same_order: bool = True  # atoms have always been sorted into the same bins on both sides
    region: str = "INF INF INF INF INF INF"

    interaction: Interaction = field(init=False)

    def draw_interaction(self) -> None:
        around = Surroundings(
            self.r,
            self.units,
            self.elements,
            self.ranks,
            all(self.box.periodic),
            self.atom_style in ("charge", "full"),
            self.newton,
        )
        self.interaction = random_interaction(around)

    def draw_integrator(self) -> None:
        """Not rRESPA where atoms come and go: LAMMPS has no forces of its levels for new ones."""
        choices = self.interaction.integrators
        self.integrator = "run_style verlet"
        if choices and "trade" not in self.fixes.lines and self.r.random() < 0.5:
            self.integrator = self.r.choice(choices)

    def draw_neighbours(self) -> None:
        r = self.r
        style = r.choice(("bin", "bin", "nsq"))
        if self.interaction.layers == 1 and self.interaction.name == "alone" and r.random() < 0.2:
            style = "multi"
        skin = self.units.lengths(r.choice((0.3, 0.6, 1.0, 2.0)))
        often = r.choice(
            (
                "every 1 delay 0 check yes",
                "every 1 delay 0 check no",
                "every 2 delay 4 check yes",
                "every 1 delay 2 check yes",
                "every 3 delay 3 check no",
            )
        )
        self.neighbours = [f"neighbor {skin} {style}", f"neigh_modify {often}"]
        if r.random() < 0.15:
            self.neighbours.append(f"neigh_modify binsize {self.units.lengths(r.uniform(1.5, 8))}")
        if r.random() < 0.1:
            self.neighbours.append("neigh_modify one 300 page 4000")

    def draw_sorting(self) -> None:
        bins = self.units.lengths(self.r.uniform(1.5, 5.0))
        self.sorting = f"atom_modify sort {self.r.choice((1, 1, 3, 1000))} {bins}"
        if not self.fixes.ordered and self.r.random() < 0.3:
            self.sorting = "atom_modify sort 1000 0.0"  # the default
            self.same_order = False

    def draw_fixes(self, exchange: bool = True) -> None:
        r = self.r
        counts = self.fixes.counts
        self.fixes = fix_styles.Fixes(counts=counts)
        place = (self.box, self.units, self.n_atoms)
        fix_styles.integrator(self.fixes, r, *place, self.same_order)
        if r.random() < 0.25:
            fix_styles.strain(self.fixes, r, self.box, self.units)
        fix_styles.others(self.fixes, r, self.box, self.units, self.ranks, self.tiled)
        if exchange and self.atom_style == "atomic" and r.random() < 0.15:
            fix_styles.exchange(self.fixes, r, *place, len(self.elements), "INF" in self.region)

    def exclusion(self) -> str:
        """Words of ``neigh_modify`` that hide some pairs, or some atoms altogether."""
        kinds = ["group left right", "group few few", "group few all", "group left left"]
        count = len(self.elements)
        kinds.append(f"type 1 {count}")
        if self.atom_style == "full":
            kinds += ["molecule/intra all", "molecule/inter all", "molecule/intra left"]
        return "exclude " + self.r.choice(kinds)

    def groups(self) -> list[str]:
        half = max(1, self.n_atoms // 2)
        return [
            f"group left id <> 1 {half}",
            f"group right id <> {half + 1} 9999",
            f"group few id {min(2, self.n_atoms)} {min(3, self.n_atoms)}",
        ]

    def settings(self) -> list[str | Both]:
        """What neither restart nor data files keep."""
        return [
            f"region everywhere block {self.region}",
            *self.groups(),
            *self.neighbours,
            self.communication,
            self.timestep,
            *THERMO,
            *self.fixes.commands(),
            self.integrator,
        ]

    def cleared(self) -> list[str | Both]:
        return ["suffix off", "clear", *self.header, self.sorting]


def grid(r: random.Random, ranks: int) -> str:
    """``processors`` with one of all grids."""
    grids = [g for g in itertools.product(range(1, ranks + 1), repeat=3) if math.prod(g) == ranks]
    return "processors " + (" ".join(map(str, r.choice(grids))) if r.random() < 0.7 else "* * *")


def header(
    r: random.Random, ranks: int, newton: bool, tiled: bool, atom_style: str
) -> list[str | Both]:
    """What has to come before the box and is forgotten by ``clear``."""
    lines: list[str | Both] = ["newton " + ("on" if newton else r.choice(("off", "off on")))]
    if not newton and lines == ["newton off on"]:
        lines = ["newton off"]
    lines += [grid(r, ranks), "comm_style " + ("tiled" if tiled else "brick"), "box tilt large"]
    if r.random() < 0.1 and atom_style != "sphere":
        # ours beside the OpenMP variants of all that LAMMPS does, theirs without
        threads = r.choice((1, 2))
        lines += [Both("suffix off", f"package omp {threads}"), Both("suffix off", "suffix omp")]
    return lines


def lattice(state: State) -> list[str]:
    """Atoms created by LAMMPS on a lattice and moved off it."""
    r, units = state.r, state.units
    cells = [r.choice((1, 2, 2)) for _ in range(3)]
    a = r.uniform(5.3, 5.9)
    kind, basis = r.choice((("fcc", 4), ("fcc", 4), ("bcc", 2)))
    a *= 0.85 if kind == "bcc" else 1.0
    state.box.boundary = ["p"] * 3
    state.box.cell[:] = np.diag(cells) * a
    state.n_atoms = basis * math.prod(cells)
    limits = " ".join(f"0 {cell}" for cell in cells)
    shape = f"block {limits}"
    if r.random() < 0.4:
        tilts = [r.uniform(-0.4, 0.4) * cells[column] for column in (0, 0, 1)]
        shape = f"prism {limits} " + " ".join(map(repr, tilts))
        state.box.cell[np.tril_indices(3, -1)] = np.array(tilts) * a
    far = units.lengths(0.1, 0.1, 0.1)
    return [
        f"lattice {kind} {units.lengths(a)}",
        f"region all {shape}",
        f"create_box {len(state.elements)} all",
        "create_atoms 1 box",
        *(
            f"mass {i} {mass_of(symbol) * units.mass:.17g}"
            for i, symbol in enumerate(state.elements, 1)
        ),
        f"set group all type/fraction {len(state.elements)} 0.5 {r.randint(1, 999)}",
        f"displace_atoms all random {far} {r.randint(1, 999)} units box",
    ]


def mass_of(symbol: str) -> float:
    return float(atomic_masses[atomic_numbers[symbol]])


def random_deck(seed: int, ranks: int) -> Deck:
    """The deck of a seed on so many ranks."""
    r = random.Random(seed)
    units = r.choices((METAL, REAL, ELECTRON, SI), (10, 6, 3, 1))[0]
    newton = ranks > 1 or r.random() < 0.7
    tiled = r.random() < 0.25
    box = random_box(r)
    # LAMMPS wants ghosts of a tiled domain to be no further than one box length
    while tiled and box.narrowest() < 16.0:
        box = random_box(r)
    atom_style = r.choices(("atomic", "charge", "full", "sphere"), (6, 2, 2, 1))[0]
    state = State(
        r,
        seed,
        ranks,
        units,
        box,
        atom_style,
        random_elements(r),
        newton,
        tiled,
        header(r, ranks, newton, tiled, atom_style),
    )
    data = None
    if r.random() < 0.2 and state.atom_style == "atomic" and not tiled:
        begin = lattice(state)
    else:
        fill(state.box, r, len(state.elements))
        masses = [mass_of(symbol) for symbol in state.elements]
        data = data_file(state.box, units, masses, state.atom_style, r)
        state.n_atoms = len(state.box.positions)
        begin = [f"read_data {seed}.data"]
        if not state.box.triclinic:
            low, high = state.box.origin, state.box.origin + state.box.cell.diagonal()
            edges = zip(low + 0.1, high - 0.1, strict=True)
            state.region = " ".join(units.lengths(*pair) for pair in edges)
    lines = start(state, begin)
    features = [
        f"units {units.name}",
        f"atom_style {state.atom_style}",
        "boundary " + "".join(sorted(state.box.boundary)),
        "triclinic" if state.box.triclinic else "orthogonal",
        state.interaction.name,
        f"{state.interaction.layers} layers",
    ]
    for number in range(r.randint(2, 4)):
        if number:
            change, new = draw_change(state)
            lines += new
            features.append(change)
        lines += run(state, changed=bool(number) and change != "nothing")
        name = state.integrator if isinstance(state.integrator, str) else state.integrator.ours
        features.append(" ".join(name.split()[:2] + [w for w in name.split() if w == "inner"]))
    features += ["fix " + line.split()[3] for line in state.fixes.commands()]
    return Deck(seed, ranks, units, lines, features, data)


def start(state: State, begin: list[str]) -> list[str | Both]:
    """From an empty LAMMPS to the first run."""
    r, units = state.r, state.units
    maps = r.choice(("array", "hash", "yes"))
    state.header.append(f"atom_modify map {maps}")
    state.draw_interaction()
    state.draw_neighbours()
    state.draw_fixes()
    state.draw_sorting()
    state.draw_integrator()
    if r.random() < 0.3:
        cutoff = units.lengths(r.uniform(1.0, 13.0))
        state.communication = f"comm_modify cutoff {cutoff} vel {r.choice(('yes', 'no'))}"
    state.timestep = f"timestep {r.choice((0.5, 1.0, 2.0)) * units.time:.17g}"
    lines: list[str | Both] = [
        f"units {units.name}",
        "boundary " + " ".join(state.box.boundary),
        f"atom_style {state.atom_style}",
        *state.header,
        state.sorting,
        *begin,
        *state.interaction.lines(),
    ]
    if state.n_atoms >= 4 and r.random() < 0.8:
        hot = r.choice((20, 150, 400))
        lines.append(f"velocity all create {hot} {r.randint(1, 9999)} loop geom")
    lines += state.settings()
    if r.random() < 0.2:
        lines.append("neigh_modify " + state.exclusion())
    return lines


def draw_change(state: State) -> tuple[str, list[str | Both]]:
    """One of all changes that are possible here."""
    while True:
        (change,) = state.r.choices(list(changes.ALL), list(changes.ALL.values()))
        lines = change(state)
        if lines is not None:
            return change.__name__, lines


def run(state: State, changed: bool) -> list[str]:
    """A run of a few steps, in one of the ways of LAMMPS, and the lines that keep its end."""
    r = state.r
    steps = r.choice((0, 1, 2, 3, 5, 5, 8, 12))
    words = [f"thermo {r.choice((1, 2, 5))}", f"run {steps}"]
    verlet = isinstance(state.integrator, str)
    strained = "strain" in state.fixes.lines  # which LAMMPS gets wrong without set-up
    if verlet and not changed and not strained and r.random() < 0.2:
        words += [SAVE, "run 4 pre no"]
    elif r.random() < 0.15:
        words[1] += " post no"
    elif verlet and r.random() < 0.15:
        words[1] = f"run 6 every 2 {r.choice(EVERY)}"
    return [*words, SAVE]


EVERY = (
    "'velocity all zero linear'",
    "'neigh_modify every 1 delay 0'",
    "'set group few image 0 0 0'",
    "NULL",
)
