"""Every order of events around a provider's status: the shipped state machine, its writer, and a late write of a former one.

A leader decides from its memory of the status and writes by compare-and-swap. A successor may take over at any time, also between a
decision and its write, which then arrives late. Agents start as the shipped rules admit them, work, meet limits, die or are paused.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, NamedTuple
from unittest.mock import patch

import pytest

from controller.api.agent_report import LimitKind
from controller.api.provider import Probe, ProbeStatus, ProviderSpec, ProviderState, ProviderStatus
from controller.api.timestamps import later
from controller.plan.providers import probing, states, turns
from controller.plan.providers.probing import ProbingRun
from controller.plan.providers.states import Attempt, Evidence, Seen, Signal
from controller.plan.snapshot import PodFacts, ReportFacts, Termination

START = datetime(2026, 1, 1, tzinfo=UTC)
TICK = 30
"""Seconds between two moments."""

SPEC = ProviderSpec(reopen_per_minute=1, probe=Probe(interval_seconds=60, max_interval_seconds=120, timeout_seconds=60))
HOSTILE = 1_000_000
"""Seconds until a reset that an agent names to close the provider for ever."""

LIMIT = 200_000
"""States after which the search counts as endless."""


class Agent(NamedTuple):
    """The only agent of one Run: `phase` is waits, runs, works (it has finished a turn), or paused."""

    phase: str = "waits"
    attempt: int = 0
    since: int = 0
    """The moment of its attempt's start."""


class Met(NamedTuple):
    """A limit that an agent has met."""

    agent: int
    attempt: int
    at: int
    reset: int | None


class Write(NamedTuple):
    """A write of the status on its way."""

    version: int
    status: str
    own: bool = True
    """Whether the present leader has sent it."""


class Left(NamedTuple):
    """How often each event may still happen."""

    ticks: int
    limits: int
    deaths: int
    pauses: int
    takeovers: int


class World(NamedTuple):
    """The cluster, the leader's memory and the events that may still happen. Statuses are JSON, so that worlds compare."""

    left: Left
    now: int = 0
    status: str = "{}"
    version: int = 0
    memory: str = "{}"
    """The status in the leader's memory, which goes ahead of the one that it knows to be written."""
    known: str = "{}"
    known_version: int = 0
    next_start: int | None = None
    write: Write | None = None
    agents: tuple[Agent, ...] = (Agent(), Agent())
    limits: tuple[Met, ...] = ()
    """The newest limit of each agent, as its report has it."""
    remembered: tuple[Met, ...] = ()
    """Those that the leader has not forgotten."""
    last: int | None = None
    """The last start while the provider was reopening."""


def moment(tick: int) -> datetime:
    """Return the time of a moment. Limits are met and agents start within whole ticks, far apart by the jitter."""
    return START + timedelta(seconds=TICK * tick)


@cache
def read(text: str) -> ProviderStatus:
    """Return a status."""
    return ProviderStatus.model_validate_json(text)


def write(status: ProviderStatus) -> str:
    """Return the text of a status."""
    return status.model_dump_json(by_alias=True, exclude_none=True, exclude_defaults=True)


def attempt(world: World, index: int) -> Attempt:
    """Return the present attempt of an agent."""
    return Attempt(f"run{index}", f"uid{index}", "a", world.agents[index].attempt)


def signal(met: Met) -> Signal:
    """Return a limit as the state machine has it: met just after its moment began."""
    at = moment(met.at) + timedelta(seconds=10)
    by = Attempt(f"run{met.agent}", f"uid{met.agent}", "a", met.attempt)
    return Signal(by, LimitKind.QUOTA, at, at + timedelta(seconds=met.reset) if met.reset else None)


def clock(world: World) -> datetime:
    """Return the time of the leader: after the limits of this moment."""
    return moment(world.now) + timedelta(seconds=15)


