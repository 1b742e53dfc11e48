"""All starts are relaxed with all rows of forces, and what comes out is compared."""

from __future__ import annotations

import contextlib
import math
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import ase.io
from ase import Atoms

from md_bridge import __version__
from md_bridge.ase import SpaceGroupError, space_group_type
from md_bridge.engine import (
    Engine,
    EngineError,
    ModelError,
    choose_threads,
    model_info,
    set_threads,
    structure_from_ase,
)
from md_bridge.errors import ArgumentError
from md_bridge.forces import CONSERVATIVE, DIRECT
from md_bridge.model_names import (
    is_python_model,
    model_checksum,
    model_factory,
    precision_of,
)
from md_bridge.processes import RunError
from md_bridge.statics.constraints import make_symmetry
from md_bridge.statics.errors import StaticsError
from md_bridge.statics.evaluator import Evaluator
from md_bridge.statics.noise import SAFETY, noise_floor
from md_bridge.statics.precision import precise_model
from md_bridge.statics.relaxing.comparing import compare
from md_bridge.statics.relaxing.kept import KeptRelaxations
from md_bridge.statics.relaxing.lammps import (
    NoLammpsError,
    relax_with_lammps,
    require_lammps_can,
    require_lammps_can_hold,
)
from md_bridge.statics.relaxing.lockstep import relax_together
from md_bridge.statics.relaxing.moving import Moving, Symmetry
from md_bridge.statics.relaxing.request import (
    DIRECT_THEN_CONSERVATIVE,
    Relaxations,
    RelaxRequest,
)
from md_bridge.statics.relaxing.results import Relaxation
from md_bridge.statics.relaxing.settings import free_strains
from md_bridge.statics.rows import Row, require_fixed_set
from md_bridge.statics.space_groups import hexagonal_problem, reading_problem
from md_bridge.statics.starts import Start, require_apart
from md_bridge.text import replace_atomically, significant

__all__ = ["Progress", "relax"]

Progress = Callable[[str, float], None]
"""Called with what is being done, in a few words, and the share of the whole that is done."""

_NAMED = 3
"""Files that are passed over."""
_COMPARING = 0.05
"""Share of the whole that it takes to compare what came out."""


def relax(request: RelaxRequest, progress: Progress | None = None) -> Relaxations:
    """Relax all starts with all rows; what the folder of the request has is not done again.

    :param request: what to relax, and how
    :param progress: called now and then
    :raises md_bridge.structures.StructureError: atoms of a start coincide
    :raises md_bridge.statics.errors.StaticsError: the cell of a start cannot be relaxed like that,
        or the space group that is to be kept cannot be found
    :raises ArgumentError: fmax is below the noise of the model, or a set of copies is random
    :raises md_bridge.engine.EngineError: the model cannot be loaded, lacks what is needed, or fails
    :raises md_bridge.symmetry.SymmetryError: it cannot be converted to double precision
    :raises OSError: the folder cannot be written into
    """
    tell = progress or (lambda *_: None)
    set_threads(choose_threads(request.model_options.threads))
    warnings = _look_at_starts(request)
    with precise_model(
        request.model, request.model_options, _usable_start(request), request.double
    ) as model:
        job = _Job(request, model)
        tell("measuring the rounding of the forces", 0.0)
        job.require_fmax()
        relaxed = {}
        for number, row in enumerate(request.rows):

            def done(share: float, step: int = 0, row: Row = row, number: int = number) -> None:
                whole = (number + share) / len(request.rows)
                words = f": step {step}" if step else ""
                tell(f"relaxing, {row.label}{words}", (1.0 - _COMPARING) * whole)

            done(0.0)
            relaxed[row] = job.relax_row(row, done)
        tell("comparing", 1.0 - _COMPARING)
        found = compare(request, relaxed, job.evaluator)
        result = replace(
            found,
            precision=job.precision,
            noise={row: _largest_noise(relaxed[row]) for row in request.rows},
            warnings=(*warnings, *found.warnings),
            kept=job.kept_results,
            made_again=job.made_again,
        )
    tell("done", 1.0)
    return result


