"""Compiled files, made once for all workers: each takes up to a minute."""

import fcntl
import os
from pathlib import Path

import pytest
from compiled_files import Files
from pet_models import pet_checkpoint

from md_bridge._paths import DATA
from md_bridge.compiled import compile_model


def _adaptive_pet(folder: Path) -> None:
    checkpoint = pet_checkpoint(
        folder / "pet.ckpt", num_neighbors_adaptive=6, num_gnn_layers=1, num_attention_layers=1
    )
    compile_model(str(checkpoint), folder / "model.pt2", {"dtype": "float64"})


def _module(folder: Path) -> None:
    given = {"elements": ["Ar"], "cutoff": 8.5, "layers": 1, "dtype": "float64"}
    compile_model("python:compiled_files.sources:curl", folder / "model.pt2", given)


def _student(folder: Path) -> None:
    from md_bridge.distil.files import write_student
    from md_bridge.distil.student import Architecture, Student

    architecture = Architecture((1, 8), 3.5, degree=2, channels=4)
    student = Student(architecture, seed=1)
    student.free_atom[:] = 1.5
    write_student(student, architecture, folder / "student.pt", "student", "small", {})
    compile_model(str(folder / "student.pt"), folder / "model.pt2")


def _bundled(folder: Path) -> None:
    """In single precision, with its own direct head; minutes."""
    compile_model(str(DATA / "water.pt"), folder / "model.pt2")


KINDS = {
    "adaptive PET": (_adaptive_pet, ("O", "H"), 1.7),
    "module": (_module, ("Ar",), 3.6),
    "student": (_student, ("O", "H"), 1.7),
    "bundled": (_bundled, ("O", "H"), 1.7),
}


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory) -> Path:
    """A folder of all workers of this session."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "compiled"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def files(shared_folder):
    """A function from the name of a kind to its files."""

    def made(kind: str) -> Files:
        make, elements, spacing = KINDS[kind]
        folder = shared_folder / kind.replace(" ", "-")
        folder.mkdir(exist_ok=True)
        with open(folder / "lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (folder / "model.pt2").exists():
                make(folder)
        exported = folder / "inside.pt"
        if not exported.exists():
            from md_bridge.export.model_file import extract_torchscript

            partial = folder / f"inside-{os.getpid()}.pt"
            os.replace(extract_torchscript(folder / "model.pt2", partial), exported)
        return Files(exported, folder / "model.pt2", elements, spacing)

    return made
