"""Measure all models, one measure after the other; what is there is not measured again."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from md_bridge import __version__
from md_bridge.certify.findings import failure_words
from md_bridge.compare.comparison import Comparison, Outcome
from md_bridge.compare.errors import CompareError
from md_bridge.compare.kept import KeptRows
from md_bridge.compare.measures import measure_named
from md_bridge.compare.measures.base import Measure, Task
from md_bridge.compare.measures.labelled import read_labelled
from md_bridge.compare.request import MEASURES, NEEDS, CompareRequest
from md_bridge.compare.subjects import Subject, open_subjects
from md_bridge.drift.report.environment import surroundings
from md_bridge.drift.runs.starts import read_periodic_structure
from md_bridge.engine import choose_threads, set_threads
from md_bridge.extras import HOSTS, require
from md_bridge.processes import alone_in
from md_bridge.statics.relaxing.settings import RelaxSettings
from md_bridge.statics.starts import read_starts
from md_bridge.structures import read_structure
from md_bridge.text import sha256_of

__all__ = ["Progress", "compare"]

Progress = Callable[[str, float], None]
"""Called with what is being done, in a few words, and the share of the whole that is done."""

_DYNAMICS = ("drift", "tune", "smoothness")
_STATICS = ("relax", "phonons")
_WITH_HOST = ("drift", "tune")


def compare(
    request: CompareRequest,
    folder: str | os.PathLike[str],
    *,
    progress: Progress | None = None,
) -> Comparison:
    """Measure several models on the same structures.

    Each measure of each model is kept in the folder, with the settings and checksums that it was
    made with, and another call with the same ones does not measure it again. What goes wrong in
    one is told, is tried again by the next call, and stops no other.

    :param request: models, structures, measures
    :param folder: gets the rows, and runs and the like; made if missing
    :param progress: called as the measures go on
    :returns: what was found
    :raises ArgumentError: a setting of relaxations makes no sense
    :raises CompareError: the folder cannot be used, or another comparison works in it
    :raises ExportError: a file is no model, has no labels, or a model does not know an element
    :raises md_bridge.structures.StructureError: a structure cannot be read, or not be used
    :raises md_bridge.engine.EngineError: a model cannot be loaded
    :raises MissingExtraError: a measure needs a package that is not installed
    """
    place = Path(folder)
    _require_packages(request)
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CompareError(
            f"cannot make {place}: {error.strerror}; choose another folder"
        ) from error
    tell = progress or (lambda *_: None)
    if "relax" in request.chosen:
        RelaxSettings(cell=request.cell, fmax=request.fmax)
    tell("loading the models", 0.0)
    threads = choose_threads(request.model_options.threads)
    set_threads(threads)
    subjects = open_subjects(request)
    _require_structures(request, subjects)
    with alone_in(place, "md-bridge compare", CompareError):
        outcomes = _Work(request, place, threads, tell).measure(subjects)
    return Comparison(request, subjects, outcomes, _settings(request, threads))


class _Work:
    def __init__(self, request: CompareRequest, folder: Path, threads: int, tell: Progress) -> None:
        self._request, self._threads, self._tell = request, threads, tell
        self._rows = KeptRows(folder)
        self._around = surroundings()
        self._done = self._shown = 0.0

    def measure(self, subjects: tuple[Subject, ...]) -> tuple[Outcome, ...]:
        """All measures, each of all models, so that what is compared is made at about one time."""
        measures = {name: measure_named(name) for name in self._request.chosen}
        total = len(subjects) * sum(measure.weight for measure in measures.values())
        outcomes = []
        for name, measure in measures.items():
            for subject in subjects:
                say = self._share_of(f"{subject.name}, {name}", measure.weight / total)
                say(MEASURES[name], 0.0)
                outcomes.append(self._outcome(name, measure, subject, say))
                say(MEASURES[name], 1.0)
                self._done += measure.weight / total
        return tuple(outcomes)

    def _share_of(self, label: str, part: float) -> Progress:
        """The progress of one row in that of all, which never goes back."""

        def say(words: str, share: float) -> None:
            self._shown = max(self._shown, min(1.0, self._done + part * share))
            self._tell(f"{label}: {words}", self._shown)

        return say

    def _outcome(self, name: str, measure: Measure, subject: Subject, say: Progress) -> Outcome:
        settings = self._deciding(name, measure, subject)
        kept = self._rows.load(name, subject, settings)
        if kept is not None:
            others = self._other_versions(kept.versions)
            return Outcome(name, subject.name, kept.found, kept=kept.made, other_versions=others)
        folder = self._rows.work(name, subject, settings)
        try:
            found = measure.make(Task(subject, self._request, folder, self._threads, say))
        except Exception as error:  # a model, and a program that runs it, can fail in any way
            return Outcome(name, subject.name, None, reason=_reason(error))
        self._rows.save(name, subject, settings, found, self._around)
        return Outcome(name, subject.name, found)

    def _other_versions(self, then: Mapping[str, str]) -> tuple[str, ...]:
        now = self._around["versions"]
        return tuple(
            f"{name} {version} (now {now[name]})"
            for name, version in then.items()
            if now.get(name, version) != version
        )

    def _deciding(self, name: str, measure: Measure, subject: Subject) -> Mapping[str, Any]:
        """All that decides the numbers of a measure, besides the model."""
        request = self._request
        options = subject.options
        settings = {
            **measure.settings(request),
            NEEDS[name]: _checksum(getattr(request, NEEDS[name])),
            "variant": options.variant,
            "direct_variant": options.direct_variant,
            "charge": options.charge,
            "spin_multiplicity": options.spin_multiplicity,
            "md_bridge": __version__,
        }
        if measure.of_machine:
            machine = {"machine": self._around["machine"], "device": options.device}
            settings |= {**machine, "threads": self._threads}
        return settings


def _reason(error: Exception) -> str:
    """What an error says, and the line of a program's log that says why."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    why = failure_words(str(error)) if len(lines) > 1 else lines[0]
    return lines[0] if why in lines[0] else f"{lines[0]} {why}"


