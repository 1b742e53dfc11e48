"""Energy-conservation tests: runs in LAMMPS and i-PI, their statistics and the report.

As a library::

    from md_bridge.drift import drift_statistics, read_lammps_log

Everything in ``__all__`` is imported when it is first used: plain statistics need no
matplotlib and no torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from md_bridge.drift.judge.statistics import (
        DriftStatistics,
        LineFit,
        Verdict,
        drift_statistics,
        fit_line,
        judge,
    )
    from md_bridge.drift.protocols.jacobian import jacobian_asymmetry, probed_asymmetry
    from md_bridge.drift.protocols.loop import loop_work
    from md_bridge.drift.protocols.order import order_exponent, order_fit
    from md_bridge.drift.records.readers import (
        EnergySeries,
        ReadError,
        ReadOptions,
        read_ase_log,
        read_ase_trajectory,
        read_ipi_output,
        read_lammps_log,
        read_record,
        read_series,
    )
    from md_bridge.drift.records.run import RunRecord, read_csv, write_csv
    from md_bridge.drift.runs.analysis import analyse

_MODULES = {
    "runs.analysis": ("analyse",),
    "protocols.jacobian": ("jacobian_asymmetry", "probed_asymmetry"),
    "protocols.loop": ("loop_work",),
    "protocols.order": ("order_exponent", "order_fit"),
    "records.readers": (
        "EnergySeries",
        "ReadError",
        "ReadOptions",
        "read_ase_log",
        "read_ase_trajectory",
        "read_ipi_output",
        "read_lammps_log",
        "read_record",
        "read_series",
    ),
    "records.run": ("RunRecord", "read_csv", "write_csv"),
    "judge.statistics": (
        "DriftStatistics",
        "LineFit",
        "Verdict",
        "drift_statistics",
        "fit_line",
        "judge",
    ),
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names}

__all__ = [
    "DriftStatistics",
    "EnergySeries",
    "LineFit",
    "ReadError",
    "ReadOptions",
    "RunRecord",
    "Verdict",
    "analyse",
    "drift_statistics",
    "fit_line",
    "jacobian_asymmetry",
    "judge",
    "loop_work",
    "order_exponent",
    "order_fit",
    "probed_asymmetry",
    "read_ase_log",
    "read_ase_trajectory",
    "read_csv",
    "read_ipi_output",
    "read_lammps_log",
    "read_record",
    "read_series",
    "write_csv",
]


def __getattr__(name: str) -> Any:
    """Import what is in ``__all__`` when it is first asked for."""
    if name in _HOMES:
        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
