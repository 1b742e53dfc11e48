"""The functions of a compiled file alone: called from Python with pairs that were made before, as
:mod:`raw_call` calls the exported module.

Of networks of pairs with a fixed cutoff, whose functions take one set of rows.
"""

from typing import Any

import ase.io
import torch
from ase import Atoms

from md_bridge.bench.programs.raw_call import Repeated, keep_freed_memory
from md_bridge.compiled.pet.functions import neighborhoods_of
from md_bridge.export.model_file import read_description

__all__ = ["CompiledCalls", "open_work"]


def open_work(task: dict[str, Any]) -> "CompiledCalls":
    """Of a compiled file and a structure.

    :param task: ``model``, ``forces``, ``start``, ``threads``, ``device``
    :raises ValueError: on another device than the CPU, for which files are compiled
    """
    if task.get("device", "cpu") != "cpu":
        raise ValueError("compiled functions run on the CPU only")
    keep_freed_memory()
    torch.set_num_threads(task["threads"])
    return CompiledCalls(task)


class CompiledCalls(Repeated):
    """Forces of one structure, of the conservative ones with the sum over the pairs of each atom.

    :param task: as :func:`open_work` takes it
    :raises ValueError: the file is of another kind
    """

    def __init__(self, task: dict[str, Any]) -> None:
        description = read_description(task["model"])
        if description["kind"] != "pairs" or "cutoffs" in description["functions"].split():
            raise ValueError("its functions are called alone only where the cutoff is fixed")
        atoms = ase.io.read(task["start"])
        assert isinstance(atoms, Atoms)
        precision = torch.float32 if description["dtype"] == "float32" else torch.float64
        self._arguments = neighborhoods_of([atoms], float(description["cutoff"]), precision)
        self._direct = task["forces"] == "direct"
        # one runner, threads of the call, on the CPU: as the engine has it
        self._function = torch._C._aoti.AOTIModelPackageLoader(
            task["model"], task["forces"], True, 1, -1
        )
        super().__init__()

    def _call(self) -> dict[str, Any]:
        energies, *others = self._function.boxed_run(list(self._arguments))
        if self._direct:
            return {"energy": None, "forces": others[0].tolist()}
        of_pairs = others[0].to(torch.float64)
        first, second = self._arguments.pairs.unbind(1)
        forces = torch.zeros(len(energies), 3, dtype=torch.float64)
        forces.index_add_(0, first, of_pairs).index_add_(0, second, of_pairs, alpha=-1)
        return {"energy": None, "forces": forces.tolist()}
