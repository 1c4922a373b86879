"""Guards switched off one at a time: a configuration must detect it, or a stated reason explains that another guard covers it.

A mutant replaces functions of the shipped code, or preconditions of the API server's writes that the executor sends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any
from unittest.mock import patch

from controller.api.names import pod_name
from controller.api.operator_state import AgentState, LastFailure, OperatorState, Outcome
from controller.api.policy import OutcomeAction
from controller.plan import outcomes, pod_ends, reads, steps, transitions
from controller.plan.actions import AdoptPod, Effect, ReserveAttempt
from controller.plan.attempts import agent_end, cleanup, repeated_failures, restarts, start_stop, unreachable
from controller.plan.attempts.budget import budget_left
from controller.plan.context import PlanContext
from controller.plan.intents import Charge
from controller.plan.model import Plan
from controller.plan.reasons import Reason
from controller.plan.rules import agent_rules, ending_rules, run_rules
from controller.plan.rules.run_rules import RunRule
from controller.plan.snapshot import PodFacts
from tests.model import bridge, world_steps
from tests.model import world as cluster
from tests.model.advising import ADVISING
from tests.model.agent_speech import SPEAKING
from tests.model.checking import CHECKING
from tests.model.limiting import LIMITING
from tests.model.mutant import Mutant, Patch, agent_rule
from tests.model.refusing import REFUSING
from tests.model.reporting import HERS, Report
from tests.model.starting import STARTING
from tests.model.suspending import SUSPENDING
from tests.model.world import Escalation, Pod, Refused, Run, World


def _rule(name: str, mutated: Callable[[PlanContext], Any] | None) -> list[Patch]:
    """Replace a rule of the Run, or leave it out."""
    found = tuple(mutated and replace(rule, check=mutated) if rule.id == name else rule for rule in run_rules.RULES)
    return [(run_rules, "RULES", tuple(rule for rule in found if rule))]


def _save_blindly(world: World, read: Run, state: int) -> World:
    if world.run is None or world.run.uid != read.uid:
        raise Refused
    return world._replace(run=world.run._replace(state=state))


def _ungated(world: World, name: tuple[str, int], owner: int, asked: int = 0, **changes: bool) -> World:
    made = _create(world, name, owner, asked)
    pod = made.pod(name)
    return made if made is world or pod is None else cluster.put(made, pod, pod._replace(**changes))  # type: ignore[arg-type]  # the caller names boolean fields


_create, _fenced = cluster.create, cluster._fenced


def _by_name(world: World, name: tuple[str, int], _: str) -> Pod:
    pod = world.pod(name)
    if pod is None:
        raise Refused(gone=True)
    return pod


def _ungate_by_name(world: World, name: tuple[str, int], _: str) -> World:
    pod = _by_name(world, name, "")
    return _ungate(world, name, pod.uid)


_ungate = cluster.ungate


def _end_by_name(world: World, name: tuple[str, int], _: str, now: int) -> World:
    return _end(world, name, _by_name(world, name, "").uid, now)


_end = cluster.end


def _delete_by_name(world: World, name: tuple[str, int], _: str) -> World:
    return _delete(world, name, _by_name(world, name, "").uid)


_delete = cluster.delete


def _act_first(decision: Plan, *, dirty: bool, adopting: bool = False) -> steps.Next | None:
    """Apply changes without letting the effects wait for the save."""
    step = _next_step(decision, dirty=dirty, adopting=adopting)
    return steps.Act(tuple(a for a in decision.actions if isinstance(a, Effect))) if isinstance(step, steps.Save) else step


_next_step = steps.next_step


def _pods_before_run(
    self: world_steps.Operators, world: World, index: int, view: bridge.View, what: tuple[Any, ...]
) -> Iterator[world_steps.Move]:
    """Combine the cache's pods with the newest Run: each may be older than the other."""
    run = world.run if world.run is not None and world.run.uid == view.key else None
    yield from _observed(self, world, index, view._replace(run=run), what)


_observed = world_steps.Operators._observed


def _uncharged(at: PlanContext, state: OperatorState, action: ReserveAttempt) -> OperatorState:
    return _reserve(at, state, replace(action, charge=Charge.UNCHARGED))


