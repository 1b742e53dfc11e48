"""Compiled files, made once for all workers: each takes up to a minute."""

import fcntl
import os
from pathlib import Path

import ase.io
import pytest
from click.testing import CliRunner
from compiled_files import Files, box
from pet_models import pet_checkpoint

from md_bridge._paths import DATA
from md_bridge.cli import main
from md_bridge.compiled import compile_model
from md_bridge.engine import structure_from_ase
from md_bridge.model_options import ModelOptions
from md_bridge.symmetry.models.precision import in_double_precision


def _adaptive_pet(folder: Path) -> None:
    checkpoint = pet_checkpoint(
        folder / "pet.ckpt", num_neighbors_adaptive=6, num_gnn_layers=1, num_attention_layers=1
    )
    compile_model(str(checkpoint), folder / "model.pt2", {"dtype": "float64"})


def _module(folder: Path) -> None:
    """By the command, which says in ``said.json`` what it compared."""
    of_this_kind = Files(folder, folder, ("Ar",), 3.6)
    ase.io.write(folder / "structures.xyz", [box(of_this_kind, 3, seed=seed) for seed in range(3)])
    words = ["compile", "python:compiled_files.sources:curl", "-o", folder / "model.pt2"]
    words += ["--elements", "Ar", "--cutoff", 6.0, "--layers", 1, "--dtype", "float64"]
    words += ["--structures", folder / "structures.xyz", "--threads", 1, "--json"]
    done = CliRunner().invoke(main, [str(word) for word in words])
    assert done.exit_code == 0, done.output
    (folder / "said.json").write_text(done.stdout)


def _shares(folder: Path) -> None:
    """In units of its own, with stresses of atoms."""
    given = {"elements": ["Ar"], "cutoff": 0.6, "layers": 1, "dtype": "float64"}
    given |= {"length_unit": "nm", "energy_unit": "kcal/mol"}
    compile_model("python:compiled_files.sources:shares", folder / "model.pt2", given)


def _cramped(folder: Path) -> None:
    """In other units, in single precision, without direct forces."""
    given = {"elements": ["Ar"], "cutoff": 12.0, "layers": 1, "dtype": "float32"}
    given |= {"length_unit": "bohr", "energy_unit": "hartree"}
    compile_model("python:compiled_files.sources:cramped", folder / "model.pt2", given)


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


def _bundled_in_double(folder: Path) -> None:
    start = structure_from_ase(ase.io.read(DATA / "water-start.xyz"))
    with in_double_precision(DATA / "water.pt", ModelOptions(), start) as double:
        compile_model(str(double), folder / "model.pt2")


KINDS = {
    "adaptive PET": (_adaptive_pet, ("O", "H"), 1.7),
    "module": (_module, ("Ar",), 3.6),
    "shares": (_shares, ("Ar",), 3.6),
    "cramped": (_cramped, ("Ar",), 3.6),
    "student": (_student, ("O", "H"), 1.7),
    "bundled": (_bundled, ("O", "H"), 1.7),
    "bundled in double": (_bundled_in_double, ("O", "H"), 1.7),
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
