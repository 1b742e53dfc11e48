"""Where a model to export comes from: a file, a published UPET model, or Python code."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch
from metatomic.torch import AtomisticModel, ModelMetadata

from md_bridge.calculators import factories
from md_bridge.engine import ModelError
from md_bridge.errors import ArgumentError
from md_bridge.export.checkpoint import build_file_model
from md_bridge.export.errors import ExportError, nearest
from md_bridge.export.metadata import merge_metadata
from md_bridge.export.options import FileOptions, ModuleOptions
from md_bridge.export.outputs import keep_outputs
from md_bridge.export.torch_module.module import build_module_model
from md_bridge.model_names import PYTHON

__all__ = ["build_model", "call_factory", "call_python", "download_upet"]

_UPET_REPOSITORY = "lab-cosmo/upet"
_UPET_REFERENCES = (
    "https://doi.org/10.1038/s41467-025-65662-7",
    "https://arxiv.org/abs/2601.16195",
)
_UPET_FILE = re.compile(r"models/(?P<name>.+)-v?(?P<version>\d+\.\d+\.\d+)\.ckpt")


def build_model(
    source: str, given: Mapping[str, Any], metadata: Mapping[str, Any] | None = None
) -> AtomisticModel:
    """The model that ``source`` names, not yet saved.

    :param source: path of a ``.ckpt`` or ``.pt``; ``upet:pet-mad-s``, ``upet:pet-mad-s@1.5.0``;
        ``python:package.module:factory``, a function without arguments that returns a torch module
    :param given: the options given, by name: fields of :class:`ModuleOptions` for Python code, of
        :class:`FileOptions` for all else
    :param metadata: what to say of the model, as in :func:`md_bridge.export.export_module`
    :raises ExportError: with what was expected and what was found
    """
    kind, colon, rest = source.partition(":")
    if colon and kind == "python":
        module = call_factory(rest)  # which says at once if it makes something else
        return build_module_model(module, _module_options({**given, "metadata": metadata}))
    is_file = not colon or Path(source).exists() or not re.fullmatch(r"[a-z]{3,}", kind)
    if not is_file and kind != "upet":
        raise ExportError(
            f"unknown kind of source '{kind}:'; expected a file, upet:NAME or "
            f"python:package.module:factory.{nearest(kind, ('upet', 'python'))}"
        )
    for name in given:
        if name not in _names(FileOptions):
            raise ExportError(
                f"{_flag(name)} is for python: sources only: '{source}' says what it has by itself"
            )
    options_of_file = FileOptions(**given, metadata=metadata)
    if is_file:
        return build_file_model(source, options_of_file)
    path = download_upet(rest)
    return _published(build_file_model(path, options_of_file), path)


def _module_options(given: Mapping[str, Any]) -> ModuleOptions:
    missing = [_flag(name) for name in ("elements", "cutoff", "layers") if name not in given]
    if missing:
        names = ", ".join(flag.lstrip("-") for flag in missing)
        raise ExportError(f"a torch module does not say its {names}: give {' '.join(missing)}")
    if "outputs" in given:
        raise ExportError(
            "the outputs of a torch module are those that its forward returns; change them there"
        )
    if "interaction_range" in given:
        raise ExportError(
            "the interaction range of a torch module is layers × cutoff: change --layers"
        )
    return ModuleOptions(**{name: given[name] for name in given if name in _names(ModuleOptions)})


def _names(options: type) -> list[str]:
    return [field.name for field in fields(options)]


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def call_factory(target: str) -> torch.nn.Module:
    """The torch module that ``package.module:factory`` makes; the current folder is searched too.

    :param target: name of a Python module and of a function in it that needs no arguments
    :raises ExportError: as :func:`call_python`, or the function returns something else
    """
    made = call_python(target)
    if isinstance(made, torch.nn.Module):
        return made
    hint = (
        ". There is no network in a calculator that a file could hold: name it as it is, "
        f"{PYTHON}{target}, wherever a model is asked for"
        if hasattr(made, "get_potential_energy")
        else ""
    )
    raise ExportError(
        f"{target}() returned a {type(made).__name__}; expected a torch.nn.Module{hint}"
    )


def call_python(target: str) -> Any:
    """What ``package.module:factory`` returns; the current folder is searched too.

    :param target: name of a Python module and of a function in it that needs no arguments
    :raises ExportError: no such module or function, or it fails
    """
    try:
        return factories.call_factory(f"{PYTHON}{target}")
    except (ArgumentError, ModelError) as error:
        raise ExportError(str(error)) from error


def download_upet(name: str) -> Path:
    """The checkpoint of a published UPET model, from the local cache or its hub.

    The cache is the one of the ``upet`` package: what it has fetched is not fetched again.

    :param name: ``pet-mad-s`` for the newest version (without a network: the newest in the cache),
        ``pet-mad-s@1.5.0`` for this one
    :returns: path in the cache
    :raises ExportError: no such model; or no network, and then what to download by hand
    """
    model, _, version = name.partition("@")
    version = version.removeprefix("v")
    try:
        from huggingface_hub import HfApi, hf_hub_download
        from huggingface_hub.utils import EntryNotFoundError, LocalEntryNotFoundError
    except ImportError as error:
        raise ExportError(
            "published models are fetched with the package huggingface_hub, which is missing: "
            "pip install 'md-bridge[train]'"
        ) from error
    try:
        if not version:
            version = _newest(HfApi().list_repo_files(_UPET_REPOSITORY), model)
        return Path(hf_hub_download(_UPET_REPOSITORY, f"models/{model}-v{version}.ckpt"))
    except ExportError:
        raise
    except Exception as error:  # the hub's client lets errors of several network libraries through
        # without a network, the hub calls a file that is not in the cache "local entry not found"
        if isinstance(error, EntryNotFoundError) and not isinstance(error, LocalEntryNotFoundError):
            raise ExportError(f"UPET has no model '{model}' of version {version}") from error
        cached = {} if version else _cached_files()
        if any(_UPET_FILE.fullmatch(file)["name"] == model for file in cached):  # type: ignore[index]
            return cached[f"models/{model}-v{_newest(list(cached), model)}.ckpt"]
        file = f"models/{model}-v{version or 'X.Y.Z'}.ckpt"
        raise ExportError(
            f"'{name}' cannot be fetched from huggingface.co ({type(error).__name__}). On a "
            "machine with a network, download "
            f"https://huggingface.co/{_UPET_REPOSITORY}/resolve/main/{file} (versions: "
            f"https://huggingface.co/{_UPET_REPOSITORY}/tree/main/models), then run md-bridge "
            "export on that file"
        ) from error


def _cached_files() -> dict[str, Path]:
    """Checkpoints that were fetched before, by their name on the hub."""
    from huggingface_hub import constants

    folder = Path(constants.HF_HUB_CACHE) / f"models--{_UPET_REPOSITORY.replace('/', '--')}"
    found = {f"models/{path.name}": path for path in folder.glob("snapshots/*/models/*.ckpt")}
    return {name: path for name, path in found.items() if _UPET_FILE.fullmatch(name)}


def _published(model: AtomisticModel, path: Path) -> AtomisticModel:
    """``model`` with a name and citations: the first published checkpoints have none."""
    if model.metadata().name:
        return model
    name, _, version = path.stem.rpartition("-v")
    metadata = ModelMetadata(
        name=f"{name.upper()} v{version}",
        description="A universal interatomic potential of the UPET collection",
        references={"model": list(_UPET_REFERENCES)},
    )
    merged = merge_metadata(metadata, model.metadata())
    return keep_outputs(model, outputs=None, devices=None, metadata=merged)


def _newest(files: Sequence[str], model: str) -> str:
    versions: dict[str, list[str]] = {}
    for file in files:
        match = _UPET_FILE.fullmatch(file)
        if match:
            versions.setdefault(match["name"], []).append(match["version"])
    if model not in versions:
        raise ExportError(
            f"UPET has no model '{model}'; it has {', '.join(sorted(versions))}."
            f"{nearest(model, versions)}"
        )
    return max(versions[model], key=lambda text: tuple(int(part) for part in text.split(".")))
