"""Errors on labelled structures: as ``md-bridge evaluate`` has them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from ase import Atoms

from md_bridge.compare.findings import Figure, Found
from md_bridge.compare.measures.base import Measure, Task, smallest
from md_bridge.compare.request import CompareRequest, as_settings
from md_bridge.export.energy_shift import shift_energies
from md_bridge.export.errors import ExportError
from md_bridge.export.evaluation import (
    Labels,
    Sample,
    error_table,
    evaluate_structures,
    label_keys,
    labels_of,
)
from md_bridge.structures import read_structures

__all__ = ["MEASURE", "read_labelled"]

_ELEMENTS = "Force errors by element (RMSE)"
_ANOTHER_ZERO = 10.0
"""Energies that are off by more times their scatter are counted from another zero."""


def read_labelled(request: CompareRequest) -> tuple[list[Atoms], list[Labels]]:
    """The labelled structures; at least one of them has forces.

    :param request: with their file
    :raises md_bridge.structures.StructureError: the file cannot be read
    :raises ExportError: it has no labels of these names, or no forces
    """
    assert request.labelled is not None
    source = f"'{request.labelled}'"
    structures = read_structures(request.labelled)
    labels = labels_of(
        structures, request.energy_key, request.force_key, request.stress_key, source
    )
    if all(label.forces is None for label in labels):
        raise ExportError(
            f"{source} has no forces '{request.force_key}', which models are compared by; it has "
            f"{', '.join(label_keys(structures[0]))}. Name them (force_key), or label the "
            "structures with forces"
        )
    return structures, labels


def _make(task: Task) -> Found:
    request, subject = task.request, task.subject
    structures, labels = read_labelled(request)
    samples: list[Sample] = []
    steps = evaluate_structures(subject.engine, structures, labels, source=f"'{request.labelled}'")
    for done, several in enumerate(steps, start=1):
        samples += several
        task.progress("labelled structures", done / len(structures))
    sentences = _zero_of_energy(samples) if not request.shift else []
    shifts = None
    if request.shift:
        with_energy = [a for a, x in zip(structures, labels, strict=True) if x.energy is not None]
        samples, shifts = shift_energies(samples, with_energy)
        words = ", ".join(f"{symbol} {value:+.4f}" for symbol, value in shifts.items())
        sentences.append(f"Its energies were shifted by (eV per atom): {words}.")
    rows = error_table(samples)
    figures: list[Figure] = []
    for row in rows:
        quantity = row["quantity"]
        if row["by"] == "all":
            figures += [
                smallest(f"{quantity}, {name.upper()}", row["unit"], row[name])
                for name in ("rmse", "mae")
            ]
        elif row["by"] == "element":
            name = f"{quantity}, {row['of']}"
            figures.append(smallest(name, row["unit"], row["rmse"], section=_ELEMENTS))
    sentences += _no_stress(task, labels)
    return Found(tuple(figures), tuple(sentences), {"errors": rows, "shifts_eV": shifts})


def _zero_of_energy(samples: Sequence[Sample]) -> list[str]:
    errors = np.array(
        [(s.predicted - s.reference).item() for s in samples if s.quantity == "energy"]
    )
    if len(errors) < 2 or abs(errors.mean()) <= _ANOTHER_ZERO * max(errors.std(), 1e-6):
        return []
    return [
        f"Its energies are off by {errors.mean():.4g} meV/atom on average and by "
        f"{errors.std():.3g} meV/atom (rms) about that: it counts them from another zero than the "
        "labels, and `--shift` compares what is left."
    ]


def _no_stress(task: Task, labels: Sequence[Labels]) -> list[str]:
    """Of a kind of forces that the model has, if there are labels to compare it with."""
    if all(label.stress is None for label in labels):
        return []
    lacking = [kind for kind in task.subject.kinds if kind not in task.subject.stresses]
    return [f"It gives no {kind} stress to compare with the labels." for kind in lacking]


MEASURE = Measure(
    settings=lambda request: as_settings(request, "energy_key", "force_key", "stress_key", "shift"),
    make=_make,
    weight=2.0,
)
"""Energies, forces and stresses beside labels."""
