"""What is said of structures that did not come to rest: nothing that compares them with others."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk

from md_bridge.statics.relaxing.differences import Distance
from md_bridge.statics.relaxing.request import Relaxations, RelaxRequest, SymmetryChange
from md_bridge.statics.relaxing.results import Relaxation
from md_bridge.statics.report.relaxation_sentences import sentences
from md_bridge.statics.report.relaxation_tables import sections
from md_bridge.statics.rows import Row
from md_bridge.statics.space_groups import Plateau
from md_bridge.statics.starts import Start

ALONE, WALK = Row("conservative"), Row("direct-then-conservative")


def ended(status, **seconds):
    """A relaxation of ten evaluations of each kind."""
    atoms = bulk("Al")
    return Relaxation(
        start=atoms,
        end=atoms,
        status=status,
        steps=10,
        evaluations=dict.fromkeys(seconds, 10),
        seconds=seconds,
        start_energy=0.0,
        energy=-1.0,
        gradient=1e-5,
        largest_force=1e-5,
        reason="" if status == "converged" else "it did not",
    )


def report(alone, walk):
    """Of two structures, which are 1 and 3 Å apart."""
    starts = tuple(Start(f"s-{n}", bulk("Al")) for n in range(2))
    rows = (ALONE, WALK)
    nothing = SymmetryChange(Plateau((), (), ()), Plateau((), (), ()), ())
    return Relaxations(
        request=RelaxRequest(Path("m.pt"), starts, rows),
        precision="float64",
        noise=dict.fromkeys(rows, 0.0),
        relaxed={ALONE: alone, WALK: walk},
        symmetry=dict.fromkeys(rows, (nothing, nothing)),
        distances=dict.fromkeys(rows, (Distance(1.0, 0.0), Distance(3.0, 0.0))),
        crossed={},
        fixed_points={},
        start_residuals={},
        warnings=(),
        kept=0,
    )


@pytest.fixture
def mixed():
    """The second one is given up with the gradient alone, after a long time."""
    alone = (ended("converged", conservative=3.0), ended("not converged", conservative=90.0))
    walk = (ended("converged", direct=0.5, conservative=1.5),) * 2
    return report(alone, walk)


def test_time_is_that_of_structures_that_came_to_rest_both_ways(mixed):
    assert sentences(mixed)[0] == (
        "For the 1 of 2 structures that came to rest both ways, direct-then-conservative took 10 "
        "evaluations of direct forces (0.50 s) and 10 evaluations of conservative forces (1.5 s): "
        "1.50 times faster than conservative alone, which took 10 evaluations of conservative "
        "forces (3.0 s)."
    )


def test_no_structure_came_to_rest_both_ways():
    stopped = (ended("stopped", conservative=1.0),) * 2
    first, *others = sentences(report(stopped, (ended("converged", direct=1.0),) * 2))
    assert first.startswith("No structure came to rest both with direct-then-conservative and")
    assert "'s-0' was stopped with conservative forces: it did not." in others


def test_where_a_walk_ended_is_told():
    """The medians of two walks, and what direct forces were off by; nothing without a walk."""
    walked = ended("converged", direct=0.5, conservative=1.5)
    walks = tuple(
        replace(
            walked,
            kinds=("direct",) * 3 + ("conservative",) * 2,
            gradients=np.array([first, 1.0, 0.25, 0.2, 1e-5]),
            difference=0.2,
        )
        for first in (3.0, 5.0)
    )
    alone = (ended("converged", conservative=3.0),) * 2
    (text,) = (each for each in sentences(report(alone, walks)) if "The walks" in each)
    assert text == (
        "The walks of direct-then-conservative took 3 evaluations from 4.0 to 0.25 eV/Å (medians "
        "of the largest force), and the two kinds of forces differ by up to 0.20 eV/Å there: the "
        "way from that to 0.0001 eV/Å is the gradient's."
    )
    assert not any("The walks" in each for each in sentences(report(alone, alone)))


def test_distances_are_those_of_structures_at_rest(mixed):
    (table,) = (each for each in sections(mixed) if each.title.startswith("Where they end"))
    (row,) = table.rows
    assert row.cells[:4] == ("direct-then-conservative", "1", "1", "1")
