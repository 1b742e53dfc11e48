"""Whether a compiled file computes what its TorchScript computes, and how much sooner."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import ase
import numpy as np

from md_bridge.compiled.functions import CompilableNetwork
from md_bridge.engine import Engine, Evaluation, Structure, structure_from_ase
from md_bridge.errors import MDBridgeError
from md_bridge.export.checks import structures as check_structures
from md_bridge.export.errors import ExportError
from md_bridge.model_options import ModelOptions
from md_bridge.symmetry.models.precision import in_double_precision

__all__ = ["Comparison", "compare"]

# As fractions of the largest force, and of 1 eV/Å where that is less.
_BETWEEN_FILES = {"float32": 3e-4, "float64": 1e-9}
"""In single precision the TorchScript network rounds positions (1e-6 Å are 5e-5 eV/Å in an O-H
bond), the compiled one pair vectors."""
_FROM_DOUBLE = 2e-5
"""Of a file in single precision, from the same model in double precision: twice what the bundled
model has at 648 atoms."""
_WORSE = 2.0
"""Or so many times the distance of the TorchScript file, where a network rounds more than that."""
_ROUNDS = 5


@dataclass(frozen=True)
class Comparison:
    """One of the functions, run from both files.

    :param function: its name
    :param difference: largest of a force, in eV/Å
    :param torchscript_s: median time of an evaluation from the TorchScript file (s)
    :param compiled_s: from the compiled file
    :param compiled_error: largest of a force, in eV/Å, from the same model in double precision;
        None if the model is in double precision, or cannot be converted to it
    :param torchscript_error: the same of the TorchScript file
    """

    function: str
    difference: float
    torchscript_s: float
    compiled_s: float
    compiled_error: float | None = None
    torchscript_error: float | None = None

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
    """Run both files on the same structures, and those in single precision beside the same model in
    double precision, if it can be converted to that.

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
    first = structure_from_ase(structures[0])
    wanted = _wanted(network.description)
    everything = {name: True for asked in wanted.values() for name in asked}
    with _in_double(engines[0], variant, first, everything) as exact:
        return [
            _compare_function(function, asked, structures, engines, exact)
            for function, asked in wanted.items()
        ]


@contextmanager
def _in_double(
    exported: Engine, variant: str, first: Structure, everything: Mapping[str, bool]
) -> Iterator[Engine | None]:
    """The model of a file in single precision in double precision; None for others, and for those
    that cannot be converted to it."""
    if exported.info.dtype == "float64":
        yield None
        return
    path = Path(exported.info.path)
    options = ModelOptions(variant=variant)
    with ExitStack() as stack:
        try:
            double = stack.enter_context(in_double_precision(path, options, first))
            engine = Engine(double, variant=variant, remove_net_force=False)
            found = engine.evaluate(first, None, **everything)
        except MDBridgeError:
            yield None
            return
        yield engine if _is_double(found, everything) else None


def _is_double(found: Evaluation, everything: Mapping[str, bool]) -> bool:
    """Whether forces have more digits than single precision has: a module may compute in that
    whatever it is given."""
    forces = [np.asarray(getattr(found, name)) for name in everything if "forces" in name]
    return any((values != values.astype(np.float32)).any() for values in forces)


def _compare_function(
    function: str,
    wanted: Mapping[str, bool],
    structures: Sequence[ase.Atoms],
    engines: Sequence[Engine],
    exact: Engine | None,
) -> Comparison:
    """One of the functions on all structures; the first one is timed."""
    times: list[list[float]] = [[], []]
    largest: dict[str, float] = {}
    for place, atoms in enumerate(structures):
        periodic = bool(atoms.pbc.all())
        asked = {k: v for k, v in wanted.items() if periodic or k != "direct_virial"}
        structure = structure_from_ase(atoms)
        for _ in range(_ROUNDS if place == 0 else 1):
            exported, compiled = (
                _timed(engine, structure, asked, seconds)
                for engine, seconds in zip(engines, times, strict=True)
            )
        in_double = None if exact is None else exact.evaluate(structure, None, **asked)
        found = _Found(exported, compiled, in_double)
        found.require_agreement(function, asked, engines[1].info.dtype, len(atoms))
        for name, difference in found.of_forces(asked).items():
            largest[name] = max(difference, largest.get(name, 0.0))
    # the first call loads the function
    torchscript_s, compiled_s = (statistics.median(seconds[1:_ROUNDS]) for seconds in times)
    return Comparison(
        function, largest["difference"], torchscript_s, compiled_s,
        largest.get("compiled_error"), largest.get("torchscript_error"),
    )  # fmt: skip


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
    engine: Engine, structure: Structure, wanted: Mapping[str, bool], seconds: list[float]
) -> Evaluation:
    begin = time.perf_counter()
    found = engine.evaluate(structure, None, **wanted)
    seconds.append(time.perf_counter() - begin)
    return found


@dataclass(frozen=True)
class _Found:
    """Of one structure."""

    exported: Evaluation
    compiled: Evaluation
    exact: Evaluation | None
    """By the model in double precision."""

    def of_forces(self, asked: Mapping[str, bool]) -> dict[str, float]:
        """The largest difference of a component of a force, in eV/Å, by the fields of
        :class:`Comparison`."""
        names = [name for name in asked if "forces" in name]
        pairs = {"difference": (self.compiled, self.exported)}
        if self.exact is not None:
            pairs["compiled_error"] = (self.compiled, self.exact)
            pairs["torchscript_error"] = (self.exported, self.exact)
        return {
            name: max(_difference(*pair, quantity) for quantity in names)
            for name, pair in pairs.items()
        }

    def require_agreement(
        self, function: str, asked: Mapping[str, bool], dtype: str, atoms: int
    ) -> None:
        """Refuse what rounding does not explain.

        :raises ExportError: something differs by more
        """
        for name in ("energy", *asked):
            # energies of lone atoms are thousands of eV that all add alike; virials of many atoms
            # cancel
            values = 0.0 if name == "energy" else getattr(self.exported, name)
            least = 1.0 if "forces" in name else atoms
            scale = max(least, float(np.abs(values).max()))
            _require(
                _difference(self.compiled, self.exported, name), _BETWEEN_FILES[dtype] * scale,
                name, function, "the TorchScript file",
            )  # fmt: skip
            if self.exact is None:
                continue
            of_torchscript = _difference(self.exported, self.exact, name)
            _require(
                _difference(self.compiled, self.exact, name),
                max(_FROM_DOUBLE * scale, _WORSE * of_torchscript),
                name, function, "the model in double precision",
            )  # fmt: skip


def _difference(one: Evaluation, other: Evaluation, name: str) -> float:
    """Largest of a quantity, in its unit."""
    return float(abs(np.subtract(getattr(one, name), getattr(other, name))).max())


def _require(difference: float, allowed: float, name: str, function: str, other: str) -> None:
    if difference <= allowed:  # not if it is a NaN
        return
    raise ExportError(
        f"compiled, the model computes something else: '{name}' of the function '{function}' "
        f"differs by {difference:.1e} (eV, Å) from that of {other}, where rounding explains "
        f"{allowed:.1e}. Nothing is written; run the TorchScript file, and report this"
    )
