"""A student as a file: what hosts run, and what a later training goes on from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from md_bridge.distil.errors import DistilError
from md_bridge.distil.student import LAYERS, Architecture, Student
from md_bridge.errors import MDBridgeError
from md_bridge.export import export_module
from md_bridge.export.model_file import load_exported

__all__ = ["EarlierStudent", "copy_learned", "read_student", "write_student"]

_ARCHITECTURE = "architecture"
_CONSTANTS = ("row", "harmonics", "slopes", "centres")
"""Buffers that the architecture gives, in full precision."""


@dataclass(frozen=True)
class EarlierStudent:
    """What a file holds of a student."""

    architecture: Architecture
    state: dict[str, torch.Tensor]
    """What was learned."""
    about: dict[str, str]
    """The further metadata of the file: teacher, variant, …"""


def write_student(
    student: Student,
    architecture: Architecture,
    path: Path,
    name: str,
    description: str,
    about: Mapping[str, Any],
) -> None:
    """Export a student, with what is needed to go on from it.

    A file that holds this student already is left as it is: the metadata of a new one would have
    another date, and campaigns with the student inside go on only with the same file.

    :param student: the network
    :param architecture: that it is of
    :param path: of the file
    :param name: of the model
    :param description: of the model
    :param about: teacher, variant and numbers, each of which JSON can have
    :raises md_bridge.export.ExportError: it cannot be written
    """
    extra = {key: v if isinstance(v, str) else json.dumps(v) for key, v in about.items()}
    extra[_ARCHITECTURE] = json.dumps(asdict(architecture))
    if _holds(path, student, extra):
        return
    export_module(
        student.requires_grad_(False),
        path,
        elements=list(architecture.elements),
        cutoff=architecture.cutoff,
        layers=LAYERS,
        metadata={"name": name, "description": description, "extra": extra},
    )


def _holds(path: Path, student: Student, extra: Mapping[str, str]) -> bool:
    try:
        earlier = read_student(path)
    except (OSError, MDBridgeError):  # none, or another model, which is replaced
        return False
    return all(earlier.about.get(key) == value for key, value in extra.items()) and all(
        torch.equal(earlier.state[name], value.to(earlier.state[name].dtype))
        for name, value in student.state_dict().items()
        if name in earlier.state
    )


def read_student(path: Path) -> EarlierStudent:
    """The student in a file that :func:`write_student` wrote.

    :param path: of the file
    :raises DistilError: it is another model
    :raises md_bridge.export.ExportError: it cannot be read
    """
    model = load_exported(path)
    extra = dict(model.metadata().extra)
    try:
        fields = json.loads(extra[_ARCHITECTURE])
        architecture = Architecture(**{**fields, "elements": tuple(fields["elements"])})
    except (KeyError, TypeError, ValueError) as error:
        raise DistilError(
            f"'{path}' is not a student of `md-bridge distil`, which says how it is made: begin "
            "without it"
        ) from error
    state = {
        name.rpartition(".")[2]: tensor
        for name, tensor in model.state_dict().items()
        if name.rpartition(".")[2] in Student(architecture).state_dict()
    }
    return EarlierStudent(architecture, state, extra)


def copy_learned(state: Mapping[str, torch.Tensor], student: Student) -> None:
    """Give a student what another one has learned.

    :param state: of a student of the same architecture, in any precision
    :param student: gets it
    """
    own = student.state_dict()
    learned = {name: state[name] for name in own if name not in _CONSTANTS}
    student.load_state_dict({**own, **learned})
