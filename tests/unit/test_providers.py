"""The providers by the cache: who starts, in which order, at which rate, and what a limit holds before its status is written."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest

from controller.api.agent_report import LimitKind
from controller.api.base import JsonObject, dump
from controller.api.names import RunKey
from controller.api.operator_state import AgentState, OperatorState
from controller.api.policy import RunPolicySpec
from controller.api.provider import ProviderState
from controller.api.resolved_policy import ResolvedPolicy
from controller.api.run import Agent, DesiredState, RunSpec
from controller.cache.policy_resolver import place_of, shard_key
from controller.cache.provider_line import ProviderKey
from controller.cache.providers import Providers
from controller.cache.run_cache import RunCache
from controller.plan.providers.probing import ProbingRun
from controller.plan.reasons import Reason
from controller.plan.snapshot import LimitFacts, PodFacts, ReportFacts, RunFacts, Snapshot
from tests.builders import a_run

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
KEY = ProviderKey("ns", "claude")
POLICY = ResolvedPolicy.of("default", RunPolicySpec())


def after(seconds: float) -> datetime:
    """Return a time after NOW."""
    return NOW + timedelta(seconds=seconds)


def run_of(number: int, agents: int = 1) -> RunFacts:
    """Return a Run whose agents name the provider; a higher number is younger."""
    spec = RunSpec(agents=tuple(Agent(name=f"a{n}", image="x", provider="claude") for n in range(agents)))
    return RunFacts("ns", f"r{number}", f"uid-{number}", 1, spec, created_at=NOW - timedelta(hours=1) + timedelta(seconds=number))


def at_work(run: RunFacts, agent: str = "a0", attempt: int = 0, **more: Any) -> PodFacts:
    """Return the started pod of an agent."""
    name = f"{run.name}-{agent}-r{attempt}"
    return replace(PodFacts(name, name, agent, attempt, run.uid, phase="Running", bound=True, started_at=NOW), **more)


class Fleet:
    """Runs and one provider, without an API server: `ask` is a reconcile's look, `start` what follows if it is admitted."""

    def __init__(self, **spec: Any) -> None:
        self.woken: list[str] = []
        self.probing: dict[str, ProbingRun] = {f"r{number}": ProbingRun(True) for number in range(4)}
        self.changed: list[ProviderKey] = []
        self.providers = Providers(lambda key: self.woken.append(key.name), lambda key: self.probing.get(key.name))
        self.providers.changed = self.changed.append
        self.spec, self.version = spec, 0
        self.written: JsonObject = {}
        self.write({})

    def write(self, status: JsonObject | None = None) -> None:
        """Store the provider with a status: by default the one that its writer would write."""
        self.version += 1
        meta = {
            "namespace": "ns",
            "name": "claude",
            "uid": "p",
            "resourceVersion": str(self.version),
            "creationTimestamp": "2026-01-01T00:00:00Z",
        }
        status = dump(self.providers.status(KEY)) if status is None else status
        self.written = status
        self.providers.objects.upsert({"metadata": meta, "spec": self.spec, "status": status})

    def begun_anew(self) -> Fleet:
        """Return the fleet of a new process, which knows only what is in the cluster."""
        fleet = Fleet(**self.spec)
        fleet.write(self.written)
        fleet.probing = self.probing
        return fleet

    def ask(self, run: RunFacts, seconds: float = 0, attempt: int = 0) -> list[Reason | None]:
        """Return why each agent of a Run waits, None for one that is admitted."""
        spec = run.spec
        assert spec
        state = OperatorState(run_uid=run.uid, agents={agent.name: AgentState(attempt=attempt) for agent in spec.agents})
        seen = self.providers.admitted(Snapshot(run=run, policy=POLICY, state=state), after(seconds))
        return [facts.reason for facts in seen.providers]

    def limit(self, run: RunFacts, seconds: float, *pods: PodFacts, attempt: int = 0, reset: float | None = None) -> None:
        """Report a limit of the first agent of a Run."""
        found = LimitFacts(LimitKind.QUOTA, after(seconds), None if reset is None else after(reset))
        report = ReportFacts("a0", run.uid, attempt, "p", 1, after(seconds), 30, after(seconds), limit=found)
        self.providers.see(run, pods, [report])

    def state(self, seconds: float) -> ProviderState | None:
        """Return the provider's state, with the Runs woken whose turn has come."""
        self.providers.tick(KEY, after(seconds))
        return self.providers.status(KEY).state

    def probe(self, run: RunFacts, *pods: PodFacts, wants: bool = True) -> None:
        """Have the caches know the Run of a probe."""
        self.probing[run.name] = ProbingRun(wants, pods)
        self.providers.see(run, pods, [])


