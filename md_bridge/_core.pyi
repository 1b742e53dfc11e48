"""
The C++ engine of MD Bridge; use it through md_bridge.engine.

Units: eV, Å, eV/Å, atomic numbers. Arrays are copies.
"""

from __future__ import annotations
import collections.abc
import md_bridge.errors
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
    "ROTATION_GRIDS",
    "SYMMETRIZATIONS",
    "Structure",
    "Timings",
    "Wanted",
    "available_cores",
    "choose_threads",
    "cpu_features",
    "get_threads",
    "note_waiting",
    "random_rotation",
    "remove_net_force",
    "remove_net_torque",
    "rotation_group",
    "rotation_set",
    "set_threads",
    "waiting_threads_sleep",
]

class EngineError(md_bridge.errors.MDBridgeError, RuntimeError):
    """
    The engine cannot do what was asked of it; the message says what was found and what to do.
    """

class ModelError(EngineError):
    """
    The model file is missing, broken, or cannot do what was asked of it.
    """

class NonFiniteError(EngineError):
    """
    The model returned a NaN or an infinity.
    """

class Structure:
    """
    One configuration of atoms. See structure_from_ase for the usual way.
    """
    def __init__(
        self,
        types: typing.Annotated[numpy.typing.ArrayLike, numpy.int32],
        positions: typing.Annotated[numpy.typing.ArrayLike, numpy.float64],
        cell: typing.Annotated[numpy.typing.ArrayLike, numpy.float64],
        periodic: typing.Annotated[collections.abc.Sequence[bool], "FixedSize(3)"],
        owned: typing.SupportsInt | typing.SupportsIndex = -1,
    ) -> None:
        """
        :param types: atomic number of each atom, [atoms]
        :param positions: [atoms, 3], Å; they need not lie inside the cell
        :param cell: lattice vectors in rows, [3, 3], Å; zero rows where not periodic
        :param periodic: which lattice vectors are repeated
        :param owned: number of leading atoms whose energies and direct forces are wanted, the others being their surroundings; negative: all
        :raises ValueError: if a shape does not fit
        :raises EngineError: if a position is not finite, or the cell does not fit ``periodic``
        """
    def __len__(self) -> int:
        """
        Number of atoms.
        """
    def __repr__(self) -> str: ...
    @property
    def cell(self) -> numpy.typing.NDArray[numpy.float64]:
        """
        Lattice vectors in rows, [3, 3], Å; zero rows where not periodic.
        """
    @property
    def numbers(self) -> numpy.typing.NDArray[numpy.int32]:
        """
        Atomic numbers, [atoms]: what ASE calls them.
        """
    @property
    def pbc(self) -> numpy.typing.NDArray[numpy.bool]:
        """
        The same as an array [3]: what ASE calls it.
        """
    @property
    def periodic(self) -> typing.Annotated[list[bool], "FixedSize(3)"]:
        """
        Which lattice vectors are repeated.
        """
    @property
    def positions(self) -> numpy.typing.NDArray[numpy.float64]:
        """
        Cartesian coordinates, [atoms, 3], Å.
        """
    @property
    def types(self) -> numpy.typing.NDArray[numpy.int32]:
        """
        Atomic numbers, [atoms].
        """
    @property
    def volume(self) -> float:
        """
        Of the cell, Å^3; 0 unless all three directions are periodic.
        """

