"""The layers of a PET, from its checkpoint or from the file that it was exported to."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import ase
import numpy as np
import torch

from md_bridge.export.checkpoint import build_module, load_checkpoint
from md_bridge.export.model_file import Kind, identify, load_exported
from md_bridge.export.pet_backbone import find_backbone, rebuild_backbone
from md_bridge.export.structures import require_elements
from md_bridge.export.torch_module.batch import make_batch
from md_bridge.symmetry.errors import SymmetryError
from md_bridge.symmetry.layers.capture import Capture
from md_bridge.symmetry.layers.sampling import rows_to_measure

__all__ = ["PETLayers", "load_pet"]

INPUTS = ("edge_vectors", "edge_distances", "cutoff_factors")
"""What the network is given, with metatrain's names; the numbers among it."""
_LEAST_FACTOR = 0.01
"""Of the cutoff function: a pair that hardly counts may be left out in another orientation, by
rounding, and says nothing about the network."""


def load_pet(path: str | os.PathLike[str], *, trust: bool = False) -> tuple[Any, float]:
    """metatrain's ``PETBackend`` in Python, with what it needs besides its own settings.

    :param path: of a checkpoint (``.ckpt``), an exported model (``.pt``) or a compiled one
        (``.pt2``); the latter two are built anew in Python from the weights in the file
    :param trust: load a checkpoint even if that runs code stored in it
    :returns: the network, and the width of the counting function of adaptive cutoffs, in Å
    :raises ExportError: the file cannot be read
    :raises SymmetryError: there is no PET in it, or one with long-range features
    """
    checkpoint = identify(path) is Kind.CHECKPOINT
    if checkpoint:
        network: Any = build_module(load_checkpoint(path, trust=trust), path)
    else:
        network = load_exported(path).module
    found = find_backbone(network)
    if found is None:
        what = (
            "holds a network that is no PET"
            if checkpoint
            else "is TorchScript, which does not show its layers, and there is no PET in it that "
            "could be built anew"
        )
        raise SymmetryError(
            f"'{path}' {what}: expected the checkpoint (.ckpt) or the exported file of a PET; for "
            "another network call md_bridge.symmetry.layers.analyse_layers_of with its torch module"
        )
    whole, backbone = found
    if bool(getattr(whole, "long_range", False)):
        raise SymmetryError(
            f"the PET in '{path}' has long-range features, which are no layer of atoms and pairs"
        )
    backbone = backbone if checkpoint else rebuild_backbone(backbone)
    return backbone.eval(), float(getattr(whole, "cutoff_width_adaptive", 1.0))


