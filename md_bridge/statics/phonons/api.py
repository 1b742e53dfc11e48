"""The whole measurement: every row on the same crystal and the same path."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from md_bridge.engine import choose_threads, set_threads
from md_bridge.errors import ArgumentError, MDBridgeError
from md_bridge.model_names import precision_of
from md_bridge.statics.evaluator import Evaluator
from md_bridge.statics.noise import SAFETY, noise_floor
from md_bridge.statics.phonons.band_path import BandPath, make_path
from md_bridge.statics.phonons.checks import (
    primitive_warning,
    residual_warning,
    set_warning,
    supercell_warnings,
)
from md_bridge.statics.phonons.crystal import Crystal, make_crystal
from md_bridge.statics.phonons.dynamical_matrix import dynamical_matrices, real_frequencies
from md_bridge.statics.phonons.force_constants import (
    count_displacements,
    finite_differences,
    reduced_differences,
)
from md_bridge.statics.phonons.growth import measure_growth
from md_bridge.statics.phonons.modes import count_imaginary, modes_at_gamma, splitting
from md_bridge.statics.phonons.operations import Operations, find_operations
from md_bridge.statics.phonons.projectors import correct
from md_bridge.statics.phonons.results import Failure, PhononReport, PhononResult
from md_bridge.statics.phonons.scan import Scan, scan_displacements
from md_bridge.statics.phonons.settings import PhononRequest
from md_bridge.statics.phonons.thermal import thermal_functions
from md_bridge.statics.phonons.violations import measure_violations
from md_bridge.statics.precision import precise_model
from md_bridge.statics.rows import Row

__all__ = ["analyse_force_constants", "measure_phonons"]

Array = NDArray[np.float64]
Progress = Callable[[str, float], object]
"""Called with what is being done, in a few words, and the share of the whole that is done."""

_RELAX_FMAX = 1e-4
"""eV/Å."""
_RELAX_STEPS = 500


def measure_phonons(request: PhononRequest, progress: Progress) -> PhononReport:
    """Phonons with each kind of forces, each set of copies and each correction.

    A row that fails leaves the others as they are; the report says what is missing.

    :param request: the crystal, and what is compared on it
    :param progress: called as the work goes on
    :raises md_bridge.statics.errors.StaticsError: the crystal, its supercell or the displacement
        cannot be used
    :raises SpaceGroupError: spglib cannot read the cell
    :raises md_bridge.engine.EngineError: the model lacks the forces, or fails in all rows
    :raises md_bridge.processes.RunError: another program fails in all rows
    """
    began = time.perf_counter()
    set_threads(choose_threads(request.model_options.threads))
    with precise_model(
        request.model, request.model_options, request.atoms, request.double
    ) as model:
        atoms, reason = request.atoms, ""
        if request.relax:
            progress("relaxing", 0.0)
            atoms, reason = _at_rest(model, request)
        crystal = make_crystal(atoms, request.multiples)
        operations = find_operations(crystal, request.symprec)
        path = make_path(crystal, request.path, request.symprec)
        work = _Work(model, request, crystal, operations, path, progress)
        for row in request.rows():
            work.do(row)
        work.require_result()
    return PhononReport(
        request=request,
        crystal=crystal,
        path=path,
        operations=operations,
        results=tuple(work.results),
        residual_forces=work.residual,
        noise=work.noise,
        warnings=tuple(dict.fromkeys(work.warnings)),
        precision=work.precision,
        interaction_range=work.interaction_range,
        seconds=time.perf_counter() - began,
        scans=tuple(work.scans),
        elastic=tuple(work.elastic),
        relaxed=atoms if request.relax else None,
        relaxation_converged=not reason,
        relaxation_reason=reason,
        failures=tuple(work.failures),
    )


def analyse_force_constants(
    crystal: Crystal,
    operations: Operations,
    path: BandPath,
    compact: Array,
    *,
    row: Row,
    correction: str,
    mesh: int,
    temperature: float,
    evaluations: int = 0,
) -> PhononResult:
    """Everything that follows from force constants.

    :param crystal: n atoms in the primitive cell, N in the supercell
    :param operations: of the crystal
    :param path: of the bands
    :param compact: [n, N, 3, 3], eV/Å², before the correction
    :param row: that they are of
    :param correction: one of :data:`md_bridge.statics.phonons.projectors.CORRECTIONS`
    :param mesh: wave vectors along each reciprocal vector
    :param temperature: K
    :param evaluations: that they took
    """
    corrected = correct(crystal, operations, compact, correction)
    bands = real_frequencies(dynamical_matrices(crystal, corrected, path.qpoints))
    gamma = modes_at_gamma(crystal, corrected)
    thermal = thermal_functions(crystal, corrected, mesh, temperature)
    elsewhere = np.concatenate(
        [
            frequencies[np.abs(qpoints - np.round(qpoints)).max(axis=1) > 1e-6].ravel()
            for qpoints, frequencies in (
                (path.qpoints, bands),
                (thermal.qpoints, thermal.frequencies),
            )
        ]
    )
    return PhononResult(
        row=row,
        correction=correction,
        force_constants=corrected,
        evaluations=evaluations,
        violations=measure_violations(crystal, operations, corrected),
        gamma=gamma,
        bands=bands,
        splitting=splitting(crystal, operations, corrected, path.qpoints),
        imaginary=count_imaginary(gamma, elsewhere),
        growth=measure_growth(crystal, corrected, mesh),
        thermal=thermal,
    )


class _Work:
    """The rows of one crystal, one after the other."""

    def __init__(
        self,
        model: Path,
        request: PhononRequest,
        crystal: Crystal,
        operations: Operations,
        path: BandPath,
        progress: Progress,
    ) -> None:
        self.model, self.request, self.crystal = model, request, crystal
        self.operations, self.path = operations, path
        self.results: list[PhononResult] = []
        self.scans: list[Scan] = []
        self.elastic: list[Any] = []
        self.residual: dict[str, float] = {}
        self.noise: dict[str, float] = {}
        self.warnings: list[str] = []
        self.failures: list[Failure] = []
        self._errors: list[MDBridgeError] = []
        self.precision, self.interaction_range = "", 0.0
        # what a model lacks is told before the first row takes its time
        self.evaluators = {
            row: Evaluator(model, request.model_options, row) for row in request.rows()
        }
        if request.elastic:
            for evaluator in self.evaluators.values():
                evaluator.require_stress()
        self._progress = progress
        self._done = 0
        scanned = len(request.displacements) * count_displacements(crystal)
        own = count_displacements(crystal, request.fast)
        if request.host != "phonopy":
            own = 3 * len(crystal.supercell)  # rows that a host tells of
        self._all = max(1, len(request.rows()) * (own + scanned))
        self._stage = self._part = ""

    def do(self, row: Row) -> None:
        """All of one row, as far as nothing fails.

        :raises ArgumentError: of an option, which is wrong for all rows
        """
        self._stage, self._part = row.label, "force constants"
        try:
            self._measure(row)
        except ArgumentError:
            raise
        except MDBridgeError as error:
            self.failures.append(Failure(row, self._part, str(error).rstrip(".")))
            self._errors.append(error)

    def require_result(self) -> None:
        """Make sure that there is something to report.

        :raises MDBridgeError: the first one, if all rows failed
        """
        if not self.results:
            raise self._errors[0]

    def _measure(self, row: Row) -> None:
        request, crystal = self.request, self.crystal
        evaluator = self.evaluators[row]
        info = evaluator.engine.info
        if not self.precision:
            self.precision = precision_of(request.model, info.dtype)
            self.interaction_range = info.interaction_range
            self.warnings += supercell_warnings(crystal, self.operations, info.interaction_range)
            self.warnings += primitive_warning(crystal, self.operations, request.symprec)
        self.warnings += set_warning(self.operations, row.symmetrize)
        self.noise[row.label] = noise_floor(evaluator, crystal.supercell)
        (at_rest,) = evaluator([crystal.supercell])
        largest = at_rest.largest_force
        self.residual[row.label] = largest
        self.warnings += residual_warning(row.label, largest)
        compact, evaluations = self._force_constants(evaluator)
        for correction in request.corrections:
            self._progress(f"{row.label}: {correction}", self._share())
            self.results.append(
                analyse_force_constants(
                    *(crystal, self.operations, self.path, compact),
                    row=row,
                    correction=correction,
                    mesh=request.mesh,
                    temperature=request.temperature,
                    evaluations=evaluations,
                )
            )
        if request.scan:
            self._stage, self._part = f"{row.label}: scan", "scan"
            self.scans.append(
                scan_displacements(
                    *(evaluator, crystal, self.path.qpoints, request.displacements),
                    mesh=request.mesh,
                    temperature=request.temperature,
                    on_step=self._step,
                )
            )
        if request.elastic:
            self._part = "elastic constants"
            self._progress(f"{row.label}: {self._part}", self._share())
            self._measure_elasticity(evaluator)

    def _force_constants(self, evaluator: Evaluator) -> tuple[Array, int]:
        """Compact, and the structures that they took."""
        request, crystal, row = self.request, self.crystal, evaluator.row
        if request.host == "phonopy":
            differences = reduced_differences if request.fast else finite_differences
            before = evaluator.evaluations
            compact = differences(
                *(evaluator, crystal, request.displacement),
                noise=self.noise[row.label],
                on_step=self._step,
            )
            return compact, evaluator.evaluations - before
        from md_bridge.statics.phonons.hosts import host_force_constants

        self._stage = f"{row.label}: {request.host}"
        self._progress(self._stage, self._share())
        before = self._done
        full = host_force_constants(
            request.host,
            self.model,
            request.model_options,
            row,
            crystal.supercell,
            request.displacement,
            lambda rows, _: self._step(before + rows - self._done),
        )
        displaced = 0 if request.host == "autograd" else 6 * len(crystal.supercell)
        return crystal.compact(full), displaced

    def _measure_elasticity(self, evaluator: Evaluator) -> None:
        from md_bridge.statics.elastic import ElasticRequest, measure_elasticity

        settings = ElasticRequest(symprec=self.request.symprec)
        found = measure_elasticity(evaluator, self.crystal.unit_cell, settings)
        self.elastic.append(found)
        # of the set of copies the row has a sentence already
        self.warnings += [each for each in found.sentences() if each != found.set_sentence]

    def _step(self, structures: int) -> None:
        self._done += structures
        self._progress(self._stage, self._share())

    def _share(self) -> float:
        return min(1.0, self._done / self._all)


def _at_rest(model: Path, request: PhononRequest) -> tuple[Atoms, str]:
    """The crystal with its atoms at rest in the given cell; and why they are not, if they are not.

    With the conservative forces of the last set named, which is the reference row's.

    :raises ArgumentError: the noise of the forces is as large as what is left at rest
    """
    from md_bridge.statics.relaxing.lockstep import relax_together

    row = Row("conservative", request.symmetrize[-1])
    evaluator = Evaluator(model, request.model_options, row)
    free = request.atoms.copy()
    free.set_constraint()  # atoms that a file holds would keep their forces
    noise = noise_floor(evaluator, free)
    if SAFETY * noise > _RELAX_FMAX:
        raise ArgumentError(
            "relax",
            f"cannot bring the atoms to rest, to {_RELAX_FMAX:g} eV/Å, with forces whose own "
            f"rounding is {noise:.1g} eV/Å: leave it out, or take the model in double precision",
        )
    (found,) = relax_together(
        evaluator,
        [free],
        cell="fixed",
        optimizer="auto",
        fmax=_RELAX_FMAX,
        steps=_RELAX_STEPS,
    )
    atoms = found.end.copy()
    atoms.set_masses(request.atoms.get_masses())
    return atoms, found.reason