class Pairs:
    """
    Verlet pair list of one moving structure.

    It holds every pair within the cutoff plus the skin and is rebuilt only when a pair that is not in it may have come within the cutoff. Keep one for each structure that is followed.
    """
    def __init__(self, skin: typing.SupportsFloat | typing.SupportsIndex = 1.0) -> None:
        """
        :param skin: in Å; 0 rebuilds at every step
        :raises EngineError: if it is negative or not finite
        """
    def __repr__(self) -> str: ...
    def provide(self, labels: typing.Annotated[numpy.typing.ArrayLike, numpy.int32]) -> None:
        """
        Take the candidate pairs from the caller, for good: the list is never rebuilt then.

        :param labels: [pairs, 5]: first atom, second atom, cell shift of the second one; both i->j and j->i
        :raises ValueError: if the shape is another one
        :raises EngineError: if an atom has a negative number
        """
    def select(
        self,
        structure: Structure,
        cutoff: typing.SupportsFloat | typing.SupportsIndex,
        full: bool = True,
    ) -> tuple:
        """
        The candidates that lie within ``cutoff`` (Å) now, in the order of their first atoms.

        :param full: both i->j and j->i, or one of them
        :returns: labels [pairs, 5], and vectors r_j - r_i + shift @ cell [pairs, 3] in Å
        :raises EngineError: if a candidate names an atom that the structure does not have
        """
    def update(
        self, structure: Structure, cutoff: typing.SupportsFloat | typing.SupportsIndex
    ) -> bool:
        """
        Make the list valid for this structure and pairs up to ``cutoff`` (Å).

        :returns: whether it was rebuilt; never, once pairs were provided
        :raises EngineError: if it cannot be built
        """
    @property
    def builds(self) -> int:
        """
        How often the list was built.
        """
    @property
    def candidates(self) -> int:
        """
        Number of pairs in the list.
        """
    @property
    def reuses(self) -> int:
        """
        How often the list was found to be still valid.
        """
    @property
    def skin(self) -> float:
        """
        Skin, Å.
        """

class ModelInfo:
    """
    What a model file says of itself.
    """
    def __repr__(self) -> str: ...
    @property
    def atomic_types(self) -> list[int]:
        """
        Atomic numbers that the model knows, ascending.
        """
    @property
    def authors(self) -> list[str]:
        """
        Who made the model.
        """
    @property
    def cutoff(self) -> float:
        """
        Largest cutoff of its neighbour lists, Å.
        """
    @property
    def description(self) -> str:
        """
        What the model is for.
        """
    @property
    def device(self) -> str:
        """
        Where the model is.
        """
    @property
    def dtype(self) -> str:
        """
        "float32" or "float64".
        """
    @property
    def extra(self) -> dict[str, str]:
        """
        What else the metadata say, by key.
        """
    @property
    def interaction_range(self) -> float:
        """
        How far an atom can influence another one (cutoff times message-passing layers, and more for some networks), Å; infinite with long-range interactions.
        """
    @property
    def name(self) -> str:
        """
        Of the model, as its authors call it.
        """
    @property
    def notes(self) -> list[str]:
        """
        What a user should know of the file before a run, a sentence each.
        """
    @property
    def outputs(self) -> dict[str, str]:
        """
        Name of each output -> its unit.
        """
    @property
    def path(self) -> str:
        """
        Of the file, as it was given.
        """
    @property
    def references(self) -> dict[str, list[str]]:
        """
        Section ("model", "architecture", "implementation") -> citations.
        """
    @property
    def stated_range(self) -> float:
        """
        What the file states of that, Å.
        """
    @property
    def supported_devices(self) -> list[str]:
        """
        Best first.
        """

class Model:
    """
    A loaded model. One copy of a file on a device exists per process, whoever asks for it.
    """
    @staticmethod
    def committee(members: collections.abc.Sequence[Model]) -> Model:
        """
        Several models as one, whose energies, forces and virials are the means of theirs, whose committee they are, and whose uncertainty is the standard deviation of their atomic energies.

        :raises ModelError: if there are fewer than two, one is there twice, or they are on different devices
        """
    @staticmethod
    def load(path: str, device: str = "auto", extensions: str = "") -> Model:
        """
        Load an exported model, or return the copy that this process has already.

        :param device: "auto", "cpu", "cuda" or "cuda:N"
        :param extensions: folder of compiled TorchScript extensions; empty: none
        :raises ModelError: if the file is missing or no exported model, or the device is not there
        """
    def __repr__(self) -> str: ...
    def find_output(self, standard_name: str, variant: str = "") -> str:
        """
        The model's name for an output with this standard name ("energy", "non_conservative_force", "non_conservative_stress", "energy_uncertainty") and variant; empty if it has none.
        """
    def require_output(self, standard_name: str, variant: str = "") -> str:
        """
        As find_output.

        :raises ModelError: listing what there is, if it has none
        """
    @property
    def info(self) -> ModelInfo:
        """
        What the model says of itself.
        """
    @property
    def inputs(self) -> dict[str, bool]:
        """
        What it asks for besides the atoms ("charge", "spin_multiplicity") -> whether it can do without.
        """
    @property
    def members(self) -> list[Model]:
        """
        Those that ``committee`` was given; else none.
        """