class _Job:
    """A model with its evaluators, made once for each row, and what is on the disk.

    :param request: what to relax
    :param model: the file, in the precision that was asked for
    """

    def __init__(self, request: RelaxRequest, model: Path) -> None:
        self._request = request
        self._model = model
        self._evaluators: dict[Row, Evaluator] = {}
        self._kept = KeptRelaxations(request.folder, _deciding(request), request.trajectory)
        self._results: dict[Row, dict[int, Relaxation]] = {}
        self._noise: dict[tuple[Row, str], float] = {}
        self.kept_results = 0
        self._keeps_frames = request.folder is not None and request.trajectory != "none"
        options = request.model_options
        info = model_info(model, options.device, options.extensions)
        self.precision = precision_of(model, info.dtype)
        for start in request.starts:
            self._require_elements(start)
        if request.settings.moves_cell:
            for row in request.rows:
                self._require_stress(row)

    def evaluator(self, row: Row) -> Evaluator:
        """Of the forces that vanish at the end, or of those of a walk.

        :param row: of direct or conservative forces
        """
        if row not in self._evaluators:
            self._evaluators[row] = Evaluator(self._model, self._request.model_options, row)
        return self._evaluators[row]

    @property
    def made_again(self) -> int:
        """Results that were there without the path that is wanted."""
        return self._kept.without_path

    def require_fmax(self) -> None:
        """Measure the noise of the forces on what is to be relaxed, once for each composition.

        :raises ArgumentError: fmax is too small for one of them
        """
        noisy = []
        for row in self._request.rows:
            kept = self._results_of(row)
            for number, start in enumerate(self._request.starts):
                if number in kept:
                    continue
                place = _final(row), start.atoms.get_chemical_formula()
                if place not in self._noise:
                    self._noise[place] = self._noise_of(place[0], start)
                if self._request.settings.fmax < SAFETY * self._noise[place]:
                    noisy.append((self._noise[place], row, start))
        if noisy:
            self._refuse_fmax(*max(noisy, key=lambda each: each[0]), among=len(noisy))

    def _noise_of(self, row: Row, start: Start) -> float:
        """NaN where the model fails, of which its relaxation will tell."""
        try:
            return noise_floor(self.evaluator(row), start.atoms)
        except ModelError:
            raise
        except EngineError:
            return math.nan

    def _refuse_fmax(self, noise: float, row: Row, start: Start, among: int) -> None:
        """For the start with the largest noise, which is one of several."""
        others = f" ({among - 1} more are below theirs)" if among > 1 else ""
        of_python = is_python_model(self._request.model)
        double = "" if self._request.double or of_python else ", or double precision (--double)"
        raise ArgumentError(
            "fmax",
            f"of {self._request.settings.fmax:g} eV/Å is below what the model computes: the "
            f"rounding of the {row.label} forces on an atom of '{start.name}' is {noise:.1g} "
            f"eV/Å{others}, and a minimum is told from noise above {SAFETY:g} times that; choose "
            f"{significant(1.2 * SAFETY * noise, 1)} or more{double}",
        )

    def _results_of(self, row: Row) -> dict[int, Relaxation]:
        """Those that are there, by the number of the start."""
        if row not in self._results:
            found = {n: self._kept.load(row, start) for n, start in enumerate(self._request.starts)}
            self._results[row] = {n: kept for n, kept in found.items() if kept is not None}
            self.kept_results += len(self._results[row])
        return self._results[row]

    def relax_row(self, row: Row, done: Callable[[float, int], None]) -> tuple[Relaxation, ...]:
        """All starts with the forces of a row.

        :param row: of the request
        :param done: called with the share that is done, which never falls, and the number of steps
            made, of all structures that are on their way together
        """
        request = self._request
        results = self._results_of(row)
        missing = [n for n in range(len(request.starts)) if n not in results]
        if missing:
            starts = [request.starts[n] for n in missing]
            shown, kept = 0.0, len(results)

            def moved(ended: float, step: int) -> None:
                nonlocal shown
                shown = max(shown, (kept + ended) / len(request.starts))
                done(shown, step)

            def ended(place: int, relaxation: Relaxation) -> None:
                start = starts[place]
                composition = start.atoms.get_chemical_formula()
                noise = self._noise[_final(row), composition]
                relaxation = replace(relaxation, noise=noise)
                self._write_path(row, start, relaxation)
                self._kept.save(row, start, relaxation)
                results[missing[place]] = relaxation
                moved(len(results) - kept, 0)

            self._move(row, starts, ended, moved)
        return tuple(replace(results[n], frames=()) for n in range(len(request.starts)))

    def _move(
        self,
        row: Row,
        starts: Sequence[Start],
        ended: Callable[[int, Relaxation], None],
        moved: Callable[[float, int], None],
    ) -> None:
        """``moved`` is called with how many structures have ended, those under way in part."""
        settings = self._request.settings
        if self._request.host == "lammps":
            self._move_in_lammps(row, starts, ended, moved)
            return
        symmetry = [_symmetry_of(self._request, start) for start in starts]
        walks = row.forces == DIRECT_THEN_CONSERVATIVE
        relax_together(
            self.evaluator(_final(row)),
            [start.atoms for start in starts],
            cell=settings.cell,
            pressure_GPa=settings.pressure_GPa,
            optimizer=settings.optimizer,
            fmax=settings.fmax,
            steps=settings.steps,
            walk=self.evaluator(Row(DIRECT, row.symmetrize)) if walks else None,
            symmetry=symmetry,
            keep_frames=self._keeps_frames,
            on_step=lambda count, made: moved(max(count, made / settings.steps), made),
            on_end=ended,
        )

    def _move_in_lammps(
        self,
        row: Row,
        starts: Sequence[Start],
        ended: Callable[[int, Relaxation], None],
        moved: Callable[[float, int], None],
    ) -> None:
        settings = self._request.settings
        for place, start in enumerate(starts):

            def stepped(step: int, place: int = place) -> None:
                moved(place + min(1.0, step / settings.steps), step)

            with contextlib.ExitStack() as stack:
                folder = self._request.folder
                if folder is None:
                    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
                try:
                    relaxation = relax_with_lammps(
                        self._model,
                        self._request.model_options,
                        row,
                        start.atoms,
                        settings,
                        folder / "lammps" / row.file_name / start.name,
                        keep_frames=self._keeps_frames,
                        on_step=stepped,
                    )
                except NoLammpsError:
                    raise
                except RunError as error:  # of this structure; the others may do
                    nothing = Moving(start.atoms, settings, row.forces)
                    nothing.stop(str(error).rstrip("."))
                    relaxation = nothing.result()
            ended(place, relaxation)

    def _write_path(self, row: Row, start: Start, relaxation: Relaxation) -> None:
        folder, suffix = self._request.folder, self._request.trajectory
        if folder is None or not relaxation.frames:
            return
        path = folder / "trajectories" / row.file_name / f"{start.name}.{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        frames = list(relaxation.frames)
        replace_atomically(path, lambda whole: ase.io.write(whole, frames, format=suffix))

    def _require_stress(self, row: Row) -> None:
        """Before anything is relaxed, not when this row has its turn."""
        walks = row.forces == DIRECT_THEN_CONSERVATIVE
        for kind in (DIRECT, CONSERVATIVE) if walks else (row.forces,):
            try:
                self.evaluator(Row(kind, row.symmetrize)).require_stress()
            except ModelError as error:
                raise StaticsError(
                    f"the cell cannot move with {row.label} forces ({error}): keep it fixed, or "
                    "take other forces"
                ) from error

    def _require_elements(self, start: Start) -> None:
        try:
            self.evaluator(_final(self._request.rows[0])).engine.require_types(
                sorted(set(start.atoms.numbers.tolist()))
            )
        except EngineError as error:
            raise StaticsError(f"start '{start.name}': {error}") from error


