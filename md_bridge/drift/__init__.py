"""Does a model's dynamics conserve energy? Runs in LAMMPS and i-PI, their statistics, a report.

Three plain functions do the main jobs::

    from md_bridge.drift import judge, measure, tune

    judge(time_ps, energy_ev, atom_count=81).verdict         # a run that you have, as arrays
    measure("model.pt", atoms, forces="mts:4").results[0]    # new runs, in LAMMPS or i-PI
    tune("model.pt", atoms).choice                           # the largest M that conserves

Everything in ``__all__`` is imported when it is first used: plain statistics need no matplotlib and
no torch.
"""

from __future__ import annotations

import importlib
from typing import Any

# Which names come from which module: the one place where they are listed.
_MODULES = {
    "api": "judge measure tune",
    "judging.ensemble": "EnsembleCheck check_ensemble check_equipartition check_kinetic_energy "
    "check_molecules check_step_convergence",
    "judging.equipartition": "element_temperatures",
    "judging.heating": "Heating heating_rate",
    "judging.published": "PublishedDrift drift_ratio fairchem_drift lambench_drift published_drift",
    "judging.smoothness": "DriftExponent drift_exponent shadow_energy",
    "judging.line": "Estimate LineFit fit_line mean_estimate",
    "judging.replicas": "combine_estimates combine_statistics",
    "judging.verdict": "DriftStatistics Verdict drift_statistics verdict_of",
    "presets": "PRESETS Preset preset_settings",
    "protocols.asymmetry": "jacobian_asymmetry probed_asymmetry",
    "protocols.loop": "loop_work",
    "protocols.order": "order_exponent order_fit",
    "records.ase": "read_ase_log read_ase_trajectory",
    "records.csv": "read_csv write_csv",
    "records.errors": "ReadError",
    "records.ipi": "read_ipi_output",
    "records.lammps_log": "read_lammps_log",
    "records.method": "Method",
    "records.reader_tools": "ReadOptions",
    "records.readers": "read_run",
    "records.run": "RunRecord",
    "report.environment": "RunSettings",
    "runs.analysis": "Analysis analyse",
    "runs.campaign": "Campaign CampaignOutcome",
    "runs.dynamics": "run_dynamics",
    "runs.plan": "CampaignPlan Run",
    "runs.starts": "thermalise",
    "tuning.search": "TuneRequest Tuning",
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names.split()}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    """Import what is in ``__all__`` when it is first asked for."""
    if name in _HOMES:
        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
