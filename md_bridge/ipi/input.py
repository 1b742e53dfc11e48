"""Input files for i-PI that run as they stand."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import ase.io

from md_bridge._templates import templates
from md_bridge.engine import Engine, EngineError, open_inner
from md_bridge.ipi import driver_path
from md_bridge.ipi.parameters import changed_options
from md_bridge.ipi.plan import Plan
from md_bridge.ipi.start import Start, is_read_as_xyz, read_start
from md_bridge.model_names import relative_model
from md_bridge.model_options import require_use_of_inner

from md_bridge import _core  # isort: skip (md_bridge.engine loads the libraries that it needs)

__all__ = [
    "Written",
    "address",
    "check_model",
    "properties",
    "relative",
    "render",
    "service",
    "write_input",
]

_THERMOSTAT_NOTES = {
    "svr": "global: hardly disturbs the dynamics",
    "langevin": "local: each atom has a bath of its own",
    "pile_g": "the centroid globally, the other modes of the ring polymers with critical damping",
    "pile_l": "local, the internal modes of the ring polymers with critical damping",
}
_BAROSTAT_NOTES = {
    "isotropic": "the volume fluctuates, the shape stays: for liquids",
    "flexible": "lengths and angles of the cell fluctuate: for solids",
    "anisotropic": "lengths and angles of the cell fluctuate a little about h0: for solids",
}
_TRANSPORT_NOTES = {
    "unix": "A socket in /tmp: the client runs on the same machine.",
    "shm": "A socket in /tmp, with the numbers in shared memory: the client runs on the same "
    "machine.",
    "inet": "The client may run on another machine: then put this one's name here and there.",
}
_ENSEMBLE_NAMES = {
    "nve": "constant energy",
    "nvt": "constant temperature",
    "npt": "constant temperature and pressure",
}


@dataclass(frozen=True)
class Written:
    """An input file, and what came with it."""

    input: Path
    start: Path
    """The file that i-PI starts from: the user's own, or a copy that i-PI can read."""
    notes: list[str]
    """What the user should know."""


def write_input(
    path: Path, start_path: Path, model: Path, plan: Plan, *, overwrite: bool = False
) -> Written:
    """Write an input file, after a look at the model and the start; and a copy of the start if i-PI
    could not read it as it is.

    :param path: of the input file
    :param start_path: the structure to start from, any file that ASE reads
    :param model: path of an exported model
    :param plan: what to simulate, from :func:`md_bridge.ipi.plan.make_plan`
    :param overwrite: files that are there already
    :returns: what was written
    :raises EngineError: if the model lacks an element or the forces, the start has no cell for a
        constant pressure, or a file cannot be written
    """
    start = read_start(start_path)
    copy = None if start.as_it_is else _copy_beside(path)
    for file in filter(None, (path, copy)):
        if file.exists() and not overwrite:
            raise EngineError(f"{file} exists: give another name (--out), or say --overwrite")
    text = render(path, start, copy or start_path, model, plan)
    try:
        if copy is not None:
            ase.io.write(copy, start.atoms, format="extxyz")
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise EngineError(f"cannot write {path}: {error.strerror}") from error
    notes = [f"{copy}: {note}" for note in start.notes]
    if plan.inner_steps and plan.outer_timestep > 4.0:
        notes.append(
            f"an outer step of {plan.outer_timestep:g} fs resonates with bonds to hydrogen: "
            "expect more drift than with 4 fs or less"
        )
    return Written(path, copy or start_path, notes)


def _copy_beside(path: Path) -> Path:
    """Where the start of this input is written to, by a name that i-PI does not take for VASP's."""
    named = path.with_name(f"{path.stem}-start.xyz")
    return named if is_read_as_xyz(named.name) else path.with_name("ipi-start.xyz")


def render(
    path: Path, start: Start, template: Path, model: Path, plan: Plan, driver: Path | None = None
) -> str:
    """The text of an input file.

    :param path: where it will be, which decides what relative paths in it look like
    :param start: the structure to start from
    :param template: the file with the start that i-PI reads
    :param model: path of an exported model
    :param plan: what to simulate
    :param driver: what to write for <pes_path>; None: that of this installation
    :raises EngineError: as :func:`write_input`
    """
    stress_none, reach = check_model(model, start, plan)
    names = {"model": relative(model, path), "template": relative(template, path)}
    options = plan.model_options.relative_to(path.parent)
    names |= {
        what: name
        for what, name in (("extensions", options.extensions), ("inner model", options.inner))
        if name
    }
    _check_names({**names, "input": path.name}, plan)
    environment = templates("md_bridge.ipi", keep_trailing_newline=True)
    environment.filters["number"] = lambda value: f"{value:.10g}"
    return environment.get_template("simulation.xml.j2").render(
        plan=plan,
        model_options=changed_options(options),
        name=path.name,
        prefix=path.stem,
        title=_title(start, plan),
        length=_length(plan),
        model=names["model"],
        start={
            "template": names["template"],
            "mode": start.mode,
            "box": None if start.periodic else start.box(reach),
            "cell_columns": start.cell_columns(),
        },
        driver=driver or driver_path(),
        properties=properties(plan),
        stress_none=stress_none,
        dynamics_mode="nst" if plan.barostat == "anisotropic" else plan.ensemble,
        thermostat_note=_THERMOSTAT_NOTES.get(plan.thermostat, ""),
        barostat_note=_BAROSTAT_NOTES.get(plan.barostat, ""),
        transport_note=_TRANSPORT_NOTES.get(plan.transport, ""),
        address=lambda kind: address(plan, kind)[0],
        port=lambda kind: address(plan, kind)[1],
        service=lambda kind: service(plan, kind),
    )