class PETLayers:
    """The features of a PET for turned copies of a structure, as a function of positions and cell.

    Atoms are samples in their order, directed pairs sorted by (i, j, cell shift): the list is made
    once and turned with the structure, and each pair is looked up among those that the network
    kept, so that a row is the same pair in every copy.

    :param backbone: metatrain's ``PETBackend`` in Python
    :param width_adaptive: as :func:`load_pet` gives it
    :param atoms: the structure, in Å
    :param pattern: which layers, by metatrain's names: ``gnn_layers.0_node``,
        ``gnn_layers.0_edge``, ``edge_vectors`` …; see
        :func:`~md_bridge.symmetry.layers.capture.chosen`
    :param samples: at most so many atoms, and so many pairs; None: all
    :raises ExportError: the structure has elements that the network does not know
    :raises SymmetryError: no atom has two neighbours
    """

    def __init__(
        self,
        backbone: Any,
        width_adaptive: float,
        atoms: ase.Atoms,
        pattern: str | Sequence[str] = "*",
        samples: int | None = None,
    ) -> None:
        self.backbone, self.width_adaptive = backbone, width_adaptive
        self.dtype = next(backbone.parameters()).dtype
        known = torch.nonzero(backbone.species_to_species_index >= 0).flatten().tolist()
        require_elements([atoms], known, "those that are given")
        batch = make_batch([atoms], backbone.cutoff, self.dtype)
        order = np.lexsort((*batch.shifts.numpy().T[::-1], *batch.pairs.numpy().T[::-1]))
        self.types = batch.types
        self._reach = int(batch.shifts.abs().max()) if len(batch.shifts) else 0
        self.pairs, self.shifts = batch.pairs[order], batch.shifts[order].long()
        self.atoms = rows_to_measure(len(atoms), samples)
        self.layers = Capture(backbone, pattern, self._run, ("node", "edge"), self._rows_of)
        cell = np.where(atoms.pbc[:, None], atoms.cell[:], 0.0)
        self.points = (atoms.positions, cell)
        self._choose_pairs(samples)

    def __call__(self, positions: np.ndarray, cells: np.ndarray) -> dict[str, torch.Tensor]:
        """Features of copies.

        :param positions: [G, N, 3], in Å
        :param cells: [G, 3, 3], a vector a row
        :returns: by name, [G, samples, d]; what the network is given comes first
        :raises SymmetryError: a pair is missing in one of the copies
        """
        values = self.layers(positions, cells)
        return {name: values[name] for name in sorted(values, key=lambda name: name not in INPUTS)}

    def _run(self, positions: np.ndarray, cells: np.ndarray) -> dict[str, torch.Tensor]:
        batch = self._prepare(positions, cells)
        self._pairs_at = self._find_pairs(batch, len(positions))
        self._width = int(batch["edge_vectors"].shape[1])
        node, edge = self.backbone.calculate_features(batch, capture_diagnostics=True)
        names = list(self.backbone.node_heads)
        self.backbone.predict(node, edge, batch, batch["cells"], batch["system_indices"], names)
        return {
            name: batch[name] if batch[name].ndim == 3 else batch[name][..., None]
            for name in INPUTS
        }

    def _prepare(self, positions: np.ndarray, cells: np.ndarray) -> dict[str, torch.Tensor]:
        """The network's own arguments, of all copies one after the other."""
        count, size = positions.shape[:2]
        offsets = size * torch.arange(count).repeat_interleave(len(self.pairs))
        systems = torch.arange(count).repeat_interleave(size)
        boxes = torch.as_tensor(cells, dtype=self.dtype)
        batch: dict[str, torch.Tensor] = self.backbone.preprocess(
            torch.as_tensor(positions, dtype=self.dtype).reshape(-1, 3),
            self.pairs[:, 0].repeat(count) + offsets,
            self.pairs[:, 1].repeat(count) + offsets,
            self.types.repeat(count),
            boxes,
            self.shifts.repeat(count, 1),
            systems,
            self.width_adaptive,
        )
        neutral = torch.zeros(count, dtype=torch.long)
        batch.update(charge=neutral, spin_multiplicity=neutral + 1, system_indices=systems)
        batch["cells"] = boxes
        return batch

    def _choose_pairs(self, samples: int | None) -> None:
        batch = self._prepare(*(each[None] for each in self.points))
        if batch["edge_vectors"].shape[1] < 2:
            raise SymmetryError(
                "the layers of a PET are told apart where an atom has two neighbours or more "
                f"within the cutoff of {self.backbone.cutoff:g} Å; found none: take a larger "
                "structure"
            )
        at = batch["centers"], batch["nef_to_edges_neighbor"]
        counted = torch.nonzero(batch["cutoff_factors"][at] > _LEAST_FACTOR).flatten().numpy()
        rows = counted[rows_to_measure(len(counted), samples)]
        self._keys = self._keys_of(batch)[rows]

    def _keys_of(self, batch: dict[str, torch.Tensor]) -> np.ndarray:
        """A number for each pair that the network kept: copy, i, j and shift."""
        size = len(self.types)
        copies, first = np.divmod(batch["centers"].numpy(), size)
        second = batch["neighbors"].numpy() % size
        shifts = batch["cell_shifts"].numpy().astype(int).T + self._reach
        digits = (copies, first, second, *shifts)
        bases = (int(copies.max()) + 1, size, size, *[2 * self._reach + 1] * 3)
        return np.ravel_multi_index(digits, bases)

    def _find_pairs(
        self, batch: dict[str, torch.Tensor], count: int
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Where the chosen pairs are in the network's own arrays, for each copy."""
        keys = self._keys_of(batch)
        span = len(self.types) ** 2 * (2 * self._reach + 1) ** 3
        wanted = (self._keys + span * np.arange(count)[:, None]).ravel()
        order = np.argsort(keys, kind="stable")
        places = np.searchsorted(keys, wanted, sorter=order)
        rows = order[np.minimum(places, len(keys) - 1)]
        if not np.array_equal(keys[rows], wanted):
            raise SymmetryError(
                "each pair of atoms should be there in every orientation; the network leaves some "
                "out by a rule that depends on the frame, so that no average over copies means "
                "anything: cap neighbours by distance or not at all"
            )
        kept = torch.as_tensor(rows)
        return batch["centers"][kept], batch["nef_to_edges_neighbor"][kept]

    def _rows_of(self, value: torch.Tensor) -> dict[str, torch.Tensor]:
        """Samples of an output: of atoms [atoms, d] or [atoms, 1, d], of pairs [atoms, places, d],
        or of both side by side [atoms, 1 + places, d]."""
        centers, places = self._pairs_at
        copies = len(places) // len(self._keys)
        if len(value) != copies * len(self.types) or value.ndim not in (2, 3):
            return {}
        if value.ndim == 2:
            return {"": self._of_atoms(value, copies)}
        width = int(value.shape[1])
        if width == 1:
            return {"": self._of_atoms(value[:, 0], copies)}
        of_pairs = value[:, 1:] if width == self._width + 1 else value
        pairs = of_pairs[centers, places].reshape(copies, len(self._keys), -1)
        if width == self._width:
            return {"": pairs}
        if width == self._width + 1:
            return {"_node": self._of_atoms(value[:, 0], copies), "_edge": pairs}
        return {}

    def _of_atoms(self, value: torch.Tensor, copies: int) -> torch.Tensor:
        return value.reshape(copies, len(self.types), -1)[:, self.atoms]
