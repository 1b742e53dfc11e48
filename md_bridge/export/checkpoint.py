"""Export of what others trained: metatrain checkpoints, and files that are exported already."""

from __future__ import annotations

import os
import pickle
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from metatomic.torch import AtomisticModel, ModelMetadata, unit_conversion_factor

from md_bridge.export.errors import ExportError
from md_bridge.export.files import check_destination, save_atomically
from md_bridge.export.long_range import pair_up_distances
from md_bridge.export.metadata import merge_metadata, parse_metadata
from md_bridge.export.model_file import Kind, identify, load_exported
from md_bridge.export.options import DTYPES, FileOptions
from md_bridge.export.outputs import keep_outputs
from md_bridge.export.pet import isolate_padding, true_range

__all__ = ["build_file_model", "build_module", "export_file", "load_checkpoint"]


def export_file(
    source: str | os.PathLike[str],
    path: str | os.PathLike[str],
    *,
    dtype: str | None = None,
    outputs: Sequence[str] | None = None,
    devices: Sequence[str] | None = None,
    interaction_range: float | None = None,
    layers: int | None = None,
    metadata: Mapping[str, Any] | ModelMetadata | None = None,
    trust: bool = False,
    extensions: str | os.PathLike[str] | None = None,
) -> Path:
    """Export a metatrain checkpoint, or save an exported model again with other metadata.

    :param source: a metatrain checkpoint (``.ckpt``) or an exported model (``.pt``)
    :param path: file to write, ``something.pt``
    :param dtype: ``"float32"`` or ``"float64"``; None: that of the training. Checkpoints only
    :param outputs: outputs (and variants, ``energy/pbe``) to keep; None: all
    :param devices: device types the file may run on, the best first; None: those of the model
    :param interaction_range: in Å, where the source declares too short a one (the check of locality
        says so, and which is right); None: as declared
    :param layers: the same in cutoffs: how many times information travels a cutoff
    :param metadata: added to what the source says; as in :func:`md_bridge.export.export_module`
    :param trust: load a checkpoint even if that runs code stored in it
    :param extensions: folder for copies of the compiled TorchScript extensions that the model
        needs (SOAP-BPNN: sphericart), which hosts take as ``extensions``; None: not copied
    :returns: the path written
    :raises ExportError: with what was expected and what was found
    """
    path = check_destination(path)
    options = FileOptions(dtype, outputs, devices, interaction_range, layers, metadata, trust)
    return save_atomically(build_file_model(source, options), path, extensions)


def build_file_model(source: str | os.PathLike[str], options: FileOptions) -> AtomisticModel:
    """The model that :func:`export_file` saves; still in Python if it comes from a checkpoint.

    :param source: a metatrain checkpoint or an exported model
    :param options: what to change of it
    :raises ExportError: as :func:`export_file`
    """
    added = parse_metadata(options.metadata)
    if identify(source) is not Kind.CHECKPOINT:
        model = load_exported(source)
        found = model.capabilities().dtype
        if options.dtype not in (None, found):
            raise ExportError(
                f"'{source}' is exported in {found} already; another dtype needs its checkpoint"
            )
    else:
        checkpoint = load_checkpoint(source, trust=options.trust)
        model = _export_checkpoint(checkpoint, source, options.dtype)
    return keep_outputs(
        model,
        outputs=options.outputs,
        devices=options.devices,
        metadata=merge_metadata(model.metadata(), added),
        interaction_range=_wanted_range(model, options, source),
    )


def _wanted_range(
    model: AtomisticModel, options: FileOptions, source: str | os.PathLike[str]
) -> float | None:
    """The interaction range to state instead of the declared one, in Å."""
    wanted = options.interaction_range
    if options.layers is not None:
        cutoffs = [pairs.engine_cutoff("angstrom") for pairs in model.requested_neighbor_lists()]
        if not cutoffs:
            raise ExportError(
                f"'{source}' asks for no pairs, so layers × cutoff has no meaning: give the "
                "interaction range"
            )
        wanted = options.layers * max(cutoffs)
    declared = model.capabilities().engine_interaction_range("angstrom")
    if wanted is not None and wanted < declared * (1 - 1e-6):
        raise ExportError(
            f"'{source}' declares an interaction range of {declared:g} Å, more than the "
            f"{wanted:g} Å asked for. A range is only ever made longer: parallel runs with one "
            "that is too short are wrong"
        )
    return wanted


