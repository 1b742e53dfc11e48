"""A PointNet for decays: each particle by itself, their sum, and again with the sum beside it."""

from __future__ import annotations

import torch
from decays import CHARGES
from torch import Tensor, nn

__all__ = ["PointNet"]

_GEV = 5.0
"""Momenta are divided by it."""


class PointNet(nn.Module):
    """Kind and momentum of a decay from the momenta of its daughters, without any symmetry built in
    but that of the order of the particles.

    :param width: of the layers
    """

    charges: Tensor

    def __init__(self, width: int = 96) -> None:
        super().__init__()
        self.register_buffer("charges", torch.tensor(CHARGES)[:, None])
        self.embed = nn.Linear(4, width)
        self.alone = nn.Sequential(nn.SiLU(), nn.Linear(width, width), nn.SiLU())
        self.together = nn.ModuleList(
            nn.Sequential(
                nn.Linear(2 * width, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU()
            )
            for _ in range(2)
        )
        self.pooled = nn.Sequential(nn.Linear(width, width), nn.SiLU())
        self.kind = nn.Linear(width, 1)
        self.momentum = nn.Linear(width, 3)

    def forward(self, momenta: Tensor) -> dict[str, Tensor]:
        """What the network says of some events.

        :param momenta: [..., 4, 3] in the order of the charges, GeV
        :returns: ``logit`` [...], positive for the second kind, and ``heavier`` [..., 3], GeV
        """
        charges = self.charges.expand(*momenta.shape[:-1], 1)
        x = self.alone(self.embed(torch.cat([momenta / _GEV, charges], dim=-1)))
        for layer in self.together:
            x = x + layer(torch.cat([x, x.mean(-2, keepdim=True).expand_as(x)], dim=-1))
        pooled = self.pooled(x.mean(-2))
        return {"logit": self.kind(pooled)[..., 0], "heavier": _GEV * self.momentum(pooled)}
