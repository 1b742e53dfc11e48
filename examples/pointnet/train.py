"""Train the PointNet on decays, with and without rotations of the events: python train.py"""

from __future__ import annotations

from pathlib import Path

import click
import torch
from decays import Events, decays
from pointnet import PointNet
from scipy.spatial.transform import Rotation
from torch import Tensor

__all__ = ["train"]


def random_rotations(count: int, generator: torch.Generator) -> Tensor:
    """Elements of O(3), half of them mirror images, [count, 3, 3]."""
    seed = int(torch.randint(2**31, (1,), generator=generator))
    rotations = torch.tensor(Rotation.random(count, random_state=seed).as_matrix())
    signs = 2 * torch.randint(0, 2, (count, 1, 1), generator=generator) - 1
    return (rotations * signs).float()


def loss_of(network: PointNet, momenta: Tensor, kind: Tensor, heavier: Tensor) -> Tensor:
    """Cross-entropy of the kind, mean square error of the momentum over its own size."""
    found = network(momenta)
    wrong = torch.nn.functional.binary_cross_entropy_with_logits(found["logit"], kind)
    return wrong + ((found["heavier"] - heavier) ** 2).sum(-1).mean() / 10.0


def train(
    events: Events, epochs: int, augment: bool, keep: set[int], folder: Path, batch: int = 250
) -> None:
    """Train from a fixed start, and save the weights after some epochs.

    :param events: to learn from
    :param epochs: how many times all of them
    :param augment: turn or mirror each event at random, anew in each epoch
    :param keep: epochs after which to save (0: the start)
    :param folder: for the files, ``epoch-NNN.pt``
    :param batch: events of one step
    """
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(1)
    generator = torch.Generator().manual_seed(2)
    network = PointNet()
    optimizer = torch.optim.AdamW(network.parameters(), lr=2e-3, weight_decay=1e-4)
    steps = max(1, epochs * (len(events.kind) // batch))
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    momenta, kind, heavier = (
        torch.tensor(each).float() for each in (events.momenta, events.kind, events.heavier)
    )
    for epoch in range(epochs + 1):
        if epoch in keep:
            torch.save(network.state_dict(), folder / f"epoch-{epoch:03d}.pt")
        if epoch == epochs:
            break
        for rows in torch.randperm(len(kind), generator=generator).split(batch):
            inputs, target = momenta[rows], heavier[rows]
            if augment:
                turns = random_rotations(len(rows), generator)
                inputs = torch.einsum("eij,enj->eni", turns, inputs)
                target = torch.einsum("eij,ej->ei", turns, target)
            optimizer.zero_grad()
            loss = loss_of(network, inputs, kind[rows], target)
            loss.backward()
            optimizer.step()
            schedule.step()


@click.command()
@click.option("--epochs", default=24, show_default=True, help="Passes over the events.")
@click.option("--events", default=10000, show_default=True, help="Events to learn from.")
@click.option("--out", default="runs", show_default=True, help="Folder for the weights.")
def main(epochs: int, events: int, out: str) -> None:
    """Train twice, with and without augmentation, and keep the weights after 0, 1, 2, 4, … epochs.

    Example: python train.py --epochs 16
    """
    keep = {0, epochs} | {2**k for k in range(12) if 2**k < epochs}
    data = decays(events, seed=0)
    for name, augment in (("augmented", True), ("plain", False)):
        train(data, epochs, augment, keep, Path(out) / name)
        click.echo(f"wrote {Path(out) / name}")


if __name__ == "__main__":
    main()
