"""Whether a compiled file computes what its TorchScript computes, and how much sooner."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ase
import numpy as np

from md_bridge.compiled.functions import CompilableNetwork
from md_bridge.engine import Engine, Evaluation, Structure, structure_from_ase
from md_bridge.export.checks import structures as check_structures
from md_bridge.export.errors import ExportError

__all__ = ["Comparison", "compare"]

# Of the largest force, and at least of 1 eV/Å. In single precision the TorchScript network rounds
# positions (1e-6 Å are 5e-5 eV/Å in an O-H bond), the compiled one pair vectors.
_TOLERANCES = {"float32": 3e-4, "float64": 1e-9}
_ROUNDS = 5


@dataclass(frozen=True)
class Comparison:
    """One of the functions, run from both files.

    :param function: its name
    :param difference: largest of a force, in eV/Å
    :param torchscript_s: median time of an evaluation from the TorchScript file (s)
    :param compiled_s: from the compiled file
    """

    function: str
    difference: float
    torchscript_s: float
    compiled_s: float

    @property
    def ratio(self) -> float:
        """How many times faster the compiled one is."""
        return self.torchscript_s / self.compiled_s


def compare(
    exported: Path,
    compiled: Path,
    network: CompilableNetwork,
    structures: Sequence[ase.Atoms] | None,
) -> list[Comparison]:
    """Run both files on the same structures.

    :param exported: the TorchScript file
    :param compiled: the compiled one
    :param network: what was compiled
    :param structures: None: a lattice and a cluster of the elements of the model
    :raises ExportError: they differ by more than rounding
    """
    variant = network.description["energy"].partition("/")[2]
    engines = [
        Engine(path, variant=variant, remove_net_force=False) for path in (exported, compiled)
    ]
    if structures is None:
        elements = check_structures.choose_elements(engines[0].info.atomic_types)
        structures = [check_structures.lattice(elements, 4), check_structures.cluster(elements)]
    compared = []
    for function, wanted in _wanted(network.description).items():
        times: list[list[float]] = [[], []]
        difference = 0.0
        for place, atoms in enumerate(structures):
            periodic = bool(atoms.pbc.all())
            asked = {k: v for k, v in wanted.items() if periodic or k != "direct_virial"}
            structure = structure_from_ase(atoms)
            results = []
            for _ in range(_ROUNDS if place == 0 else 1):
                results = [
                    _timed(engine, structure, asked, seconds)
                    for engine, seconds in zip(engines, times, strict=True)
                ]
            exported_found, compiled_found = results
            found = _differences(exported_found, compiled_found, asked)
            difference = max(difference, *(d for name, d in found.items() if "forces" in name))
            _require_agreement(function, found, exported_found, network.description["dtype"], atoms)
        # the first call loads the function
        medians = [statistics.median(seconds[1:_ROUNDS]) for seconds in times]
        compared.append(Comparison(function, difference, *medians))
    return compared


def _wanted(description: Mapping[str, str]) -> dict[str, dict[str, bool]]:
    """What to ask of the engine for each function."""
    gradient = {"conservative_forces": True, "conservative_virial": True}
    if not description["direct_forces"]:
        return {"conservative": gradient}
    direct = {"direct_forces": True}
    if description["direct_stress"]:
        direct["direct_virial"] = True
    return {"direct": direct, "conservative": gradient, "both": {**gradient, **direct}}


def _timed(
    engine: Engine, structure: Structure, wanted: dict[str, bool], seconds: list[float]
) -> Evaluation:
    begin = time.perf_counter()
    found = engine.evaluate(structure, None, **wanted)
    seconds.append(time.perf_counter() - begin)
    return found


def _differences(exported: Any, compiled: Any, wanted: Mapping[str, bool]) -> dict[str, float]:
    """Largest difference of each quantity, in its unit."""
    return {
        name: float(abs(np.subtract(getattr(exported, name), getattr(compiled, name))).max())
        for name in ("energy", *wanted)
    }


def _require_agreement(
    function: str, found: Mapping[str, float], exported: Any, dtype: str, atoms: ase.Atoms
) -> None:
    for name, difference in found.items():
        # energies of lone atoms are thousands of eV that both add alike
        largest = len(atoms) if name == "energy" else abs(np.asarray(getattr(exported, name))).max()
        allowed = _TOLERANCES[dtype] * max(1.0, float(largest))
        if difference <= allowed:  # not if it is a NaN
            continue
        raise ExportError(
            f"compiled, the model computes something else: '{name}' of the function '{function}' "
            f"differs by {difference:.1e} (eV, Å) from that of the TorchScript file, where "
            f"rounding explains {allowed:.1e}. Nothing is written; run the TorchScript file, and "
            "report this"
        )