_reserve = transitions._reserve


def _charge_at_adoption(at: PlanContext, state: OperatorState, action: AdoptPod) -> OperatorState:
    agent = at.agent_state(action.agent)
    if agent.attempt:
        more = agent.model_copy(update={"restarts": agent.restarts + 1})
        state = state.model_copy(update={"agents": {**state.agents, action.agent: more}})
        at = PlanContext(replace(at.snapshot, state=state), at.now)
    return _adopt(at, state, action)


_adopt = transitions._adopt


def _resume_at_once(at: PlanContext) -> Any:
    with patch.object(PlanContext, "started_pods", lambda _: ()):
        return ending_rules.resumed(at)


def _end_all(rule: RunRule) -> RunRule:
    def mutated(at: PlanContext) -> Any:
        with patch.object(PlanContext, "started_pods", PlanContext.live_pods):
            return rule.check(at)

    return replace(rule, check=mutated)


def _stray_if_not_named(at: PlanContext, pod: PodFacts) -> bool:
    return pod.uid != at.agent_state(pod.agent).pod_uid if at.agent_state(pod.agent).pod_uid else _stray(at, pod)


_stray = cleanup._is_stray


def _start_again(at: PlanContext, agent: Any) -> Any:
    """Adopt another pod although the state has the UID of one that no longer exists."""
    state = at.agent_state(agent.name)
    if state.pod_uid and at.own_pod(agent.name) is None:
        return start_stop._pod(at, agent)
    return _start(at, agent)


_start = start_stop.start


def _adopt_deleting(at: PlanContext, agent: Any) -> Any:
    pod = at.named_pod(agent.name)
    if pod is not None and pod.deleting and pod.gated:
        return start_stop._start(at, agent, AdoptPod, pod)
    return _pod(at, agent)


_pod = start_stop._pod


def _keep_block(agent: AgentState, ended: str) -> AgentState:
    return _next_attempt(agent, ended).model_copy(update={"blocked": agent.blocked})


_next_attempt = transitions._next_attempt


def _answered_always(at: PlanContext, agent: Any) -> Any:
    """Honour a Retry for any attempt, as long as the state names its escalation."""
    found = at.standing_escalation(agent.name)
    if found is not None and found.decision == "Retry" and at.agent_state(agent.name).pod_uid:
        return restarts.reserve(at, agent, Reason.RETRY_ORDERED, Charge.UNCHARGED)
    return None


def _restart_of_gated(at: PlanContext, agent: Any) -> Any:
    """Honour a restart although the attempt has not started yet."""
    asked, state = (at.spec.restarted_at or {}).get(agent.name), at.agent_state(agent.name)
    if asked is None or asked == state.restarted_at or not state.pod_uid:
        return None
    return restarts.reserve(at, agent, Reason.RESTART_REQUESTED, Charge.UNCHARGED)


def _without_predecessor(snapshot: Any) -> set[str]:
    return {name for name in _attempts(snapshot) if name in _named(snapshot)}


_attempts = reads.expected_pod_names


def _named(snapshot: Any) -> set[str]:
    found = snapshot.state.agents if snapshot.state else {}
    return {pod_name(snapshot.run.name, name, agent.attempt) for name, agent in found.items()}


def _forged_as(kind: type) -> Callable[..., Any]:
    """Accept one kind of the hostile tenant's objects by its UID only."""

    def found(world: World, view: bridge.View, name: Any) -> Any:
        things = (thing for thing in world.hers if isinstance(thing, kind) and world_steps.name_of(thing) == name)
        return next((thing for thing in things if thing.owner == view.key), None)

    return found


def _ended_remains(at: PlanContext, agent: str) -> PodFacts | None:
    pod = at.own_pod(agent)
    return pod if pod and pod.agent_ended and not pod.terminated else None


def _all_pods(at: PlanContext, reason: Reason) -> Any:
    with patch.object(PlanContext, "ours", lambda *_: True):
        return _release_all(at, reason)


_release_all = cleanup.remove_finalizers


def _deleted_as_it_was(world: World, name: tuple[str, int], uid: str) -> World:
    """Keep the grace period of a pod that is already being deleted, since the DELETE names none."""
    pod = world.pod(name)
    return world if pod and pod.uid == uid and pod.deleting else _delete(world, name, uid)


