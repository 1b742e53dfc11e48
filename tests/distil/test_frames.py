"""Frames: what the teacher says of them, and teachers and starts that cannot be."""

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from ase.calculators.emt import EMT
from ase.calculators.lj import LennardJones
from distil_tools import Moody, argon, frames_of, quietly
from python_models import crystal, toy

from md_bridge.ase import MDBridgeCalculator
from md_bridge.distil import DistilError, open_teacher, read_frames
from md_bridge.distil.budget import held_out_blocks
from md_bridge.distil.labelling.driving import choose_driving
from md_bridge.distil.labelling.sampling import default_timestep
from md_bridge.engine import ModelError
from md_bridge.errors import MDBridgeError


class EnergyOnly(Calculator):
    implemented_properties = ("energy",)

    def calculate(self, atoms=None, properties=None, system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        self.results["energy"] = 0.0


def test_labels_are_the_conservative_forces_and_the_energy(request_of, model_file):
    request = request_of()
    result = quietly(request)
    found = read_frames(result.folder)
    assert len(found) == result.frames == 2 * 13  # the last block of each run has no distorted one
    calculator = MDBridgeCalculator(model_file("curl"), device="cpu")
    for atoms in found[::3]:
        atoms_of_teacher = atoms.copy()
        atoms_of_teacher.calc = calculator
        assert np.allclose(atoms.get_forces(), atoms_of_teacher.get_forces(), atol=1e-10)
        assert atoms.get_potential_energy() == pytest.approx(
            atoms_of_teacher.get_potential_energy(), abs=1e-9
        )


def test_pairs_are_neighbours_and_copies_are_distorted(request_of):
    folder = quietly(request_of()).folder
    arrays = frames_of(folder)
    positions = arrays["frames/run-1/00001.npz positions"]
    cells = arrays["frames/run-1/00001.npz cells"]
    steps = [np.abs(positions[k + 1] - positions[k]).max() for k in range(6)]
    assert max(steps[0:6:2]) < 0.6 * min(steps[1:5:2])  # 8 fs within a pair, 24 fs between them
    assert np.array_equal(cells[:6], np.broadcast_to(cells[0], (6, 3, 3)))
    strain = np.linalg.solve(cells[0], cells[6]) - np.eye(3)
    assert 1e-3 < np.abs(strain).max() < 0.06


def test_the_end_of_every_run_is_held_out():
    assert [held_out_blocks(blocks) for blocks in (2, 10, 50)] == [1, 1, 5]


@pytest.mark.parametrize(
    ("formula", "timestep"), [("H2O", 0.5), ("CO2", 1.7), ("Li2", 1.3), ("Ar", 2.0)]
)
def test_default_timestep(formula, timestep):
    assert default_timestep([Atoms(formula)]) == timestep


def test_a_calculator_without_direct_forces_and_clusters(request_of):
    """Plain Langevin dynamics, of a cluster and a crystal in one file's worth of starts."""
    cluster = Atoms("Ar13", argon().positions[:13])
    moving = quietly(
        request_of(
            teacher=LennardJones(sigma=3.4, epsilon=0.0104, rc=6.0, smooth=True),
            starts=[cluster, argon(size=1)],
            temperatures_k=(20.0,),
            timestep_fs=2.0,
        )
    )
    assert moving.counts.starts == 2
    assert np.isfinite(moving.errors[-1].force)
    assert moving.teacher == "LennardJones"


def test_frames_without_finite_forces_are_dropped_and_counted(request_of):
    starts = [argon(size=1)]
    few = quietly(
        request_of(teacher=Moody(500), starts=starts, frames=105, steps=1, temperatures_k=(20.0,))
    )
    assert few.dropped == 1  # of 103
    assert all(np.isfinite(array).all() for array in frames_of(few.folder).values())
    with pytest.raises(DistilError, match=r"no finite forces for 1 of the 26 frames") as caught:
        quietly(
            request_of(
                teacher=Moody(60), starts=starts, frames=28, out=few.path.with_name("other.pt")
            )
        )
    assert "more than 1%" in str(caught.value)


def test_a_model_that_breaks_is_dropped_too(request_of, model_file):
    """NaN of an exported model is an error of the engine."""
    hot = request_of(teacher=model_file("nan_when_close"), temperatures_k=(1e6,), timestep_fs=5.0)
    with pytest.raises(DistilError, match="Take a lower temperature"):
        quietly(hot)


@pytest.mark.parametrize(
    ("teacher", "starts", "words"),
    [
        ("curl", [argon(), Atoms("XeAr", [[0, 0, 0], [0, 0, 4]])], r"start 2 \(ArXe\) has Xe"),
        (EnergyOnly(), [argon()], "does not give the forces"),
        (EMT(), [argon()], "EMT fails for start 1 (.*): NotImplementedError"),
        (Moody(1), [argon()], "not finite for start 1"),
        ("curl", [Atoms("Ar")], "at least two"),
        ("nowhere.pt", [argon()], "there is no file 'nowhere.pt'"),
    ],
)
def test_teachers_and_starts_that_cannot_be(request_of, model_file, teacher, starts, words):
    if teacher == "curl":
        teacher = model_file("curl")
    request = request_of(teacher=teacher, starts=starts)
    with pytest.raises(DistilError, match=words):
        quietly(request)
    assert not request.place.exists()


def test_a_file_that_is_no_model(tmp_path):
    (tmp_path / "model.pt").write_text("hello")
    with pytest.raises(ModelError):
        open_teacher(tmp_path / "model.pt")


FACTORIES = """
from ase.calculators.lj import LennardJones

def argon():
    return LennardJones(sigma=3.4, epsilon=0.0104)

def number():
    return 3

def broken():
    return 1 / 0

def plain():
    return lambda atoms: {"energy": 0.0, "forces": 0.0 * atoms.positions}

class Direct(LennardJones):
    forces_kind = "direct"
"""


def test_factories(tmp_path, monkeypatch):
    (tmp_path / "my_teachers.py").write_text(FACTORIES)
    monkeypatch.chdir(tmp_path)
    by_name = open_teacher("python:my_teachers:argon")
    by_file = open_teacher(f"python:{tmp_path / 'my_teachers.py'}:argon")
    assert by_name.name == "LennardJones of my_teachers:argon"
    assert by_name.checksum == by_file.checksum != ""
    assert not open_teacher("python:my_teachers:plain").calculator().get_forces(argon()).any()
    for target, words in {
        "my_teachers:argn": "has no 'argn'. Did you mean 'argon'",
        "my_teachers:number": "returned a int; expected an ASE calculator",
        "my_teachers:broken": "failed: ZeroDivisionError",
        "my_teachers:Direct": "are not the gradient of its energy",
        "your_teachers:argon": "cannot import 'your_teachers'",
        "gone.py:argon": "there is no file 'gone.py'",
        "my_teachers": "must have the form python:package.module:factory",
    }.items():
        with pytest.raises(MDBridgeError, match=words):
            open_teacher(f"python:{target}")


def test_a_calculator_with_two_kinds_of_forces(tmp_path):
    """Its direct forces drive the dynamics, as those of a file."""
    teacher = open_teacher(toy(tmp_path))
    assert teacher.has_direct_forces
    assert choose_driving(teacher, [crystal()]).multiple_time_stepping
    assert teacher.missing([18, 36]) == [36]
    atoms = crystal()
    found = teacher.direct_calculator().get_forces(atoms) - teacher.calculator().get_forces(atoms)
    assert np.abs(found).max() > 1e-5
    assert not open_teacher("python:" + str(tmp_path / "toy.py") + ":one_kind").has_direct_forces


def test_direct_forces_alone_teach_nothing(tmp_path):
    with pytest.raises(DistilError, match="has no conservative forces, which a student learns"):
        open_teacher(toy(tmp_path, "direct_alone"))
