"""The search for the rate, then rounds of turns at it: every kind alone in turn, on one API server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextlib import nullcontext

from tests.bench.openloop.kinds import KINDS, Kind
from tests.bench.openloop.plan import Plan
from tests.bench.openloop.ramp import highest, keeps_up, next_rate
from tests.bench.openloop.results import OpenLoop, OpenTurn
from tests.bench.openloop.sightings import CONTROLLER, TOTAL
from tests.bench.openloop.tables import summary
from tests.bench.openloop.turn import Aside, Pace, Venue, venue_for
from tests.bench.series import TURN_FAILED, why
from tests.cluster import Cluster
from tests.cluster.progress import ClusterError, say

SHARE_OF_SATURATION = 0.5
RAMP_WINDOWS = 3
SHOWN = (TOTAL, CONTROLLER)


def saturation(cluster: Cluster, plan: Plan) -> dict[str, float]:
    """Return the highest rate at which each kind keeps up. Raises ClusterError if one keeps up with none."""
    return {name: _saturation(cluster, KINDS[name], plan) for name in plan.kinds}


def _saturation(cluster: Cluster, kind: Kind, plan: Plan) -> float:
    with venue_for(cluster, kind, round(plan.first_rate * plan.ramp_seconds)) as venue:
        tried = asyncio.run(_climb(venue, plan))
    if (found := highest(tried)) is None:
        raise ClusterError(f"{kind.name}: its starts keep up with none of {', '.join(f'{rate:g}' for rate in tried)} a second")
    return found


async def _climb(venue: Venue, plan: Plan) -> dict[float, bool]:
    tried: dict[float, bool] = {}
    async with venue.open(plan.warm_up, plan.first_rate) as http:
        while rate := next_rate(tried, plan.first_rate):
            pace = Pace(rate, plan.ramp_seconds, plan.ramp_seconds / RAMP_WINDOWS, str(plan.seed))
            turn = await venue.take(http, pace)
            tried[rate] = keeps_up(turn.windows, pace.window_seconds)
            say(f"{summary(turn, rate, *SHOWN)}: {'keeps up' if tried[rate] else 'falls behind'}")
    return tried


def half_of(rates: Iterable[float]) -> float:
    """Return the rate of the turns: half of the saturation rate of the slowest kind, so that all have the same."""
    return min(rates) * SHARE_OF_SATURATION


def play(cluster: Cluster, plan: Plan, loop: OpenLoop, keep: Callable[[], None]) -> None:
    """Measure the kinds in turn, over some rounds; each round begins with another kind, and has arrivals of its own.

    A failed turn is reported and does not affect the others. The results are stored after each turn.
    """
    for number in range(plan.rounds):
        turns: dict[str, OpenTurn] = {}
        loop.rounds.append(turns)
        pace = Pace(loop.rate, loop.seconds, loop.window_seconds, f"{plan.seed}-{number}")
        for name in (*plan.kinds[number % len(plan.kinds) :], *plan.kinds[: number % len(plan.kinds)]):
            try:
                turns[name] = take_turn(cluster, KINDS[name], pace, plan.warm_up)
            except TURN_FAILED as error:
                loop.failures.append(f"round {number + 1}: {name}: {why(error)}")
                say(f"FAILED: {loop.failures[-1]}")
            else:
                say(f"round {number + 1} of {plan.rounds}: {summary(turns[name], loop.rate, *SHOWN)}")
            keep()


def take_turn(cluster: Cluster, kind: Kind, pace: Pace, warm_up: int, aside: Aside = nullcontext) -> OpenTurn:
    """Measure one kind in a namespace of its own, and leave no objects.

    Raises TimeoutError if objects do not start or end, and any of TURN_FAILED.
    """
    with venue_for(cluster, kind, len(pace.times())) as venue:
        return asyncio.run(_take(venue, pace, warm_up, aside))


async def _take(venue: Venue, pace: Pace, warm_up: int, aside: Aside) -> OpenTurn:
    async with venue.open(warm_up, pace.rate) as http:
        return await venue.take(http, pace, aside)