ENDED_IS_TERMINATED = property(
    lambda pod: pod.phase in ("Succeeded", "Failed") or pod.termination is not None or (pod.deleting and not pod.bound)
)
AGENT_ENDS_WITH_POD = property(lambda pod: pod.terminated)


def _only_open_attempts(snapshot: Any) -> set[str]:
    """Leave out the pods of attempts whose end is on record."""
    found = snapshot.state.agents if snapshot.state else {}
    over = {pod_name(snapshot.run.name, name, agent.attempt) for name, agent in found.items() if agent.outcome is not None}
    return _attempts(snapshot) - over


def _taken_as_terminated(snapshot: Any) -> tuple[PodFacts, ...]:
    """Take the cached pods whose agents have ended for terminated ones, and read none of them."""
    return tuple(replace(pod, phase="Succeeded") for pod in snapshot.pods if pod.termination)


def _after_its_record(at: PlanContext, agent: Any) -> Any:
    """Decide about an agent whose end is on record while the rest of its pod runs on."""
    return None if agent_end.remains(at, agent.name) else _remaining(at, agent)


_remaining = agent_rules.remaining


def _row_ended_by_any(at: PlanContext, agent: str, outcome: Outcome, pod: PodFacts | None) -> LastFailure | None:
    """Let an end that is not charged end the row of equal failures."""
    found = _after_end(at, agent, outcome, pod)
    return found if found and found.attempt == outcome.attempt else None


def _any_end_counts(at: PlanContext, agent: str, outcome: Outcome, pod: PodFacts | None) -> LastFailure | None:
    """Count each end that is not a success as the failure before it."""
    found = _after_end(at, agent, outcome, pod)
    fresh = found and found.attempt != outcome.attempt
    return found.model_copy(update={"attempt": outcome.attempt, "times": found.times + 1}) if found and fresh else found


_after_end = repeated_failures.after_end


DELETING_IS_TERMINATED = property(lambda pod: pod.phase in ("Succeeded", "Failed") or pod.deleting)