class Wanted:
    """
    What an evaluation is to compute: one keyword for each quantity of an Evaluation.
    """
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
        committee: bool = False,
        committee_forces: bool = False,
        committee_virials: bool = False,
        committee_direct_forces: bool = False,
        atomic_virials: bool = False,
        halved_atomic_virials: bool = False,
        energy_rot_std: bool = False,
        conservative_forces_rot_std: bool = False,
        conservative_virial_rot_std: bool = False,
        direct_forces_rot_std: bool = False,
        direct_virial_rot_std: bool = False,
    ) -> None: ...
    def __repr__(self) -> str: ...
    @property
    def atomic_energies(self) -> bool:
        """
        Energy of each atom, [atoms], eV.
        """
    @property
    def atomic_virials(self) -> bool:
        """
        Share of each atom in the virial, that of a pair with its neighbour, [atoms, 3, 3], eV.
        """
    @property
    def committee(self) -> bool:
        """
        Energy that each member of the model's committee gives, [members], eV.
        """
    @property
    def committee_direct_forces(self) -> bool:
        """
        Forces that each member predicts directly, [members, atoms, 3], eV/Å, net force of each removed.
        """
    @property
    def committee_forces(self) -> bool:
        """
        Minus the gradient of each member's energy with respect to the positions, [members, atoms, 3], eV/Å.
        """
    @property
    def committee_virials(self) -> bool:
        """
        W = -dE/d(strain) of each member, symmetric, [members, 3, 3], eV.
        """
    @property
    def conservative_forces(self) -> bool:
        """
        Minus the gradient of the energy with respect to the positions, [atoms, 3], eV/Å.
        """
    @property
    def conservative_forces_rot_std(self) -> bool:
        """
        Standard deviation of the conservative forces over the rotated copies, [atoms, 3], eV/Å.
        """
    @property
    def conservative_virial(self) -> bool:
        """
        W = -dE/d(strain), symmetric, [3, 3], eV; the stress (positive: tension) is -W / volume.
        """
    @property
    def conservative_virial_rot_std(self) -> bool:
        """
        Standard deviation of the conservative virial over the rotated copies, [3, 3], eV.
        """
    @property
    def direct_forces(self) -> bool:
        """
        Forces that the model predicts directly, [atoms, 3], eV/Å, net force removed.
        """
    @property
    def direct_forces_rot_std(self) -> bool:
        """
        Standard deviation of the direct forces over the rotated copies, net force in, [atoms, 3], eV/Å.
        """
    @property
    def direct_virial(self) -> bool:
        """
        Minus the volume times the directly predicted stress, symmetric, [3, 3], eV.
        """
    @property
    def direct_virial_rot_std(self) -> bool:
        """
        Standard deviation of the direct virial over the rotated copies, [3, 3], eV.
        """
    @property
    def energy(self) -> bool:
        """
        Potential energy, eV.
        """
    @property
    def energy_rot_std(self) -> bool:
        """
        Standard deviation of the energy over the rotated copies, eV.
        """
    @property
    def halved_atomic_virials(self) -> bool:
        """
        Share of each atom in the virial, half of a pair with each end, [atoms, 3, 3], eV.
        """
    @property
    def uncertainty(self) -> bool:
        """
        Standard deviation of the energy of each atom, as the model gives it, [atoms], eV.
        """

