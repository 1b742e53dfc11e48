"""What happens between two runs, at random. Each function returns lines, or None if it cannot be.

Nothing here uses random numbers of LAMMPS that follow from coordinates (``displace_atoms random``,
``loop geom``, ``type/fraction``): another last bit is another number.

A deck is given as :class:`random_decks.generate.State`.
"""


def by_id(name: str, r, sizes: list[float]) -> list[str]:
    """Variables of atoms for three directions, whose values look random and follow from the ID."""
    return [
        f"variable {name}{axis} atom {size:.17g}*sin(id*{r.uniform(1.0, 3.0)!r}+0.3)"
        for axis, size in zip("xyz", sizes, strict=True)
    ]


def moved(state) -> list:
    r, units = state.r, state.units
    if r.random() < 0.5:
        far = [r.uniform(0.01, 0.06) if ok else 0.0 for ok in state.box.periodic]
        waves = by_id("shift", r, [length * units.length for length in far])
        return [*waves, "displace_atoms all move v_shiftx v_shifty v_shiftz units box"]
    group = r.choice(("left", "few", "all"))
    far = r.choice((0.05, 0.05, 20.0)) if group == "all" else 0.05
    step = units.lengths(*[r.uniform(-far, far) if ok else 0.0 for ok in state.box.periodic])
    return [f"displace_atoms {group} move {step} units box"]


def deleted(state) -> list | None:
    if state.n_atoms < 6 or "tie" in state.fixes.lines:
        return None
    gone = state.r.sample(range(1, state.n_atoms + 1), 2)
    state.n_atoms -= 2
    compress = "no"
    if state.same_order:  # new IDs follow the order of the atoms
        compress = state.r.choice(("yes", "no"))
    return [
        f"group gone id {gone[0]} {gone[1]}",
        f"delete_atoms group gone compress {compress}",
        "group gone delete",
    ]


def created(state) -> list | None:
    if state.atom_style != "atomic":
        return None
    state.n_atoms += 2
    seed = state.r.randint(1, 9999)
    kind = state.r.randint(1, len(state.elements))
    overlap = state.units.lengths(3.1)
    region = "NULL" if "INF" in state.region else "everywhere"
    return [f"create_atoms {kind} random 2 {seed} {region} overlap {overlap} maxtry 200"]


def reshaped(state) -> list | None:
    r, box = state.r, state.box
    axes = [axis for axis, periodic in zip("xyz", box.periodic, strict=True) if periodic]
    if not axes:
        return None
    changes = [f"{axis} scale {r.uniform(0.985, 1.03)!r}" for axis in axes if r.random() < 0.7]
    if box.triclinic:
        for name, row in (("xy", 1), ("xz", 2), ("yz", 2)):
            if box.periodic[row] and r.random() < 0.5:
                changes.append(f"{name} delta {state.units.lengths(r.uniform(-0.4, 0.4))}")
    elif all(box.periodic) and r.random() < 0.4 and not state.fixes.shapes_box:
        box.cell[1, 0] = 1e-9  # from now on triclinic
        return [
            "change_box all triclinic",
            f"change_box all xy delta {state.units.lengths(0.3)} remap units box",
        ]
    if not changes:
        return None
    return [f"change_box all {' '.join(changes)} remap units box"]


def other_types(state) -> list | None:
    if len(state.elements) < 2 or state.atom_style == "sphere":
        return None
    r = state.r
    return [f"set group {r.choice(('left', 'few'))} type {r.randint(1, len(state.elements))}"]


def other_velocities(state) -> list | None:
    r = state.r
    if state.n_atoms < 4 or state.fixes.counts:
        return ["velocity all zero linear"] if r.random() < 0.5 else None
    size = r.choice((1e-3, 4e-3)) * state.units.velocity
    return r.choice(
        (
            [
                *by_id("speed", r, [size] * 3),
                "velocity all set v_speedx v_speedy v_speedz units box",
            ],
            ["velocity few set 0 0 0"],
            ["velocity all zero linear"],
        )
    )


def other_steps(state) -> list | None:
    """The number of the step goes back, or far ahead."""
    if "trade" in state.fixes.lines:
        return None
    return [f"reset_timestep {state.r.choice((0, 3, 1000000))}"]


def other_exclusions(state) -> list:
    r = state.r
    lines = ["neigh_modify exclude none"]
    if r.random() < 0.7:
        lines.append("neigh_modify " + state.exclusion())
    return lines


def other_list(state) -> list:
    """Another skin, and how often it is looked at."""
    state.draw_neighbours()
    return list(state.neighbours)


def other_integrator(state) -> list:
    state.draw_integrator()
    return [state.integrator]


def other_fixes(state) -> list:
    lines = [f"unfix {name}" for name in state.fixes.lines]
    state.draw_fixes(exchange=False)
    return lines + state.fixes.commands()


