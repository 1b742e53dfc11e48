"""Make all checks of a model file, one after the other."""

from __future__ import annotations

import datetime
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from md_bridge.certify.certificate import Certificate
from md_bridge.certify.checks.conservation import FOLDER, conservation
from md_bridge.certify.checks.direct import direct
from md_bridge.certify.checks.file import derivatives, order, reach, smoothness
from md_bridge.certify.checks.hosts import hosts, ranks
from md_bridge.certify.checks.precision import precision
from md_bridge.certify.checks.speed import speed
from md_bridge.certify.errors import CertifyError
from md_bridge.certify.findings import Finding, failure_words, judged, skipped
from md_bridge.certify.request import CHECKS, CertifyRequest
from md_bridge.certify.source import make_folder
from md_bridge.certify.subject import Subject
from md_bridge.drift.report.environment import describe_model, surroundings
from md_bridge.errors import ArgumentError
from md_bridge.export.errors import ExportError
from md_bridge.extras import MissingExtraError
from md_bridge.model_names import model_checksum
from md_bridge.processes import alone_in
from md_bridge.structures import StructureError
from md_bridge.text import sha256_of

__all__ = ["Progress", "certify", "iterate_findings"]

Progress = Callable[[str, float], None]
"""Called with what is being done, in a few words, and the share of the whole that is done."""

_WORK: dict[str, tuple[Callable[[Subject], Iterator[Finding]], float]] = {
    "derivatives": (derivatives, 1.0),
    "precision": (precision, 0.5),
    "order": (order, 0.5),
    "range": (reach, 2.0),
    "smoothness": (smoothness, 3.0),
    "direct": (direct, 0.2),
    "ranks": (ranks, 2.0),
    "hosts": (hosts, 2.0),
    "nve": (conservation, 15.0),
    "speed": (speed, 3.0),
}
"""What makes each of :data:`~md_bridge.certify.request.CHECKS`, and about how long it takes."""

_NO_FILE = "none: Python has it in no file"


def certify(
    request: CertifyRequest,
    folder: str | os.PathLike[str],
    *,
    source: str = "",
    progress: Progress | None = None,
) -> Certificate:
    """Check a model in this installation.

    :param request: the model, structures of its use, and what to check
    :param folder: gets inputs and outputs of all programs that are run; made if missing
    :param source: what the certificate calls the model; empty: the path of the file
    :param progress: called as the checks go on
    :returns: every finding, with checksums and versions
    :raises CertifyError: the folder cannot be used, or another certification works in it; or
        the model has no conservative forces, or no elements that are known without a start
    :raises ExportError: the file is no exported model, or does not know an element of a start
    :raises StructureError: a start cannot be read, or cannot be used for dynamics
    """
    place = Path(folder)
    make_folder(place)
    with alone_in(place, "md-bridge certify", CertifyError):
        findings = tuple(iterate_findings(request, place, progress))
    now = datetime.datetime.now(datetime.timezone.utc)
    return Certificate(
        source=source or str(request.model),
        made=now.strftime("%Y-%m-%d %H:%M:%S UTC"),
        findings=findings,
        checksums=_checksums(request, place),
        settings=_settings(request),
        left_out=tuple(name for name in CHECKS if name not in request.checks),
    )


def iterate_findings(
    request: CertifyRequest, folder: Path, progress: Progress | None = None
) -> Iterator[Finding]:
    """The findings of :func:`certify`, as they come.

    :param request: as there
    :param folder: as there; it exists
    :param progress: as there
    :raises ExportError: as there
    :raises StructureError: as there
    """
    total = sum(_WORK[name][1] for name in request.checks)
    done = share = 0.0

    def say(words: str, part: float = 0.0) -> None:
        if progress is not None:
            progress(words, (done + part * share) / total)

    say("loading the model")
    subject = Subject(request, folder.resolve(), say)
    for name in request.checks:
        work, share = _WORK[name]
        say(CHECKS[name])
        yield from _attempt(name, work, subject)
        done += share


def _attempt(
    name: str, work: Callable[[Subject], Iterator[Finding]], subject: Subject
) -> Iterator[Finding]:
    """What a check finds; a model that raises an exception has failed it."""
    try:
        yield from work(subject)
    except (ArgumentError, ExportError, StructureError):
        raise
    except MissingExtraError as error:
        yield skipped(CHECKS[name], str(error))
    except Exception as error:  # a model, and a program that runs it, can fail in any way
        reason = failure_words(str(error) or type(error).__name__)
        yield judged(CHECKS[name], False, "a result", "a failure", f"the model failed: {reason}")


def _checksums(request: CertifyRequest, folder: Path) -> dict[str, str]:
    """Of what was given, and of the data that the verdicts on dynamics rest on; of a model that
    Python evaluates, of the file that its factory is in."""
    files = {f"model, {request.model.name}": request.model}
    if request.model_options.inner:
        inner = Path(request.model_options.inner)
        files[f"inner model, {inner.name}"] = inner
    models = {name: model_checksum(model) or _NO_FILE for name, model in files.items()}
    files = {f"start, {path}": path for path in request.starts}
    if "nve" in request.checks:
        runs = folder / FOLDER
        for path in (*sorted(runs.glob("starts/*.xyz")), *sorted(runs.glob("series/*.csv"))):
            files[f"data, {path.relative_to(folder)}"] = path
    return models | {name: sha256_of(path) for name, path in files.items()}


def _settings(request: CertifyRequest) -> dict[str, str]:
    around = surroundings()
    multiplicities = ", ".join(map(str, request.multiplicities))
    return {
        "model": describe_model(request.model, request.model_options),
        "starts": ", ".join(map(str, request.starts)) or "made up",
        "checks": ", ".join(request.checks),
        "ranks": ", ".join(map(str, (1, *request.ranks))),
        "dynamics": f"M = {multiplicities}; inner step {request.timestep_fs:g} fs, "
        f"{request.length_ps:g} ps each, after {request.equilibration_ps:g} ps at "
        f"{request.temperature_k:g} K; seed {request.seed}",
        "machine": around["machine"],
        **around["versions"],
    }
