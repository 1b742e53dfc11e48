"""Inputs at random: ``pair_style mdbridge`` with an exported Lennard-Jones equals ``lj/cut``.

125 of them, 75 more with the slow tests; thousands more by hand:
``PYTHONPATH=tests/helpers python -m random_decks --help``.
"""

import dataclasses

import pytest
from random_decks import potential
from random_decks.generate import random_deck
from random_decks.running import (
    RANKS,
    decks_of,
    export_models,
    keep,
    ranks_of,
    run_decks,
)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    folder = tmp_path_factory.mktemp("random-decks")
    export_models(folder)
    return folder


# a batch for each number of ranks, and one more for one
QUICK = (0, 1, 2, 5, 7)
BATCHES = [
    number if number in QUICK else pytest.param(number, marks=pytest.mark.slow)
    for number in range(len(RANKS))
]


@pytest.mark.parametrize("batch", BATCHES)
def test_random_decks(batch, exported, tmp_path):
    decks = decks_of(batch)
    (tmp_path / "runs").mkdir()
    outcome = run_decks(decks, exported, tmp_path / "runs")
    for deck in decks:
        if deck.seed in outcome.failures:
            keep(deck, exported, tmp_path)
    assert not outcome.failures, (
        f"{outcome.failures}; inputs are kept in {tmp_path}, and one more comes from "
        "PYTHONPATH=tests/helpers python -m random_decks --seed SEED"
    )
    # what LAMMPS itself cannot run says nothing of ours
    assert len(outcome.refused) <= 1, outcome.refused
    assert outcome.runs > 2 * (len(decks) - len(outcome.refused))


def test_another_potential_is_seen(tmp_path):
    """What is compared is not empty: an ε that is wrong in the seventh digit fails every deck."""
    decks = [deck for deck in decks_of(0) if deck.data is None or "\n1 atoms" not in deck.data][:4]
    wrong = tmp_path / "wrong"
    wrong.mkdir()
    for each in potential.ALL:
        epsilon = tuple(tuple(value * (1 + 1e-6) for value in row) for row in each.epsilon)
        dataclasses.replace(each, epsilon=epsilon).export(wrong)
    outcome = run_decks(decks, wrong, tmp_path)
    assert outcome.failures.keys() == {deck.seed for deck in decks}
    assert "differs by" in "".join(outcome.failures.values())


def test_a_seed_is_one_deck():
    first, second = (random_deck(17, ranks_of(0)) for _ in range(2))
    assert first == second
    assert first != random_deck(18, ranks_of(0))
