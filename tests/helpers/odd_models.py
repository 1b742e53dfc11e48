"""Models in the metatomic format that ask for other things than one full list of pairs."""
# ruff: noqa: UP006, UP035 (TorchScript)

from pathlib import Path
from typing import Dict, List, Optional, Tuple

import torch
from metatensor.torch import Labels, TensorBlock, TensorMap
from metatomic.torch import (
    AtomisticModel,
    ModelCapabilities,
    ModelMetadata,
    ModelOutput,
    NeighborListOptions,
    System,
)

from md_bridge.export.files import save_atomically


class Wells(torch.nn.Module):
    """Argon: each atom by itself -1 eV, and (1 - r/rc)² eV for each pair of each list.

    A pair of a full list counts half; lists that are not ``strict`` are filtered here. With
    ``per_atom`` False there is an energy of the structure only. ``inputs`` are asked for and not
    looked at. Direct forces are zero, and the direct stress is the same for all structures,
    whichever of their atoms are selected. A ``tail`` is divided by the volume, as a correction for
    what lies beyond a cutoff.
    """

    lists: List[NeighborListOptions]
    inputs: List[str]

    def __init__(
        self,
        cutoffs: List[float],
        full: List[bool],
        inputs: List[str],
        per_atom: bool,
        strict: bool,
        tail: float,
    ):
        super().__init__()
        self.lists = [
            NeighborListOptions(cutoff=cutoff, full_list=whole, strict=strict)
            for cutoff, whole in zip(cutoffs, full, strict=True)
        ]
        self.inputs = inputs
        self.per_atom = per_atom
        self.tail = tail

    def requested_neighbor_lists(self) -> List[NeighborListOptions]:
        return self.lists

    def requested_inputs(self) -> Dict[str, ModelOutput]:
        return {name: ModelOutput(unit="", sample_kind="system") for name in self.inputs}

    def forward(
        self,
        systems: List[System],
        outputs: Dict[str, ModelOutput],
        selected_atoms: Optional[Labels] = None,  # noqa: UP045
    ) -> Dict[str, TensorMap]:
        energies: List[torch.Tensor] = []
        samples: List[List[int]] = []
        as_atoms = self.per_atom and "energy" in outputs and outputs["energy"].sample_kind == "atom"
        for s, system in enumerate(systems):
            of_atoms = -torch.ones_like(system.positions[:, 0])
            for options in self.lists:
                block = system.get_neighbor_list(options)
                r = torch.sqrt((block.values.reshape(-1, 3) ** 2).sum(dim=1))
                share = 0.5 if options.full_list else 1.0
                first = block.samples.column("first_atom").to(torch.int64)
                pairs = share * (1.0 - r / options.cutoff) ** 2
                if not options.strict:
                    pairs = torch.where(r < options.cutoff, pairs, torch.zeros_like(pairs))
                of_atoms = of_atoms.index_add(0, first, pairs)
            if self.tail != 0.0 and bool(system.pbc.all()):
                of_atoms = of_atoms + self.tail / torch.det(system.cell)
            if as_atoms:
                energies.append(of_atoms.reshape(-1, 1))
                for i in range(len(system)):
                    samples.append([s, i])
            else:
                energies.append(of_atoms.sum().reshape(1, 1))
                samples.append([s])
        device = systems[0].device
        block = TensorBlock(
            values=torch.cat(energies),
            samples=Labels(
                ["system", "atom"] if as_atoms else ["system"],
                torch.tensor(samples, device=device),
            ),
            components=torch.jit.annotate(List[Labels], []),
            properties=Labels(["energy"], torch.tensor([[0]], device=device)),
        )
        key = Labels(["_"], torch.tensor([[0]], device=device))
        results = {"energy": TensorMap(key, [block])}
        if "non_conservative_force" in outputs:
            results["non_conservative_force"] = TensorMap(key, [_no_forces(systems)])
        if "non_conservative_stress" in outputs:
            results["non_conservative_stress"] = TensorMap(key, [_whole_stress(systems)])
        return results


def _no_forces(systems: List[System]) -> TensorBlock:
    device = systems[0].device
    atoms: List[List[int]] = []
    for s, system in enumerate(systems):
        for i in range(len(system)):
            atoms.append([s, i])
    return TensorBlock(
        values=torch.zeros((len(atoms), 3, 1), dtype=systems[0].positions.dtype, device=device),
        samples=Labels(["system", "atom"], torch.tensor(atoms, device=device)),
        components=[Labels(["xyz"], torch.tensor([[0], [1], [2]], device=device))],
        properties=Labels(["force"], torch.tensor([[0]], device=device)),
    )


def _whole_stress(systems: List[System]) -> TensorBlock:
    """1 eV/Å³ along each axis, whichever atoms are selected."""
    device = systems[0].device
    axes = torch.tensor([[0], [1], [2]], device=device)
    unit = torch.eye(3, dtype=systems[0].positions.dtype, device=device)
    return TensorBlock(
        values=unit.reshape(1, 3, 3, 1).repeat(len(systems), 1, 1, 1),
        samples=Labels(["system"], torch.arange(len(systems), device=device).reshape(-1, 1)),
        components=[Labels(["xyz_1"], axes), Labels(["xyz_2"], axes)],
        properties=Labels(["stress"], torch.tensor([[0]], device=device)),
    )


