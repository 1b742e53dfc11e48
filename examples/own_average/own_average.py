"""Fine-tune a model on its own average over orientations: it depends less on them.

No labels are used. What a model says of one structure in all orientations, turned back, scatters
about its average; over all orientations the mean squared error of a model is that of its average
plus this variance A². So the average of the untuned model, over one of the engine's sets of rotated
copies, is what the model learns to say in every orientation, mirror images included.

Example: python own_average.py ../../md_bridge/data/water.pt ../train_water/data/train.xyz.xz
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
import torch
from ase import Atoms
from metatomic.torch import ModelEvaluationOptions, ModelOutput
from rich.progress import Progress, track
from scipy.spatial.transform import Rotation
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from md_bridge.engine import Engine, Structure, structure_from_ase
from md_bridge.export.checks.runner import Runner, per_atom
from md_bridge.export.evaluation import QUANTITIES
from md_bridge.export.files import check_destination, save_atomically
from md_bridge.export.metadata import merge_metadata, parse_metadata
from md_bridge.export.outputs import keep_outputs
from md_bridge.structures import read_structures, spread

ROUNDING = 3e-7
"""Of single precision, relative."""
Answers = dict[str, Tensor]
"""The quantities of ``QUANTITIES`` in eV and Å, the energy per atom."""


@dataclass
class Frame:
    """A structure, and the average of the untuned model over its orientations."""

    atoms: Atoms
    average: Answers


def answers(engine: Engine, structures: list[Structure]) -> dict[str, np.ndarray]:
    """All that the model says of structures of one size and volume, an array for each quantity."""
    found = engine.evaluate(
        structures,
        conservative_forces=True,
        conservative_virial=True,
        direct_forces=True,
        direct_virial=True,
    )
    volume = abs(np.linalg.det(structures[0].cell))
    values = (
        [each.energy / len(structures[0].types) for each in found],
        [each.conservative_forces for each in found],
        [each.direct_forces for each in found],
        [-each.conservative_virial / volume for each in found],
        [-each.direct_virial / volume for each in found],
    )
    return {name: np.array(each) for name, each in zip(QUANTITIES, values, strict=True)}


def averages(model: str, structures: list[Atoms], copies: str) -> list[Frame]:
    """Structures with the model's average over rotated copies of each.

    :param model: path of an exported model with direct forces and stress
    :param structures: periodic; labels, if they have any, are not looked at
    :param copies: octahedral, icosahedral, octahedral/inversion or icosahedral/inversion
    """
    engine = Engine(model, symmetrize=copies)
    frames = []
    for atoms in track(structures, description=f"averages ({copies})"):
        found = answers(engine, [structure_from_ase(atoms)])
        average = {name: torch.as_tensor(values[0]) for name, values in found.items()}
        frames.append(Frame(atoms, average))
    return frames


def answers_in(runner: Runner, atoms: Atoms, orientation: np.ndarray) -> Answers:
    """What the model says of a turned copy, turned back; with the graph to its weights.

    :param orientation: g, orthogonal [3, 3]; the copy is x ↦ g x
    """
    copy = Atoms(atoms.numbers, atoms.positions @ orientation.T, pbc=True)
    copy.set_cell(atoms.cell[:] @ orientation.T)
    system, positions, strain = runner.system(copy, differentiable=True)
    outputs = {
        runner.energy_output: ModelOutput(unit="eV", sample_kind="system"),
        runner.force_output: ModelOutput(unit="eV/A", sample_kind="atom"),
        runner.stress_output: ModelOutput(unit="eV/A^3", sample_kind="system"),
    }
    options = ModelEvaluationOptions(length_unit="angstrom", outputs=outputs)
    # second derivatives: written-out attention has them; compiling anew for each shape is slow
    with sdpa_kernel(SDPBackend.MATH), torch.jit.optimized_execution(False):
        results = runner.model([system], options, check_consistency=False)

    energy = results[runner.energy_output].block().values.double().sum()
    slopes = torch.autograd.grad(energy, [positions, strain], create_graph=True)
    (direct,) = per_atom(results[runner.force_output], [atoms])
    direct_stress = results[runner.stress_output].block().values.reshape(3, 3)
    back = torch.as_tensor(orientation)
    stresses = [
        back.T @ (0.5 * (stress + stress.T)).double() @ back
        for stress in (slopes[1] / atoms.get_volume(), direct_stress)
    ]
    return {
        "energy": energy / len(atoms),
        "conservative force": -slopes[0].double() @ back,
        "direct force": (direct - direct.mean(dim=0)).double() @ back,
        "conservative stress": stresses[0],
        "direct stress": stresses[1],
    }


def deviations(runner: Runner, frame: Frame, orientation: np.ndarray) -> Tensor:
    """Mean squared distance of each answer in an orientation from the average, in their order."""
    found = answers_in(runner, frame.atoms, orientation)
    squares = [(found[name] - frame.average[name]).square().mean() for name in QUANTITIES]
    return torch.stack(squares)


def shares(before: Tensor, average: Answers) -> Tensor:
    """Factors of the mean squared distances in the loss: all components count alike.

    Each is measured in units of what its quantity was before. So the energy and a stress, one
    number and nine for a structure, count little beside its forces; their gradients, which add up
    over all atoms, would drown those otherwise. What is exact already is left out.

    :param before: mean squared distance of each quantity, in their order; not all of them 0
    :param average: of a structure, for the sizes of the quantities
    """
    means = torch.stack([average[name].square().mean() for name in QUANTITIES])
    components = torch.tensor([average[name].numel() for name in QUANTITIES])
    factors = torch.where(before > ROUNDING**2 * means, components / before, 0.0)
    return factors / (factors @ before)


def fine_tune(
    runner: Runner, frames: list[Frame], schedule: Iterable[float], learning_rate: float, seed: int
) -> list[float]:
    """Train the weights in place, each step on one frame in a random orientation.

    The loss starts at about 1, see ``shares``.

    :param schedule: fractions done, from 0 to 1: one step each, with a learning rate that falls
    :returns: the loss of each step
    """
    generator = np.random.default_rng(seed)

    def orientation() -> np.ndarray:
        return generator.choice([1, -1]) * Rotation.random(random_state=generator).as_matrix()

    before = torch.zeros(len(QUANTITIES), dtype=torch.float64)
    looks = max(16, len(frames))
    for look in range(looks):
        before += deviations(runner, frames[look % len(frames)], orientation()).detach() / looks
    share = shares(before, frames[0].average)
    weights = [w.requires_grad_() for w in runner.model.parameters() if w.is_floating_point()]
    optimizer = torch.optim.Adam(weights, lr=learning_rate, betas=(0.9, 0.99))
    losses: list[float] = []
    for done in schedule:
        rate = min(1.0, (len(losses) + 1) / 20) * 0.5 * (1 + math.cos(math.pi * done))
        optimizer.param_groups[0]["lr"] = learning_rate * rate
        frame = frames[generator.integers(len(frames))]
        loss = share @ deviations(runner, frame, orientation())
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        losses.append(loss.item())
    for weight in weights:
        weight.requires_grad_(False)
    return losses


def save(runner: Runner, path: str | Path) -> Path:
    """Write the model at ``path``, saying in its description what was done."""
    old = runner.model.metadata()
    description = f"{old.description}\nFine-tuned on its own average over orientations."
    new = merge_metadata(old, parse_metadata({"description": description}))
    return save_atomically(
        keep_outputs(runner.model, outputs=None, devices=None, metadata=new), path
    )


def minutes(budget: float, start: float) -> Iterator[float]:
    """Fractions of the time that is left of a budget of minutes since ``start`` (seconds)."""
    begin = time.monotonic()
    length = start + 60 * budget - begin
    with Progress() as progress:
        task = progress.add_task("training", total=1.0)
        while (done := (time.monotonic() - begin) / length) < 1 and length > 0:
            yield done
            progress.update(task, completed=done)


@click.command()
@click.argument("model", type=click.Path(exists=True, dir_okay=False))
@click.argument("structures", type=click.Path(exists=True, dir_okay=False))
@click.option("--out", default="tuned.pt", show_default=True, help="Model to write.")
@click.option("--minutes", "budget", default=15.0, show_default=True, help="Time for all of it.")
@click.option("--frames", default=40, show_default=True, help="Structures, evenly spread.")
@click.option(
    "--copies", default="octahedral", show_default=True, help="Set that is averaged over."
)
@click.option("--learning-rate", default=3e-5, show_default=True)
@click.option("--seed", default=0, show_default=True)
@click.option("--threads", default=1, show_default=True)
def main(
    model: str,
    structures: str,
    out: str,
    budget: float,
    frames: int,
    copies: str,
    learning_rate: float,
    seed: int,
    threads: int,
) -> None:
    """Fine-tune the exported MODEL on its own average over orientations of STRUCTURES.

    Example: python own_average.py water.pt train.xyz --minutes 15 --out tuned.pt
    """
    start = time.monotonic()
    check_destination(out)
    torch.set_num_threads(threads)
    runner = Runner(model)
    taught = averages(model, spread(read_structures(structures), frames), copies)
    losses = fine_tune(runner, taught, minutes(budget, start), learning_rate, seed)
    if not losses:
        raise click.ClickException(
            f"the averages of {len(taught)} structures took longer than {budget:g} minutes; "
            "give more --minutes or fewer --frames"
        )
    window = max(1, len(losses) // 10)
    first, last = (float(np.mean(part)) for part in (losses[:window], losses[-window:]))
    click.echo(f"{len(losses)} steps: loss {first:.3g} at the beginning, {last:.3g} at the end")
    save(runner, out)
    click.echo(f"wrote {out}")


if __name__ == "__main__":
    main()
