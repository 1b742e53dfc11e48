"""The trained eSEN as an ASE calculator with both kinds of forces: ``python:calculator.py:make``.

A factory has no arguments, so the environment says what else there is to say:

- ``ESEN_CHECKPOINT`` names the checkpoint where it is not ``water-esen.pt``;
- ``ESEN_ROW`` is a row of the ablations: a part is taken away, or direct forces are all there is;
- ``ESEN_DOUBLE=1`` runs the network in double precision.
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
from network import ABLATIONS, Esen, ablated, batch_of, load

__all__ = ["DIRECT", "DirectCalculator", "EsenCalculator", "make", "of_row"]

DIRECT = "direct forces"


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
        data = batch_of([self.atoms], self.network.scale.dtype)
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


class DirectCalculator(EsenCalculator):
    """The forces of the head as if they were all that there is, and derived from the energy."""

    implemented_properties = ["energy", "forces"]  # noqa: RUF012 (as ASE declares it)

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: list[str] | None = None,
        system_changes: list[str] = all_changes,
    ) -> None:
        """As the calculator that it derives from, with the direct forces as ``forces``.

        The net force is taken off, as the engine does with direct forces.

        :param atoms: the structure
        :param properties: not looked at
        :param system_changes: not looked at
        """
        super().calculate(atoms, ["energy", "direct_forces"], system_changes)
        forces = self.results["direct_forces"]
        self.results["forces"] = forces - forces.mean(axis=0)


def of_row(network: Esen, row: str) -> EsenCalculator:
    """The calculator of a row of the ablations.

    :param network: trained; on a grid, or on a sharp basis, for rows with these
    :param row: of :data:`network.ABLATIONS`, or :data:`DIRECT`
    """
    if row == DIRECT:
        return DirectCalculator(network)
    if row not in ABLATIONS:
        raise ValueError(f"no row '{row}', expected one of {', '.join([DIRECT, *ABLATIONS])}")
    return EsenCalculator(ablated(network, row))


def make() -> EsenCalculator:
    """The calculator of the checkpoint."""
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    default = Path(__file__).with_name("water-esen.pt")
    dtype = torch.float64 if os.environ.get("ESEN_DOUBLE", "0") != "0" else torch.float32
    network = load(os.environ.get("ESEN_CHECKPOINT", default), dtype)
    return of_row(network, os.environ.get("ESEN_ROW", "full model"))