def test_an_open_provider_without_limits_admits_everybody_and_writes_nothing() -> None:
    """A healthy fleet costs its provider no change."""
    fleet = Fleet()
    fleet.state(0)
    before = fleet.providers.status(KEY)
    for number in range(50):
        assert fleet.ask(run_of(number)) == [None]
        fleet.providers.see(run_of(number), [at_work(run_of(number))], [])
    after_all = fleet.providers.status(KEY)
    assert (after_all.active_agents, after_all.waiting_agents) == (50, 0)
    assert after_all.model_copy(update={"active_agents": 0}) == before


def test_a_provider_that_does_not_exist_limits_nothing() -> None:
    """The facts say so. When it is created, the agents at work count."""
    fleet = Fleet(maxActiveAgents=1)
    fleet.providers.objects.remove({"metadata": {"uid": "p"}})
    seen = fleet.providers.admitted(Snapshot(run=run_of(0), policy=POLICY), NOW)
    assert [(facts.exists, facts.admits) for facts in seen.providers] == [(False, True)]
    fleet.providers.see(run_of(0), [at_work(run_of(0))], [])
    fleet.version, meta = 5, {"namespace": "ns", "name": "claude", "uid": "q", "resourceVersion": "9"}
    fleet.providers.objects.upsert({"metadata": meta, "spec": {"maxActiveAgents": 1}})
    assert fleet.ask(run_of(1)) == [Reason.PROVIDER_FULL]


def test_places_are_taken_in_turn() -> None:
    """Two of two places are taken. The end of an agent wakes the oldest Run, and each Run starts one agent before a second."""
    fleet = Fleet(maxActiveAgents=2)
    big, old, new = run_of(0, agents=3), run_of(1), run_of(2)
    assert fleet.ask(big) == [None, None, Reason.PROVIDER_FULL]
    assert [fleet.ask(new), fleet.ask(old)] == [[Reason.PROVIDER_FULL]] * 2
    fleet.providers.see(big, [at_work(big, "a0"), at_work(big, "a1")], [])
    fleet.providers.see(big, [at_work(big, "a1")], [])
    fleet.state(1)
    assert fleet.woken == ["r1"]
    assert fleet.ask(new, 1) == [Reason.PROVIDER_FULL]
    assert fleet.ask(old, 1) == [None]
    assert fleet.ask(old, 1) == [None]


def test_a_run_that_does_not_answer_lets_the_next_pass() -> None:
    """Its reconcile may fail. After half a minute the turn is the next Run's."""
    fleet = Fleet(maxActiveAgents=1)
    fleet.ask(run_of(0))
    assert [fleet.ask(run_of(1)), fleet.ask(run_of(2))] == [[Reason.PROVIDER_FULL]] * 2
    fleet.providers.forget("uid-0")
    fleet.state(0)
    fleet.state(29)
    assert fleet.woken == ["r1"]
    fleet.state(30)
    assert fleet.woken == ["r1", "r2"]
    assert fleet.ask(run_of(2), 31) == [None]


@pytest.mark.parametrize("gone", ["paused", "deleted", "moved"])
def test_a_run_that_is_withdrawn_gives_its_place_back(gone: str) -> None:
    """A Run that was admitted and does not start keeps no place."""
    fleet = Fleet(maxActiveAgents=1)
    first = run_of(0)
    assert (fleet.ask(first), fleet.ask(run_of(1))) == ([None], [Reason.PROVIDER_FULL])
    if gone == "paused":
        assert first.spec
        fleet.ask(replace(first, spec=first.spec.model_copy(update={"desired_state": DesiredState.PAUSED})))
    elif gone == "deleted":
        fleet.providers.forget(first.uid)
    else:
        fleet.providers.release(first.key)
    assert fleet.ask(run_of(1)) == [None]


