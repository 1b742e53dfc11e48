"""The models of a benchmark: files that are made once, and kept in its folder; calculators."""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import subprocess
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from md_bridge._paths import DATA
from md_bridge.bench.errors import BenchError, UnavailableError
from md_bridge.bench.models.pet_kokkos import convert
from md_bridge.export.model_file import Kind, extract_torchscript, identify
from md_bridge.model_names import Factory, absolute_model, is_python_model
from md_bridge.processes import kill_with_parent

__all__ = ["BUNDLED", "COMPILED", "XS", "ModelFiles", "Source", "prepare_model"]

BUNDLED, XS = "bundled", "xs"
COMPILED = ", compiled"
"""Suffix of the names of rows, see :meth:`ModelFiles.programs`."""
_XS_SEED = 0
_XS_HYPERS = {
    "cutoff": 7.5,
    "num_neighbors_adaptive": 8,
    "adaptive_cutoff_method": "solver",
    "d_pet": 128,
    "d_head": 128,
    "d_node": 512,
    "d_feedforward": 256,
    "num_heads": 8,
    "num_gnn_layers": 2,
    "num_attention_layers": 1,
}
"""PET-MAD XS 1.6, as the documentation of UPET and arXiv:2601.16195 have it: 4.5 million
parameters, 102 elements."""
_XS_ELEMENTS = range(1, 103)
_XS_SCALE = 0.05
"""Of the last layers, so that random forces are small and atoms move as at 300 K."""


@dataclass(frozen=True)
class Source:
    """A file, or why there is none."""

    path: Path | None = None
    reason: str = ""

    def need(self) -> Path:
        """The path.

        :raises UnavailableError: there is none
        """
        if self.path is None:
            raise UnavailableError(self.reason)
        return self.path


@dataclass(frozen=True)
class ModelFiles:
    """One model in all the forms that are measured."""

    name: str
    """Of the tables: ``bundled``, ``xs``, or the stem of the user's file."""
    path: Path
    """Of the exported file, or ``python:…``."""
    has_direct: bool
    compiled: Source
    """``model.pt2``."""
    kokkos: Source
    """Prefix of the files of pet-kokkos."""
    inner: Source = Source(reason="no small model for its inner steps was given (--inner)")
    """A cheap model for the inner steps."""
    inner_compiled: Source = Source(reason="no small model for its inner steps was given")
    inner_forces: str = ""
    """The cheapest forces of that model; empty where there is none."""

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of forces that it has."""
        return ("conservative", "direct") if self.has_direct else ("conservative",)

    @property
    def exported(self) -> Source:
        """The exported file, for programs of others."""
        if is_python_model(self.path):
            return Source(reason="Python evaluates the model, and there is no exported file of it")
        return Source(self.path)

    def programs(self) -> list[tuple[str, Source]]:
        """What our engine runs: the suffix of a row's name, and the model."""
        own = ("", Source(self.path))
        return [own] if is_python_model(self.path) else [own, (COMPILED, self.compiled)]


def prepare_model(
    name: str,
    folder: Path,
    inner: Path | None,
    tell: Callable[[str], None],
    compile_missing: bool = True,
) -> ModelFiles:
    """Make or find the files of a model.

    :param name: ``bundled``, ``xs``, the path of an exported model or of a compiled one, whose
        exported model is taken out of it, or ``python:…``
    :param folder: what is made is kept in, and found there the next time
    :param inner: a cheap model for the inner steps; None: the bundled student, for the bundled
        model
    :param tell: what is being made, in a few words
    :param compile_missing: compile what was not compiled before
    :raises BenchError: there is no such model, or XS cannot be made
    :raises md_bridge.engine.ModelError: there is no such calculator
    """
    folder.mkdir(parents=True, exist_ok=True)
    path, stem = _model(name, folder, tell)
    given = None
    if not is_python_model(path) and identify(path) is Kind.COMPILED:
        given = Source(path.resolve())
        path = extract_torchscript(path, folder / f"inside-{stem}.pt")

    def compiled(source: Path, target: str) -> Source:
        return _source(lambda: _compiled(source, folder / target, tell, compile_missing))

    if is_python_model(path):
        none = Source(reason="Python evaluates the model, and there is no file of it")
        files = ModelFiles(stem, path, _cheapest(path) == "direct", compiled=none, kokkos=none)
    else:
        files = ModelFiles(
            name=stem,
            path=path.resolve(),
            has_direct=_cheapest(path) == "direct",
            compiled=given or compiled(path, f"{stem}.pt2"),
            kokkos=_source(lambda: _kokkos(path, folder / f"kokkos-{stem}")),
        )
    student = inner or (DATA / "water-inner.pt" if name == BUNDLED else None)
    if student is None:
        return files
    return replace(
        files,
        inner=Source(student.resolve()),
        inner_compiled=compiled(student, f"inner-{student.stem}.pt2"),
        inner_forces=_cheapest(student),
    )


