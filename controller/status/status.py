"""Pure: builds the Run's status with its conditions from a plan. No other module knows how a status is written."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from datetime import datetime

from controller.api.base import MAX_TEXT, JsonObject, dump
from controller.api.names import pod_name
from controller.api.operator_state import Usage
from controller.api.phases import TERMINAL_PHASES, Health, Phase
from controller.api.timestamps import format_time
from controller.plan import allowance
from controller.plan.actions import Action, SetEscalationPhase
from controller.plan.context import PlanContext
from controller.plan.intents import Intent
from controller.plan.model import AgentView, Plan
from controller.plan.reasons import Reason
from controller.plan.snapshot import EscalationFacts, Snapshot
from controller.plan.sources import source_of
from controller.plan.usage import add_usage
from controller.status import task_status
from controller.status.advised_condition import advised
from controller.status.condition_reasons import ConditionReason
from controller.status.halted_condition import halted
from controller.status.progress_condition import PROGRESS_REPORTED, progress_reported
from controller.status.provider_condition import providers_found
from controller.status.verified_condition import verified
from controller.status.writes_accepted_condition import writes_accepted

KEPT_WHEN_REFUSED = ("startTime", "completionTime", "agents", "restarts")
"""Status fields that are kept if a Run's state is refused. Without them the Run would look as if it had never started."""


def build_status(
    snapshot: Snapshot, plan: Plan, acted: Iterable[Action], previous: JsonObject, now: datetime, first: Plan | None = None
) -> JsonObject:
    """Return the whole status of a Run, without the operator's state.

    `acted` are the actions of this pass; a pass without actions keeps the plan in the status. `previous` is the current status: a
    condition keeps its transition time unless its status changes. `first` is the pass's first plan, whose digest is shown; by
    default it is `plan`.
    """
    verdict, state = plan.verdict, snapshot.state
    status: JsonObject = {
        "phase": verdict.phase.value,
        "reason": verdict.reason.value,
        "message": verdict.message[:MAX_TEXT],
        "observedGeneration": snapshot.run.generation,
        "conditions": _merge(previous.get("conditions", ()), _conditions(snapshot, plan, previous, now), now),
        "ready": _ready(plan.agents),
        "restarts": sum(agent.restarts for agent in state.agents.values()) if state else 0,
        "agents": [_agent(PlanContext(snapshot, now), view) for view in plan.agents],
        "plan": _plan(plan, acted, first or plan) or previous.get("plan"),
        "policy": _policy(snapshot) or previous.get("policy"),
        "openEscalations": len(_open(snapshot)),
    }
    if requester := snapshot.run.spec and snapshot.run.spec.requested_by:
        status["requestedBy"] = {"name": requester, "checked": snapshot.admission}
    if usage := _usage(snapshot):
        status["usage"] = dump(usage)
    if state and state.started_at:
        status["startTime"] = format_time(state.started_at)
    if state and state.stop and state.stop.completed_at:
        status["completionTime"] = format_time(state.stop.completed_at)
    if snapshot.state_refusal:
        status |= {key: previous[key] for key in KEPT_WHEN_REFUSED if key in previous}
    return {key: value for key, value in status.items() if value not in ("", None)}


def _ready(agents: tuple[AgentView, ...]) -> str:
    good = sum(view.health in (Health.HEALTHY, Health.COMPLETE) for view in agents)
    return f"{good}/{len(agents)}"


def _agent(at: PlanContext, view: AgentView) -> JsonObject:
    snapshot, state = at.snapshot, at.agent_state(view.name)
    attempt = state.outcome.attempt if state.outcome else state.attempt
    source = source_of(state, next((pod for pod in snapshot.pods if pod.uid == state.pod_uid), None))
    entry: JsonObject = {
        "name": view.name,
        "attempt": attempt,
        "podName": pod_name(snapshot.run.name, view.name, attempt) if state.pod_uid or state.outcome else "",
        "health": view.health.value,
        "reason": str(view.reason),
        "message": view.message[:MAX_TEXT],
        "restarts": state.restarts or None,
        "repeatedFailures": state.last_failure.times if state.last_failure and state.last_failure.times > 1 else None,
        "cooldownUntil": format_time(state.cooldown_until) if state.cooldown_until else None,
        "outcome": state.outcome.result.value if state.outcome else None,
        "result": dump(state.result) if state.result else None,
        "advice": dump(state.advice[-1]) if state.advice else None,
        "usage": dump(state.usage) if state.usage and _has_provider(at, view.name) else None,
        "source": dump(source) if source else None,
        "verification": task_status.verification(at, view.name),
        "published": task_status.published(state),
    }
    return {key: value for key, value in entry.items() if value not in ("", None)}


