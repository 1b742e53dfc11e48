"""
The C++ engine of MD Bridge; use it through md_bridge.engine.
"""

from __future__ import annotations
import collections.abc
import numpy
import numpy.typing
import typing

__all__: list[str] = [
    "Engine",
    "EngineError",
    "EngineOptions",
    "Evaluation",
    "FusedForces",
    "IPI_UNITS",
    "IpiClient",
    "IpiSession",
    "Model",
    "ModelError",
    "ModelInfo",
    "NonFiniteError",
    "Pairs",
    "SYMMETRIZATIONS",
    "Structure",
    "Timings",
    "Wanted",
    "available_cores",
    "choose_threads",
    "get_threads",
    "random_rotation",
    "remove_net_force",
    "remove_net_torque",
    "rotation_group",
    "set_threads",
]

class EngineError(RuntimeError):
    pass

class ModelError(EngineError):
    pass

class NonFiniteError(EngineError):
    pass

class Structure:
    def __init__(
        self,
        types: typing.Annotated[numpy.typing.ArrayLike, numpy.int32],
        positions: typing.Annotated[numpy.typing.ArrayLike, numpy.float64],
        cell: typing.Annotated[numpy.typing.ArrayLike, numpy.float64],
        periodic: typing.Annotated[collections.abc.Sequence[bool], "FixedSize(3)"],
        owned: typing.SupportsInt | typing.SupportsIndex = -1,
    ) -> None: ...
    def __len__(self) -> int: ...
    @property
    def cell(self) -> numpy.typing.NDArray[numpy.float64]: ...
    @property
    def periodic(self) -> typing.Annotated[list[bool], "FixedSize(3)"]: ...
    @property
    def positions(self) -> numpy.typing.NDArray[numpy.float64]: ...
    @property
    def types(self) -> numpy.typing.NDArray[numpy.int32]: ...
    @property
    def volume(self) -> float: ...

class Pairs:
    def __init__(self, skin: typing.SupportsFloat | typing.SupportsIndex = 1.0) -> None: ...
    def provide(self, arg0: typing.Annotated[numpy.typing.ArrayLike, numpy.int32]) -> None: ...
    def select(
        self,
        structure: Structure,
        cutoff: typing.SupportsFloat | typing.SupportsIndex,
        full: bool = True,
    ) -> tuple[numpy.typing.NDArray[numpy.int32], numpy.typing.NDArray[numpy.float64]]: ...
    def update(
        self, structure: Structure, cutoff: typing.SupportsFloat | typing.SupportsIndex
    ) -> bool: ...
    @property
    def builds(self) -> int: ...
    @property
    def candidates(self) -> int: ...
    @property
    def reuses(self) -> int: ...
    @property
    def skin(self) -> float: ...

class ModelInfo:
    @property
    def atomic_types(self) -> list[int]: ...
    @property
    def authors(self) -> list[str]: ...
    @property
    def cutoff(self) -> float: ...
    @property
    def description(self) -> str: ...
    @property
    def device(self) -> str: ...
    @property
    def dtype(self) -> str: ...
    @property
    def interaction_range(self) -> float: ...
    @property
    def name(self) -> str: ...
    @property
    def outputs(self) -> dict[str, str]: ...
    @property
    def path(self) -> str: ...
    @property
    def references(self) -> dict[str, list[str]]: ...
    @property
    def supported_devices(self) -> list[str]: ...

class Model:
    @staticmethod
    def load(path: str, device: str = "auto", extensions: str = "") -> Model: ...
    def find_output(self, standard_name: str, variant: str = "") -> str: ...
    def require_output(self, standard_name: str, variant: str = "") -> str: ...
    @property
    def info(self) -> ModelInfo: ...

class Wanted:
    def __init__(
        self,
        *,
        energy: bool = True,
        conservative_forces: bool = False,
        conservative_virial: bool = False,
        direct_forces: bool = False,
        direct_virial: bool = False,
        atomic_energies: bool = False,
        uncertainty: bool = False,
    ) -> None: ...

class Evaluation:
    @property
    def atomic_energies(self) -> numpy.typing.NDArray[numpy.float64]: ...
    @property
    def conservative_forces(self) -> numpy.typing.NDArray[numpy.float64]: ...
    @property
    def conservative_virial(self) -> numpy.typing.NDArray[numpy.float64]: ...
    @property
    def direct_forces(self) -> numpy.typing.NDArray[numpy.float64]: ...
    @property
    def direct_virial(self) -> numpy.typing.NDArray[numpy.float64]: ...
    @property
    def energy(self) -> float: ...
    @property
    def uncertainty(self) -> numpy.typing.NDArray[numpy.float64]: ...

class Timings:
    @property
    def backward(self) -> float: ...
    @property
    def evaluations(self) -> int: ...
    @property
    def forward(self) -> float: ...
    @property
    def packing(self) -> float: ...
    @property
    def pairs(self) -> float: ...
    @property
    def total(self) -> float: ...
    @property
    def unpacking(self) -> float: ...

