"""What a tuning found, for people and for programs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.table import Table

from md_bridge.drift.judging.verdict import Verdict
from md_bridge.drift.records.agreement import agreement_sentences
from md_bridge.drift.report.sentences import RESONANCE_FS
from md_bridge.drift.tuning.search import StepResult, Trial, Tuning
from md_bridge.text import factor, finite_or_none, with_error

__all__ = [
    "tuning_sentences",
    "tuning_summary",
    "tuning_table",
]

_STYLES = {
    Verdict.CONSERVES: "green",
    Verdict.DRIFTS: "red",
    Verdict.INCONCLUSIVE: "yellow",
}
_COLUMNS = (
    ("M", ""),
    ("outer step", "fs"),
    ("drift", "meV/atom/ps"),
    ("verdict", ""),
    ("margin", ""),
    ("runs", "ps"),
    ("speed-up", ""),
    ("bound", ""),
)


def tuning_table(tuning: Tuning) -> Table:
    """One line for every M that was tried, with the choice in bold.

    :param tuning: what the search found
    """
    table = Table(box=None, padding=(0, 1), pad_edge=False, collapse_padding=True)
    for heading, unit in _COLUMNS:
        table.add_column(
            f"{heading}\n[dim]{unit}[/dim]",
            justify="left" if heading == "verdict" else "right",
            no_wrap=True,
        )
    choice = tuning.choice
    for step in tuning.steps:
        for trial in (step.conservative, *step.trials):
            chosen = choice is not None and trial is choice.recommended
            table.add_row(*_row(trial), style="bold" if chosen else None)
    return table


def tuning_sentences(tuning: Tuning) -> list[str]:
    """What to use, what it gains, and what to beware of.

    :param tuning: what the search found
    """
    request, choice = tuning.request, tuning.choice
    sentences = []
    if choice is not None and choice.best is not None:
        best = choice.best
        gain = factor(best.speedup)
        sentences.append(
            f"Use M = {best.multiplicity} with an inner step of {best.timestep_fs:g} fs (outer "
            f"step {best.outer_timestep_fs:g} fs): {gain} times as fast as conservative forces "
            f"with that step (at most {factor(best.speedup_bound)}, with "
            f"{_ratio_text(tuning, choice)})."
        )
        energy = best.statistics.energy
        sentences.append(
            f"Its drift is {with_error(energy.slope, energy.stderr)} meV/atom/ps; the 95 % "
            f"interval {'of its heating ' if best.statistics.rests_on_heating else ''}"
            f"ends {best.margin:.2g} meV/atom/ps before the tolerance of "
            f"{request.tolerance:g}."
        )
    elif choice is not None:
        sentences += _conservative_sentences(tuning, choice)
    else:
        sentences.append(
            "Nothing that was tried conserves energy, conservative forces included: there are no "
            "inputs that would."
        )
    sentences += agreement_sentences(
        (record.method.two_models, record.agreement) for record in tuning.records
    )
    for step in tuning.steps:
        sentences += _step_sentences(step, request.longest_ps)
    sentences += _resonance(tuning.steps)
    return sentences


def tuning_summary(tuning: Tuning, inputs: Sequence[Path]) -> dict[str, Any]:
    """The content of ``tune.json``; numbers that do not exist or are not finite are None.

    :param tuning: what the search found
    :param inputs: the input files written for the choice
    """
    request, choice = tuning.request, tuning.choice
    inner = request.model_options.inner
    return {
        "choice": None if choice is None else _trial_summary(choice.recommended),
        "steps": [
            {
                "timestep_fs": step.timestep_fs,
                "cost_ratio_F": None if inner else step.ratio,
                "cost_ratio_of_models": step.ratio if inner else None,
                "cost_ratio_is_measured": step.ratio_is_measured,
                "conservative": _trial_summary(step.conservative),
                "best_M": None if step.best is None else step.best.multiplicity,
                "trials": [_trial_summary(trial) for trial in step.trials],
            }
            for step in tuning.steps
        ],
        "sentences": tuning_sentences(tuning),
        "inputs": [str(path) for path in inputs],
        "settings": {
            "model": str(request.model),
            "inner": inner or None,
            "start": str(request.start),
            "host": request.host,
            "temperature_K": request.temperature_k,
            "tolerance_meV_per_atom_per_ps": request.tolerance,
            "max_M": request.most,
            "length_ps": request.length_ps,
            "longest_ps": request.longest_ps,
            "replicas": request.replicas,
            "equilibration_ps": request.equilibration_ps,
            "seed": request.seed,
        },
    }


def _ratio_text(tuning: Tuning, step: StepResult) -> str:
    """What the bound rests on."""
    if tuning.request.model_options.inner:
        return f"an inner model {step.ratio:.3g} times as cheap"
    return f"F = {step.ratio:.2f}"


def _row(trial: Trial) -> tuple[str, ...]:
    energy = trial.statistics.energy
    style = _STYLES[trial.verdict]
    return (
        str(trial.multiplicity) if trial.multiplicity > 1 else "conservative",
        f"{trial.outer_timestep_fs:g}",
        with_error(energy.slope, energy.stderr),
        f"[{style}]{trial.verdict.value}[/{style}]",
        f"{trial.margin:.2g}" if trial.verdict is Verdict.CONSERVES else "-",
        f"{trial.replicas} x {trial.length_ps:g}",
        factor(trial.speedup, missing="1"),
        factor(trial.speedup_bound, missing="1"),
    )


def _conservative_sentences(tuning: Tuning, choice: StepResult) -> list[str]:
    """Why no M is recommended, and what is known of conservative forces."""
    use = f"use conservative forces with a step of {choice.timestep_fs:g} fs"
    cheapest = min(
        (step for step in tuning.steps if step.best is not None),
        key=lambda step: step.cost_s_per_ps,
        default=None,
    )
    if cheapest is not None and cheapest.best is not None:
        sentences = [
            f"{use[0].upper()}{use[1:]}: a picosecond costs {choice.cost_s_per_ps:.3g} s, with M = "
            f"{cheapest.best.multiplicity} and {cheapest.timestep_fs:g} fs it would be "
            f"{cheapest.cost_s_per_ps:.3g} s."
        ]
    else:
        sentences = [
            "No M is shown to conserve energy within the tolerance of "
            f"{tuning.request.tolerance:g} meV/atom/ps: {use}."
        ]
    if choice.conservative.verdict is Verdict.INCONCLUSIVE:
        sentences.append(
            f"Runs of {choice.conservative.length_ps:g} ps do not tell whether these conserve it: "
            "`md-bridge drift` with longer ones would."
        )
    return sentences


def _step_sentences(step: StepResult, longest_ps: float) -> list[str]:
    if step.conservative.verdict is Verdict.DRIFTS:
        return [
            f"With {step.timestep_fs:g} fs even conservative forces drift: the step is too long, "
            "or the potential is not smooth (the protocol `order` tells which). Try a shorter one."
        ]
    sentences = []
    if not step.ratio_is_measured:
        sentences.append(
            f"With {step.timestep_fs:g} fs direct forces alone explode, so F could not be measured "
            f"and {step.ratio:g} was taken for it."
        )
    undecided = [
        str(trial.multiplicity) for trial in step.trials if trial.verdict is Verdict.INCONCLUSIVE
    ]
    if undecided:
        sentences.append(
            f"M = {', '.join(undecided)} with {step.timestep_fs:g} fs cannot be judged from "
            f"{longest_ps:g} ps and counts as not conserving: longer runs or more replicas "
            "would tell."
        )
    return sentences


def _resonance(steps: Sequence[StepResult]) -> list[str]:
    best = [step.best for step in steps if step.best is not None]
    long = [trial for trial in best if trial.outer_timestep_fs > RESONANCE_FS]
    return [
        f"The outer step of {trial.outer_timestep_fs:g} fs (M = {trial.multiplicity}) is above "
        f"{RESONANCE_FS:g} fs, where the correction can resonate with vibrations of hydrogen, if "
        "there is any. In this run it did not; a stiffer bond, or another temperature, may change "
        "that."
        for trial in long
    ]


def _trial_summary(trial: Trial) -> dict[str, Any]:
    energy = trial.statistics.energy
    return {
        "M": trial.multiplicity if trial.multiplicity > 1 else None,
        "timestep_fs": trial.timestep_fs,
        "outer_timestep_fs": trial.outer_timestep_fs,
        "verdict": trial.verdict.value,
        "drift_meV_per_atom_per_ps": finite_or_none(energy.slope),
        "drift_stderr": finite_or_none(energy.stderr),
        "drift_half_width_95": finite_or_none(energy.half_width),
        "margin_meV_per_atom_per_ps": finite_or_none(trial.margin),
        "length_ps": trial.length_ps,
        "replicas": trial.replicas,
        "wall_s_per_ps": finite_or_none(trial.wall_s_per_ps),
        "speedup": None if trial.speedup is None else finite_or_none(trial.speedup),
        "speedup_bound": trial.speedup_bound,
    }
