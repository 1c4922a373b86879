"""Rules for the charges in a save: a new attempt is charged, or a human asked for it, or it continues after a pause or with the
answer that it was parked for.
"""

from __future__ import annotations

from controller.api.operator_state import AgentState, OperatorState
from controller.plan.reasons import Reason
from tests.model.bridge import POLICY, TICK
from tests.model.world import AWAY, DENIED, INIT, NEVER, REJECTED, Config, Exit, World

FREE = frozenset(
    {
        *(Reason.DISRUPTED, Reason.INTERRUPTED, Reason.DELETED, Reason.VANISHED, Reason.PARKED, Reason.POD_REJECTED),
        *(Reason.SOURCE_UNAVAILABLE, Reason.TEMPORARY),
    }
)
"""Ends that are nobody's fault, and are therefore not charged."""


FAULTLESS = {REJECTED: "P1: a rejected pod is charged", AWAY: "P1: a clone from a server that was away is charged"}
"""An end that is not charged -> the rule that a charge for it breaks."""


class Accounts:
    """P1, P5 and P7, and the cases in which a restart is free."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._policy = {"restart_cooldown_seconds": 60, **POLICY, **config.policy}

    def broken(self, before: World, old: OperatorState | None, new: OperatorState, now: int) -> str:
        """Return the rule that a save breaks about charges, empty for none."""
        for name, agent in new.agents.items():
            was = old.agents.get(name, AgentState()) if old else AgentState()
            asks = agent.blocked and agent.blocked != was.blocked and agent.blocked.reason == Reason.REPEATED_FAILURES
            fails = new.stop and not (old and old.stop) and new.stop.reason == Reason.REPEATED_FAILURES
            seen = not self._config.left.unready  # Nothing in the cluster shows how often live agents have failed.
            if (asks or fails) and seen and not self._too_often(before, was, agent):
                return "a human is asked about equal failures that were not, or they end the Run"
            found = self._agent(before, old, was, agent, name, now)
            if found:
                return found
        charges = sum(agent.restarts for agent in new.agents.values())
        more = charges > (sum(agent.restarts for agent in old.agents.values()) if old else 0)
        return f"P1: {charges} charged restarts" if more and charges > self._policy["restart_budget"] else ""

    def _agent(self, before: World, old: OperatorState | None, was: AgentState, agent: AgentState, name: str, now: int) -> str:
        charged, free = agent.restarts - was.restarts, agent.free_restarts - was.free_restarts
        if agent.attempt == was.attempt:
            return "" if not (charged or free) or self._sustained(before, was, now) else "charges change without a restart"
        if agent.attempt != was.attempt + 1:
            return "an attempt is skipped"
        return self._next(before, old, was, agent, name, now)

    def _next(self, before: World, old: OperatorState | None, was: AgentState, agent: AgentState, name: str, now: int) -> str:
        """Return the rule that a new attempt breaks, empty for none."""
        charged, free = agent.restarts - was.restarts, agent.free_restarts - was.free_restarts
        if agent.outcome is not None and agent.outcome.attempt != agent.attempt:
            return "an attempt begins with another's outcome"
        if (charged < 0 or free < 0) and not self._sustained(before, was, now):
            return "charges are given back that were not earned"
        if found := self._counted(before, name, free, agent):
            return found
        if by_human(before, name, was, agent) or _resumed(old, agent) or agent.last_outcome == Reason.PROVIDER_LIMITED:
            return ""  # `limits.py` has what must hold after a limit
        if agent.last_outcome == Reason.PARKED and not (charged or free):
            return (
                "" if any(mark[0] == name for mark in before.ghost.fresh) else "P7: a parked agent is woken again for nothing new"
            )
        given_back = self._sustained(before, was, now)
        uncharged = "P1: a crash is not charged" if charged <= 0 and not given_back and _crashed(before, was) else ""
        denied = "P1: a refused clone is tried again although nobody has helped" if _ended_as(before, was, DENIED) else ""
        faultless = next((text for end, text in FAULTLESS.items() if charged > 0 and _ended_as(before, was, end)), "")
        early = "P1: a crash is charged before the last words of its pod" if charged > 0 and _speaks_yet(before, was, agent) else ""
        same = "an agent is restarted although its verification keeps failing in the same way" if _repeated(agent) else ""
        equal = "P1: the same failure in a row is charged again" if charged > 0 and self._too_often(before, was, agent) else ""
        return (
            same
            or equal
            or denied
            or uncharged
            or faultless
            or early
            or self._paid(charged, free, agent)
            or self._cooled(before, name, now)
        )

    def _too_often(self, before: World, was: AgentState, agent: AgentState) -> bool:
        """Whether the current attempt has failed like as many before it as the policy allows."""
        limit = self._policy.get("repeated_failures")
        if limit is None:
            return False
        unready = was.last_outcome == agent.last_outcome == Reason.UNREADY and agent.attempt > was.attempt
        crashes = 0 if self._config.differing else _crashes(before, was)
        return crashes >= limit.count or (unready and limit.count == 2)

    def _counted(self, before: World, name: str, free: int, agent: AgentState) -> str:
        """P7: between two acts of a human an agent has the restarts of its budgets, and one attempt for each question."""
        if free > 0 and agent.free_restarts > self._config.free_limit:
            return f"P1: {agent.free_restarts} restarts without charge"
        most = self._policy["restart_budget"] + self._config.free_limit + len(self._config.questions)
        since = dict(before.ghost.unasked).get(name, 0) + 1
        return f"P7: {since} attempts since a human did anything" if self._config.counted and since > most else ""

    def _paid(self, charged: int, free: int, agent: AgentState) -> str:
        nobodys_fault = agent.last_outcome in FREE
        paid = charged + free > 0 or self._policy["restart_budget_reset_seconds"]
        return "" if paid and (charged > 0 or nobodys_fault) else "P1: an attempt is not charged"

    def _cooled(self, before: World, name: str, now: int) -> str:
        last = dict(before.ghost.restarted).get(name)
        if last is None or (now - last) * TICK >= self._policy["restart_cooldown_seconds"]:
            return ""
        return f"P5: restarted at tick {now}, last at {last}"

    def _sustained(self, before: World, was: AgentState, now: int) -> bool:
        """Whether the agent's pod has been running long enough to reset its charges."""
        seconds = self._policy["restart_budget_reset_seconds"]
        pods = (pod for pod in before.pods if pod.uid == was.pod_uid)
        return bool(seconds) and any(pod.since >= 0 and (now - pod.since) * TICK >= seconds for pod in pods)


