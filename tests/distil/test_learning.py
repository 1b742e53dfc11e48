"""What is learned: the loss and the errors on paper, and a student that learns."""

import numpy as np
import pytest
import torch
from distil_tools import argon, quietly

from md_bridge.distil.labelling.frames import Block
from md_bridge.distil.report.tables import sentences
from md_bridge.distil.student import Architecture, Student
from md_bridge.distil.training import trainer
from md_bridge.distil.training.batches import Frames
from md_bridge.distil.training.held_out import fit_free_atoms, held_out_errors
from md_bridge.distil.training.loss import LabelScales, sums_of
from md_bridge.distil.training.trainer import Schedule, Trainer, label_scales

CPU = torch.device("cpu")
# of hydrogen (1 u) and oxygen (16 u): a pair of neighbouring frames, and a distorted one
FORCES = np.array(
    [
        [[1.0, 0.0, 0.0], [0.0, 4.0, 0.0]],
        [[3.0, 0.0, 0.0], [0.0, 4.0, 8.0]],
        [[0.0, 0.0, 1.0], [0.0, 8.0, 0.0]],
    ]
)


def block(forces=FORCES, numbers=(1, 8), energies=None):
    """A molecule, with a pair of frames and those that follow."""
    count, atoms = forces.shape[:2]
    positions = np.zeros((count, atoms, 3))
    positions[:, :, 0] = 1.2 * np.arange(atoms) + 0.05 * np.arange(count)[:, None]
    positions[:, -1, 1] = 0.1 * np.arange(count)
    return Block(
        numbers=np.array(numbers),
        masses=np.where(np.array(numbers) == 1, 1.0, 16.0),
        pbc=np.zeros(3, bool),
        positions=positions,
        cells=np.zeros((count, 3, 3)),
        forces=forces,
        energies=np.zeros(count) if energies is None else energies,
        pairs=1,
        end_positions=positions[0],
        end_momenta=positions[0],
        dropped=0,
    )


@pytest.fixture
def frames():
    """Three to learn from, and the pair held out too."""
    found = Frames(4.0)
    found.add(block(), held_out=False)
    found.add(block(FORCES[:2]), held_out=True)
    return found


def test_the_loss_on_paper(frames):
    batch = frames.batch(frames.training, CPU)
    sums = sums_of(batch.forces, batch)
    # |ΔF|²/m: 1 + 16/16, 9 + 80/16, and 0.3 of 1 + 64/16
    assert float(sums.acceleration) == pytest.approx(2 + 14 + 0.3 * 5)
    assert sums.atoms == 6
    # of the changes: 2²/1 + 8²/16; the distorted frame has none
    assert float(sums.change) == pytest.approx(4 + 4)
    assert sums.pairs == 2
    loss = float(sums.loss(LabelScales(acceleration=2.0, change=0.5)))
    assert loss == pytest.approx(17.5 / 6 / 2 + 8 / 2 / 0.5)


def test_the_scales_are_those_of_the_pairs(frames):
    scales = label_scales(frames, frames.training)
    assert scales.acceleration == pytest.approx(16 / 4)
    assert scales.change == pytest.approx(8 / 2)


class Known(torch.nn.Module):
    """Forces of its own for each element, (x, 0, 0) eV/Å."""

    def forward(self, types, *_):
        """As a student."""
        forces = torch.zeros(len(types), 3)
        forces[types == 1, 0] = 1.0
        return {"forces": forces}


def test_errors_of_known_forces_by_element(frames):
    hydrogen, oxygen, everything = held_out_errors(Known(), frames, (1, 8), CPU)
    assert [each.element for each in (hydrogen, oxygen, everything)] == ["H", "O", "all"]
    # components of the error: H 0 and −2 in six, O −4, −4 and −8
    assert hydrogen.force == pytest.approx(1e3 * (4 / 6) ** 0.5)
    assert hydrogen.force_of_labels == pytest.approx(1e3 * (10 / 6) ** 0.5)
    assert oxygen.force == oxygen.force_of_labels == pytest.approx(1e3 * (96 / 6) ** 0.5)
    assert oxygen.acceleration == pytest.approx(1e3 * (96 / 16 / 6) ** 0.5)
    assert everything.force == pytest.approx(1e3 * (100 / 12) ** 0.5)
    assert everything.acceleration == pytest.approx(1e3 * ((4 + 96 / 16) / 12) ** 0.5)
    assert hydrogen.change == pytest.approx(1e3 * (4 / 3) ** 0.5)
    assert oxygen.change == pytest.approx(1e3 * (64 / 3) ** 0.5)
    assert everything.change_of_labels == pytest.approx(1e3 * (68 / 6) ** 0.5)


def test_energies_of_free_atoms_from_two_compositions():
    student = Student(Architecture((1, 8), 4.0), seed=3).float()
    frames = Frames(4.0)
    for numbers in ((1, 8), (1, 1, 8)):
        forces = np.zeros((2, len(numbers), 3))
        one = Frames(4.0)
        one.add(block(forces, numbers), held_out=False)
        batch = one.batch(one.training, CPU)
        energies = student(*batch.arguments)["energy"].detach()
        bound = [float(energies[batch.arguments[5] == k].sum()) for k in range(2)]
        free = sum({1: -13.0, 8: -430.0}[number] for number in numbers)
        frames.add(block(forces, numbers, np.array(bound) + free), held_out=False)
    fit_free_atoms(student, frames, (1, 8), CPU)
    assert student.free_atom.flatten().tolist() == pytest.approx([-13.0, -430.0], abs=1e-3)


def test_training_stops_when_the_error_does_not_fall_and_keeps_the_best(
    frames, tmp_path, monkeypatch
):
    monkeypatch.setattr(trainer, "_LEAST_PATIENCE", 3)
    losses = iter([0.9, 0.5, 0.7, 0.6, 0.55, 0.1])
    monkeypatch.setattr(Trainer, "held_out_loss", lambda self: next(losses))
    student = Student(Architecture((1, 8), 4.0), seed=3)
    one = Trainer(student, frames, Schedule(40, patience=0.05), 1, tmp_path / "checkpoint", CPU)
    averages = {}
    one.train(lambda step, loss: averages.update({step: one.average.linear.clone()}))
    assert one.stopped_early
    assert one.step == 5  # three steps after the best
    assert torch.equal(one.best["linear"], averages[2])
    assert not torch.equal(one.best["linear"], averages[5])


def test_a_student_learns(request_of):
    """Zero forces miss by 100 %; they are what a student that learns nothing is as good as."""
    result = quietly(
        request_of(starts=[argon(size=1)], temperatures_k=(60.0,), frames=28, steps=120)
    )
    error = result.errors[-1]
    assert error.force < 0.2 * error.force_of_labels
    assert error.change < 0.5 * error.change_of_labels
    assert result.curves.held_out[-1] < 0.2 * result.curves.held_out[0]
    assert "120 training steps." in sentences(result)[0]
