"""What is drawn of each run over time: the change of H and the kinetic temperature."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from md_bridge.drift.records.run import RunRecord

__all__ = [
    "ENERGY",
    "TEMPERATURE",
    "TIME_AXIS",
    "Quantity",
    "energy_change",
    "running_mean",
]

# The kinetic temperature of a small box swings with every O-H vibration.
AVERAGE_PS = 0.05
TIME_AXIS = "time (ps)"


def energy_change(record: RunRecord) -> NDArray[np.float64]:
    """[H(t) - H(0)] / N, shape (n,), meV/atom.

    :param record: a run of n samples, n >= 1
    """
    return (record.conserved_energy - record.conserved_energy[0]) * 1000.0 / record.atom_count


def running_mean(record: RunRecord) -> NDArray[np.float64]:
    """T(t) averaged over a window around each sample, cut at the ends; shape (n,), K.

    :param record: a run of n samples, evenly spaced in time
    """
    if len(record.time_ps) < 2:
        return record.temperature
    half = int(AVERAGE_PS / (record.time_ps[1] - record.time_ps[0]) / 2)
    sums = np.concatenate([[0.0], np.cumsum(record.temperature)])
    sample = np.arange(len(record.temperature))
    first = np.maximum(sample - half, 0)
    after = np.minimum(sample + half + 1, len(sample))
    return (sums[after] - sums[first]) / (after - first)


@dataclass(frozen=True)
class Quantity:
    """Something with a value at each sample of a run, and how a picture names it."""

    title: str
    symbol: str
    unit: str
    series: Callable[[RunRecord], NDArray[np.float64]]
    """The values of a run, shape (n,), in ``unit``."""
    size_symbol: str | None = None
    """What a logarithmic axis shows; None if there is no such axis."""

    @property
    def axis(self) -> str:
        """Title of a linear axis."""
        return f"{self.symbol} ({self.unit})"

    @property
    def size_axis(self) -> str | None:
        """Title of a logarithmic axis."""
        return f"{self.size_symbol} ({self.unit})" if self.size_symbol else None


ENERGY = Quantity(
    title="Conserved quantity per atom",
    symbol="[H(t) − H(0)] / N",
    size_symbol="|H(t) − H(0)| / N",
    unit="meV/atom",
    series=energy_change,
)
TEMPERATURE = Quantity(
    title=f"Kinetic temperature, averaged over {AVERAGE_PS * 1000:.0f} fs",
    symbol="T",
    unit="K",
    series=running_mean,
)