def _crashed(before: World, was: AgentState) -> bool:
    """Whether the attempt's pod has ended by its agent's own fault: before it was asked to end, and not to park."""
    pod = next((pod for pod in before.pods if pod.uid == was.pod_uid), None)
    if pod is None or pod.deleting or pod.disrupted or (pod.told != NEVER and not pod.early):
        return False
    return pod.unrun == INIT or (pod.exit == Exit.CRASHED and not (pod.word and pod.word.parked))


def _crashes(before: World, was: AgentState) -> int:
    """Return how many attempts of the agent crashed in a row, up to the current one; those that a disruption ended are left out."""
    own = next((pod for pod in before.pods if pod.uid == was.pod_uid), None)
    if own is None or not _crashed(before, was):
        return 0
    former = (pod for pod in before.pods if (pod.agent, pod.owner) == (own.agent, own.owner) and pod.attempt <= own.attempt)
    return sum(pod.exit == Exit.CRASHED and not pod.disrupted and pod.told == NEVER for pod in former)


def _repeated(agent: AgentState) -> bool:
    """Whether the attempt has ended with a verification that failed as it had before."""
    failed = agent.last_outcome == Reason.VERIFICATION_FAILED
    return failed and agent.verification is not None and agent.verification.repeated > 0


def _ended_as(before: World, was: AgentState, end: str) -> bool:
    """Whether the attempt's pod ended in this way without its agent ever running."""
    return any(pod.uid == was.pod_uid and pod.unrun == end for pod in before.pods)


def _speaks_yet(before: World, was: AgentState, agent: AgentState) -> bool:
    """Whether the attempt's end is charged while its pod runs on, whose reporter may still say that the work is done."""
    crashed = agent.last_outcome == Reason.EXITED_NONZERO
    return crashed and any(pod.uid == was.pod_uid and pod.exit and not pod.ended for pod in before.pods)


def by_human(before: World, name: str, was: AgentState, agent: AgentState) -> bool:
    """Whether a human asked for the attempt after `was`: by spec.restartedAt, or by a Retry on its escalation."""
    if agent.restarted_at != was.restarted_at:
        return True
    return before.run is not None and (name, was.attempt, before.run.uid) in before.ghost.retried


def _resumed(old: OperatorState | None, agent: AgentState) -> bool:
    return old is not None and old.paused_at is not None and agent.last_outcome == Reason.INTERRUPTED