def test_a_limit_holds_every_later_start_before_it_is_written() -> None:
    """The report alone holds: the next look, also of a Run that was admitted and has not started yet."""
    fleet = Fleet()
    first, second = run_of(0), run_of(1)
    assert fleet.ask(second) == [None]
    fleet.providers.see(first, [at_work(first)], [])
    fleet.limit(first, 1, reset=3600)
    assert fleet.changed[-1] == KEY
    assert [fleet.ask(second, 2), fleet.ask(run_of(2), 2)] == [[Reason.PROVIDER_CLOSED]] * 2
    assert fleet.providers.status(KEY).closed_until == after(3600)


def closed(fleet: Fleet, runs: int) -> None:
    """Close the provider for a minute by a Run of number 100, while others wait."""
    fleet.limit(run_of(100), 4)
    for number in range(runs):
        assert fleet.ask(run_of(number), 5) == [Reason.PROVIDER_CLOSED]
    fleet.write()


def test_one_probe_starts_once_it_is_on_record() -> None:
    """Before its record is written the probe waits, too. No other agent starts while it probes."""
    fleet = Fleet()
    closed(fleet, 3)
    assert fleet.state(64) is ProviderState.PROBING
    assert fleet.woken == []
    assert fleet.ask(run_of(0), 64) == [Reason.PROVIDER_PROBING]
    fleet.write()
    fleet.state(64)
    assert fleet.woken == ["r0"]
    assert [fleet.ask(run_of(number), 65) for number in range(3)] == [[None], [Reason.PROVIDER_PROBING], [Reason.PROVIDER_PROBING]]


def probed(fleet: Fleet, runs: int) -> None:
    """Have the first Run probe the provider and complete."""
    closed(fleet, runs)
    fleet.state(64)
    fleet.write()
    fleet.ask(run_of(0), 64)
    fleet.probe(run_of(0), at_work(run_of(0), started_at=after(65)))
    assert fleet.state(70) is ProviderState.PROBING
    fleet.write()
    fleet.woken.clear()


def test_the_others_follow_at_the_rate() -> None:
    """Ten a minute, one at a time and in turn; then the provider is open."""
    fleet = Fleet()
    probed(fleet, 4)
    began: list[tuple[str, float]] = []
    for now in (tenth / 10 for tenth in range(3650, 4100)):
        fleet.state(now)
        for name in fleet.woken[:]:
            run = run_of(int(name[1:]))
            if fleet.ask(run, now) == [None]:
                began.append((name, now))
                fleet.providers.see(run, [at_work(run)], [])
        fleet.woken.clear()
    assert began == [("r1", 371.0), ("r2", 377.0), ("r3", 383.0)]
    assert fleet.state(410) is ProviderState.OPEN


def test_a_new_process_begins_without_credit() -> None:
    """After a restart of the operator the rate holds, and the Runs whose status says that they wait do so."""
    fleet = Fleet()
    fleet.write({"state": "Reopening", "openedAt": "2026-01-01T11:00:00Z", "closings": 1})
    fleet.providers.see(run_of(0), [], [], "ProviderReopening")
    assert fleet.state(0) is ProviderState.REOPENING
    assert fleet.providers.status(KEY).waiting_agents == 1
    assert fleet.ask(run_of(0), 1) == [Reason.PROVIDER_REOPENING]
    assert fleet.ask(run_of(0), 6) == [None]


def test_the_probe_of_a_former_process_is_kept() -> None:
    """A new process finds the probe on record: it may start, and no other one is chosen."""
    fleet = Fleet()
    probe = {"run": "r1", "runUID": "uid-1", "agent": "a0", "attempt": 0, "since": "2026-01-01T12:00:00Z"}
    fleet.write({"state": "Probing", "probe": probe, "closedAt": "2026-01-01T11:59:00Z", "closings": 1})
    fleet.probe(run_of(1))
    assert [fleet.ask(run_of(0)), fleet.ask(run_of(1))] == [[Reason.PROVIDER_PROBING], [None]]