def check_model(model: Path, start: Start, plan: Plan) -> tuple[bool, float]:
    """Whether the forces need ``stress: none``, and the interaction range (Å).

    :param model: path of an exported model
    :param start: the structure to start from
    :param plan: what to simulate
    :raises EngineError: if the model cannot do what the plan asks for
    """
    if plan.ensemble == "npt" and not start.periodic:
        raise EngineError(
            f"{start.path} is not periodic and has no pressure: use the ensemble nvt, or write the "
            'cell and pbc="T T T" into the file'
        )
    # only a look: on a machine that need not be the one of the simulation
    options = replace(plan.model_options, device="cpu")
    require_use_of_inner(model, options, ["mts"])
    numbers = start.atoms.numbers.tolist()
    engine = Engine(model, **options.engine_keywords())
    engine.require_types(numbers)
    engine.require(
        _core.Wanted(
            conservative_forces="conservative" in plan.kinds,
            direct_forces="direct" in plan.kinds and not plan.two_models,
        )
    )
    reach = engine.info.interaction_range
    if plan.two_models:
        inner, _ = open_inner(options)
        inner.require_types(numbers)
        reach = max(reach, inner.info.interaction_range)
    direct = plan.kinds == ("direct",)
    if _gives(engine, _core.Wanted(direct_virial=direct, conservative_virial=not direct)):
        return False, reach
    if plan.ensemble == "npt" and not direct:
        raise EngineError(
            f"the model {model} gives no stress, which constant pressure needs: use the ensemble "
            "nve or nvt"
        )
    if plan.ensemble == "npt":
        raise EngineError(
            f"the model {model} predicts no direct stress, which constant pressure needs with "
            "direct forces alone: use conservative forces, or both with mts:M"
        )
    return True, reach


def _gives(engine: Engine, wanted: _core.Wanted) -> bool:
    try:
        engine.require(wanted)
    except EngineError:
        return False
    return True


def address(plan: Plan, kind: str) -> tuple[str, int]:
    """<address> and <port> (0 without one) of a forcefield.

    :param plan: what to simulate, over sockets
    :param kind: of its forces, "conservative" or "direct"
    """
    if plan.transport != "inet":
        return f"{plan.address}-{kind}", 0
    host, _, port = plan.address.rpartition(":")
    return host, int(port) + plan.kinds.index(kind)


def service(plan: Plan, kind: str) -> str:
    """What the client's --serve wants for a forcefield.

    :param plan: what to simulate, over sockets
    :param kind: of its forces, "conservative" or "direct"
    """
    name, port = address(plan, kind)
    where = f"{name}:{port}" if port else f"{plan.transport}:{name}"
    return where if kind == "conservative" else f"{where}={kind}"


def properties(plan: Plan) -> list[str]:
    """What i-PI is to print, with units.

    :param plan: what to simulate
    :returns: as i-PI's <properties> wants it
    """
    columns = [
        "step",
        "time{picosecond}",
        "conserved{electronvolt}",
        "temperature{kelvin}",
        "potential{electronvolt}",
        "kinetic_cv{electronvolt}" if plan.beads > 1 else "kinetic_md{electronvolt}",
    ]
    if plan.ensemble == "npt":
        columns += ["pressure_cv{bar}" if plan.beads > 1 else "pressure_md{bar}"]
        columns += ["volume{angstrom3}", "density{g/cm3}"]
    return columns


def _check_names(files: dict[str, str], plan: Plan) -> None:
    """Refuse what i-PI's <parameters>, or a comment in XML, would end at."""
    for what, name in files.items():
        for sign in (",", "{", "}", "--", "&", "<"):
            if sign in name:
                raise EngineError(
                    f"the path of the {what}, {name}, has a '{sign}', which i-PI cannot read: "
                    "rename it"
                )
    for kind in plan.kinds if plan.address else ():
        if "--" in service(plan, kind):
            raise EngineError(
                f"the address {service(plan, kind)} has a '--', which XML does not allow in a "
                "comment: give another one"
            )


def relative(file: Path, input_file: Path) -> str:
    """As the user wrote it if absolute, else from the folder of the input.

    :param file: from the current folder; or a model that is none
    :param input_file: the input that names it
    """
    return str(relative_model(file, input_file.parent))


def _title(start: Start, plan: Plan) -> str:
    parts = [f"{start.atoms.get_chemical_formula()} at {_ENSEMBLE_NAMES[plan.ensemble]}"]
    if plan.beads > 1:
        parts.append(f"path integrals with {plan.beads} beads")
    if plan.inner_steps:
        models = " and two models" if plan.two_models else ""
        parts.append(f"multiple time stepping with M = {plan.inner_steps}{models}")
    else:
        parts.append(f"{plan.kinds[0]} forces")
    return ", ".join(parts)


def _length(plan: Plan) -> str:
    picoseconds = plan.steps * plan.outer_timestep / 1000
    return f"{picoseconds:.10g} ps"
