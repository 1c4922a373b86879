"""P1 to P5, judged from the API server's history: each is a function from a namespace's history to its violations.

P1 charged restarts stay within the budget, and every attempt has started; P2 one started pod per attempt; P3 a started pod is ended
only by a state that has a later attempt, has its end on record, or stops; P4 one live pod per agent; P5 restarts a cooldown apart.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from controller.api.base import JsonObject
from tests.chaos.evidence import Change
from tests.chaos.pods import Pod, pods

STOPS = frozenset({"Stopping", "Paused", "Stopped", "Completed", "Failed"})
"""Phases in which live pods are ended."""


@dataclass(frozen=True, slots=True)
class Law:
    """The rules for a Run; see `scenarios.Scenario`."""

    budget: int
    cooldown: int
    by_hand: frozenset[int] = frozenset()
    taken: frozenset[int] = frozenset()


Laws = Mapping[str, Law]
Invariant = Callable[[Sequence[Change], Laws], Iterator[str]]


def within_budget(history: Sequence[Change], laws: Laws) -> Iterator[str]:
    """P1: no version of a Run has more charged restarts than its budget, and none reduces the charges."""
    charged: dict[str, int] = defaultdict(int)
    for change in _runs(history):
        now = int(change.object.get("status", {}).get("restarts", 0))
        if now > laws[change.name].budget:
            yield f"P1: Run {change.name} was charged {now} restarts, its budget is {laws[change.name].budget}"
        if now < charged[change.name]:
            yield f"P1: Run {change.name} was charged {charged[change.name]} restarts, then {now}"
        charged[change.name] = now


def every_attempt_started(history: Sequence[Change], _: Laws) -> Iterator[str]:
    """P1: the charged attempts are those that started: none was skipped, and no others started."""
    started = {(*pod.agent, pod.attempt) for pod in pods(history) if pod.started}
    for run, agents in _attempts(history).items():
        for agent, attempt in agents.items():
            found = sorted(n for r, a, n in started if (r, a) == (run, agent))
            if found != list(range(attempt + 1)):
                yield f"P1: agent {agent} of Run {run} is at attempt {attempt}, its started attempts are {found}"


def one_pod_an_attempt(history: Sequence[Change], _: Laws) -> Iterator[str]:
    """P2: at most one pod of an attempt was started."""
    started: dict[tuple[str, str, int], set[str]] = defaultdict(set)
    for pod in pods(history):
        if pod.started:
            started[*pod.agent, pod.attempt].add(pod.change.uid)
    for (run, agent, attempt), uids in started.items():
        if len(uids) > 1:
            yield f"P2: attempt {attempt} of agent {agent} of Run {run} was started {len(uids)} times: {sorted(uids)}"


def ended_by_the_state(history: Sequence[Change], laws: Laws) -> Iterator[str]:
    """P3: when a started pod is asked to end, the last saved Run has its end on record, is past its attempt, or stops; or a human
    deleted the pod.
    """
    runs: dict[str, JsonObject] = {}
    judged: set[str] = set()
    for change in history:
        if change.kind == "runs":
            runs[change.name] = change.object
        if change.kind != "pods" or change.uid in judged:
            continue
        pod = Pod(change)
        if not (pod.started and pod.told_to_end):
            continue
        judged.add(change.uid)
        if not (pod.attempt in laws[pod.run].taken or _allows(runs.get(pod.run, {}), pod)):
            yield f"P3: {pod} was ended, but its Run stood at {_standing(runs.get(pod.run, {}))}"


def one_live_pod(history: Sequence[Change], _: Laws) -> Iterator[str]:
    """P4: at no version of any pod has an agent two pods that may run."""
    live: dict[tuple[str, str], dict[str, Pod]] = defaultdict(dict)
    for pod in pods(history):
        of_agent = live[pod.agent]
        of_agent.pop(pod.change.uid, None)
        if pod.live:
            of_agent[pod.change.uid] = pod
            if len(of_agent) > 1:
                yield f"P4: live at once: {', '.join(map(str, of_agent.values()))}"


def intervals_apart(history: Sequence[Change], _: Laws) -> Iterator[str]:
    """P4, by the kubelets' timestamps: an attempt's container starts after its predecessor's has ended."""
    started: dict[tuple[str, str, int], datetime] = {}
    ended: dict[tuple[str, str, int], datetime] = {}
    for pod in pods(history):
        key = (*pod.agent, pod.attempt)
        if begun := pod.stamp("running", "startedAt") or pod.stamp("terminated", "startedAt"):
            started[key] = begun
        if over := pod.stamp("terminated", "finishedAt"):
            ended[key] = over
    for (run, agent, attempt), begun in started.items():
        before = ended.get((run, agent, attempt - 1))
        if before and begun < before:
            yield f"P4: attempt {attempt} of agent {agent} of Run {run} ran from {begun}, its predecessor until {before}"


def cooldown_kept(history: Sequence[Change], laws: Laws) -> Iterator[str]:
    """P5: two restarts without a human's request are at least the cooldown apart."""
    created: dict[tuple[str, str, int], datetime] = {}
    for pod in pods(history):
        if pod.started:
            created.setdefault((*pod.agent, pod.attempt), pod.created)
    for (run, agent, attempt), moment in created.items():
        law, before = laws[run], created.get((run, agent, attempt - 1))
        if before is None or attempt < 2 or {attempt, attempt - 1} & law.by_hand:
            continue
        apart = (moment - before).total_seconds()
        if apart < law.cooldown:
            yield f"P5: attempt {attempt} of agent {agent} of Run {run} came {apart:.0f} s after the last, not {law.cooldown}"


def nothing_left(history: Sequence[Change], _: Laws) -> Iterator[str]:
    """No orphans: at the end no pod is gated and none runs."""
    newest = {pod.change.uid: pod for pod in pods(history)}
    for pod in newest.values():
        if not pod.change.gone and (pod.live or not pod.started):
            yield f"orphan: {pod} is {'live' if pod.live else 'gated'} at the end"


INVARIANTS: tuple[Invariant, ...] = (
    within_budget,
    every_attempt_started,
    one_pod_an_attempt,
    ended_by_the_state,
    one_live_pod,
    intervals_apart,
    cooldown_kept,
    nothing_left,
)


def violations(history: Sequence[Change], laws: Laws) -> list[str]:
    """Return all violations of the invariants in a namespace's history."""
    return [text for invariant in INVARIANTS for text in invariant(history, laws)]


def _runs(history: Sequence[Change]) -> Iterator[Change]:
    return (change for change in history if change.kind == "runs")


def _attempts(history: Sequence[Change]) -> dict[str, dict[str, int]]:
    """Return each Run's agents and their attempts, by its last version."""
    return {change.name: _told(change.object) for change in _runs(history)}


def _told(run: JsonObject) -> dict[str, int]:
    return {agent["name"]: int(agent.get("attempt", 0)) for agent in run.get("status", {}).get("agents", [])}


def _allows(run: JsonObject, pod: Pod) -> bool:
    """Whether the Run stops, is past the pod's attempt, or has that attempt's end on record: a helper beside the agent ran on."""
    agent: JsonObject = next((a for a in run.get("status", {}).get("agents", []) if a["name"] == pod.agent[1]), {})
    attempt = int(agent.get("attempt", 0))
    recorded = attempt == pod.attempt and "outcome" in agent
    return run.get("status", {}).get("phase") in STOPS or attempt > pod.attempt or recorded


def _standing(run: JsonObject) -> str:
    return f"{run.get('status', {}).get('phase', 'no phase')}, attempts {_told(run)}"