class Evaluation:
    """
    Results for one structure; what was not asked for is None.
    """
    def __repr__(self) -> str: ...
    @property
    def atomic_energies(self) -> numpy.typing.NDArray[numpy.float64] | typing.Any:
        """
        Energy of each atom, [atoms], eV.
        """
    @property
    def atomic_virials(self) -> numpy.typing.NDArray[numpy.float64] | typing.Any:
        """
        Share of each atom in the virial, that of a pair with its neighbour, [atoms, 3, 3], eV.
        """
    @property
    def committee(self) -> numpy.typing.NDArray[numpy.float64] | typing.Any:
        """
        Energy that each member of the model's committee gives, [members], eV.
        """
    @property
    def committee_direct_forces(self) -> numpy.typing.NDArray[numpy.float64] | typing.Any:
        """
        Forces that each member predicts directly, [members, atoms, 3], eV/Å, net force of each removed.
        """
    @property
    def committee_forces(self) -> numpy.typing.NDArray[numpy.float64] | typing.Any:
        """
        Minus the gradient of each member's energy with respect to the positions, [members, atoms, 3], eV/Å.
        """
    @property
    def committee_virials(self) -> numpy.typing.NDArray[numpy.float64] | typing.Any:
        """
        W = -dE/d(strain) of each member, symmetric, [members, 3, 3], eV.
        """
    @property
    def conservative_forces(self) -> numpy.typing.NDArray[numpy.float64] | typing.Any:
        """
        Minus the gradient of the energy with respect to the positions, [atoms, 3], eV/Å.
        """
    @property
    def conservative_forces_rot_std(self) -> numpy.typing.NDArray[numpy.float64] | typing.Any:
        """
        Standard deviation of the conservative forces over the rotated copies, [atoms, 3], eV/Å.
        """
    @property
    def conservative_virial(self) -> numpy.typing.NDArray[numpy.float64] | typing.Any:
        """
        W = -dE/d(strain), symmetric, [3, 3], eV; the stress (positive: tension) is -W / volume.
        """
    @property
    def conservative_virial_rot_std(self) -> numpy.typing.NDArray[numpy.float64] | typing.Any:
        """
        Standard deviation of the conservative virial over the rotated copies, [3, 3], eV.
        """
    @property
    def direct_forces(self) -> numpy.typing.NDArray[numpy.float64] | typing.Any:
        """
        Forces that the model predicts directly, [atoms, 3], eV/Å, net force removed.
        """
    @property
    def direct_forces_rot_std(self) -> numpy.typing.NDArray[numpy.float64] | typing.Any:
        """
        Standard deviation of the direct forces over the rotated copies, net force in, [atoms, 3], eV/Å.
        """
    @property
    def direct_virial(self) -> numpy.typing.NDArray[numpy.float64] | typing.Any:
        """
        Minus the volume times the directly predicted stress, symmetric, [3, 3], eV.
        """
    @property
    def direct_virial_rot_std(self) -> numpy.typing.NDArray[numpy.float64] | typing.Any:
        """
        Standard deviation of the direct virial over the rotated copies, [3, 3], eV.
        """
    @property
    def energy(self) -> float | typing.Any:
        """
        Potential energy, eV.
        """
    @property
    def energy_rot_std(self) -> float | typing.Any:
        """
        Standard deviation of the energy over the rotated copies, eV.
        """
    @property
    def halved_atomic_virials(self) -> numpy.typing.NDArray[numpy.float64] | typing.Any:
        """
        Share of each atom in the virial, half of a pair with each end, [atoms, 3, 3], eV.
        """
    @property
    def uncertainty(self) -> numpy.typing.NDArray[numpy.float64] | typing.Any:
        """
        Standard deviation of the energy of each atom, as the model gives it, [atoms], eV.
        """

class EngineOptions:
    """
    How the engine treats the model's results: the keywords of md_bridge.engine.Engine.
    """
    def __init__(
        self,
        *,
        variant: str = "",
        direct_variant: str = "",
        uncertainty_variant: str = "",
        remove_net_force: bool = True,
        check_consistency: bool = False,
        symmetrize: str = "none",
        direct_symmetrize: str = "",
        seed: typing.SupportsInt | typing.SupportsIndex | None = None,
        atoms_per_forward: typing.SupportsInt | typing.SupportsIndex = 0,
        charge: typing.SupportsFloat | typing.SupportsIndex | None = None,
        spin_multiplicity: typing.SupportsFloat | typing.SupportsIndex | None = None,
    ) -> None:
        """
        The keywords are those of md_bridge.engine.Engine, which documents them.
        """
    def __repr__(self) -> str: ...