def run_of(world: World, index: int) -> ProbingRun:
    """Return an agent's Run with its pods and report, as the caches have them."""
    agent, uid = world.agents[index], f"uid{index}"
    pods = [
        PodFacts(f"p{n}", f"p{n}", "a", n, uid, phase="Failed", bound=True, termination=Termination(75, "Error"))
        for n in range(agent.attempt)
    ]
    reports: list[ReportFacts] = []
    if agent.phase in ("runs", "works"):
        own, since = agent.attempt, moment(agent.since) + timedelta(seconds=20)
        pods.append(PodFacts(f"p{own}", f"p{own}", "a", own, uid, phase="Running", bound=True, started_at=since))
        reports.append(ReportFacts("a", uid, own, f"p{own}", 1, since, 30, since, turns=int(agent.phase == "works")))
    return ProbingRun(agent.phase != "paused", tuple(pods), tuple(reports))


def evidence(world: World, probe: ProbeStatus) -> Evidence:
    """Return what a probe has shown."""
    return probing.evidence(SPEC, probe, run_of(world, int(probe.run_uid.removeprefix("uid"))), clock(world))


def waiting(world: World) -> list[int]:
    """Return the agents that wait."""
    return [index for index, agent in enumerate(world.agents) if agent.phase == "waits"]


def decided(world: World, turn: int | None) -> World:
    """Return the world after the leader has advanced its memory, as `cache/providers.py` does."""
    before, now = read(world.memory), clock(world)
    signals = tuple(map(signal, world.remembered))
    seen = Seen(
        START, signals, lambda probe: evidence(world, probe), None if turn is None else attempt(world, turn), bool(waiting(world))
    )
    after = states.next_status(SPEC, before, seen, now)
    kept = {found.by for found in states.still_matter(signals, after, START)}
    next_start = world.next_start
    if after.state is ProviderState.REOPENING and (next_start is None or before.state is not after.state):
        next_start = world.now + rate()
    met = tuple(each for each in world.remembered if signal(each).by in kept)
    return world._replace(memory=write(after), next_start=next_start, remembered=met)


def rate() -> int:
    """Return how many moments lie between two starts while the provider reopens."""
    return int(turns.interval(SPEC).total_seconds()) // TICK


def leader(world: World) -> Iterator[tuple[str, World]]:
    """Return what the leader may do next."""
    for turn in waiting(world) or (None,):
        after = decided(world, turn)
        if after.memory != after.known and world.write is None:
            yield "sends the status", after._replace(write=Write(after.known_version, after.memory))
        if turn is not None:
            yield from starts(after, turn)
    if world.known_version != world.version and not (world.write and world.write.own):
        yield "learns the status", in_force(world)


def starts(world: World, index: int) -> Iterator[tuple[str, World]]:
    """Start an agent that the leader's status admits now."""
    status, known = read(world.memory), read(world.known)
    next_start = None if world.next_start is None else moment(world.next_start)
    places = turns.Places(next_start=next_start, probe=known.probe)
    if not turns.admission("p", SPEC, status, attempt(world, index), places, moment(world.now)).admits:
        return
    reopening = status.state is ProviderState.REOPENING
    after = change(world, index, phase="runs", since=world.now)
    after = after._replace(next_start=world.now + rate(), last=world.now if reopening else world.last)
    yield f"starts {index} while {status.state}", after


def in_force(world: World) -> World:
    """Put the status of the cluster into the leader's memory."""
    return world._replace(memory=world.status, known=world.status, known_version=world.version)


def change(world: World, index: int, **changes: object) -> World:
    """Change an agent."""
    agent = world.agents[index]._replace(**changes)  # type: ignore[arg-type]  # the callers name the fields
    return world._replace(agents=(*world.agents[:index], agent, *world.agents[index + 1 :]))


def arrivals(world: World) -> Iterator[tuple[str, World]]:
    """A write on its way arrives, or is lost with its sender."""
    sent = world.write
    if sent is None:
        return
    after = world._replace(write=None)
    if sent.version != world.version:
        yield "the write is refused", after
        return
    after = after._replace(status=sent.status, version=world.version + 1)
    yield "the write arrives", in_force(after) if sent.own else after


