"""Compilation of a model for the CPU of this machine."""

from __future__ import annotations

import os
import shlex
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import ase
import torch
from ase.data import chemical_symbols
from metatomic.torch import AtomisticModel, load_atomistic_model, unit_conversion_factor

from md_bridge.compiled.agreement import Comparison, compare
from md_bridge.compiled.functions import CompilableNetwork
from md_bridge.compiled.inductor import compile_function
from md_bridge.compiled.package import write_package
from md_bridge.export.errors import ExportError
from md_bridge.export.files import check_destination, errors_of_writing, save_atomically
from md_bridge.export.model_file import Kind, extract_torchscript, identify
from md_bridge.export.options import DTYPES, parse_elements
from md_bridge.export.sources import build_model

__all__ = ["compile_model"]

_OF_THE_COMMAND = (
    *("dtype", "variant", "trust"),
    *("elements", "cutoff", "layers", "length_unit", "energy_unit"),
)
"""Options of ``md-bridge compile`` that another model comes of without."""


def compile_model(
    source: str,
    path: str | os.PathLike[str],
    given: Mapping[str, Any] | None = None,
    *,
    variant: str = "",
    structures: Sequence[ase.Atoms] | None = None,
    check: bool = True,
    progress: Callable[[str], None] = lambda step: None,
) -> list[Comparison]:
    """Compile a model for the CPU of this machine.

    The file holds the exported model too: what is not compiled (uncertainties, other variants) is
    computed with that, and it is the way back.

    :param source: as for ``md-bridge export``: an exported model, a checkpoint, ``upet:NAME``, or
        ``python:package.module:factory``
    :param path: of the file to write, ``something.pt2``
    :param given: options of the export, by name (:func:`md_bridge.export.sources.build_model`)
    :param variant: of the outputs that are compiled
    :param structures: to compare both files on; None: made up
    :param check: compare both files, and write nothing unless they agree
    :param progress: called with the name of each step
    :returns: what was compared
    :raises ExportError: the model cannot be compiled, or computes something else when it is
    """
    path = check_destination(path, ".pt2")
    with errors_of_writing(path):
        temporary = tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.stem}-")
    with temporary as name:
        folder = Path(name)
        progress("reading the model")
        exported, module = _exported(source, given or {}, folder)
        network = _compilable(exported, variant, module)
        partial = folder / path.name
        files = _compile_functions(network, folder, progress)
        with errors_of_writing(path):
            again = {"source": source, "arguments": _arguments(source, given or {}, variant)}
            write_package(partial, files, {**network.description, **again}, exported)
        progress("checking")
        compared = compare(exported, partial, network, structures) if check else []
        with errors_of_writing(path):
            os.replace(partial, path)
    return compared


def _arguments(source: str, given: Mapping[str, Any], variant: str) -> str:
    """What ``md-bridge compile`` is called with to make such a file again.

    :param given: options of the export, of which the command has those of its help
    """
    words = [source]
    options = {**given, "variant": variant}
    for name in _OF_THE_COMMAND:
        value = options.get(name)
        if value is None or value is False or value == "":
            continue
        words.append("--" + name.replace("_", "-"))
        if name == "elements":
            words.append(",".join(chemical_symbols[number] for number in parse_elements(value)))
        elif value is not True:
            words.append(str(value))
    return shlex.join(words)


def _exported(
    source: str, given: Mapping[str, Any], folder: Path
) -> tuple[Path, AtomisticModel | None]:
    """The exported model of a source, and of Python code the model that is not scripted yet."""
    is_file = Path(source).is_file()
    if is_file and not given:
        kind = identify(source)
        if kind is Kind.EXPORTED:
            return Path(source), None
        if kind is Kind.COMPILED:
            return extract_torchscript(source, folder / "model.pt"), None
    model = build_model(source, given)
    exported = save_atomically(model, folder / "model.pt")
    return exported, model if source.startswith("python:") and not is_file else None


def _compile_functions(
    network: CompilableNetwork, folder: Path, progress: Callable[[str], None]
) -> dict[str, list[str]]:
    files: dict[str, list[str]] = {}
    for function in network.functions:
        progress(f"compiling: {function.name} ({len(files) + 1} of {len(network.functions)})")
        work = folder / function.name
        work.mkdir()
        files[function.name] = compile_function(function, work)
    return files


def _compilable(path: Path, variant: str, module: AtomisticModel | None) -> CompilableNetwork:
    """The functions of the model at ``path``, with what its capabilities say."""
    from md_bridge.export.pet_backbone import find_backbone

    model = load_atomistic_model(str(path))
    outputs = _outputs(model, variant)
    if module is not None:
        network = _of_module(module, outputs)
    elif find_backbone(model.module) is not None:
        if variant:  # metatrain does not divide it by the volume: what that means is left to it
            outputs["stress"] = ""
        network = _of_pet(model, outputs)
    else:
        network = _of_student(path, DTYPES[model.capabilities().dtype])
    described = {
        "energy": outputs["energy"],
        "direct_forces": outputs["forces"],
        "direct_stress": outputs["stress"],
        "dtype": model.capabilities().dtype,
    }
    return CompilableNetwork(network.functions, {**network.description, **described})


def _of_pet(model: AtomisticModel, outputs: dict[str, str]) -> CompilableNetwork:
    from md_bridge.compiled.pet.functions import functions_of_pet
    from md_bridge.compiled.pet.model import Outputs, PETModel

    unit = model.capabilities().length_unit
    if unit.lower() not in ("", "angstrom", "a"):
        raise ExportError(f"the model's unit of length is '{unit}': only those in angstrom compile")
    return functions_of_pet(PETModel(model.module, Outputs(**outputs)))


def _of_module(model: AtomisticModel, outputs: dict[str, str]) -> CompilableNetwork:
    from md_bridge.compiled.module import functions_of_module

    capabilities = model.capabilities()
    known = capabilities.outputs
    return functions_of_module(
        model.module,
        list(capabilities.atomic_types),
        length=unit_conversion_factor("angstrom", capabilities.length_unit or "angstrom"),
        energy=unit_conversion_factor(known["energy"].unit or "eV", "eV"),
        dtype=DTYPES[capabilities.dtype],
        outputs=outputs,
    )


def _of_student(path: Path, dtype: torch.dtype) -> CompilableNetwork:
    from md_bridge.compiled.student import functions_of_student
    from md_bridge.distil.errors import DistilError
    from md_bridge.distil.files import copy_learned, read_student
    from md_bridge.distil.student import Student

    try:
        earlier = read_student(path)
    except DistilError as error:
        raise ExportError(
            f"'{path}' is TorchScript without a PET or a student in it, and of other networks the "
            "Python source is needed: md-bridge compile python:package.module:factory"
        ) from error
    student = Student(earlier.architecture)
    copy_learned(earlier.state, student)
    return functions_of_student(student.to(dtype), earlier.architecture.elements)


def _outputs(model: Any, variant: str) -> dict[str, str]:
    """Names of the outputs of this variant; empty where there is none."""
    known = model.capabilities().outputs
    suffix = f"/{variant}" if variant else ""

    def first_of(*names: str) -> str:
        return next((name + suffix for name in names if name + suffix in known), "")

    energy = first_of("energy")
    if not energy:
        raise ExportError(
            f"the model has no output 'energy{suffix}'; it has {', '.join(sorted(known))}"
        )
    return {
        "energy": energy,
        "forces": first_of("non_conservative_force", "non_conservative_forces"),
        "stress": first_of("non_conservative_stress"),
    }
