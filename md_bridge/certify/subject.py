"""The model that is being certified, loaded once for all checks, with structures to check it on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from ase import Atoms

from md_bridge.certify.engine_runner import EngineRunner
from md_bridge.certify.errors import CertifyError
from md_bridge.certify.request import CertifyRequest
from md_bridge.drift.runs.starts import read_periodic_structure
from md_bridge.engine import Engine, ModelError, Wanted, choose_threads, set_threads
from md_bridge.export.checks import structures as check_structures
from md_bridge.export.checks.checks import double_precision
from md_bridge.export.checks.runner import Predictor, Runner
from md_bridge.export.model_file import Kind, identify
from md_bridge.export.structures import require_elements
from md_bridge.forces import rounds_as_double
from md_bridge.model_names import absolute_model, is_python_model
from md_bridge.model_options import ModelOptions
from md_bridge.structures import read_structure, standard_orientation

__all__ = ["Subject"]

_ALL_ELEMENTS = 100
"""A model that Python evaluates and that knows more of them says nothing of itself."""


class Subject:
    """A model with what all checks need of it.

    :param request: what is asked for
    :param folder: gets inputs and outputs of the programs that are run; it exists
    :param say: called with what is being done, and the share of the present check that is done
    :raises ExportError: the file is no exported model, or does not know an element of a start
    :raises StructureError: a start cannot be read, or cannot be used for dynamics
    :raises CertifyError: the model gives direct forces alone, or neither it nor a start says which
        elements it is for
    """

    def __init__(self, request: CertifyRequest, folder: Path, say: Callable[..., None]) -> None:
        self.request, self.folder, self.say = request, folder, say
        # hosts run in folders of their own
        self.model = absolute_model(request.model)
        self.options: ModelOptions = request.model_options.absolute()
        self.threads = choose_threads(request.model_options.threads)
        set_threads(self.threads)
        self.is_python = is_python_model(self.model)
        """Whether there is no file, but a calculator that Python calls."""
        self.is_compiled = not self.is_python and identify(self.model) is Kind.COMPILED
        file = None if self.is_python else Runner(self.model, request.model_options)
        known = self.engine.info.atomic_types if file is None else file.capabilities.atomic_types
        given = [read_structure(path) for path in request.starts]
        for path, atoms in zip(request.starts, given, strict=True):
            require_elements([atoms], known, str(path))
        if file is None and not given and len(known) > _ALL_ELEMENTS:
            raise CertifyError(
                f"'{request.model}' does not say which elements it knows (atomic_numbers), so no "
                "structures can be made up for it: name a START"
            )
        self._require_gradient()
        self.elements, self.structures = check_structures.chosen(known, given or None)
        """Atomic numbers, and structures: the starts, or some that are made up."""
        self.own: Predictor = self.as_hosts if file is None else file
        """Of a file: in its precision, through metatomic alone; what metatomic runs of a compiled
        one is the TorchScript model in it."""
        periodic = [
            path
            for path, atoms in zip(request.starts, given, strict=True)
            if atoms.pbc.all() and atoms.cell.rank == 3
        ]
        self.start_file: Path | None = periodic[0] if periodic else None
        """Of the first start that dynamics can be run from."""
        self.start: Atoms | None = None
        if self.start_file is not None:
            self.start = read_periodic_structure(self.start_file)

    @property
    def no_start(self) -> str:
        """Why there are no dynamics."""
        if self.request.starts:
            return (
                "no START is periodic in three directions: put a molecule into a box wider than "
                "the model's range"
            )
        return "name a START, a structure of your dynamics"

    @cached_property
    def point(self) -> Atoms:
        """A periodic structure as all hosts take it, for single evaluations."""
        atoms = self.start if self.start is not None else check_structures.lattice(self.elements)
        return standard_orientation(atoms)

    def _require_gradient(self) -> None:
        """Nothing here can vouch for dynamics on forces that no energy corrects."""
        try:
            self.engine.require(Wanted(conservative_forces=True))
        except ModelError as error:
            raise CertifyError(
                f"'{self.request.model}' has no conservative forces, which a certificate is about: "
                f"{error}. md-bridge drift --forces direct shows what dynamics on direct forces do"
            ) from error

    @cached_property
    def as_hosts(self) -> EngineRunner:
        """In the precision of the model, through the engine: compiled functions, calculators."""
        engine = Engine(self.model, remove_net_force=False, **self.options.engine_keywords())
        runner = EngineRunner(engine, engine.info.dtype == "float64")
        if self.is_python:
            runner.is_double = rounds_as_double(runner.energy, self.structures)
        return runner

    @property
    def is_file_alone(self) -> bool:
        """Whether hosts run what metatomic runs."""
        return not (self.is_python or self.is_compiled)

    @cached_property
    def double(self) -> Predictor:
        """In double precision where the model can be converted, else as it is."""
        if self.is_python:
            return self.as_hosts
        return double_precision(self.model, self.structures, self.request.model_options)

    @cached_property
    def engine(self) -> Engine:
        """As all hosts have it."""
        return Engine(self.model, **self.options.engine_keywords())

    @cached_property
    def has_direct(self) -> bool:
        """Whether the model predicts forces directly."""
        try:
            self.engine.require(Wanted(energy=False, direct_forces=True))
        except ModelError:
            return False
        return True

    @cached_property
    def kinds(self) -> tuple[str, ...]:
        """Kinds of forces that the model gives."""
        return ("conservative", "direct") if self.has_direct else ("conservative",)

    @property
    def options_of_one(self) -> ModelOptions:
        """Without the inner model, which has no part in a single evaluation."""
        return replace(self.options.without_inner(), threads=0)

    def place(self, name: str) -> Path:
        """A folder for a program, made if missing.

        :param name: of the folder
        """
        path = self.folder / name
        path.mkdir(parents=True, exist_ok=True)
        return path