def _usable_start(request: RelaxRequest) -> Atoms:
    """The first start on which the model does not fail, to compare its two precisions on."""
    starts = [start.atoms for start in request.starts]
    if request.double and len(starts) > 1:
        engine = Engine(request.model, **request.model_options.engine_keywords())
        for atoms in starts:
            with contextlib.suppress(EngineError):
                engine.evaluate(structure_from_ase(atoms))
                return atoms
    return starts[0]


def _largest_noise(results: Sequence[Relaxation]) -> float:
    """0 if none is known."""
    return max((each.noise for each in results if each.noise == each.noise), default=0.0)


def _final(row: Row) -> Row:
    """The forces that vanish at the end."""
    walks = row.forces == DIRECT_THEN_CONSERVATIVE
    return Row(CONSERVATIVE, row.symmetrize) if walks else row


def _deciding(request: RelaxRequest) -> dict[str, object]:
    """All that decides where a structure ends, besides row and start."""
    return {
        "version": __version__,
        "model": model_checksum(request.model),
        "factory": model_factory(request.model),
        "model_options": {**asdict(request.model_options), "threads": 0},
        "settings": asdict(request.settings),
        "symprec": request.symprec[0] if request.settings.space_group != "free" else None,
        "double": request.double,
        "host": request.host,
    }