def wells(
    path: Path,
    cutoffs: tuple[float, ...] = (),
    full: tuple[bool, ...] = (),
    inputs: tuple[str, ...] = (),
    per_atom: bool = True,
    devices: tuple[str, ...] = ("cpu",),
    strict: bool = True,
    tail: float = 0.0,
) -> Path:
    """Write a :class:`Wells` in double precision at ``path`` and return the path."""
    capabilities = ModelCapabilities(
        outputs={
            "energy": ModelOutput(unit="eV", sample_kind="atom" if per_atom else "system"),
            "non_conservative_force": ModelOutput(unit="eV/A", sample_kind="atom"),
            "non_conservative_stress": ModelOutput(unit="eV/A^3", sample_kind="system"),
        },
        atomic_types=[18],
        interaction_range=max(cutoffs, default=0.0),
        length_unit="angstrom",
        supported_devices=list(devices),
        dtype="float64",
    )
    module = Wells(list(cutoffs), list(full), list(inputs), per_atom, strict, tail)
    AtomisticModel(module.eval(), ModelMetadata(), capabilities).save(str(path))
    return path


class PairEnergy(torch.nn.Module):
    """0.1 eV · Z plus ½ Σ (1 − r²/rc²)³ eV over the pairs of each list, half or full."""

    _lists: list[NeighborListOptions]

    def __init__(self, lists: List[Tuple[float, bool]]):
        super().__init__()
        self._lists = [
            NeighborListOptions(cutoff=cutoff, full_list=full, strict=True)
            for cutoff, full in lists
        ]

    def requested_neighbor_lists(self) -> List[NeighborListOptions]:
        return self._lists

    def forward(
        self,
        systems: List[System],
        outputs: Dict[str, ModelOutput],
        selected_atoms: Optional[Labels] = None,  # noqa: UP045
    ) -> Dict[str, TensorMap]:
        if "energy" not in outputs:
            return {}
        energies: List[torch.Tensor] = []
        rows: List[torch.Tensor] = []
        for s, system in enumerate(systems):
            energy = 0.1 * system.types.to(system.positions.dtype)
            for options in self._lists:
                pairs = system.get_neighbor_list(options)
                r2 = pairs.values.square().sum(dim=1).squeeze(-1)
                term = 0.5 * torch.relu(1.0 - r2 / options.cutoff**2) ** 3
                first = pairs.samples.column("first_atom").to(torch.int64)
                second = pairs.samples.column("second_atom").to(torch.int64)
                energy = energy.index_add(0, first, term)
                if not options.full_list:
                    energy = energy.index_add(0, second, term)
            energies.append(energy)
            rows.append(
                torch.stack([torch.full_like(system.types, s), torch.arange(len(system))], dim=1)
            )
        values, samples = torch.cat(energies), Labels(["system", "atom"], torch.cat(rows))
        if selected_atoms is not None:
            kept = samples.select(selected_atoms)
            values, samples = values[kept], Labels(samples.names, samples.values[kept])
        if outputs["energy"].sample_kind != "atom":
            total = torch.zeros(len(systems), dtype=values.dtype)
            values = total.index_add(0, samples.column("system").to(torch.int64), values)
            samples = Labels(["system"], torch.arange(len(systems)).reshape(-1, 1))
        one = torch.zeros((1, 1), dtype=torch.int64)
        block = TensorBlock(values.unsqueeze(1), samples, [], Labels(["energy"], one))
        return {"energy": TensorMap(Labels(["_"], one), [block])}


def pair_energy_file(
    path: Path,
    lists: List[Tuple[float, bool]],
    per: str = "atom",
) -> Path:
    """Export :class:`PairEnergy` for H and O: no list, a half one, two.

    :param lists: cutoff (Å) and whether both directions are listed, of each
    :param per: of what there are energies: "atom", or "system" alone
    """
    capabilities = ModelCapabilities(
        outputs={"energy": ModelOutput(unit="eV", sample_kind=per)},
        atomic_types=[1, 8],
        interaction_range=max([0.0, *[cutoff for cutoff, _ in lists]]),
        length_unit="angstrom",
        supported_devices=["cpu"],
        dtype="float64",
    )
    model = AtomisticModel(PairEnergy(lists).eval(), ModelMetadata(), capabilities)
    return save_atomically(model, path)


class Descriptor(torch.nn.Module):
    """One number for each atom, which is neither an energy nor a force."""

    def forward(
        self,
        systems: List[System],
        outputs: Dict[str, ModelOutput],
        selected_atoms: Optional[Labels] = None,  # noqa: UP045
    ) -> Dict[str, TensorMap]:
        values: List[torch.Tensor] = []
        atoms: List[List[int]] = []
        for s, system in enumerate(systems):
            values.append(system.types.to(system.positions.dtype).reshape(-1, 1))
            for i in range(len(system)):
                atoms.append([s, i])
        one = torch.zeros((1, 1), dtype=torch.int64)
        block = TensorBlock(
            values=torch.cat(values),
            samples=Labels(["system", "atom"], torch.tensor(atoms)),
            components=torch.jit.annotate(List[Labels], []),
            properties=Labels(["feature"], one),
        )
        return {"feature": TensorMap(Labels(["_"], one), [block])}


def no_forces(path: Path) -> Path:
    """Write a model of argon with an output that no dynamics can use, and return the path."""
    capabilities = ModelCapabilities(
        outputs={"feature": ModelOutput(sample_kind="atom")},
        atomic_types=[18],
        interaction_range=0.0,
        length_unit="angstrom",
        supported_devices=["cpu"],
        dtype="float64",
    )
    AtomisticModel(Descriptor().eval(), ModelMetadata(), capabilities).save(str(path))
    return path