def _model(name: str, folder: Path, tell: Callable[[str], None]) -> tuple[Path, str]:
    """Path of the file, or ``python:…``, and what it is called."""
    if name == BUNDLED:
        return DATA / "water.pt", name
    if name == XS:
        return _made(folder / "pet-xs.pt", lambda path: _make_xs(path, tell)), name
    if is_python_model(name):
        factory = Factory.parse(name)
        return absolute_model(name), f"{Path(factory.module).stem}:{factory.function}"
    path = Path(name)
    if not path.is_file():
        raise BenchError(
            f"there is no model {name!r}: expected {BUNDLED}, {XS}, the path of an exported file, "
            "or python:file.py:factory"
        )
    return path, path.stem


def _made(path: Path, make: Callable[[Path], None]) -> Path:
    """A file that is made if it is not there."""
    if not path.is_file():
        make(path)
    return path


def _make_xs(path: Path, tell: Callable[[str], None]) -> None:
    """A PET of the published size, whose weights are random numbers."""
    try:
        from metatrain.pet import PET
        from metatrain.utils.architectures import get_default_hypers
        from metatrain.utils.data import DatasetInfo
        from metatrain.utils.data.target_info import (
            get_energy_target_info,
            get_generic_target_info,
        )
    except ImportError:
        raise BenchError(
            "the model xs is made with metatrain, which is not installed: "
            "pip install 'md-bridge[train]', or leave it out with --models bundled"
        ) from None
    import torch

    from md_bridge.export import export_file

    tell("making a PET of the XS size")

    def direct(name: str, kind: str, rank: int, unit: str) -> object:
        layout = {"type": {"cartesian": {"rank": rank}}, "num_subtargets": 1}
        return get_generic_target_info(
            name, {"quantity": "", "unit": unit, "sample_kind": kind, **layout}
        )

    info = DatasetInfo(
        length_unit="angstrom",
        atomic_types=list(_XS_ELEMENTS),
        targets={
            "energy": get_energy_target_info("energy", {"quantity": "energy", "unit": "eV"}),
            "non_conservative_force": direct("non_conservative_force", "atom", 1, "eV/A"),
            "non_conservative_stress": direct("non_conservative_stress", "system", 2, "eV/A^3"),
        },
    )
    torch.manual_seed(_XS_SEED)
    checkpoint = path.with_suffix(".ckpt")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        network = PET({**get_default_hypers("pet")["model"], **_XS_HYPERS}, info)
        with torch.no_grad():
            for name, weight in network.named_parameters():
                if "last_layers" in name:
                    weight.mul_(_XS_SCALE)
        torch.save(network.get_checkpoint(), checkpoint)
        export_file(checkpoint, path)
    checkpoint.unlink()


def _cheapest(path: Path) -> str:
    """Kind of the cheapest forces."""
    from md_bridge.engine import Engine, cheapest_forces

    return cheapest_forces(Engine(path))


def _source(make: Callable[[], Path]) -> Source:
    try:
        return Source(make())
    except UnavailableError as error:
        return Source(reason=str(error))


def _compiled(path: Path, target: Path, tell: Callable[[str], None], missing: bool) -> Path:
    """The model by ``md-bridge compile``, kept with a stamp of the model and the versions."""
    stamp = target.with_name(f"{target.name}.stamp")
    expected = _stamp(path)
    known = stamp.read_text(encoding="utf-8") if stamp.is_file() else ""
    if target.is_file() and known == expected:
        return target.resolve()
    if not missing:
        raise UnavailableError(
            "it was not compiled before, which takes minutes: md-bridge bench --compile"
        )
    tell(f"compiling {path.name}")
    done = subprocess.run(
        [sys.executable, "-m", "md_bridge", "compile", str(path), "-o", str(target)],
        capture_output=True,
        text=True,
        preexec_fn=kill_with_parent,
    )
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or ["it wrote nothing"]
        raise UnavailableError(f"md-bridge compile failed: {lines[-1]}")
    stamp.write_text(expected, encoding="utf-8")
    return target.resolve()


def _stamp(path: Path) -> str:
    """Changes with the model, torch, and what compiles it."""
    sources = sorted((DATA.parent / "compiled").rglob("*.py"))
    content = hashlib.sha256()
    for part in (path, *sources):
        content.update(part.read_bytes())
    return f"{content.hexdigest()} torch {importlib.metadata.version('torch')}"


def _kokkos(path: Path, prefix: Path) -> Path:
    """The weights for pet-kokkos, if it is installed."""
    if importlib.util.find_spec("pet_kokkos") is None:
        raise UnavailableError("pet-kokkos is not installed: pip install 'md-bridge[bench]'")
    return convert(path, prefix).resolve()