def _checksum(path: Path) -> str:
    """Of a file of structures, or of all files of a folder."""
    if not path.is_dir():
        return sha256_of(path)
    files = sorted(each for each in path.iterdir() if each.is_file())
    return " ".join(f"{each.name}:{sha256_of(each)}" for each in files)


def _require_packages(request: CompareRequest) -> None:
    """Before anything is measured.

    :raises MissingExtraError: one is not installed
    """
    wanted = ["statics"] if set(_STATICS) & set(request.chosen) else []
    if set(_WITH_HOST) & set(request.chosen):
        wanted.append(HOSTS[request.host])
    require(*wanted, wanted_by=f"a comparison of {', '.join(request.chosen)}")


def _require_structures(request: CompareRequest, subjects: tuple[Subject, ...]) -> None:
    """All structures can be read and are of elements that all models know."""
    several = {}
    for name in request.chosen:
        path = getattr(request, NEEDS[name])
        if name == "errors":
            several[path] = read_labelled(request)[0]
        elif name == "relax":
            several[path] = [start.atoms for start in read_starts([path])]
        elif name in _DYNAMICS:
            several.setdefault(path, [read_periodic_structure(path)])
        else:
            several.setdefault(path, [read_structure(path)])
    for path, structures in several.items():
        for subject in subjects:
            subject.require_elements(structures, f"'{path}'")


def _settings(request: CompareRequest, threads: int) -> dict[str, str]:
    around = surroundings()
    chosen = request.chosen
    settings = {"measures": ", ".join(chosen)}
    for name in ("labelled", "start", "crystal"):
        path = getattr(request, name)
        if path is not None and name in {NEEDS[each] for each in chosen}:
            settings[f"{name} structures" if name == "labelled" else name] = str(path)
    if set(_DYNAMICS) & set(chosen):
        lengths = {
            "drift": f"{request.replicas} × {request.length_ps:g} ps",
            "tune": f"from {request.tune_ps:g} ps on",
            "smoothness": f"{request.smoothness_ps:g} ps",
        }
        settings["dynamics"] = (
            f"inner step {request.timestep_fs:g} fs, "
            + ", ".join(f"{name} {text}" for name, text in lengths.items() if name in chosen)
            + f", after {request.equilibration_ps:g} ps at {request.temperature_k:g} K, in "
            f"{request.host}; seed {request.seed}"
        )
    if "symmetry" in chosen:
        settings["symmetry"] = f"up to λ = {request.lmax}"
    if "relax" in chosen:
        settings["relaxation"] = f"cell {request.cell}, fmax {request.fmax:g} eV/Å"
    if "phonons" in chosen:
        shape = request.supercell
        settings["supercell"] = "15 Å wide" if shape is None else " × ".join(map(str, shape))
    return {**settings, "machine": around["machine"], "threads": str(threads), **around["versions"]}