def spent(world: World, kind: str) -> World:
    """Count an event."""
    return world._replace(left=world.left._replace(**{kind: getattr(world.left, kind) - 1}))


def others(world: World) -> Iterator[tuple[str, World]]:
    """Return what all others may do next."""
    left = world.left
    if left.ticks:
        yield "time passes", spent(world._replace(now=world.now + 1), "ticks")
    if left.takeovers:
        kept = world.write and world.write._replace(own=False)
        fresh = in_force(spent(world, "takeovers"))._replace(next_start=None, remembered=world.limits)
        for late in {kept, None}:
            yield "another leads", fresh._replace(write=late)
    for index, agent in enumerate(world.agents):
        if agent.phase == "runs":
            yield "a turn is finished", change(world, index, phase="works")
        if agent.phase in ("runs", "works"):
            again = change(world, index, phase="waits", attempt=agent.attempt + 1)
            if left.deaths:
                yield f"{index} dies", spent(again, "deaths")
            for reset in (None, TICK, HOSTILE) if left.limits else ():
                met = Met(index, agent.attempt, world.now, reset)
                limits = tuple(sorted([*(each for each in world.limits if each.agent != index), met], key=str))
                mine = tuple(sorted([*(each for each in world.remembered if each.agent != index), met], key=str))
                yield f"{index} meets a limit", spent(again._replace(limits=limits, remembered=mine), "limits")
        if agent.phase == "waits" and left.pauses:
            yield f"{index} is paused", spent(change(world, index, phase="paused"), "pauses")


def moves(world: World) -> Iterator[tuple[str, World]]:
    """Return everything that may happen next."""
    yield from leader(world)
    yield from arrivals(world)
    yield from others(world)


def plain(world: World) -> World:
    """Number versions anew: only whether one is the newest matters."""
    known = 0 if world.known_version == world.version else -1
    sent = world.write and world.write._replace(version=0 if world.write.version == world.version else -1)
    return world._replace(version=0, known_version=known, write=sent)


OPEN = (ProviderState.OPEN, ProviderState.REOPENING)


def broken(before: World, after: World) -> str:
    """Return the promise that a step breaks, empty for none."""
    memory, old, new = read(after.memory), read(before.status), read(after.status)
    latest = clock(after) + timedelta(seconds=SPEC.probe.max_interval_seconds + 1)
    if after.memory != before.memory and memory.closed_until and memory.closed_until > latest:
        return f"closed for longer than the maximum: {memory}"
    if new.probe and old.probe and new.probe != old.probe and not _is_over(before, old.probe):
        return "a second probe is recorded while the first one may work"
    if after.last is not None and before.last is not None and before.last < after.last < before.last + rate():
        return "two agents start faster than reopenPerMinute"
    return ""


def _is_over(world: World, probe: ProbeStatus) -> bool:
    """Whether a probe has shown something, or a limit that any agent has met since has closed the provider again."""
    return evidence(world, probe) is not Evidence.NOTHING or any(signal(met).at > probe.since for met in world.limits)


def overlooked(world: World) -> str:
    """Return whether a leader that has just decided holds the provider open although a limit was met after its opening."""
    status = read(world.memory)
    met = [each for each in world.limits if signal(each).at > (status.opened_at or START) + timedelta(seconds=3)]
    return f"a limit after the opening does not close: {met[0]}" if met and status.state in OPEN else ""


@cache
def _ends(world: World) -> bool:
    for _ in range(60):
        for turn in waiting(world) or (None,):
            world = decided(world, turn)
            world = in_force(world._replace(status=world.memory, version=world.version + 1))
            if turn is not None:
                world = next((after for _, after in starts(world, turn)), world)
        if not waiting(world):
            return True
        agents = tuple(agent._replace(phase="works") if agent.phase == "runs" else agent for agent in world.agents)
        world = world._replace(now=world.now + 1, agents=agents)
    return False