class Timings:
    """
    Where the time went, in seconds, since the last reset. On a GPU the work is waited for in ``unpacking``.
    """
    def __repr__(self) -> str: ...
    @property
    def backward(self) -> float:
        """
        Gradients.
        """
    @property
    def copies(self) -> int:
        """
        How many structures, and rotated copies of them, went through the model.
        """
    @property
    def evaluations(self) -> int:
        """
        How many there were.
        """
    @property
    def forward(self) -> float:
        """
        The network.
        """
    @property
    def packing(self) -> float:
        """
        Selecting pairs, making tensors, rotating.
        """
    @property
    def pairs(self) -> float:
        """
        Building pair lists.
        """
    @property
    def total(self) -> float:
        """
        Sum of the times.
        """
    @property
    def unpacking(self) -> float:
        """
        Fetching, averaging and checking results.
        """

class Engine:
    """
    Evaluates a model. Not thread-safe; engines may share a model.
    """
    def __init__(self, model: Model, options: EngineOptions) -> None:
        """
        :raises EngineError: if the options contradict each other
        """
    def __repr__(self) -> str: ...
    def evaluate_batch(
        self,
        structures: collections.abc.Sequence[Structure],
        pairs: collections.abc.Sequence[Pairs],
        wanted: Wanted,
    ) -> list[Evaluation]:
        """
        Evaluate structures, each with its pair list, in one forward pass.

        :raises ModelError: if the model cannot give what is wanted, or lacks an element
        :raises NonFiniteError: if a result is NaN or infinite
        :raises EngineError: for everything else (out of memory)
        """
    def require(self, wanted: Wanted) -> None:
        """
        :raises ModelError: naming what is missing, if the model cannot give this
        """
    def require_types(
        self, types: collections.abc.Sequence[typing.SupportsInt | typing.SupportsIndex]
    ) -> None:
        """
        :raises ModelError: naming the element, unless the model knows these atomic numbers
        """
    def reset_timings(self) -> None:
        """
        Begin to count the time anew.
        """
    def set_rotation_counter(self, counter: typing.SupportsInt | typing.SupportsIndex) -> None:
        """
        Which random rotation the evaluations from now on use, with ``symmetrize="random"``: the number of the step, say. Without one it follows from the positions.
        """
    @property
    def copies(self) -> int:
        """
        How many rotated copies the energy is averaged over; 1 without.
        """
    @property
    def direct_copies(self) -> int:
        """
        The same of the direct forces.
        """
    @property
    def model(self) -> Model:
        """
        The model, which other engines may share.
        """
    @property
    def timings(self) -> Timings:
        """
        Where the time went, s.
        """

class FusedForces:
    """
    The forces of a multiple-time-step integrator: cheap ones in the inner loop, conservative ones at the outer step, and nothing evaluated twice. Both come from one model, whose inner forces are the direct ones, in one forward pass where both are needed at the same positions; or the inner ones come from a model of their own. Follows one structure, or a batch of them that moves together.
    """
    class Counts:
        """
        How many evaluations of each kind were made.
        """
        def __repr__(self) -> str: ...
        @property
        def both(self) -> int:
            """
            For both in one pass.
            """
        @property
        def inner_only(self) -> int:
            """
            For inner forces alone.
            """
        @property
        def outer_only(self) -> int:
            """
            For outer forces alone.
            """
        @property
        def reused(self) -> int:
            """
            Outer requests that found their answer ready.
            """

    def __init__(
        self,
        outer: Engine,
        skin: typing.SupportsFloat | typing.SupportsIndex,
        *,
        inner: Engine | None = None,
        inner_forces: str = "direct",
    ) -> None:
        """
        :param outer: of the conservative forces
        :param skin: of the pair lists, Å
        :param inner: of the inner forces, if these come from another model
        :param inner_forces: "direct" or "conservative": which forces of the inner model
        :raises ModelError: if a model does not have its kind of forces
        :raises EngineError: for another kind of forces
        """
    def __repr__(self) -> str: ...
    def inner(
        self, structures: collections.abc.Sequence[Structure], outer_follows: bool = False
    ) -> list[Evaluation]:
        """
        Inner forces at these structures; free if they are known, as they are after ``outer``.

        :param outer_follows: a request for the outer ones at the same positions is certain; otherwise the learned stride decides whether to compute both
        :raises EngineError: as Engine.evaluate
        """
    def outer(self, structures: collections.abc.Sequence[Structure]) -> list[Evaluation]:
        """
        Energy, conservative forces and virial of the outer model at these structures; free if the last evaluation gave them at exactly these positions. Of one model, the direct forces too.

        :raises EngineError: as Engine.evaluate
        """
    def want_virial(self, wanted: bool) -> None:
        """
        Whether the outer evaluations from now on give the virial, as they do at first.

        :param wanted: if not, its gradient is left out. An evaluation without it is made again where it is asked for
        """
    @property
    def counts(self) -> FusedForces.Counts:
        """
        How many evaluations of each kind were made.
        """
    @property
    def one_model(self) -> bool:
        """
        Whether inner and outer forces come in one forward pass.
        """
    @property
    def pair_list_builds(self) -> int:
        """
        How often pair lists were built, summed over the structures.
        """
    @property
    def stride(self) -> int:
        """
        Inner evaluations per outer one, as far as learned; 0 while unknown.
        """

