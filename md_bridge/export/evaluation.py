"""Errors of a model on labelled structures: the table of a benchmark paper, for one's own data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import ase
import numpy as np
from ase.data import chemical_symbols

from md_bridge.engine import Engine, ModelError, NonFiniteError, Wanted, structure_from_ase
from md_bridge.export.errors import ExportError
from md_bridge.export.structures import require_elements

__all__ = [
    "QUANTITIES",
    "Labels",
    "Sample",
    "error_table",
    "evaluate_structures",
    "label_keys",
    "labels_of",
    "read_labels",
]

QUANTITIES = {
    "energy": "meV/atom",
    "conservative force": "meV/Å",
    "direct force": "meV/Å",
    "conservative stress": "meV/Å³",
    "direct stress": "meV/Å³",
}
"""What is compared, with its unit."""


@dataclass
class Labels:
    """Reference values of one structure; None where the file has none.

    :param energy: of the whole structure, eV
    :param forces: ``[N, 3]``, eV/Å
    :param stress: ``[3, 3]``, eV/Å³, positive under tension
    """

    energy: float | None
    forces: np.ndarray | None
    stress: np.ndarray | None


@dataclass
class Sample:
    """Reference and predicted values of one quantity in one structure, in meV and Å, flat.

    :param quantity: of :data:`QUANTITIES`
    :param group: of the structure; empty for none
    :param reference: the labels, in meV per atom, meV/Å or meV/Å³
    :param predicted: what the model says, in the same unit
    :param element: of each value; empty for quantities of the whole structure
    """

    quantity: str
    group: str
    reference: np.ndarray
    predicted: np.ndarray
    element: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=int))


def read_labels(
    atoms: ase.Atoms,
    energy_key: str = "energy",
    force_key: str = "forces",
    stress_key: str = "stress",
    where: str = "the structure",
) -> Labels:
    """The labels of a structure that ASE read, wherever ASE put them.

    :param atoms: the structure
    :param energy_key: name of the energy (eV) among its results or in ``atoms.info``
    :param force_key: of the forces (eV/Å), ``[N, 3]``, among its results or in ``atoms.arrays``
    :param stress_key: of the stress (eV/Å³), six numbers in ASE's order or nine
    :param where: which structure it is, for the messages
    :raises ExportError: no atoms; a label has the wrong shape, is not a number or not finite
    """
    if len(atoms) == 0:
        raise ExportError(f"{where} has no atoms; remove it")
    results = dict(atoms.calc.results) if atoms.calc is not None else {}
    energy = results.get(energy_key, atoms.info.get(energy_key))
    forces = results.get(force_key, atoms.arrays.get(force_key))
    stress = results.get(stress_key, atoms.info.get(stress_key))
    found = Labels(None, None, None)
    if energy is not None:
        numbers = _numbers(energy, f"'{energy_key}' of {where}")
        if numbers.size != 1:
            raise ExportError(
                f"'{energy_key}' of {where} should be one number, found {numbers.size}"
            )
        found.energy = float(numbers.item())
    if forces is not None:
        if np.shape(forces) != (len(atoms), 3):
            raise ExportError(
                f"'{force_key}' of {where} should have the shape {(len(atoms), 3)}, found "
                f"{np.shape(forces)}"
            )
        found.forces = _numbers(forces, f"'{force_key}' of {where}")
    if stress is not None:
        what = f"'{stress_key}' of {where}"
        found.stress = _full_stress(_numbers(stress, what), what)
    return found


def labels_of(
    structures: Sequence[ase.Atoms],
    energy_key: str = "energy",
    force_key: str = "forces",
    stress_key: str = "stress",
    source: str = "the file",
) -> list[Labels]:
    """The labels of all structures.

    :param structures: at least one
    :param energy_key: as for :func:`read_labels`
    :param force_key: likewise
    :param stress_key: likewise
    :param source: where the structures are from, for the messages
    :raises ExportError: there are none of these names, or as :func:`read_labels`
    """
    labels = [
        read_labels(atoms, energy_key, force_key, stress_key, f"structure {index} of {source}")
        for index, atoms in enumerate(structures)
    ]
    if all(x.energy is None and x.forces is None and x.stress is None for x in labels):
        raise ExportError(
            f"{source} has no labels '{energy_key}', '{force_key}' or '{stress_key}'; it "
            f"has {', '.join(label_keys(structures[0])) or 'none'}. Name them: energy_key, "
            "force_key, stress_key"
        )
    return labels


def label_keys(atoms: ase.Atoms) -> list[str]:
    """Names of all that a structure has besides elements and positions, wherever ASE put it.

    :param atoms: the structure
    """
    results = list(atoms.calc.results) if atoms.calc is not None else []
    arrays = [name for name in atoms.arrays if name not in ("numbers", "positions")]
    return [*results, *atoms.info, *arrays]


def _numbers(values: Any, what: str) -> np.ndarray:
    try:
        numbers = np.asarray(values, dtype=float)
    except (TypeError, ValueError) as error:
        raise ExportError(f"{what} should be numbers, found '{values}'") from error
    if not np.isfinite(numbers).all():
        raise ExportError(f"{what} is not finite (NaN or infinity); remove it or the structure")
    return numbers


def _full_stress(stress: np.ndarray, what: str) -> np.ndarray:
    if stress.size == 9:
        return stress.reshape(3, 3)
    if stress.size == 6:  # Voigt, the order of ASE
        xx, yy, zz, yz, xz, xy = stress.reshape(6)
        return np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])
    raise ExportError(f"{what} should have 6 or 9 numbers, found {stress.size}")


def evaluate_structures(
    engine: Engine,
    structures: Sequence[ase.Atoms],
    labels: Sequence[Labels],
    *,
    batch_size: int = 8,
    group_key: str = "config_type",
    source: str = "the file",
) -> Iterator[list[Sample]]:
    """Predictions next to labels; one list of samples for each structure, as they are done.

    :param engine: the model
    :param structures: what to evaluate
    :param labels: those of each structure
    :param batch_size: structures in one forward pass
    :param group_key: of ``atoms.info``; errors are told apart by its value
    :param source: where the structures are from, for the messages
    :returns: of the kinds of forces and of stress that the model has
    :raises ExportError: an element that the model does not know, a prediction that is not finite
    """
    require_elements(structures, engine.info.atomic_types, source)
    has_force, has_stress, has_direct_force, has_direct_stress = (
        _can_give(engine, Wanted(energy=False, **{name: True}))
        for name in (
            "conservative_forces",
            "conservative_virial",
            "direct_forces",
            "direct_virial",
        )
    )
    for start, stop in _batches(structures, batch_size):
        batch = structures[start:stop]
        periodic = bool(batch[0].pbc.all())
        wanted: dict[str, Any] = {
            "conservative_forces": has_force,
            "conservative_virial": periodic and has_stress,
            "direct_forces": has_direct_force,
            "direct_virial": periodic and has_direct_stress,
        }
        try:
            results = engine.evaluate([structure_from_ase(atoms) for atoms in batch], **wanted)
        except NonFiniteError as error:
            index, reason = _which_is_not_finite(engine, batch, wanted, error)
            raise ExportError(f"structure {start + index} of {source}: {reason}") from error
        assert isinstance(results, list)
        for index, result in enumerate(results, start):
            atoms = structures[index]
            group = str(atoms.info.get(group_key, ""))
            yield list(_samples(atoms, labels[index], result, group, periodic))


def _can_give(engine: Engine, wanted: Wanted) -> bool:
    try:
        engine.require(wanted)
    except ModelError:
        return False
    return True


def _which_is_not_finite(
    engine: Engine, batch: Sequence[ase.Atoms], wanted: dict[str, Any], error: NonFiniteError
) -> tuple[int, NonFiniteError]:
    """The first structure of a batch that fails also by itself, and what is said of it."""
    for index, atoms in enumerate(batch):
        try:
            engine.evaluate(structure_from_ase(atoms), **wanted)
        except NonFiniteError as own:
            return index, own
    return 0, error


def _batches(structures: Sequence[ase.Atoms], most: int) -> Iterator[tuple[int, int]]:
    """Start and stop of runs of at most ``most`` structures, all periodic or none."""
    start = 0
    for stop in range(1, len(structures) + 1):
        full = stop - start == most or stop == len(structures)
        if full or structures[stop].pbc.all() != structures[start].pbc.all():
            yield start, stop
            start = stop


def _samples(
    atoms: ase.Atoms, label: Labels, result: Any, group: str, periodic: bool
) -> Iterator[Sample]:
    if label.energy is not None:
        per_atom = 1e3 / len(atoms)
        yield Sample(
            "energy",
            group,
            np.array([label.energy * per_atom]),
            np.array([result.energy * per_atom]),
        )
    if label.forces is not None:
        element = np.repeat(atoms.numbers, 3)
        for kind, forces in (
            ("conservative force", result.conservative_forces),
            ("direct force", result.direct_forces),
        ):
            if forces is not None and np.size(forces):
                yield Sample(
                    kind, group, 1e3 * label.forces.ravel(), 1e3 * np.ravel(forces), element
                )
    if label.stress is not None and periodic:
        for kind, virial in (
            ("conservative stress", result.conservative_virial),
            ("direct stress", result.direct_virial),
        ):
            if virial is not None and np.size(virial):
                stress = -np.asarray(virial) / atoms.get_volume()
                yield Sample(kind, group, 1e3 * label.stress.ravel(), 1e3 * stress.ravel())


def error_table(samples: Sequence[Sample]) -> list[dict[str, Any]]:
    """Rows of errors: over all, per element (forces), per group; MAE and RMSE.

    Each row has ``quantity``, ``by`` (``"all"``, ``"element"`` or ``"group"``), ``of`` (which
    element or group), ``unit``, ``mae``, ``rmse``, ``label_spread`` (standard deviation of the
    labels, for the scale) and ``count``.

    :param samples: of all structures
    """
    rows = []
    for quantity in QUANTITIES:
        mine = [sample for sample in samples if sample.quantity == quantity]
        if not mine:
            continue
        reference = np.concatenate([sample.reference for sample in mine])
        predicted = np.concatenate([sample.predicted for sample in mine])
        rows.append(_row(quantity, "all", "all", reference, predicted))
        if mine[0].element.size:
            elements = np.concatenate([sample.element for sample in mine])
            for number in np.unique(elements):
                where = elements == number
                symbol = chemical_symbols[number]
                rows.append(_row(quantity, "element", symbol, reference[where], predicted[where]))
        groups = sorted({sample.group for sample in mine})
        if groups != [""]:
            for group in groups:
                chosen = [sample for sample in mine if sample.group == group]
                rows.append(
                    _row(
                        quantity,
                        "group",
                        group or "(none)",
                        np.concatenate([sample.reference for sample in chosen]),
                        np.concatenate([sample.predicted for sample in chosen]),
                    )
                )
    return rows


def _row(
    quantity: str, by: str, of: str, reference: np.ndarray, predicted: np.ndarray
) -> dict[str, Any]:
    error = predicted - reference
    return {
        "quantity": quantity,
        "by": by,
        "of": of,
        "unit": QUANTITIES[quantity],
        "mae": float(np.mean(np.abs(error))),
        "rmse": float(np.sqrt(np.mean(error**2))),
        "label_spread": float(np.std(reference)),
        "count": len(error),
    }