def _has_provider(at: PlanContext, agent: str) -> bool:
    """Whether the agent names a provider, which counts its usage. Other Runs' status stays as earlier versions wrote it."""
    return any(each.provider for each in at.agents if each.name == agent)


def _plan(plan: Plan, acted: Iterable[Action], first: Plan) -> JsonObject | None:
    """Return the actions that were done, or would be done without dryRun, each intent once.

    Releasing a deleted pod and changing an escalation's phase are left out: they are not decisions and not worth a write.
    """
    decided = (a for a in (*acted, *plan.withheld) if a.intent is not Intent.RELEASE and not isinstance(a, SetEscalationPhase))
    done = dict.fromkeys((action.intent.value, action.reason.value, action.agent) for action in decided)
    if not done:
        return None
    actions = [{"intent": intent, "reason": reason, **({"agent": agent} if agent else {})} for intent, reason, agent in done]
    return {"digest": first.digest, "actions": actions}


def _open(snapshot: Snapshot) -> list[EscalationFacts]:
    """Return the escalations that wait for a human."""
    ours = (e for e in snapshot.escalations if e.run_uid == snapshot.run.uid and e.open and e.decision is None)
    return sorted(ours, key=lambda escalation: escalation.name)


def _usage(snapshot: Snapshot) -> Usage | None:
    """Return the usage of the ended attempts. The usage of live attempts changes without a decision, and is shown in their
    reports.
    """
    agents = snapshot.state.agents.values() if snapshot.state else ()
    return functools.reduce(add_usage, (agent.usage for agent in agents), None)


def _policy(snapshot: Snapshot) -> JsonObject | None:
    policy = snapshot.policy
    if policy is None:
        return None
    network = {"networkPolicy": policy.spec.network_policy.value} if policy.spec.network_policy else {}
    return {"name": policy.name, "digest": policy.digest, **network}


def _conditions(snapshot: Snapshot, plan: Plan, previous: JsonObject, now: datetime) -> tuple[tuple[str, str, str, str], ...]:
    """Return each condition as (type, status, reason, message)."""
    always = (_finished(plan), _succeeded(plan), _healthy(plan), _policy_resolved(snapshot))
    return (
        *always,
        *_escalated(snapshot, previous, now),
        *_listening(snapshot, plan, previous),
        *advised(snapshot),
        *verified(PlanContext(snapshot, now)),
        *_dry_run(plan),
        *halted(plan),
        *providers_found(snapshot),
        *writes_accepted(snapshot, previous.get("conditions", ())),
    )


def _finished(plan: Plan) -> tuple[str, str, str, str]:
    """Return the condition without a message: it has the reason of the phase, and status.message its words."""
    done = "True" if plan.verdict.phase in TERMINAL_PHASES else "False"
    return "Finished", done, plan.verdict.reason, ""


def _succeeded(plan: Plan) -> tuple[str, str, str, str]:
    verdict = plan.verdict
    if verdict.phase not in TERMINAL_PHASES:
        return "Succeeded", "Unknown", ConditionReason.NOT_FINISHED, ""
    if verdict.phase is Phase.COMPLETED:
        return "Succeeded", "True", verdict.reason, ""
    return "Succeeded", "False", verdict.reason, verdict.message


