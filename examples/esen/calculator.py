"""The trained eSEN as an ASE calculator with both kinds of forces: ``python:calculator.py:make``.

``ESEN_CHECKPOINT`` names the checkpoint where it is not ``water-esen.pt``.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import torch
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from ase.stress import full_3x3_to_voigt_6_stress

sys.path.insert(0, str(Path(__file__).parent))
from network import Esen, batch_of, load

__all__ = ["EsenCalculator", "make"]


class EsenCalculator(Calculator):
    """Energy, its gradient, and the forces of the direct head.

    :param network: for evaluation
    """

    implemented_properties = [  # noqa: RUF012 (as ASE declares it)
        *("energy", "forces", "stress", "direct_forces")
    ]
    atomic_numbers = (1, 8)

    def __init__(self, network: Esen) -> None:
        super().__init__()
        self.network = network.requires_grad_(False)
        # one exchange for the degrees of the edges, and one for each layer
        settings = network.settings
        self.interaction_range = (settings.layers + 1) * settings.cutoff

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: list[str] | None = None,
        system_changes: list[str] = all_changes,
    ) -> None:
        """Evaluate the network once, and take gradients only where they are asked for.

        :param atoms: the structure
        :param properties: of ``implemented_properties``; None: the energy
        :param system_changes: not looked at
        """
        super().calculate(atoms, properties, system_changes)
        wanted = set(properties or ["energy"])
        data = batch_of([self.atoms], self.network.reference.dtype)
        found = self.network(
            data,
            conservative=bool(wanted & {"forces", "stress"}),
            direct="direct_forces" in wanted,
            stress="stress" in wanted,
        )
        numbers = {name: value.detach().double().numpy() for name, value in found.items()}
        self.results = {name: value for name, value in numbers.items() if name.endswith("forces")}
        self.results["energy"] = float(numbers["energy"][0])
        if "stress" in numbers:
            stress = numbers["stress"].reshape(3, 3)
            self.results["stress"] = full_3x3_to_voigt_6_stress(stress)


def make() -> EsenCalculator:
    """The calculator of the checkpoint, in single precision."""
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    default = Path(__file__).with_name("water-esen.pt")
    return EsenCalculator(load(os.environ.get("ESEN_CHECKPOINT", default)))
