"""docs/performance.md: what stands above its tables and below those of multiple time stepping."""

import importlib
from pathlib import Path

import pytest

from md_bridge.bench.panels import Bound, PanelResult, Row
from md_bridge.bench.results import Results

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture
def module(monkeypatch):
    monkeypatch.syspath_prepend(str(DOCS))
    return importlib.import_module("performance_numbers.summary")


def row(name, *milliseconds, multiplicity=1, bound=None, **details):
    seconds = [1e-3 * value for value in milliseconds]
    return Row(name, multiplicity, 81, seconds=seconds, details=details, bound=bound)


def panel(group, title, *rows, model="bundled", atoms=81):
    return PanelResult(group, title, model, atoms, 2, "step", list(rows))


def results(*panels):
    return Results({}, {}, list(panels))


EVERYTHING = panel(
    "ase", "ASE, energy, forces and virials",
    row("both, MD Bridge", 44, 44, 88), row("conservative, MD Bridge", 40, 40, 80),
    row("both, MD Bridge, compiled", 22, 22, 22),
    row("conservative, MD Bridge, compiled", 20, 20, 20),
)  # fmt: skip
DYNAMICS = panel(
    "lammps", "LAMMPS",
    row("conservative", 40, 40, 40), row("direct", 20, 20, 20),
    # M F / (M - 1 + F) = 4 * 2 / 5 = 1.6, of 40 / 31.25 = 1.28
    row("MTS M = 4", 125, 125, 125, multiplicity=4, bound=Bound("conservative", "direct")),
    row("conservative, compiled", 20, 20, overhead=[0.01, 0.03]),
    row("two models, M = 4", 60, multiplicity=4, bound=Bound("conservative", "direct", True)),
)  # fmt: skip


def test_lines_that_there_are_numbers_for(module):
    """Medians with the least and the most of ratios within a round."""
    lines = module.summary(results(EVERYTHING, DYNAMICS))
    assert lines[:2] == ["|  | 81 atoms |", "| --- | ---: |"]
    assert "| TorchScript ÷ compiled, both | 2.00 (2.00–4.00) |" in lines
    assert "| overhead of a step, compiled, conservative, LAMMPS, % | 2.00 (1.00–3.00) |" in lines
    assert "| part of S(4), one model, TorchScript, LAMMPS | 0.80 (0.80–0.80) |" in lines
    assert len(lines) == 6
    assert module.summary(results()) == []


def test_columns_are_sizes(module):
    small, large = (
        panel("ase", "ASE, conservative forces", row("MD Bridge, compiled", time),
              row("pet-kokkos", 40), atoms=atoms)
        for atoms, time in ((648, 20), (81, 10))
    )  # fmt: skip
    of_xs = panel(
        "ase", "ASE, conservative forces", row("MD Bridge, compiled", 30), row("pet-kokkos", 40),
        model="xs", atoms=192,
    )  # fmt: skip
    lines = module.summary(results(small, large, of_xs))
    assert lines[0] == "|  | 81 atoms | 192 atoms | 648 atoms |"
    kokkos = "compiled ÷ pet-kokkos, conservative, ASE"
    assert f"| {kokkos} | 0.25 (0.25–0.25) |  | 0.50 (0.50–0.50) |" in lines
    assert f"| {kokkos}, XS |  | 0.75 (0.75–0.75) |  |" in lines


def test_what_can_be_had_of_the_bound(module):
    """b = 1.1 and F = 2: (3 + 2) / (3 + 2.2)."""
    found = module.most_of_bound(DYNAMICS, results(EVERYTHING, DYNAMICS))
    assert found == {"MTS M = 4": pytest.approx(5 / 5.2)}
    assert module.most_of_bound(DYNAMICS, results(DYNAMICS)) == {}
    elsewhere = panel("ase", EVERYTHING.title, *EVERYTHING.rows, atoms=648)
    assert module.most_of_bound(DYNAMICS, results(elsewhere, DYNAMICS)) == {}


def test_no_line_is_missing_on_the_page(module):
    """Lines name rows of the benchmark; one that is named otherwise there would be left out."""
    measured = Results.read(DOCS / "performance.json")
    assert len(module.summary(measured)) == 2 + len(module._LINES)