def test_a_withdrawn_probe_is_replaced_at_once() -> None:
    """Its Run is paused before it has started: the next agent probes."""
    fleet = Fleet()
    closed(fleet, 2)
    fleet.probe(run_of(0))
    fleet.state(64)
    fleet.write()
    fleet.probing["r0"] = ProbingRun(False)
    fleet.providers.release(run_of(0).key)
    assert fleet.state(66) is ProviderState.PROBING
    assert (probe := fleet.providers.status(KEY).probe)
    assert probe.run == "r1"


def test_an_unreadable_status_counts_as_none() -> None:
    """A status of another version closes nothing for ever."""
    fleet = Fleet()
    fleet.write({"state": "Hibernating"})
    assert fleet.state(0) is ProviderState.OPEN


BROKEN: JsonObject = {"budgets": [{"name": "daily", "window": "Day", "timeZone": "Mars/Phobos", "tokens": 100}]}
"""A spec that a CRD admits and this operator cannot read."""


def test_an_unreadable_provider_holds_its_agents_until_it_is_corrected() -> None:
    """Nobody knows its limits, so nothing of it starts, not even what was admitted before. Nothing is called in vain, either."""
    fleet = Fleet()
    assert fleet.ask(run_of(0)) == [None]
    fleet.spec = BROKEN
    fleet.write({})
    seen = fleet.providers.admitted(Snapshot(run=run_of(0), policy=POLICY), NOW).providers
    assert [(facts.exists, facts.admits, facts.reason) for facts in seen] == [(True, False, Reason.PROVIDER_UNREADABLE)]
    assert "spec.budgets[0].timeZone: must be an IANA time zone, for example Europe/Berlin (found 'Mars/Phobos')" in seen[0].message
    assert (fleet.providers.tick(KEY, NOW), fleet.providers.status(KEY).waiting_agents, fleet.woken) == (None, 1, [])
    fleet.spec = {}
    fleet.write({})
    assert fleet.ask(run_of(0)) == [None]


def test_a_limit_that_is_met_at_an_unreadable_provider_closes_it_later() -> None:
    """An agent that was at work reports it, and it counts once the provider can be read."""
    fleet = Fleet(**BROKEN)
    fleet.limit(run_of(0), 0, at_work(run_of(0)), reset=3600)
    fleet.spec = {}
    fleet.write({})
    assert fleet.ask(run_of(1), 1) == [Reason.PROVIDER_CLOSED]


def test_runs_of_a_deleted_provider_are_not_kept() -> None:
    """Nothing is left of a Run that is gone."""
    fleet = Fleet()
    fleet.ask(run_of(0))
    fleet.providers.objects.remove({"metadata": {"uid": "p"}})
    fleet.providers.see(run_of(0), [at_work(run_of(0))], [])
    fleet.providers.forget("uid-0")
    assert fleet.providers.names() == ()
    assert fleet.providers.exist_in("ns") is False
    fleet.providers.release(RunKey("ns", "r0", "uid-0"))


def test_a_namespace_with_a_provider_has_one_place_among_the_shards() -> None:
    """Its Runs and its providers belong to one replica; other namespaces are hashed by Run. A change has the Runs looked at."""
    woken: list[RunKey] = []
    cache = RunCache(woken.append)
    for uid in ("u1", "u2"):
        cache.runs.upsert(a_run(uid, uid))
    keys = [RunKey("ns", uid, uid) for uid in ("u1", "u2")]
    own, counting = POLICY, ResolvedPolicy.of("", RunPolicySpec(max_active_runs=1))
    assert [shard_key(cache, own, key) for key in keys] == ["u1", "u2"]
    woken.clear()
    meta = {"namespace": "ns", "name": "claude", "uid": "p", "resourceVersion": "1"}
    cache.providers.objects.upsert({"metadata": meta, "spec": {}})
    assert {key.name for key in woken} == {"u1", "u2"}
    assert {shard_key(cache, own, key) for key in keys} == {place_of(cache, own, "ns")} == {"ns/"}
    assert {shard_key(cache, counting, key) for key in keys} == {place_of(cache, counting, "ns")} == {"/default"}
    assert shard_key(cache, own, RunKey("other", "r", "u3")) == "u3"


