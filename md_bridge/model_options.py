"""How a model is loaded and evaluated, with the same names in every host and every command."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["ModelOptions"]


@dataclass(frozen=True)
class ModelOptions:
    """What a user may say of a model besides its file.

    The command line has one option for each field (``--symmetrize``, ``--device``, …), LAMMPS one
    keyword of ``pair_style mdbridge``, i-PI one parameter of the driver.
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
    """Average over rotated copies, one of :data:`md_bridge.engine.SYMMETRIZATIONS`."""
    seed: int | None = None
    """Of ``symmetrize="random"``; None: 0."""
    threads: int = 0
    """Threads of torch per process; 0: the cores that this process may use."""

    def engine_keywords(self) -> dict[str, Any]:
        """The keywords of :class:`md_bridge.engine.Engine` (``threads`` is not one of them)."""
        return {
            "device": self.device,
            "variant": self.variant,
            "direct_variant": self.direct_variant,
            "uncertainty_variant": self.uncertainty_variant,
            "extensions": self.extensions,
            "symmetrize": self.symmetrize,
            "seed": self.seed,
        }
