"""The network alone: the exported module called from Python, with pairs that were made before.

What a host and its adapter add to this is their overhead. TorchScript's profiling executor is off:
without it PET is faster on a CPU. Memory and waiting threads are treated as our engine treats them:
they belong to the process, and a difference in them would be taken for one of the host.
"""

import ctypes
import os
import time
import warnings
from pathlib import Path
from typing import Any

import ase.io
import torch
from metatomic.torch import ModelOutput, System, load_atomistic_model, systems_to_torch
from vesin.metatomic import compute_requested_neighbors

from md_bridge import _core  # after torch, whose libraries it is linked to

__all__ = ["Calls", "Repeated", "keep_freed_memory", "open_work"]

_WARM_UP = 3
"""Calls that are not timed."""
_WINDOW_S = 0.1
"""Of calls, from one look at how long threads waited to the next: as the engine's."""
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""Of glibc's ``malloc.h``."""


def open_work(task: dict[str, Any]) -> "Calls":
    """Of a model and a structure.

    :param task: ``model``, ``forces``, ``start``, ``threads``, ``device``
    """
    if task["device"] == "cpu":
        keep_freed_memory()
    torch.set_num_threads(task["threads"])
    warnings.simplefilter("ignore")  # of pairs without a gradient, which is wanted here
    return Calls(task)


def keep_freed_memory() -> bool:
    """What ``csrc/engine/memory.cpp`` does for the engine: the heap is not given back after each
    call, to be fetched again in the next, which takes longer than the step of a host.

    :returns: whether it was set: with glibc, and where no setting of the user is in the way
    """
    names = ("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_", "MALLOC_TOP_PAD_",
             "GLIBC_TUNABLES")  # fmt: skip
    libc = ctypes.CDLL(None)
    if any(name in os.environ for name in names) or not hasattr(libc, "gnu_get_libc_version"):
        return False
    stays = libc.mallopt(_TRIM_THRESHOLD, -1)
    # the second is what glibc before 2.35 takes
    on_heap = libc.mallopt(_MMAP_THRESHOLD, 2**31 - 1) or libc.mallopt(_MMAP_THRESHOLD, 32 << 20)
    return bool(stays and on_heap)


class Repeated:
    """Calls of a network, one after the other, while the engine decides, as after its own
    evaluations, whether waiting threads sleep."""

    first: dict[str, Any]

    def __init__(self) -> None:
        self.details: dict[str, float] = {}
        self._waited, self._worked = _seconds_without_core(), 0.0
        self.first = self._call()
        self.run(_WARM_UP)

    def _call(self) -> dict[str, Any]:
        """Energy and forces."""
        raise NotImplementedError

    def run(self, count: int) -> float:
        """Seconds of so many calls.

        :param count: how many
        """
        seconds = 0.0
        for _ in range(count):
            begin = time.perf_counter()
            self._call()
            took = time.perf_counter() - begin
            seconds += took
            self._watch(took)
        return seconds

    def _watch(self, took: float) -> None:
        self._worked += took
        if self._worked >= _WINDOW_S:
            now = _seconds_without_core()
            _core.note_waiting(max(0.0, now - self._waited), self._worked)
            self._waited, self._worked = now, 0.0


class Calls(Repeated):
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
        super().__init__()

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


def _seconds_without_core() -> float:
    """That all threads of this process were ready and had no core; 0 where nobody counts it."""
    found = 0.0
    for path in Path("/proc/self/task").glob("*/schedstat"):
        try:
            found += 1e-9 * float(path.read_text(encoding="ascii").split()[1])
        except (OSError, IndexError):  # a thread that has ended
            continue
    return found


def _is_wanted(name: str, direct: bool) -> bool:
    """Whether an output is the energy, or the direct forces."""
    if direct:
        return name in ("non_conservative_force", "non_conservative_forces")
    return name == "energy"