def ends(world: World) -> str:
    """Whether one undisturbed leader opens the provider again, and starts every agent, once no limit is met any more."""
    agents = tuple(agent._replace(phase="waits") if agent.phase == "paused" else agent for agent in world.agents)
    fresh = in_force(world)._replace(next_start=None, remembered=world.limits, write=None, last=None, agents=agents)
    return "" if _ends(fresh._replace(left=NONE, version=0, known_version=0)) else "the provider stays closed for ever"


NONE = Left(0, 0, 0, 0, 0)


def searched(left: Left) -> tuple[int, str, list[str]]:
    """Search every order; return how many worlds there are, the promise that one breaks, and the way to it."""
    first = World(left)
    came: dict[World, tuple[World, str] | None] = {first: None}
    queue = deque([first])
    while queue:
        world = queue.popleft()
        for what, found in moves(world):
            after = plain(found)
            wrong = broken(world, after) or (overlooked(after) if what.startswith("s") else "")
            new = after not in came
            if new:
                came[after] = world, what
                queue.append(after)
                wrong = wrong or ends(after)
            if wrong:
                return len(came), wrong, [*way(came, world), what]
        assert len(came) < LIMIT, "the search does not end"
    return len(came), "", []


def way(came: dict[World, tuple[World, str] | None], world: World) -> list[str]:
    """Return the steps that lead to a world."""
    steps: list[str] = []
    while step := came[world]:
        world, what = step
        steps.append(what)
    return steps[::-1]


SMALL = {
    "a death of a probe": Left(ticks=2, limits=1, deaths=1, pauses=0, takeovers=0),
    "a pause": Left(ticks=2, limits=1, deaths=0, pauses=1, takeovers=0),
    "another leader": Left(ticks=2, limits=1, deaths=0, pauses=0, takeovers=1),
    "a second limit": Left(ticks=2, limits=2, deaths=0, pauses=0, takeovers=0),
}


@pytest.mark.parametrize("left", SMALL.values(), ids=SMALL)
def test_every_order_of_events_keeps_the_promises(left: Left) -> None:
    """One probe at a time; every later limit closes; no closing exceeds the maximum or lasts for ever; starts keep the rate."""
    worlds, wrong, steps = searched(left)
    assert not wrong, "\n".join(steps)
    assert worlds > len(SMALL)


def _probes_at_once(spec: ProviderSpec, status: ProviderStatus, seen: Seen, now: datetime) -> ProviderStatus:
    """Replace a probe that has shown nothing yet."""
    replaced = status.model_copy(update={"state": ProviderState.CLOSED, "probe": None, "closed_until": now})
    return replaced if seen.evidence(status.probe) is Evidence.NOTHING and seen.waits else _after_probe(spec, status, seen, now)  # type: ignore[arg-type]  # a probing status has a probe


_after_probe, _refusal = states._after_probe, turns._refusal


def _at_any_rate(name: str, spec: ProviderSpec, status: ProviderStatus, *more: Any) -> Any:
    return None if status.state is ProviderState.REOPENING else _refusal(name, spec, status, *more)


MUTANTS: dict[str, tuple[Any, str, Any, Left]] = {
    "a second probe": (states, "_after_probe", _probes_at_once, SMALL["another leader"]),
    "does not close": (states, "_is_new", lambda *_: False, SMALL["a pause"]),
    "longer than the maximum": (states, "later", lambda at, seconds: later(at, seconds * 9), SMALL["a pause"]),
    "stays closed for ever": (states, "_after_closing", lambda _, status, *__: status, SMALL["a pause"]),
    "faster than reopenPerMinute": (turns, "_refusal", _at_any_rate, SMALL["a death of a probe"]),
}


@pytest.mark.parametrize("promise", MUTANTS)
def test_the_search_notices_a_missing_guard(promise: str) -> None:
    """Without its guard each promise is broken, and the search shows the way to it."""
    target, name, mutated, left = MUTANTS[promise]
    with patch.object(target, name, mutated):
        _ends.cache_clear()
        _, wrong, steps = searched(left)
    _ends.cache_clear()
    assert promise in wrong
    assert steps
