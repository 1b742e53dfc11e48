"""A small eSEN of fairchem-core with both kinds of forces, and its parts that can be taken away."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from ase import Atoms
from torch import Tensor, nn

__all__ = ["ABLATIONS", "Esen", "Settings", "ablated", "batch_of", "load", "save"]


@dataclass(frozen=True)
class Settings:
    """Of the network; the published ones have 128 channels, 6 Å, and up to 10 layers."""

    channels: int = 16
    lmax: int = 2
    layers: int = 2
    cutoff: float = 4.0
    """Å."""
    basis: int = 10
    """Gaussians of the distance, whose width is twice their spacing."""
    activation: str = "gate"
    """Of the messages: "gate" turns with an edge whatever the angle about it is; "s2" applies its
    nonlinearity on a grid in the frame of the edge, whose angle fairchem draws at random."""
    grid: int | None = None
    """Points along each angle of the grid; None: 2 (lmax + 1) by 2 (lmax + 1) + 1,
    the coarsest that e3nn accepts."""
    neighbours: int = 300
    """No more than the nearest so many. 300 is all."""


class Esen(nn.Module):
    """Energy with its gradient, and a head for direct forces, on one eSEN backbone.

    :param settings: of the network
    :param dtype: of weights, positions and forces
    """

    def __init__(self, settings: Settings, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        from fairchem.core.models.uma.escn_md import (
            Linear_Force_Head,
            MLP_EFS_Head,
            eSCNMDBackbone,
        )

        self.settings = settings
        with _default(dtype):  # the grids and Wigner matrices are made where the network is
            self.backbone = eSCNMDBackbone(**backbone_options(settings))
            self.energy_head = MLP_EFS_Head(self.backbone, wrap_property=False)
            self.force_head = Linear_Force_Head(self.backbone)
        # in double precision: a few thousand eV leave single precision no digits for the rest
        self.register_buffer("reference", torch.zeros((), dtype=torch.float64))
        self.register_buffer("scale", torch.ones((), dtype=dtype))
        self.reference: Tensor
        self.scale: Tensor

    def forward(
        self, data: Any, conservative: bool = True, direct: bool = True, stress: bool = False
    ) -> dict[str, Tensor]:
        """Energies and forces of a batch.

        :param data: S structures with N atoms in all, from :func:`batch_of`
        :param conservative: whether to derive ``forces`` from the energy
        :param direct: whether ``direct_forces`` are wanted
        :param stress: whether to derive ``stress`` too; needs ``conservative``
        :returns: ``energy`` [S] eV, in double precision, ``forces`` and ``direct_forces`` [N, 3]
            eV/Å, ``stress`` [S, 9] eV/Å³
        """
        config = self.backbone.regress_config
        config.direct_forces, config.forces, config.stress = not conservative, conservative, stress
        data = data.clone()
        embedding = self.backbone(data)
        found = self.energy_head(data, embedding)
        energy = self.scale * found["energy"] + self.reference * data["natoms"]
        results = {"energy": energy}
        results |= {
            name: self.scale * found[name] for name in ("forces", "stress") if name in found
        }
        if direct:
            results["direct_forces"] = self.scale * self.force_head(data, embedding)["forces"]
        return results


def backbone_options(settings: Settings) -> dict[str, Any]:
    """Keywords of fairchem's backbone."""
    return {
        "sphere_channels": settings.channels,
        "hidden_channels": settings.channels,
        "edge_channels": settings.channels,
        "lmax": settings.lmax,
        "mmax": settings.lmax,
        "num_layers": settings.layers,
        "cutoff": settings.cutoff,
        "num_distance_basis": settings.basis,
        "act_type": settings.activation,
        "ff_type": "spectral",
        "grid_resolution": settings.grid,
        "max_neighbors": settings.neighbours,
        "direct_forces": False,
        "regress_forces": True,
        "otf_graph": True,
        "always_use_pbc": False,
        "use_dataset_embedding": False,
    }


class NoEnvelope(nn.Module):
    """The weight of a pair is 1 up to the cutoff, where it ends at once."""

    def forward(self, scaled: Tensor) -> Tensor:
        """1 below the cutoff.

        :param scaled: distances over the cutoff
        """
        return (scaled < 1).to(scaled.dtype)


ABLATIONS: dict[str, dict[str, Any]] = {
    "full model": {},
    "coarse grid": {},
    "fine grid": {"grid": 14},
    "sharp radial basis": {"basis": 512},
    "capped neighbours": {"neighbours": 12},
    "no envelope": {},
}
"""Settings of each row that differ from those that it was trained with."""


def ablated(network: Esen, name: str) -> Esen:
    """A trained network with one part changed, the weights kept.

    :param network: which stays as it is
    :param name: of :data:`ABLATIONS`; the rows of the grid want one with ``activation="s2"``, the
        sharp radial basis needs a training of its own
    """
    dtype = network.scale.dtype
    changed = Esen(Settings(**{**asdict(network.settings), **ABLATIONS[name]}), dtype)
    changed.load_state_dict(network.state_dict())
    if name == "no envelope":
        changed.backbone.envelope = NoEnvelope()
    elif ABLATIONS[name].get("neighbours"):
        changed.backbone.enforce_max_neighbors_strictly = True
    return changed.eval()


def batch_of(structures: Sequence[Atoms], dtype: torch.dtype = torch.float32) -> Any:
    """What fairchem's networks take.

    :param structures: with labels in their calculators, or without
    """
    from fairchem.core.datasets.atomic_data import AtomicData, atomicdata_list_to_batch

    rows = [
        AtomicData.from_ase(atoms, task_name="water", target_dtype=dtype) for atoms in structures
    ]
    return atomicdata_list_to_batch(rows)


def save(network: Esen, path: str | os.PathLike[str], **about: Any) -> None:
    """Write settings, weights, and what else is to be known.

    :param about: plain numbers, lists and words
    """
    state = {"settings": asdict(network.settings), "state": network.state_dict(), "about": about}
    torch.save(state, path)


def load(path: str | os.PathLike[str], dtype: torch.dtype = torch.float32) -> Esen:
    """A network that :func:`save` wrote, for evaluation.

    :raises FileNotFoundError: there is none; ``train.py`` writes one
    """
    if not Path(path).exists():
        raise FileNotFoundError(
            f"no checkpoint '{path}': write one with python train.py --out {path}"
        )
    saved = torch.load(path, map_location="cpu", weights_only=True)
    network = Esen(Settings(**saved["settings"]), dtype)
    network.load_state_dict(saved["state"])
    return network.eval()


@contextlib.contextmanager
def _default(dtype: torch.dtype) -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)