class IpiSession:
    """
    One model that serves all forcefields of an i-PI simulation (or two, of which one serves the direct forcefield), in atomic units and i-PI's conventions. Keeps the pair lists of all beads, and evaluates both kinds of forces at once where a multiple-time-step integrator will ask for both.
    """
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
        committee_extras: bool,
        deviation_extras: bool,
        inner: Engine | None = None,
        inner_forces: str = "direct",
        max_correction: typing.SupportsFloat | typing.SupportsIndex = 0.7,
    ) -> None:
        """
        :param types: atomic number of each atom, in i-PI's order
        :param periodic: along which lattice vectors the template is periodic
        :param skin: of the pair lists, Å
        :param zero_direct_virial: direct forces come with a virial of zero
        :param force_extras: hand both kinds of forces to i-PI as extras
        :param uncertainty_extras: the same for the uncertainty
        :param committee_extras: the same for the energies of the committee
        :param deviation_extras: the same for the standard deviations over rotated copies
        :param inner: serves the direct forcefield, if that is another model
        :param inner_forces: "direct" or "conservative": which forces of ``inner``
        :param max_correction: how far the forces of the two forcefields may be apart at first, in terms of the conservative ones
        :raises ModelError: if a model lacks an element, or the inner one was made for another variant of the outer one
        """
    def __repr__(self) -> str: ...
    def evaluate(
        self,
        kind: str,
        cells: collections.abc.Sequence[typing.Annotated[numpy.typing.ArrayLike, numpy.float64]],
        positions: collections.abc.Sequence[
            typing.Annotated[numpy.typing.ArrayLike, numpy.float64]
        ],
    ) -> list[tuple]:
        """
        Forces at several structures, in one forward pass.

        :param cells: [3, 3] each, lattice vectors in *columns*, bohr
        :param positions: [atoms, 3] each, bohr
        :returns: for each structure the energy (hartree), forces [atoms, 3] (hartree/bohr), virial -dE/d(strain) [3, 3] (hartree, not divided by the volume) and extras (JSON)
        :raises EngineError: as Engine.evaluate, and if the cell contradicts the template
        """
    def serve(self, kind: str) -> None:
        """
        Announce a forcefield.

        :param kind: "conservative" or "direct"
        :raises ModelError: if the model does not have such forces
        """
    def take_news(self) -> str:
        """
        A line for the log of the run, once.

        :returns: how the forces of the two forcefields agree, after the first evaluation that has both; empty if there is nothing new
        """
    @property
    def atoms(self) -> int:
        """
        Number of atoms of one structure.
        """
    @property
    def counts(self) -> FusedForces.Counts:
        """
        What was evaluated since all forcefields were announced.
        """
    @property
    def learned_stride(self) -> int:
        """
        Inner steps per outer step, as far as known; 0 while unknown.
        """
    @property
    def pair_list_builds(self) -> int:
        """
        How often pair lists were built, summed over the beads.
        """
    @property
    def replicas(self) -> int:
        """
        How many beads (or batches of beads) were told apart.
        """

