"""Mean kinetic temperature of each element, with errors: does one run hot?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from md_bridge.drift.judge.replicas import combine_estimates
from md_bridge.drift.judge.statistics import Estimate, mean_estimate
from md_bridge.drift.records.run import RunRecord


@dataclass(frozen=True)
class ElementTemperature:
    """One element of one method, over all replicas."""

    element: str
    mean: Estimate
    """Mean kinetic temperature (K)."""
    ratio: Estimate
    """Mean kinetic temperature of the element over that of all atoms; 1 by equipartition."""


def element_temperatures(records: Sequence[RunRecord]) -> tuple[ElementTemperature, ...]:
    """Mean kinetic temperatures of the elements that all records have, by symbol.

    The error of the ratio r = <T_el>/<T> is that of the mean of (T_el - r T)/<T>, to first order,
    so that what all elements share (the swing between kinetic and potential energy) cancels.

    :param records: replicas of one method
    """
    shared = set.intersection(*(set(record.element_temperatures) for record in records))
    return tuple(
        ElementTemperature(
            element,
            combine_estimates(
                [mean_estimate(record.element_temperatures[element]) for record in records]
            ),
            combine_estimates([_ratio(record, element) for record in records]),
        )
        for element in sorted(shared)
    )


def _ratio(record: RunRecord, element: str) -> Estimate:
    temperature = record.element_temperatures[element]
    mean = float(np.mean(record.temperature))
    ratio = float(np.mean(temperature)) / mean
    residual = mean_estimate((temperature - ratio * record.temperature) / mean)
    return Estimate(ratio, residual.stderr, residual.degrees_of_freedom)
