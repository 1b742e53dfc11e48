"""Run as many random decks as you like: ``python -m random_decks --help``."""

import argparse
import sys
import tempfile
import time
from pathlib import Path

from random_decks.generate import random_deck
from random_decks.running import (
    BATCH,
    Outcome,
    decks_of,
    export_models,
    keep,
    ranks_of,
    run_decks,
)


def main() -> int:
    """Run decks; the exit code is 1 if some side differed or stopped."""
    parser = argparse.ArgumentParser(prog="python -m random_decks", description=__doc__)
    parser.add_argument("--decks", type=int, default=200, help="how many")
    parser.add_argument("--first", type=int, default=0, help="seed of the first")
    parser.add_argument("--seed", type=int, help="only the deck of this seed")
    parser.add_argument(
        "--keep", type=Path, default=Path("failed-decks"), help="folder for failures"
    )
    parser.add_argument("--features", action="store_true", help="say how often each was drawn")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        models = Path(name)
        export_models(models)
        if options.seed is not None:
            outcome = run_one(options.seed, models, options.keep)
        else:
            first = options.first // BATCH
            batches = range(first, first + -(-options.decks // BATCH))
            outcome = run_many(batches, models, options.keep)
    report(outcome)
    if options.features:
        for feature, count in sorted(outcome.features.items()):
            print(f"{count:6d} {feature}")
    return 1 if outcome.failures else 0


def run_one(seed: int, models: Path, folder: Path) -> Outcome:
    """One deck, kept whether or not it fails."""
    deck = random_deck(seed, ranks_of(seed // BATCH))
    keep(deck, models, folder)
    with tempfile.TemporaryDirectory() as scratch:
        return run_decks([deck], models, Path(scratch))


def run_many(batches: range, models: Path, folder: Path) -> Outcome:
    """Batches one after the other, with a line for each failure as it comes."""
    total = Outcome()
    for batch in batches:
        begin = time.monotonic()
        decks = decks_of(batch)
        with tempfile.TemporaryDirectory() as scratch:
            outcome = run_decks(decks, models, Path(scratch))
        for deck in decks:
            if deck.seed in outcome.failures:
                keep(deck, models, folder)
                print(f"seed {deck.seed}: {outcome.failures[deck.seed]}", flush=True)
            if deck.seed in outcome.refused:
                print(f"seed {deck.seed} left out: {outcome.refused[deck.seed]}", flush=True)
        total.add(outcome)
        seconds = time.monotonic() - begin
        print(f"batch {batch} on {ranks_of(batch)} ranks: {seconds:.0f} s", flush=True)
    return total


def report(outcome: Outcome) -> None:
    print(
        f"{outcome.decks} decks, {outcome.runs} compared runs, {len(outcome.failures)} failures, "
        f"{len(outcome.refused)} left out, largest difference {outcome.largest:.1e} of its size"
    )


if __name__ == "__main__":
    sys.exit(main())