class IpiClient:
    """
    Connects to i-PI's sockets and serves them until i-PI says EXIT.
    """
    def __init__(
        self,
        session: IpiSession,
        services: collections.abc.Sequence[str],
        *,
        timeout: typing.SupportsFloat | typing.SupportsIndex,
        stall_timeout: typing.SupportsFloat | typing.SupportsIndex,
        sockets_prefix: str,
        log: collections.abc.Callable[[str], None],
    ) -> None:
        """
        :param services: "unix:NAME", "shm:NAME" or "HOST:PORT", each with or without "=direct"
        :param timeout: how long to wait for i-PI to open its sockets, s
        :param stall_timeout: how long a message may stop half-way, s
        :param sockets_prefix: what i-PI puts before the name of a unix socket
        :param log: is given a line now and then
        :raises EngineError: if an address makes no sense
        """
    def __repr__(self) -> str: ...
    def run(self) -> None:
        """
        Serve until the simulation ends.

        :raises EngineError: if nobody answers, the connection breaks, or an evaluation fails
        """

def available_cores() -> int:
    """
    Number of cores that this process may run on (its affinity mask, not the machine's size).
    """

def choose_threads(requested: typing.SupportsInt | typing.SupportsIndex) -> int:
    """
    Number of threads that this process should use: ``requested`` if positive, else OMP_NUM_THREADS if set, else the cores that this process may run on.
    """

def cpu_features() -> list[str]:
    """
    Instruction sets that the CPU of this machine has, as the system names them, sorted: what a compiled model may rest on.
    """

def get_threads() -> int:
    """
    How many threads torch uses now.
    """

def note_waiting(
    waited: typing.SupportsFloat | typing.SupportsIndex,
    worked: typing.SupportsFloat | typing.SupportsIndex,
) -> None:
    """
    Decide again whether they sleep: in ``worked`` seconds of evaluations all threads together had no core for ``waited`` seconds. The engine does so by itself.
    """

def random_rotation(
    seed: typing.SupportsInt | typing.SupportsIndex,
    counter: typing.SupportsInt | typing.SupportsIndex,
) -> numpy.typing.NDArray[numpy.float64]:
    """
    The rotation, or rotation times the inversion, that ``symmetrize="random"`` uses for this seed and counter.

    :returns: [3, 3], orthogonal
    """

def remove_net_force(
    forces: typing.Annotated[numpy.typing.ArrayLike, numpy.float64],
) -> numpy.typing.NDArray[numpy.float64]:
    """
    The forces [atoms, 3] minus their mean, so that they sum to zero.
    """

def remove_net_torque(
    positions: typing.Annotated[numpy.typing.ArrayLike, numpy.float64],
    forces: typing.Annotated[numpy.typing.ArrayLike, numpy.float64],
) -> numpy.typing.NDArray[numpy.float64]:
    """
    The forces [atoms, 3] with the smallest change that makes their torque about the centroid of the positions [atoms, 3] zero; their sum stays.
    """

def rotation_group(name: str) -> numpy.typing.NDArray[numpy.float64]:
    """
    The matrices R (r -> R r) of a group, which an average counts alike, the identity first.

    :returns: [rotations, 3, 3]; none for "none" and "random"
    :raises EngineError: if the name is not one of SYMMETRIZATIONS
    """

def rotation_set(
    name: str,
) -> tuple[numpy.typing.NDArray[numpy.float64], numpy.typing.NDArray[numpy.float64]]:
    """
    The matrices R (r -> R r) that a fixed set averages over, and the weight of each.

    :param name: as for ``symmetrize``
    :returns: matrices [copies, 3, 3] and weights [copies] of sum 1; none for "none" and "random"
    :raises EngineError: if there is no such set
    """

def set_threads(threads: typing.SupportsInt | typing.SupportsIndex) -> None:
    """
    Let torch use this many threads in this process.
    """

def waiting_threads_sleep() -> bool:
    """
    Whether threads that wait for others sleep at once, because other processes want the cores; else they spin.
    """

IPI_UNITS: dict = {
    "angstrom": 1.8897261,
    "electronvolt": 0.036749326,
    "electronvolt_per_angstrom": 0.019446904,
}
ROTATION_GRIDS: tuple = ("lebedev:L", "lebedev:L/inversion", "hexagonal:L", "hexagonal:L/inversion")
SYMMETRIZATIONS: tuple = (
    "none",
    "octahedral",
    "octahedral/inversion",
    "icosahedral",
    "icosahedral/inversion",
    "hexagonal",
    "hexagonal/inversion",
    "random",
)