def test_an_agent_that_cannot_start_keeps_no_place() -> None:
    """Its pod may be refused for hours. After two minutes the place is another Run's, and it waits behind that."""
    fleet = Fleet(maxActiveAgents=1)
    stuck, other = run_of(0), run_of(1)
    assert (fleet.ask(stuck), fleet.ask(other)) == ([None], [Reason.PROVIDER_FULL])
    fleet.state(119)
    assert fleet.ask(stuck, 119) == [None]
    fleet.state(120)
    assert fleet.woken == ["r1"]
    assert (fleet.ask(stuck, 121), fleet.ask(other, 121)) == ([Reason.PROVIDER_FULL], [None])


class Story:
    """Agents that ask, start at once if they are admitted, end, meet limits and vanish, in an order by chance."""

    def __init__(self, seed: int) -> None:
        self.chance = Random(seed)  # noqa: S311  # no secret
        self.most = self.chance.choice([None, 1, 2])
        self.fleet = Fleet(**({"maxActiveAgents": self.most} if self.most else {}))
        self.now, self.started = 0.0, -100.0
        self.working: set[int] = set()
        self.turned: set[int] = set()
        self.states: set[ProviderState | None] = set()

    def step(self) -> None:
        """Let some seconds pass, and one thing happen to one Run. A status is sometimes written late."""
        self.now += self.chance.choice([0, 1, 7, 20])
        steps = [self.ask, self.ask, self.ask, self.end, self.limit, self.turns, self.restart]
        number, what = self.chance.randrange(5), self.chance.choice(steps)
        self.fleet.probing = {f"r{each}": self.run(each) for each in range(5)}
        self.fleet.state(self.now)
        if self.chance.random() < 0.8:
            self.fleet.write()
        what(number)
        assert self.most is None or len(self.working) <= self.most

    def run(self, number: int) -> ProbingRun:
        """Return a Run as the caches know it: its pod if it works, and its report of a turn if it has finished one."""
        turn = ReportFacts("a0", f"uid-{number}", 0, "p", 1, after(self.now), 30, after(self.now), turns=1)
        return ProbingRun(True, tuple(self.pods(number)), (turn,) if number in self.turned else ())

    def pods(self, number: int) -> list[PodFacts]:
        """Return the pod of a Run that works."""
        return [at_work(run_of(number), started_at=after(self.now))] if number in self.working else []

    def ask(self, number: int) -> None:
        """Look at a Run that does not work, and start its agent if it is admitted."""
        recorded = self.fleet.written.get("probe") or {}
        if number in self.working or self.fleet.ask(run_of(number), self.now) != [None]:
            return
        state = self.fleet.providers.status(KEY).state
        self.states.add(state)
        assert state is not ProviderState.CLOSED
        assert state is not ProviderState.PROBING or recorded.get("run") == f"r{number}"
        assert state is not ProviderState.REOPENING or self.now - self.started >= 6
        self.started = self.now
        self.working.add(number)
        self.fleet.providers.see(run_of(number), self.pods(number), [])

    def end(self, number: int) -> None:
        """End an agent, or delete its Run."""
        self.working.discard(number)
        self.turned.discard(number)
        self.fleet.providers.see(run_of(number), [], [])
        if self.chance.random() < 0.3:
            self.fleet.providers.forget(f"uid-{number}")

    def limit(self, number: int) -> None:
        """Report a limit of an agent at work, now and then."""
        if number in self.working and self.chance.random() < 0.3:
            self.turned.discard(number)
            self.fleet.limit(run_of(number), self.now, *self.pods(number), reset=self.now + 10)

    def turns(self, _: int) -> None:
        """Let each agent at work finish a turn."""
        self.turned |= self.working

    def restart(self, _: int) -> None:
        """Begin a new process, now and then."""
        if self.chance.random() < 0.1:
            self.fleet = self.fleet.begun_anew()
            for each in self.working:
                self.fleet.providers.see(run_of(each), self.pods(each), [])


def test_no_order_of_events_starts_too_many() -> None:
    """Never are more agents at work than places; while the provider is closed nothing starts but a recorded probe; and starts of a
    reopening provider keep their distance, also after the process has begun anew.
    """
    states: set[ProviderState | None] = set()
    for seed in range(60):
        story = Story(seed)
        for _ in range(80):
            story.step()
        states |= story.states
    assert states == {ProviderState.OPEN, ProviderState.PROBING, ProviderState.REOPENING}
