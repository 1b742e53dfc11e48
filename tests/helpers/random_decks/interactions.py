"""How a deck's forces are made: the model alone or in a hybrid, in one level of rRESPA or several.

Each function gives the same physics twice: in LAMMPS's own styles and with the model in it.
"""

import random
from dataclasses import dataclass, field

from random_decks.potential import ELEMENTS, PLAIN, TWO_LAYERS, WEAK, WITH_DIRECT, Potential
from random_decks.units import Units


@dataclass(frozen=True)
class Both:
    """A line that differs between the two sides."""

    theirs: str
    ours: str


@dataclass
class Interaction:
    """``pair_style`` and ``pair_coeff`` of both sides.

    ``integrators``: lines of ``run_style`` that this interaction allows, beside verlet.
    """

    name: str
    style: Both
    coefficients: list[Both]
    integrators: list[Both] = field(default_factory=list)
    minimizes: bool = True
    layers: int = 1
    whole_restart: bool = True  # pair_coeff need not be given again

    def lines(self) -> list[Both]:
        return [self.style, *self.coefficients]


@dataclass
class Surroundings:
    """What an interaction has to know of its deck."""

    r: random.Random
    units: Units
    elements: list[str]  # of the types
    ranks: int
    periodic: bool  # in all directions
    charges: bool
    newton: bool


def lj_lines(
    around: Surroundings, potential: Potential, style: str = "", types: set[int] | None = None
) -> list[str]:
    """``pair_coeff`` of all pairs of some types (of all)."""
    return [
        potential.coefficients(i, j, a, b, around.units, style)
        for i, a in enumerate(around.elements, 1)
        for j, b in enumerate(around.elements, 1)
        if i <= j and (types is None or (i in types and j in types))
    ]


@dataclass
class Keywords:
    """Of the pair style, and what they forbid."""

    words: str
    minimizes: bool
    splits: bool  # has levels of direct and of conservative forces


def keywords(around: Surroundings, potential: Potential) -> Keywords:
    """Keywords that change nothing for Lennard-Jones."""
    r = around.r
    words, minimizes, splits = ["threads 1"], True, potential.direct
    if potential.direct and r.random() < 0.25:
        minimizes = splits = False
        one_cell = around.ranks == 1 and around.periodic
        words.append("forces direct virial " + (r.choice(VIRIALS) if one_cell else "conservative"))
        if r.random() < 0.3:
            words.append("net_force keep")
    if r.random() < 0.06:
        minimizes = False
        words.append(f"symmetrize random seed {r.randint(1, 9999)}")
    elif r.random() < 0.02:
        words.append("symmetrize octahedral")
    if r.random() < 0.1:
        words.append("timing yes")
    r.shuffle(words)
    return Keywords(" ".join(words), minimizes, splits)


VIRIALS = ("direct", "conservative")


def both(theirs: list[str], ours: list[str]) -> list[Both]:
    """Lines of both sides, which need not be equally many."""
    length = max(len(theirs), len(ours))
    theirs, ours = (lines + [""] * (length - len(lines)) for lines in (theirs, ours))
    return [Both(*pair) for pair in zip(theirs, ours, strict=True)]


def levels(around: Surroundings, direct: bool, styles: int) -> list[Both]:
    """Lines of rRESPA under which both sides have the same forces in the same steps."""
    r = around.r
    m = r.randint(1, 4)
    found = [Both(*[f"run_style respa 2 {m} pair {level}"] * 2) for level in (1, 2)]
    if styles > 1:
        words = " ".join(r.choice("12") for _ in range(styles))
        found.append(Both(*[f"run_style respa 2 {m} hybrid {words}"] * 2))
    if direct:
        cuts = around.units.lengths(3.0, 4.0)
        # with equal forces in both levels nothing is left for the outer one
        found = [
            Both(f"run_style respa 2 {m} pair 1", f"run_style respa 2 {m} inner 1 {cuts} outer 2")
        ] * 4 + found
        k = r.randint(1, 3)
        found.append(
            Both(
                f"run_style respa 3 {k} {m} bond 1 pair 2",
                f"run_style respa 3 {k} {m} bond 1 inner 2 {cuts} outer 3",
            )
        )
    return found


def alone(around: Surroundings, potential: Potential) -> Interaction:
    """The model as the only pair style."""
    chosen = keywords(around, potential)
    cutoff = around.units.lengths(potential.largest_cutoff)
    return Interaction(
        "alone",
        Both(f"pair_style lj/cut {cutoff}", f"pair_style mdbridge {potential.file} {chosen.words}"),
        both(lj_lines(around, potential), ["pair_coeff * * " + " ".join(around.elements)]),
        levels(around, chosen.splits, 1),
        chosen.minimizes,
        potential.layers,
    )


def in_hybrid(around: Surroundings, potential: Potential) -> Interaction:
    """The only one of a hybrid."""
    chosen = keywords(around, potential)
    cutoff = around.units.lengths(potential.largest_cutoff)
    hybrid = around.r.choice(("hybrid", "hybrid/overlay"))
    return Interaction(
        "alone in " + hybrid,
        Both(
            f"pair_style {hybrid} lj/cut {cutoff}",
            f"pair_style {hybrid} mdbridge {potential.file} {chosen.words}",
        ),
        both(
            lj_lines(around, potential, "lj/cut"),
            ["pair_coeff * * mdbridge " + " ".join(around.elements)],
        ),
        levels(around, chosen.splits, 1),
        chosen.minimizes,
        potential.layers,
        whole_restart=False,
    )