def load_checkpoint(path: str | os.PathLike[str], *, trust: bool = False) -> dict[str, Any]:
    """The contents of a metatrain checkpoint, read without running code stored in it.

    A checkpoint is a pickle, which can run anything when it is loaded; torch's weights-only loading
    refuses all but tensors, numbers and text, and the classes that metatrain itself stores.

    :param path: of the checkpoint
    :param trust: if that is not enough, load everything
    :returns: what metatrain stored, by name
    :raises ExportError: truncated, not a metatrain checkpoint, or it needs ``trust``
    """
    allowed = _metatrain_classes()
    try:
        try:
            with torch.serialization.safe_globals([*allowed]):
                checkpoint = torch.load(path, map_location="cpu", weights_only=True)
        except pickle.UnpicklingError as error:
            unsafe = _unsafe_classes(path, allowed)
            if not unsafe:
                raise
            if not trust:
                raise ExportError(_asks_for_trust(path, unsafe)) from error
            checkpoint = torch.load(path, map_location="cpu", weights_only=False)
    except (RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise ExportError(
            f"the checkpoint '{path}' cannot be read: {_first_line(error)}. Is it complete?"
        ) from error
    except (ImportError, AttributeError) as error:
        raise ExportError(
            f"the checkpoint '{path}' needs Python code that is not installed: "
            f"{_first_line(error)}. Install the package that wrote it"
        ) from error
    if not isinstance(checkpoint, dict) or "architecture_name" not in checkpoint:
        raise ExportError(
            f"'{path}' was saved by torch, but not by metatrain: {_describe(checkpoint)}. To "
            "export weights of your own, load them into their torch module and give that to "
            "md_bridge.export.export_module"
        )
    return checkpoint


def build_module(checkpoint: dict[str, Any], source: str | os.PathLike[str]) -> torch.nn.Module:
    """The network of a checkpoint, in Python, as metatrain would export it.

    :param checkpoint: what :func:`load_checkpoint` read
    :param source: its path, for messages
    :raises ExportError: the installed metatrain cannot build it
    """
    from metatrain.utils.architectures import find_all_architectures
    from metatrain.utils.io import model_from_checkpoint

    name = checkpoint["architecture_name"]
    if name not in find_all_architectures():
        raise ExportError(
            f"'{source}' holds a model of the architecture '{name}', which the installed metatrain "
            f"does not have; it has {', '.join(sorted(find_all_architectures()))}. Install the "
            "metatrain that trained it"
        )
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "`torch.jit", DeprecationWarning)
            return model_from_checkpoint(checkpoint, context="export")
    except ImportError as error:
        raise ExportError(
            f"the architecture '{name}' of '{source}' needs packages that are missing: {error}"
        ) from error
    except (RuntimeError, ValueError, KeyError) as error:
        raise ExportError(f"metatrain cannot build the model of '{source}': {error}") from error


def _export_checkpoint(
    checkpoint: dict[str, Any], source: str | os.PathLike[str], dtype: str | None
) -> AtomisticModel:
    module: Any = build_module(checkpoint, source)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "`torch.jit", DeprecationWarning)
            if dtype is not None:
                module = module.to(DTYPES[dtype])
            isolate_padding(module)
            pair_up_distances(module)
            return _with_true_range(module, module.export(), dtype)
    except ImportError as error:
        raise ExportError(
            f"the model of '{source}' needs packages that are missing: {error}"
        ) from error
    except (RuntimeError, ValueError, KeyError) as error:
        raise ExportError(f"metatrain cannot export the model of '{source}': {error}") from error


def _with_true_range(
    module: torch.nn.Module, model: AtomisticModel, dtype: str | None
) -> AtomisticModel:
    """``model`` with the interaction range and the precision that it has.

    metatrain declares a shorter range, and for uncertainty models the precision of the training.
    """
    to_angstrom = unit_conversion_factor(model.capabilities().length_unit, "angstrom")
    return keep_outputs(
        model,
        outputs=None,
        devices=None,
        metadata=model.metadata(),
        interaction_range=true_range(module) * to_angstrom,
        dtype=dtype,
    )


def _metatrain_classes() -> list[type]:
    try:
        from metatrain.utils.data.dataset import DatasetInfo
        from metatrain.utils.data.target_info import TargetInfo
    except ImportError as error:
        raise ExportError(
            "a checkpoint is read with the package metatrain, which is missing: "
            "pip install 'md-bridge[train]'"
        ) from error
    # torch.ScriptObject: metatensor's and metatomic's own C++ classes
    return [torch.ScriptObject, DatasetInfo, TargetInfo]


def _unsafe_classes(path: str | os.PathLike[str], allowed: list[type]) -> list[str]:
    """What a checkpoint would import that weights-only loading refuses, by name."""
    known = {f"{item.__module__}.{item.__qualname__}" for item in allowed}
    return sorted(set(torch.serialization.get_unsafe_globals_in_checkpoint(path)) - known)


def _asks_for_trust(path: str | os.PathLike[str], unsafe: list[str]) -> str:
    return (
        f"'{path}' holds more than numbers and text ({', '.join(unsafe)}): loading it runs "
        "code that is stored in it, which could do anything. If you trust where it comes from, "
        "say so: --trust on the command line, trust=True in Python"
    )


def _describe(checkpoint: object) -> str:
    if isinstance(checkpoint, dict):
        keys = [str(key) for key in checkpoint]
        more = ", …" if len(keys) > 5 else ""
        return f"expected the key 'architecture_name', found {', '.join(keys[:5])}{more}"
    return f"expected a dictionary, found a {type(checkpoint).__name__}"


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
