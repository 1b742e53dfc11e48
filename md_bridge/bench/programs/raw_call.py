"""The network alone: the exported module called from Python, with pairs that were made before.

What a host and its adapter add to this is their overhead. TorchScript's profiling executor is off:
without it PET is faster on a CPU.
"""

import time
import warnings
from typing import Any

import ase.io
import torch
from metatomic.torch import ModelOutput, System, load_atomistic_model, systems_to_torch
from vesin.metatomic import compute_requested_neighbors

__all__ = ["Calls", "open_work"]

_WARM_UP = 3
"""Calls that are not timed."""


def open_work(task: dict[str, Any]) -> "Calls":
    """Of a model and a structure.

    :param task: ``model``, ``forces``, ``start``, ``threads``, ``device``
    """
    torch.set_num_threads(task["threads"])
    warnings.simplefilter("ignore")  # of pairs without a gradient, which is wanted here
    return Calls(task)


class Calls:
    """Forward, and backward for conservative forces, of one structure.

    :param task: as :func:`open_work` takes it
    """

    def __init__(self, task: dict[str, Any]) -> None:
        model = load_atomistic_model(task["model"])
        precision = torch.float32 if model.capabilities().dtype == "float32" else torch.float64
        device = torch.device(task["device"])
        self._direct = task["forces"] == "direct"
        system = systems_to_torch(ase.io.read(task["start"])).to(precision)
        compute_requested_neighbors([system], "angstrom", model)
        self._system: System = system.to(device=device)
        self._module = model.module.to(device)
        name = next(n for n in model.capabilities().outputs if _is_wanted(n, self._direct))
        per_atom = model.capabilities().outputs[name].sample_kind == "atom"
        self._name = name
        self._outputs = {name: ModelOutput(sample_kind="atom" if per_atom else "system")}
        self.details: dict[str, float] = {}
        self.first = self._call()
        self.run(_WARM_UP)

    def _call(self) -> dict[str, Any]:
        """Energy and forces (of the pairs' list as it is: metatomic's PETs read positions)."""
        old = self._system
        positions = old.positions.detach().clone().requires_grad_(not self._direct)
        system = System(old.types, positions, old.cell, old.pbc)
        for options in old.known_neighbor_lists():
            system.add_neighbor_list(options, old.get_neighbor_list(options))
        with torch.jit.optimized_execution(False), torch.set_grad_enabled(not self._direct):
            value = self._module([system], self._outputs, None)[self._name].block().values
            if self._direct:
                return {"energy": None, "forces": value.reshape(-1, 3).cpu().tolist()}
            value.sum().backward()
        assert positions.grad is not None
        return {"energy": None, "forces": (-positions.grad).cpu().tolist()}

    def run(self, count: int) -> float:
        """Seconds of so many calls.

        :param count: how many
        """
        begin = time.perf_counter()
        for _ in range(count):
            self._call()
        return time.perf_counter() - begin


def _is_wanted(name: str, direct: bool) -> bool:
    """Whether an output is the energy, or the direct forces."""
    if direct:
        return name in ("non_conservative_force", "non_conservative_forces")
    return name == "energy"
