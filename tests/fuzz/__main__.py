"""`python -m tests.fuzz [--count N] [--seed N]`: the whole campaign, then the gate's mutants.

Any wrong or slow result is a failure.
"""

from __future__ import annotations

import argparse
import sys
from itertools import chain

import click

from tests.fuzz.campaign import run
from tests.fuzz.corpus import hostile, outputs
from tests.fuzz.mutants import MUTANTS, without

COUNT = 120_000
MUTANT_COUNT = 20_000
SLOW_SECONDS = 0.050
"""The CPU seconds that the gate may use for any output."""


def main() -> int:
    """Run the campaign and print its results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=COUNT)
    parser.add_argument("--seed", type=int, default=6)
    chosen = parser.parse_args()
    tally = run(chain(hostile(), outputs(chosen.count, chosen.seed)))
    rate = tally.count / tally.spent if tally.spent else 0
    click.echo(f"{tally.count} outputs, {tally.accepted} accepted ({tally.accepted / tally.count:.1%}), {len(tally.wrong)} wrong")
    click.echo(f"{rate:.0f} a CPU second in the gate, slowest {tally.slowest * 1000:.1f} ms")
    click.echo(", ".join(f"{reason} {count}" for reason, count in tally.reasons.most_common()))
    for wrong in tally.wrong[:20]:
        click.echo(wrong)
    survivors = [name for name in MUTANTS if not _caught(name, chosen.seed)]
    click.echo(f"mutants: {len(MUTANTS) - len(survivors)} of {len(MUTANTS)} caught; survivors: {survivors or 'none'}")
    return int(bool(tally.wrong or survivors or tally.slowest > SLOW_SECONDS))


def _caught(name: str, seed: int) -> bool:
    with without(name):
        return bool(run(chain(outputs(MUTANT_COUNT, seed), hostile()), stop_at_first=True).wrong)


if __name__ == "__main__":
    sys.exit(main())