class EngineOptions:
    def __init__(
        self,
        *,
        variant: str = "",
        direct_variant: str = "",
        uncertainty_variant: str = "",
        remove_net_force: bool = True,
        check_consistency: bool = False,
        symmetrize: str = "none",
        seed: typing.SupportsInt | typing.SupportsIndex | None = None,
        atoms_per_forward: typing.SupportsInt | typing.SupportsIndex = 0,
    ) -> None: ...

class Engine:
    def __init__(self, model: Model, options: EngineOptions) -> None: ...
    def evaluate_batch(
        self,
        structures: collections.abc.Sequence[Structure],
        pairs: collections.abc.Sequence[Pairs],
        wanted: Wanted,
    ) -> list[Evaluation]: ...
    def require(self, wanted: Wanted) -> None: ...
    def require_types(
        self, types: collections.abc.Sequence[typing.SupportsInt | typing.SupportsIndex]
    ) -> None: ...
    def reset_timings(self) -> None: ...
    def set_draw(self, draw: typing.SupportsInt | typing.SupportsIndex) -> None: ...
    @property
    def copies(self) -> int: ...
    @property
    def model(self) -> Model: ...
    @property
    def timings(self) -> Timings: ...

class FusedForces:
    class Counts:
        @property
        def both(self) -> int: ...
        @property
        def conservative_only(self) -> int: ...
        @property
        def direct_only(self) -> int: ...
        @property
        def reused(self) -> int: ...

    def __init__(
        self, engine: Engine, skin: typing.SupportsFloat | typing.SupportsIndex
    ) -> None: ...
    def conservative(self, structures: collections.abc.Sequence[Structure]) -> list[Evaluation]: ...
    def direct(
        self, structures: collections.abc.Sequence[Structure], outer_follows: bool = False
    ) -> list[Evaluation]: ...
    def restart(self) -> None: ...
    @property
    def counts(self) -> FusedForces.Counts: ...
    @property
    def stride(self) -> int: ...

class IpiSession:
    def __init__(
        self,
        engine: Engine,
        types: collections.abc.Sequence[typing.SupportsInt | typing.SupportsIndex],
        periodic: typing.Annotated[collections.abc.Sequence[bool], "FixedSize(3)"],
        *,
        skin: typing.SupportsFloat | typing.SupportsIndex,
        zero_direct_virial: bool,
        force_extras: bool,
        uncertainty_extras: bool,
    ) -> None: ...
    def evaluate(
        self,
        kind: str,
        cells: collections.abc.Sequence[typing.Annotated[numpy.typing.ArrayLike, numpy.float64]],
        positions: collections.abc.Sequence[
            typing.Annotated[numpy.typing.ArrayLike, numpy.float64]
        ],
    ) -> list[tuple]: ...
    def serve(self, arg0: str) -> None: ...
    @property
    def atoms(self) -> int: ...
    @property
    def counts(self) -> FusedForces.Counts: ...
    @property
    def learned_stride(self) -> int: ...
    @property
    def pair_list_builds(self) -> int: ...
    @property
    def replicas(self) -> int: ...

class IpiClient:
    def __init__(
        self,
        session: IpiSession,
        services: collections.abc.Sequence[str],
        *,
        timeout: typing.SupportsFloat | typing.SupportsIndex,
        stall_timeout: typing.SupportsFloat | typing.SupportsIndex,
        sockets_prefix: str,
        log: collections.abc.Callable[[str], None],
    ) -> None: ...
    def run(self) -> None: ...

def available_cores() -> int: ...
def choose_threads(
    requested: typing.SupportsInt | typing.SupportsIndex,
    ranks_on_node: typing.SupportsInt | typing.SupportsIndex,
) -> int: ...
def get_threads() -> int: ...
def random_rotation(
    seed: typing.SupportsInt | typing.SupportsIndex, draw: typing.SupportsInt | typing.SupportsIndex
) -> numpy.typing.NDArray[numpy.float64]: ...
def remove_net_force(
    forces: typing.Annotated[numpy.typing.ArrayLike, numpy.float64],
) -> numpy.typing.NDArray[numpy.float64]: ...
def remove_net_torque(
    positions: typing.Annotated[numpy.typing.ArrayLike, numpy.float64],
    forces: typing.Annotated[numpy.typing.ArrayLike, numpy.float64],
) -> numpy.typing.NDArray[numpy.float64]: ...
def rotation_group(name: str) -> numpy.typing.NDArray[numpy.float64]: ...
def set_threads(threads: typing.SupportsInt | typing.SupportsIndex) -> None: ...

IPI_UNITS: dict = {
    "angstrom": 1.8897261,
    "electronvolt": 0.036749326,
    "electronvolt_per_angstrom": 0.019446904,
}
SYMMETRIZATIONS: tuple = (
    "none",
    "octahedral",
    "octahedral/inversion",
    "icosahedral",
    "icosahedral/inversion",
    "random",
)