def _look_at_starts(request: RelaxRequest) -> list[str]:
    """Sentences about what will not go as one may think.

    :raises md_bridge.structures.StructureError: atoms coincide
    :raises StaticsError: a cell cannot be relaxed like that
    :raises ArgumentError: a set of copies is random
    """
    sets = list(dict.fromkeys(row.symmetrize for row in request.rows))
    sentences = _passed_over(request.passed_over)
    for name in sets:
        require_fixed_set(name)
    if request.host == "lammps":
        for row in request.rows:
            require_lammps_can(row, request.settings)
        for start in request.starts:
            with _named(start):
                require_lammps_can_hold(start.atoms, request.settings)
    for start in request.starts:
        require_apart(start)
        if request.settings.moves_cell:
            with _named(start):
                free_strains(start.atoms, request.settings.cell)
        unreadable = reading_problem(start.atoms, min(request.symprec))
        if unreadable is not None:
            sentences.append(f"Start '{start.name}' has no space group to compare: {unreadable}.")
            continue
        sentences += _less_than_meant(request, start)
        problems = (hexagonal_problem(start.atoms, name, min(request.symprec)) for name in sets)
        sentences += [f"Start '{start.name}': {text}." for text in problems if text]
    return sentences


def _passed_over(files: Sequence[str]) -> list[str]:
    if not files:
        return []
    names = ", ".join(files[:_NAMED])
    more = f" and {len(files) - _NAMED} more" if len(files) > _NAMED else ""
    what = "1 file that ASE cannot read as a structure was"
    if len(files) > 1:
        what = f"{len(files)} files that ASE cannot read as structures were"
    return [f"{what} passed over: {names}{more}."]


def _less_than_meant(request: RelaxRequest, start: Start) -> list[str]:
    """Of a space group that is to be kept, and is found at another symprec alone."""
    first, largest = request.symprec[0], max(request.symprec)
    if request.settings.space_group == "free" or largest == first:
        return []
    try:
        kept, other = (space_group_type(start.atoms, length) for length in (first, largest))
    except SpaceGroupError:  # which is told when it is kept
        return []
    if kept.operations >= other.operations:
        return []
    order = ",".join(
        f"{each:g}" for each in (largest, *(n for n in request.symprec if n != largest))
    )
    return [
        f"Start '{start.name}': the space group that is kept is {kept.symbol}, which it has within "
        f"{first:g} Å; within {largest:g} Å it has {other.symbol}. Give --symprec {order} to keep "
        "that one."
    ]


def _symmetry_of(request: RelaxRequest, start: Start) -> Symmetry | None:
    try:
        return make_symmetry(request.settings.space_group, start.atoms, request.symprec[0])
    except SpaceGroupError as error:
        raise StaticsError(
            f"start '{start.name}': its space group cannot be kept, because it is not found "
            f"({error}); choose --space-group free, or another --symprec"
        ) from error


@contextlib.contextmanager
def _named(start: Start) -> Iterator[None]:
    """Errors about a structure that say which one it is."""
    try:
        yield
    except StaticsError as error:
        raise StaticsError(f"start '{start.name}': {error}") from error