RESTARTING: tuple[Mutant, ...] = (
    Mutant(
        "no-cas",
        "a save does not ask for the version that was read",
        ("start", "pause"),
        lambda: [(cluster, "save", _save_blindly), (cluster, "outdated", lambda *_: False)],
    ),
    Mutant("no-gate", "pods are created without the gate", ("start",), lambda: [(cluster, "create", _no_gate)]),
    Mutant("no-finalizer", "pods are created without the finalizer", ("done",), lambda: [(cluster, "create", _no_finalizer)]),
    Mutant(
        "ungate-any-uid",
        "the gate is removed without a test on the UID",
        ("ask-deleted",),
        lambda: [(cluster, "ungate", _ungate_by_name)],
    ),
    Mutant(
        "end-any-uid",
        "pods are ended and deleted without their UID",
        ("start", "pause", "again"),
        lambda: [(cluster, "end", _end_by_name), (cluster, "delete", _delete_by_name)],
    ),
    Mutant("act-before-save", "effects do not wait for the save", ("start",), lambda: [(steps, "next_step", _act_first)]),
    Mutant(
        "pods-before-run",
        "plans are made from pods that are older than the Run (as caches may be)",
        ("start", "done"),
        lambda: [(world_steps.Operators, "_observed", _pods_before_run)],
    ),
    Mutant(
        "predecessor-not-read",
        "the previous attempt's pod is read only if the cache knows it",
        ("unready-cached", "unready", "ask"),
        lambda: [(bridge, "expected_pod_names", _without_predecessor)],
    ),
    Mutant(
        "no-wait",
        "the next attempt does not wait for the end of the earlier pods",
        ("unready-cached", "unready", "ask"),
        lambda: [(PlanContext, "former_pods", lambda *_: ())],
    ),
    Mutant(
        "deleting-is-terminated",
        "a bound pod that is being deleted counts as terminated",
        ("start",),
        lambda: [(PodFacts, "terminated", DELETING_IS_TERMINATED)],
    ),
    Mutant(
        "prolonged-is-waited-for",
        "a pod that was deleted with an absurd grace period counts as ending",
        ("prolonged",),
        lambda: [(PodFacts, "prolonged", property(lambda _: False))],
    ),
    Mutant(
        "deleted-without-a-grace",
        "deletions name no grace period",
        ("prolonged",),
        lambda: [(cluster, "delete", _deleted_as_it_was)],
    ),
    Mutant(
        "agent-ends-with-its-pod",
        "an agent that has ended beside a helper counts as working while its pod runs",
        ("helper",),
        lambda: [(PodFacts, "agent_ended", AGENT_ENDS_WITH_POD)],
    ),
    Mutant(
        "agents-end-is-the-pods",
        "a pod counts as terminated once its agent has ended, although a helper runs on",
        ("helper",),
        lambda: [(PodFacts, "terminated", ENDED_IS_TERMINATED)],
    ),
    Mutant(
        "helpers-run-on",
        "the rest of a pod whose agent has ended is not ended",
        ("helper-two", "helper-done"),
        lambda: [(agent_end, "end_remains", lambda *_: ())],
    ),
    Mutant(
        "rest-before-record",
        "the rest of a pod is ended before the end of its agent is on record",
        ("helper",),
        lambda: [(agent_end, "is_over", lambda _, pod: pod.terminated), (agent_end, "remains", _ended_remains)],
    ),
    Mutant(
        "decided-beside-the-rest",
        "a restart is decided while the rest of the pod runs on",
        ("helper-result",),
        lambda: agent_rule("remaining", _after_its_record),
    ),
    Mutant(
        "last-words-ignored",
        "what a reporter says after the recorded end of its agent does not count",
        ("helper-result",),
        lambda: [(agent_end, "spoke_since", lambda *_: False)],
    ),
    Mutant(
        "rest-not-read",
        "the pod of an attempt whose end is on record is read only if the cache knows it",
        ("helper-done", "helper"),
        lambda: [(bridge, "expected_pod_names", _only_open_attempts)],
    ),
    Mutant(
        "recorded-is-terminated",
        "a cached pod whose agent has ended counts as terminated, although a helper runs on",
        ("helper-cached",),
        lambda: [(bridge, "final_pods", _taken_as_terminated)],
    ),
    Mutant(
        "init-for-free",
        "a failed init container is not an end that is charged",
        ("init",),
        lambda: [(pod_ends, "end_of", lambda pod: pod.termination)],
    ),
    Mutant(
        "rejected-is-charged",
        "a pod that its kubelet rejected is charged",
        ("rejected",),
        lambda: [(outcomes, "DEFAULT_ACTIONS", {**outcomes.DEFAULT_ACTIONS, Reason.POD_REJECTED: OutcomeAction.RETRY})],
    ),
    Mutant(
        "source-away-is-charged",
        "a clone from a server that was away is charged",
        ("source",),
        lambda: [(outcomes, "DEFAULT_ACTIONS", {**outcomes.DEFAULT_ACTIONS, Reason.SOURCE_UNAVAILABLE: OutcomeAction.RETRY})],
    ),
    Mutant(
        "source-denied-is-retried",
        "a clone that was denied is tried again",
        ("source",),
        lambda: [(outcomes, "DEFAULT_ACTIONS", {**outcomes.DEFAULT_ACTIONS, Reason.SOURCE_REFUSED: OutcomeAction.RETRY_FREE})],
    ),
    Mutant("not-recorded", "an end is decided on before it is recorded", ("start",), lambda: _rule("recorded", None)),
    Mutant(
        "uncharged",
        "a reservation is not charged",
        ("budget",),
        lambda: [(transitions, "_reserve", _uncharged)],
    ),
    Mutant(
        "count-after-act",
        "a restart is charged when its pod is adopted, not when it is reserved",
        ("unready-cached", "unready"),
        lambda: [
            (transitions, "_reserve", _uncharged),
            (transitions, "_adopt", _charge_at_adoption),
        ],
    ),
    Mutant(
        "budget-plus-one",
        "one restart more than the budget",
        ("budget",),
        lambda: [(restarts, "budget_left", lambda *args: budget_left(*args) + 1)],
    ),
    Mutant(
        "no-cooldown", "a restart waits for no cooldown", ("cooldown",), lambda: [(restarts, "_cooled", lambda *args: args[3]())]
    ),
    Mutant(
        "crash-for-free",
        "a crash counts as a disruption",
        ("budget",),
        lambda: [(pod_ends, "failure_of", lambda _: Reason.DISRUPTED)],
    ),
    Mutant(
        "told-is-unfinished",
        "an agent that was asked to end counts as unfinished, even if it completed before",
        ("done", "pause"),
        lambda: [(pod_ends, "finished_unasked", lambda pod, _: not (pod.deleting or pod.ending_since))],
    ),
    Mutant(
        "own-pod-by-name",
        "the attempt's pod is known by its name",
        ("ask-deleted",),
        lambda: [(PlanContext, "own_pod", PlanContext.named_pod)],
    ),
    Mutant(
        "adopt-over-uid",
        "another pod is adopted although a UID is saved",
        ("start",),
        lambda: [(start_stop, "start", _start_again)],
        redundant="a saved UID without a pod is recorded as vanished before any start",
    ),
    Mutant(
        "adopt-deleting",
        "a gated pod is adopted although it is being deleted",
        ("start",),
        lambda: [(start_stop, "_pod", _adopt_deleting)],
        redundant="it never starts: it is recorded as deleted, and the next attempt follows for free",
    ),
    Mutant(
        "early-release",
        "a deleted pod is released before its outcome is on record",
        ("ask-deleted",),
        lambda: [(cleanup, "_on_record", lambda *_: True)],
    ),
    Mutant("stray-current", "housekeeping removes every gated pod", ("start",), lambda: [(cleanup, "_is_stray", lambda *_: True)]),
    Mutant(
        "stray-next",
        "housekeeping removes the next attempt's pod (finding 1)",
        ("start",),
        lambda: [(cleanup, "_is_stray", _stray_if_not_named)],
        redundant="the observer takes the names of pods before it reads the Run, so an operator that knows a later attempt's "
        "pod sees by live reads that the previous one has ended, and continues from there before it tidies",
    ),
    Mutant(
        "pause-ends-all",
        "pause and resume end pods that the state does not name (finding 1)",
        ("pause",),
        lambda: [(run_rules, "RULES", tuple(_end_all(r) if r.id in ("paused", "resumed") else r for r in run_rules.RULES))],
    ),
    Mutant(
        "release-all",
        "a deleted Run's pass releases any pod (finding 1)",
        ("again",),
        lambda: [(run_rules, "remove_finalizers", _all_pods)],
    ),
    Mutant(
        "resume-while-live", "a resume does not wait for the earlier pods", ("pause",), lambda: _rule("resumed", _resume_at_once)
    ),
    Mutant("start-when-stopped", "a decided stop is not carried through", ("pause",), lambda: _rule("stopping", None)),
    Mutant("start-when-paused", "a pause ends no pod", ("pause",), lambda: [(start_stop, "end", lambda *_: None)]),
    Mutant("halt-ignored", "a halt ends no agent", ("halt-start",), lambda: _rule("halted", None)),
    Mutant("halt-of-live", "a halt holds only a Run with a live pod", ("halt-start",), lambda: _rule("halted", _halt_of_live)),
    Mutant("halt-unsaved", "a halt ends pods before it is saved", ("halt-start",), lambda: _rule("halted", _halt_unsaved)),
    Mutant(
        "lift-while-live", "a lift does not wait for the earlier pods", ("halt-start",), lambda: _rule("resumed", _resume_at_once)
    ),
    Mutant(
        "end-not-asked",
        "nobody is asked about a pod that must end and cannot be reached",
        ("lost-two", "lost-ending"),
        lambda: [(ending_rules, "_inbox", lambda *_: ())],
    ),
    Mutant(
        "end-closes-inbox",
        "a decided stop closes the escalation about the pod that it waits for",
        ("lost-two", "lost-ending"),
        lambda: [(unreachable, "escalated_at_the_end", lambda *_: False)],
    ),
    Mutant(
        "end-asked-before",
        "an escalation that was closed with a pause counts for a later stop",
        ("lost-ending",),
        lambda: [(unreachable, "_end_of", lambda _: "")],
    ),
    Mutant(
        "overdue-not-seen",
        "a deleted pod that does not end on a node that is not lost is awaited without a question",
        ("lost-two", "lost-restarted"),
        lambda: [(unreachable, "overdue_at", lambda _: None)],
    ),
    Mutant(
        "retry-again",
        "an answer is honoured once more for the next attempt",
        ("answer",),
        lambda: [(transitions, "_next_attempt", _keep_block), *agent_rule("answered", _answered_always)],
    ),
    Mutant(
        "predecessor-not-asked",
        "an agent that completes between the reservation of its restart and its end is started again",
        ("unready-cached", "unready"),
        lambda: [(PlanContext, "finished_predecessor", lambda *_: None)],
    ),
    Mutant(
        "run-by-uid",
        "ownership by UID alone: a Run is looked for in the namespace of any object that names its UID (finding 10)",
        ("hostile",),
        lambda: [(bridge, "owned", lambda run, owner: run == (HERS, owner[1]))],
    ),
    Mutant(
        "pods-by-uid",
        "ownership by UID alone: a pod that names a Run's UID belongs to the Run, in any namespace",
        ("hostile",),
        lambda: [(world_steps, "_forged", _forged_as(Pod))],
    ),
    Mutant(
        "reports-by-uid",
        "ownership by UID alone: so does a report",
        ("hostile",),
        lambda: [(world_steps, "_forged", _forged_as(Report))],
    ),
    Mutant(
        "escalations-by-uid",
        "ownership by UID alone: so does an escalation, with its answer",
        ("hostile-question", "hostile"),
        lambda: [(world_steps, "_forged", _forged_as(Escalation))],
    ),
    Mutant(
        "restart-of-gated",
        "a restart is honoured although the attempt is still gated",
        ("ask-crash",),
        lambda: agent_rule("asked_to_restart", _restart_of_gated),
    ),
    Mutant(
        "repeated-is-charged",
        "the same failure in a row is restarted within the budget",
        ("repeated-failures",),
        lambda: [(repeated_failures, "is_reached", lambda *_: False)],
    ),
    Mutant(
        "repeated-live-is-charged",
        "a live agent that fails in the same way is restarted within the budget",
        ("repeated-failures-live",),
        lambda: [(restarts, "_live", restarts.charged)],
    ),
    Mutant(
        "disruption-ends-the-row",
        "a disruption between two equal failures makes them different ones",
        ("repeated-failures",),
        lambda: [(repeated_failures, "after_end", _row_ended_by_any)],
    ),
    Mutant(
        "restart-ends-the-row",
        "equal failures are counted from one restart to the next",
        ("repeated-failures",),
        lambda: [(repeated_failures, "after_restart", lambda *_: None)],
    ),
    Mutant(
        "all-failures-are-equal",
        "a human is asked about two failures that have only their number in common",
        ("repeated-failures-not",),
        lambda: [(repeated_failures, "attempt_digest", lambda *_: "")],
    ),
    Mutant(
        "disruption-is-a-repeated-failure",
        "a disruption counts as a failure of the agent",
        ("repeated-failures-fatal", "repeated-failures"),
        lambda: [(repeated_failures, "after_end", _any_end_counts)],
    ),
)
MUTANTS = RESTARTING + STARTING + LIMITING + SUSPENDING + CHECKING + SPEAKING + ADVISING + REFUSING


def _halt_of_live(at: PlanContext) -> Any:
    return ending_rules.halted(at) if at.started_pods() else None


def _halt_unsaved(at: PlanContext) -> Any:
    verdict, live = ending_rules.halted(at), at.started_pods()
    if verdict is None or not live:
        return verdict
    return replace(verdict, actions=tuple(end for pod in live if (end := start_stop.end(at, pod, verdict.reason))))


def _no_gate(world: World, name: tuple[str, int], owner: int, asked: int) -> World:
    return _ungated(world, name, owner, asked, gated=False)


def _no_finalizer(world: World, name: tuple[str, int], owner: int, asked: int) -> World:
    return _ungated(world, name, owner, asked, fin=False)
