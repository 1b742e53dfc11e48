"""The model that is being certified, loaded once for all checks, with structures to check it on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from ase import Atoms

from md_bridge.certify.request import CertifyRequest
from md_bridge.drift.runs.starts import read_periodic_structure
from md_bridge.engine import Engine, ModelError, Wanted, choose_threads, set_threads
from md_bridge.export.checks import structures as check_structures
from md_bridge.export.checks.checks import double_precision
from md_bridge.export.checks.runner import Runner
from md_bridge.export.structures import require_elements
from md_bridge.model_options import ModelOptions
from md_bridge.structures import read_structure, standard_orientation

__all__ = ["Subject"]


class Subject:
    """A model with what all checks need of it.

    :param request: what is asked for
    :param folder: gets inputs and outputs of the programs that are run; it exists
    :param say: called with what is being done, and the share of the present check that is done
    :raises ExportError: the file is no exported model, or does not know an element of a start
    :raises StructureError: a start cannot be read, or cannot be used for dynamics
    """

    def __init__(self, request: CertifyRequest, folder: Path, say: Callable[..., None]) -> None:
        self.request, self.folder, self.say = request, folder, say
        # hosts run in folders of their own
        self.model = request.model.resolve()
        self.options: ModelOptions = request.model_options.absolute()
        self.own = Runner(self.model, request.model_options)
        """In the precision of the file, through metatomic alone."""
        self.threads = choose_threads(request.model_options.threads)
        set_threads(self.threads)
        known = self.own.capabilities.atomic_types
        given = [read_structure(path) for path in request.starts]
        for path, atoms in zip(request.starts, given, strict=True):
            require_elements([atoms], known, str(path))
        self.elements, self.structures = check_structures.chosen(known, given or None)
        """Atomic numbers, and structures: the starts, or some that are made up."""
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

    @cached_property
    def double(self) -> Runner:
        """In double precision where the model can be converted, else as it is."""
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
