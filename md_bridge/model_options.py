"""How a model is loaded and evaluated, with the same names in every host and every command."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from md_bridge.errors import ArgumentError
from md_bridge.forces import FORCES, LARGEST_CORRECTION
from md_bridge.model_names import absolute_model, relative_model, same_model

__all__ = ["INNER_FORCES", "INNER_OPTIONS", "ModelOptions", "require_use_of_inner"]

INNER_FORCES = ("auto", *FORCES)
"""Which forces of an inner model: ``auto`` are its direct ones, if it has them."""
INNER_OPTIONS = ("inner", "inner_forces", "inner_variant", "inner_symmetrize")
"""The fields that are about an inner model."""

_ONE_MODEL = {
    "inner_symmetrize": "; of the direct forces of the one model there is direct_symmetrize",
}
"""Options of the one model that do what one about an inner model was given for."""


@dataclass(frozen=True)
class ModelOptions:
    """What a user may say of a model besides its file.

    The command line has one option for each field (``--symmetrize``, ``--device``, …), LAMMPS one
    keyword of ``pair_style mdbridge``, i-PI one parameter of the driver.

    :raises ArgumentError: something is said of an inner model, and there is none; an unknown kind
        of its forces; a largest correction that is not positive; or a set of copies for the direct
        forces that makes no sense beside that of the energy, or beside an inner model
    """

    variant: str = ""
    """Variant (``energy/VARIANT``) of the outputs; empty: the default one."""
    direct_variant: str = ""
    """Of the direct forces and stress, where it is another one; ``-``: the default one."""
    uncertainty_variant: str = ""
    """The same for the uncertainty."""
    device: str = "auto"
    """``auto`` (CUDA if the machine and the model have it), ``cpu``, ``cuda`` or ``cuda:N``."""
    extensions: str = ""
    """Folder of compiled TorchScript extensions; empty: none."""
    symmetrize: str = "none"
    """Average over rotated copies, one of :data:`md_bridge.engine.SYMMETRIZATIONS`, or a grid such
    as ``lebedev:6``."""
    direct_symmetrize: str = ""
    """Of the direct forces alone, where that is another set: ``none`` saves the inner forces of
    multiple time stepping an average that the outer ones have. A fixed one, beside a fixed
    ``symmetrize``; empty: as ``symmetrize``."""
    seed: int | None = None
    """Of ``symmetrize="random"``; None: 0."""
    charge: float | None = None
    """Total charge of each structure (elementary charges), for models that ask for it; None: what
    the model takes for this, if it does."""
    spin_multiplicity: float | None = None
    """The same of the spin multiplicity, 1 for a singlet."""
    threads: int = 0
    """Threads of torch per process; 0: the cores that this process may use."""
    inner: str = ""
    """A second, cheaper model, by its path: it gives the inner forces of multiple time stepping;
    empty: none, they are the direct forces of the model itself. ``device``, ``extensions``,
    ``seed``, ``threads``, ``charge`` and ``spin_multiplicity`` are those of both."""
    inner_forces: str = "auto"
    """Which of its forces, one of :data:`INNER_FORCES`."""
    inner_variant: str = ""
    """As ``variant``, of the inner model."""
    inner_symmetrize: str = "none"
    """As ``symmetrize``, of the inner model."""
    max_correction: float = LARGEST_CORRECTION
    """Of multiple time stepping, with one model or two: the largest correction at the first outer
    step, in terms of the conservative forces. A run whose inner forces are further off stops."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "inner", os.fspath(self.inner))
        if self.inner_forces not in INNER_FORCES:
            known = " or ".join(INNER_FORCES)
            raise ArgumentError("inner_forces", f"must be {known}, found {self.inner_forces!r}")
        if not 0.0 < self.max_correction < float("inf"):
            raise ArgumentError(
                "max_correction",
                f"must be a positive finite number, found {self.max_correction:g}",
            )
        self._require_sense_of_direct_set()
        for name in INNER_OPTIONS:
            value = getattr(self, name)
            if not self.inner and value != getattr(type(self), name):
                raise ArgumentError(
                    name,
                    f"{value!r} is about a model of its own for the inner forces, and there is "
                    "none: name its file, too (inner), or leave this out"
                    + _ONE_MODEL.get(name, ""),
                )

    def _require_sense_of_direct_set(self) -> None:
        direct = self.direct_symmetrize
        if direct in ("", self.symmetrize):
            return
        if self.symmetrize == "random":
            problem = (
                "direct forces have the random rotation of the conservative ones, which costs "
                "nothing: leave this out, or choose a fixed set for symmetrize"
            )
        elif self.symmetrize == "none":
            problem = (
                "direct forces are averaged only where the energy is: choose a fixed set for "
                "symmetrize, too, or leave this out"
            )
        elif direct == "random":
            problem = f"beside symmetrize {self.symmetrize} it must be none or a fixed set, too"
        elif self.inner:
            problem = (
                "the inner forces are those of a model of its own (inner): say inner_symmetrize, "
                "or leave this out"
            )
        else:
            return
        raise ArgumentError("direct_symmetrize", f"found {direct!r}; {problem}")

    def engine_keywords(self) -> dict[str, Any]:
        """The keywords of :class:`md_bridge.engine.Engine` (``threads`` is not one of them)."""
        # the engine refuses a seed that has nothing to act on; this one may be the inner model's
        idle_seed = self.inner_symmetrize == "random" and self.symmetrize != "random"
        return {
            "device": self.device,
            "variant": self.variant,
            "direct_variant": self.direct_variant,
            "uncertainty_variant": self.uncertainty_variant,
            "extensions": self.extensions,
            "symmetrize": self.symmetrize,
            "direct_symmetrize": self.direct_symmetrize,
            "seed": None if idle_seed else self.seed,
            "charge": self.charge,
            "spin_multiplicity": self.spin_multiplicity,
        }

    def inner_keywords(self) -> dict[str, Any]:
        """The same for the inner model."""
        return {
            "device": self.device,
            "variant": self.inner_variant,
            "extensions": self.extensions,
            "symmetrize": self.inner_symmetrize,
            "seed": self.seed if self.inner_symmetrize == "random" else None,
        }

    @property
    def is_random(self) -> bool:
        """Whether random rotations are drawn, for which there must be a seed."""
        return "random" in (self.symmetrize, self.inner_symmetrize)

    def without_inner(self) -> ModelOptions:
        """The options of the model alone."""
        return replace(self, **{name: getattr(ModelOptions, name) for name in INNER_OPTIONS})

    def absolute(self) -> ModelOptions:
        """With absolute paths, for a program that runs in another folder."""
        return self._with_paths(lambda path: str(absolute_model(path)))

    def relative_to(self, folder: Path) -> ModelOptions:
        """As a file in a folder must name the paths.

        :param folder: of the file, from the current folder; absolute paths are left as they are
        """
        return self._with_paths(lambda path: str(relative_model(path, folder)))

    def _with_paths(self, changed: Any) -> ModelOptions:
        paths = {name: getattr(self, name) for name in ("extensions", "inner")}
        return replace(self, **{name: changed(path) for name, path in paths.items() if path})


def require_use_of_inner(
    model: str | os.PathLike[str] | None, options: ModelOptions, kinds: Iterable[str]
) -> None:
    """Refuse an inner model without multiple time stepping, and one that is the model itself.

    The same file with another variant or symmetrisation is a model of its own.

    :param model: of the outer forces; None: not known yet
    :param options: with an inner model or without
    :param kinds: of forces: ``conservative``, ``direct`` or ``mts``
    :raises ArgumentError: about ``inner``
    """
    if not options.inner:
        return
    found = list(kinds)
    if "mts" not in found:
        raise ArgumentError(
            "inner",
            "names the model of the inner forces of multiple time stepping, and the forces are "
            f"{','.join(found)}: ask for mts:M, or leave it out",
        )
    if model is None or not same_model(model, options.inner):
        return
    if (options.inner_variant, options.inner_symmetrize) == (options.variant, options.symmetrize):
        raise ArgumentError(
            "inner",
            f"names the outer model itself, {options.inner}: its own direct forces are the inner "
            "ones without it, so leave it out, or name a cheaper model",
        )
