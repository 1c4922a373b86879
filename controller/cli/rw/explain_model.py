"""Pure: the explanation of a Run's status, as plain data for people and programs: reasons, next checks, open escalations."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from controller.api.policy import OnRepeatedFailures, RunPolicySpec
from controller.cli.rw.advice import in_words
from controller.cli.rw.next_steps import Change, changes
from controller.cli.rw.objects import JsonObject, happened_at, reported_at, status_of, time_of, used, waits
from controller.cli.rw.plan_replay import PolicySeen, Replay, policy_of, replay, state_of
from controller.cli.rw.reason_text import sentence
from controller.cli.rw.related_objects import Around
from controller.cli.rw.source_text import source_words
from controller.cli.rw.task_text import published_words, verification_words
from controller.cli.rw.upcoming import Check, Outlook


@dataclass(frozen=True, slots=True)
class AgentExplanation:
    """The status of an agent and its reason; `rule` is the rule that decided, if the plan could be replayed."""

    name: str
    required: bool
    health: str
    attempt: int
    repeated: int
    """How often its last failure has occurred in a row, 0 if that is not counted or it was another one before."""
    reason: str
    meaning: str
    message: str
    rule: str
    advice: str
    source: str
    verification: str
    publication: str
    active_at: datetime | None
    progress_at: datetime | None
    reported_at: datetime | None


@dataclass(frozen=True, slots=True)
class Budget:
    """Charged restarts: the number used, the budget and the number left."""

    used: int
    budget: int
    per_agent: int | None
    left: int
    repeated: str
    """What the policy's repeatedFailures says, empty if it is not set."""
    policy: str
    sure: bool


@dataclass(frozen=True, slots=True)
class Explanation:
    """All data that `explain` shows."""

    run: JsonObject
    reason: str
    meaning: str
    message: str
    rule: str
    rule_says: str
    agents: tuple[AgentExplanation, ...]
    budget: Budget
    tokens: int
    checks: tuple[Check, ...]
    changes: tuple[Change, ...]
    inbox: tuple[JsonObject, ...]
    notes: tuple[str, ...]


def explain_run(run: JsonObject, around: Around, now: datetime) -> Explanation:
    """Return the explanation of a Run's status. `now` is the caller's clock."""
    policy, status = policy_of(run, around), status_of(run)
    asked = replay(run, around, policy, now)
    budget, usage = _budget(run, policy, asked), used(run, around.reports)
    checks = Outlook(run, around, policy.spec, state_of(run), budget.left).checks(now)
    next_check = asked.plan.verdict.next_check if asked and asked.agrees else None
    if next_check and all(abs((check.at - next_check).total_seconds()) > 1 for check in checks):
        checks = sorted([*checks, Check(next_check, "the operator checks the Run again")])
    reason = status.get("reason", "")
    return Explanation(
        run=run,
        reason=reason,
        meaning=sentence(reason),
        message=status.get("message", "") if status else "the operator has not processed it yet: is the operator running?",
        rule=asked.plan.rule if asked and asked.agrees else "",
        rule_says=asked.says if asked and asked.agrees else "",
        agents=tuple(_agent(agent, run, around, asked) for agent in run["spec"]["agents"]),
        budget=budget,
        tokens=usage.get("inputTokens", 0) + usage.get("outputTokens", 0),
        checks=tuple(checks),
        changes=tuple(changes(run, around.escalations)),
        inbox=tuple(filter(waits, around.escalations)),
        notes=tuple(_notes(run, around, policy, asked)),
    )


def _budget(run: JsonObject, policy: PolicySeen, asked: Replay | None) -> Budget:
    spec, charged = policy.spec, status_of(run).get("restarts", 0)
    left = asked.left if asked and asked.left is not None else max(0, spec.restart_budget - charged)
    return Budget(charged, spec.restart_budget, spec.restart_budget_per_agent, left, _repeated(spec), policy.name, policy.sure)


def _repeated(spec: RunPolicySpec) -> str:
    limit = spec.repeated_failures
    if limit is None:
        return ""
    fate = "a human is asked" if limit.action is OnRepeatedFailures.ESCALATE else "the Run fails"
    return f"{fate} at the same failure {limit.count} times in a row (repeatedFailures)"


def _agent(agent: JsonObject, run: JsonObject, around: Around, asked: Replay | None) -> AgentExplanation:
    found: JsonObject = next((a for a in status_of(run).get("agents", ()) if a["name"] == agent["name"]), {})
    report, reason = around.report(agent["name"]), found.get("reason", "")
    return AgentExplanation(
        name=agent["name"],
        required=agent.get("required", True),
        health=found.get("health", "Starting"),
        attempt=found.get("attempt", 0),
        repeated=found.get("repeatedFailures", 0),
        reason=reason,
        meaning=sentence(reason),
        message=found.get("message", ""),
        rule=asked.rules.get(agent["name"], "") if asked and asked.agrees and asked.plan.rule == "supervised" else "",
        advice=in_words(found.get("advice", {})),
        source=source_words(agent, found),
        verification=verification_words(agent, found),
        publication=published_words(agent, found),
        active_at=happened_at(report, "activityAgeSeconds") if report else None,
        progress_at=happened_at(report, "progressAgeSeconds") if report else None,
        reported_at=reported_at(report) if report else None,
    )


def _notes(run: JsonObject, around: Around, policy: PolicySeen, asked: Replay | None) -> list[str]:
    """Return what this explanation is uncertain about, and the reasons."""
    notes = [f"{denied}: data from it is missing here" for denied in around.denied]
    if not policy.sure and status_of(run):
        notes.append(f"policy {policy.name or '(none yet)'} cannot be read from here: the defaults are assumed")
    if status_of(run) and status_of(run).get("observedGeneration", 0) < run["metadata"].get("generation", 0):
        notes.append("the spec has changed since: the operator has not processed the change yet")
    if asked and not asked.agrees:
        verdict = asked.plan.verdict
        seen = f"{verdict.phase} ({verdict.reason})"
        notes.append(f"with the data visible to you the plan decides {seen}: the operator is about to act, or sees more than you")
    return notes


def cooldowns(run: JsonObject, now: datetime) -> list[tuple[str, datetime]]:
    """Return the agents with a cooldown, and the time at which it ends."""
    unfinished = (agent for agent in status_of(run).get("agents", ()) if agent.get("outcome") != "Completed")
    found = ((agent["name"], time_of(agent.get("cooldownUntil"))) for agent in unfinished)
    return [(name, until) for name, until in found if until and until > now]