def beside(around: Surroundings, potential: Potential) -> Interaction:
    """hybrid/overlay with styles of other cutoffs: nothing, Lennard-Jones, Coulomb."""
    r, units = around.r, around.units
    chosen = keywords(around, potential)
    cutoff = units.lengths(potential.largest_cutoff)
    kinds = ["zero", "lj/cut"] + ["coul/cut"] * around.charges
    kind = r.choice(kinds)
    reach = r.choice((3.9, 5.5, 7.0))
    other = f"{kind} {units.lengths(reach)}"
    if kind == "lj/cut":
        numbers = (" 1", " 2")
        more = [
            f"pair_coeff * * lj/cut {{}} {0.002 * units.energy:.17g} {units.lengths(3.0, reach)}"
        ]
    else:
        numbers = ("", "")
        more = [f"pair_coeff * * {kind}"]
    # in either order
    first = r.random() < 0.5
    names = (f"lj/cut {cutoff}", f"mdbridge {potential.file} {chosen.words}")
    styles = [f"{name} {other}" if first else f"{other} {name}" for name in names]
    number, other_number = numbers if first else numbers[::-1]
    return Interaction(
        f"overlay with {kind}",
        Both(*(f"pair_style hybrid/overlay {style}" for style in styles)),
        both(
            lj_lines(around, potential, "lj/cut" + number)
            + [line.format(other_number) for line in more],
            ["pair_coeff * * mdbridge " + " ".join(around.elements)]
            + [line.format("") for line in more],
        ),
        levels(around, False, 2),
        chosen.minimizes,
        potential.layers,
        whole_restart=False,
    )


def some_types(around: Surroundings, potential: Potential) -> Interaction:
    """The model sees some types, Lennard-Jones acts between the others and them."""
    r, units = around.r, around.units
    chosen = keywords(around, potential)
    count = len(around.elements)
    seen = set(r.sample(range(1, count + 1), r.randint(1, count - 1)))
    symbols = [a if i in seen else "NULL" for i, a in enumerate(around.elements, 1)]
    overlay = r.random() < 0.3
    hybrid = "hybrid/overlay" if overlay else "hybrid"
    reach = r.choice((4.0, 6.3))
    rest = [
        f"pair_coeff {i} {j} lj/cut {{}} {0.004 * units.energy:.17g} {units.lengths(3.3, reach)}"
        for i in range(1, count + 1)
        for j in range(i, count + 1)
        if overlay or not (i in seen and j in seen)
    ]
    cutoff = units.lengths(potential.largest_cutoff)
    return Interaction(
        "some types in " + hybrid,
        Both(
            f"pair_style {hybrid} lj/cut {cutoff} lj/cut {units.lengths(reach)}",
            f"pair_style {hybrid} mdbridge {potential.file} {chosen.words} "
            f"lj/cut {units.lengths(reach)}",
        ),
        both(
            lj_lines(around, potential, "lj/cut 1", seen) + [line.format("2") for line in rest],
            ["pair_coeff * * mdbridge " + " ".join(symbols)] + [line.format("") for line in rest],
        ),
        levels(around, False, 2),
        chosen.minimizes,
        potential.layers,
        whole_restart=False,
    )


def two_models(around: Surroundings, potential: Potential) -> Interaction:
    """Two models at once, added or scaled."""
    r, units = around.r, around.units
    chosen = keywords(around, potential)
    more = keywords(around, WEAK)
    scaled = r.random() < 0.5
    hybrid = "hybrid/scaled" if scaled else "hybrid/overlay"
    first, second = ("0.4 ", "1.7 ") if scaled else ("", "")
    cutoffs = [units.lengths(each.largest_cutoff) for each in (potential, WEAK)]
    symbols = " ".join(around.elements)
    return Interaction(
        f"two models, {hybrid}",
        Both(
            f"pair_style {hybrid} {first}lj/cut {cutoffs[0]} {second}lj/cut {cutoffs[1]}",
            f"pair_style {hybrid} {first}mdbridge {potential.file} {chosen.words} "
            f"{second}mdbridge {WEAK.file} {more.words}",
        ),
        both(
            lj_lines(around, potential, "lj/cut 1") + lj_lines(around, WEAK, "lj/cut 2"),
            [f"pair_coeff * * mdbridge 1 {symbols}", f"pair_coeff * * mdbridge 2 {symbols}"],
        ),
        [] if scaled else levels(around, chosen.splits and more.splits, 2),
        chosen.minimizes and more.minimizes,
        potential.layers,
        whole_restart=False,
    )


def random_interaction(around: Surroundings) -> Interaction:
    """One of them, with one of the models."""
    r = around.r
    potential = r.choice((PLAIN, WITH_DIRECT, WITH_DIRECT, TWO_LAYERS, TWO_LAYERS))
    kinds = [alone, alone, alone, in_hybrid, beside, two_models]
    if len(around.elements) > 1:
        kinds.append(some_types)
    return r.choice(kinds)(around, potential)


def random_elements(r: random.Random) -> list[str]:
    """The elements of one to three types."""
    return [r.choice(ELEMENTS) for _ in range(r.choice((1, 1, 2, 2, 3)))]