def _healthy(plan: Plan) -> tuple[str, str, str, str]:
    blocked = plan.verdict.phase is Phase.BLOCKED or plan.verdict.blocks
    if plan.verdict.phase in (Phase.PAUSED, Phase.HALTED, Phase.STOPPING, *TERMINAL_PHASES) and not blocked:
        return "Healthy", "Unknown", ConditionReason.NOT_RUNNING, ""
    if blocked:
        return "Healthy", "False", plan.verdict.reason, plan.verdict.message
    wrong = [v for v in plan.agents if v.health not in (Health.HEALTHY, Health.COMPLETE)]
    if not wrong:
        return "Healthy", "True", ConditionReason.ALL_AGENTS_HEALTHY, ""
    first = next((view for view in wrong if view.reason != Reason.STARTING), wrong[0])
    status = "Unknown" if first.reason == Reason.STARTING or first.health is Health.QUEUED else "False"
    words = first.message or (first.health.value if first.health != first.reason else "")
    message = f"agent {first.name}: {words}".removesuffix(": ")
    return "Healthy", status, first.reason, "" if status == "Unknown" and message == plan.verdict.message else message


def _escalated(snapshot: Snapshot, previous: JsonObject, now: datetime) -> tuple[tuple[str, str, str, str], ...]:
    """Return the condition Escalated: whether a human is asked. A Run that never asked has no such condition."""
    waiting, refused = _open(snapshot), allowance.refused(PlanContext(snapshot, now))
    if waiting or refused:
        reason = Reason.INBOX_LIMITED if refused else ConditionReason.AWAITING_RESPONSE
        return (("Escalated", "True", reason, "; ".join(filter(None, (refused, _asked(waiting))))),)
    return (("Escalated", "False", ConditionReason.NOTHING_OPEN, ""),) if _ever_asked(snapshot, previous) else ()


def _asked(waiting: list[EscalationFacts]) -> str:
    """Return a text that names the escalations that can be answered, and those that need a policy first."""
    answerable = ", ".join(escalation.name for escalation in waiting if escalation.answerable)
    others = ", ".join(escalation.name for escalation in waiting if not escalation.answerable)
    nobody = f"nobody may answer escalation {others} before a policy is in force" if others else ""
    return "; ".join(filter(None, (f"answer escalation {answerable}" if answerable else "", nobody)))


def _ever_asked(snapshot: Snapshot, previous: JsonObject) -> bool:
    """Whether a human was ever asked. A live read omits escalations that were answered long ago, so the condition stays once
    set.
    """
    escalated = any(condition["type"] == "Escalated" for condition in previous.get("conditions", ()))
    remembered = any(agent.asked for agent in snapshot.state.agents.values()) if snapshot.state else False
    return escalated or remembered or bool(snapshot.escalations)


def _listening(snapshot: Snapshot, plan: Plan, previous: JsonObject) -> tuple[tuple[str, str, str, str], ...]:
    """Keep the last condition when the pods are gone: deleting them decides nothing and is not worth a write."""
    before = [c for c in previous.get("conditions", ()) if c["type"] == PROGRESS_REPORTED]
    if before and not snapshot.pods:
        return tuple((c["type"], c["status"], c["reason"], c.get("message", "")) for c in before)
    return progress_reported(snapshot, plan)


def _dry_run(plan: Plan) -> tuple[tuple[str, str, str, str], ...]:
    """Return the condition that shows a dry run; none if plans are carried out."""
    if not plan.withheld:
        return ()
    return (("Enforced", "False", Reason.DRY_RUN, ""),)


def _policy_resolved(snapshot: Snapshot) -> tuple[str, str, str, str]:
    if snapshot.policy is None:
        return "PolicyResolved", "False", snapshot.policy_reason, snapshot.policy_refusal
    return "PolicyResolved", "True", ConditionReason.RESOLVED, ""


def _merge(previous: Iterable[JsonObject], wanted: Iterable[tuple[str, str, str, str]], now: datetime) -> list[JsonObject]:
    """Return the wanted conditions; a condition whose status stays keeps its transition time.

    They have no observedGeneration of their own: clients then use that of the status, which holds for each of them.
    """
    before = {condition["type"]: condition for condition in previous}
    merged = []
    for kind, status, reason, message in wanted:
        old = before.get(kind)
        since = old["lastTransitionTime"] if old and old["status"] == status else format_time(now)
        words = {"message": message[:MAX_TEXT]} if message else {}
        merged.append({"type": kind, "status": status, "reason": str(reason), **words, "lastTransitionTime": since})
    return merged