def style_again(state) -> list:
    """The same pair style once more, which makes a new one."""
    return state.interaction.lines()


def other_interaction(state) -> list:
    state.draw_interaction()
    state.draw_integrator()
    state.draw_neighbours()
    return [*state.interaction.lines(), *state.neighbours, state.integrator]


def coefficients_again(state) -> list:
    return list(state.interaction.coefficients)


def restart(state) -> list | None:
    """Written, everything forgotten, read."""
    if "tie" in state.fixes.lines:  # LAMMPS has no tie of atoms that have joined its group
        return None
    interaction = state.interaction
    if not interaction.whole_restart or state.r.random() < 0.5:
        again = interaction.lines() if state.r.random() < 0.5 else list(interaction.coefficients)
    else:
        again = []  # all in the file
    return [
        "write_restart @.restart",
        *state.cleared(),
        "read_restart @.restart",
        *again,
        *state.settings(),
    ]


def data(state) -> list | None:
    """As :func:`restart`, by a text file."""
    if state.atom_style == "sphere":
        return None
    box = ["boundary " + " ".join(state.box.boundary), f"atom_style {state.atom_style}"]
    return [
        "write_data @.written.data nocoeff nofix",
        *state.cleared(),
        f"units {state.units.name}",
        *box,
        "box tilt large",
        "read_data @.written.data",
        *state.interaction.lines(),
        *state.settings(),
    ]


def rerun(state) -> list | None:
    if state.fixes.counts or not all(kind in "pf" for kind in state.box.boundary):
        return None
    if "strain" in state.fixes.lines:  # follows the numbers of the steps
        return None
    state.used_rerun = True
    return [
        "dump traj all custom 1 @.traj id type x y z",
        "dump_modify traj format float %.17g sort id",
        "run 4",
        "undump traj",
        "rerun @.traj dump x y z",
        "SAVE",
    ]


def minimized(state) -> list | None:
    if not state.interaction.minimizes or state.fixes.counts or state.n_atoms < 2:
        return None
    if not isinstance(state.integrator, str):  # LAMMPS's own pressure is another there
        return None
    if "hold" in state.fixes.lines:  # a force that is not the gradient of any energy
        return None
    style = state.r.choice(("cg", "sd", "fire", "quickmin"))
    return [f"min_style {style}", "minimize 0 0 4 12", "SAVE"]


def replicated(state) -> list | None:
    if state.n_atoms > 24 or state.fixes.counts or state.used_rerun:
        return None
    if any(kind in "sm" for kind in state.box.boundary):
        return None
    axis = state.r.randrange(3)
    if not state.box.periodic[axis]:
        return None
    times = ["1", "1", "1"]
    times[axis] = "2"
    state.n_atoms *= 2
    return [
        *(f"unfix {name}" for name in state.fixes.lines),
        f"replicate {' '.join(times)}",
        *state.groups(),
        *state.fixes.commands(),
    ]


def regrouped(state) -> list:
    """Groups that exclusions and fixes name have other members."""
    r = state.r
    count = max(2, state.n_atoms)
    first = r.randint(1, count)
    return [
        "group few clear",
        f"group few id {first} {min(count, first + 1)}",
        "group left clear",
        f"group left id <> 1 {r.randint(1, count)}",
    ]


def other_communication(state) -> list:
    r = state.r
    cutoff = state.units.lengths(r.uniform(2.0, 12.0))
    return [f"comm_modify cutoff {cutoff} vel {r.choice(('yes', 'no'))}"]


def balanced(state) -> list | None:
    if state.ranks == 1:
        return None
    return ["balance 1.0 rcb" if state.tiled else "balance 1.0 shift xyz 8 1.0"]


def sorted_otherwise(state) -> list:
    state.draw_sorting()
    return [state.sorting]


def other_timestep(state) -> list:
    return [f"timestep {state.r.choice((0.5, 2.0)) * state.units.time:.17g}"]


def nothing(state) -> list:
    return []


def overridden(state) -> list:
    """A coordinate of one atom is set by hand."""
    first = state.r.randint(1, max(1, state.n_atoms))
    return [
        f"variable here atom x+{state.units.lengths(state.r.uniform(-0.1, 0.1))}",
        f"set atom {first} x v_here",
    ]


ALL = {
    nothing: 4,
    moved: 4,
    deleted: 3,
    created: 2,
    reshaped: 3,
    other_types: 3,
    other_velocities: 2,
    other_steps: 2,
    other_exclusions: 3,
    other_list: 2,
    other_integrator: 3,
    other_fixes: 2,
    style_again: 2,
    other_interaction: 2,
    coefficients_again: 1,
    restart: 4,
    data: 2,
    rerun: 2,
    minimized: 2,
    replicated: 2,
    regrouped: 2,
    other_communication: 2,
    balanced: 2,
    sorted_otherwise: 2,
    other_timestep: 1,
    overridden: 1,
}
"""How often each is drawn."""
