"""The self-contained page of a student: works offline, on paper and on a phone."""

from __future__ import annotations

import json
import math

from ase.data import chemical_symbols
from markupsafe import Markup

from md_bridge._templates import templates
from md_bridge.distil.api import Distilled
from md_bridge.distil.labelling.sampling import INNER_STEPS
from md_bridge.distil.report.tables import (
    COST_COLUMNS,
    ERROR_COLUMNS,
    cost_rows,
    error_rows,
    sentences,
)
from md_bridge.distil.request import DistilRequest
from md_bridge.distil.tuning import TRIAL_COLUMNS
from md_bridge.drift.report.environment import surroundings
from md_bridge.drift.report.page import plotter

__all__ = ["render_page"]

_LEAD = (
    "A small local model for the inner steps of multiple time stepping, made from short dynamics "
    "of the model that drives the outer steps. Its forces are the gradient of its energy."
)


def render_page(result: Distilled, request: DistilRequest) -> str:
    """The page as one string of HTML; curves and their program are embedded, nothing is fetched.

    :param result: the student
    :param request: what was asked for
    """
    template = templates("md_bridge.distil", "md_bridge.drift").get_template("distil.html.j2")
    return template.render(
        title=f"A student of {result.teacher}",
        lead=_LEAD,
        sentences=sentences(result),
        outer_fs=f"{INNER_STEPS * result.timestep_fs:g}",
        error_columns=ERROR_COLUMNS,
        error_rows=error_rows(result),
        cost_columns=COST_COLUMNS,
        cost_rows=cost_rows(result),
        tuning=result.tuning.sentences,
        trial_columns=TRIAL_COLUMNS,
        trial_rows=result.tuning.rows,
        settings=_settings(result, request),
        uplot=plotter(),
        curves=Markup(_curves(result)),
    )


def _curves(result: Distilled) -> str:
    """Roots of the losses, as JSON that can stand in a page."""

    def roots(losses: list[float]) -> list[float | None]:
        return [float(f"{loss**0.5:.4g}") if math.isfinite(loss) else None for loss in losses]

    curves = result.curves
    content = {
        "step": curves.steps,
        "held_out": roots(curves.held_out),
        "training": roots(curves.training),
    }
    return json.dumps(content).replace("<", "\\u003c")


def _settings(result: Distilled, request: DistilRequest) -> list[tuple[str, str]]:
    architecture, counts = result.architecture, result.counts
    around = surroundings()
    temperatures = ", ".join(f"{value:g}" for value in request.temperatures_k)
    elements = ", ".join(chemical_symbols[number] for number in architecture.elements)
    return [
        ("teacher", result.teacher),
        ("student", str(result.path.name)),
        ("elements", elements),
        ("cutoff", f"{architecture.cutoff:g} Å"),
        (
            "network",
            f"{architecture.radial} radial functions, {architecture.channels} densities, "
            f"{architecture.mixed} mixtures of degree 0 to {architecture.degree}, width "
            f"{architecture.width}",
        ),
        ("starts", str(counts.starts)),
        ("temperatures", f"{temperatures} K"),
        ("time step", f"{result.timestep_fs:g} fs"),
        (
            "frames",
            f"{result.frames}; {result.dropped} more were dropped"
            if result.dropped
            else str(result.frames),
        ),
        ("training steps", f"{result.steps} of {counts.steps}, {result.seconds:.0f} s"),
        ("seed", str(request.seed)),
        ("machine", str(around["machine"])),
        ("load at the end", f"{around['load']:.1f} busy cores"),
        *((name, str(value)) for name, value in around["versions"].items()),
    ]
