"""Pure: why a Run stands as it does, what comes next, and what is due to a human; as plain data, for people and programs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from controller.cli.rw.advice import in_words
from controller.cli.rw.next_steps import Change, changes
from controller.cli.rw.objects import JsonObject, happened_at, reported_at, status_of, time_of, used, waits
from controller.cli.rw.plan_replay import PolicySeen, Replay, policy_of, replay, state_of
from controller.cli.rw.reason_text import sentence
from controller.cli.rw.related_objects import Around
from controller.cli.rw.upcoming import Check, Outlook


@dataclass(frozen=True, slots=True)
class AgentSaid:
    """How one agent stands and why; `rule` is the rule that decided, where the plan could be asked."""

    name: str
    required: bool
    health: str
    attempt: int
    reason: str
    meaning: str
    message: str
    rule: str
    advice: str
    active_at: datetime | None
    progress_at: datetime | None
    reported_at: datetime | None


@dataclass(frozen=True, slots=True)
class Budget:
    """Charged restarts: used, and how many are left of which budget."""

    used: int
    budget: int
    per_agent: int | None
    left: int
    policy: str
    sure: bool


@dataclass(frozen=True, slots=True)
class Explanation:
    """Everything that `explain` tells."""

    run: JsonObject
    reason: str
    meaning: str
    message: str
    rule: str
    rule_says: str
    agents: tuple[AgentSaid, ...]
    budget: Budget
    tokens: int
    checks: tuple[Check, ...]
    changes: tuple[Change, ...]
    inbox: tuple[JsonObject, ...]
    notes: tuple[str, ...]


def explain_run(run: JsonObject, around: Around, now: datetime) -> Explanation:
    """Return why the Run stands as it does. `now` is the caller's clock."""
    policy, status = policy_of(run, around), status_of(run)
    asked = replay(run, around, policy, now)
    budget, usage = _budget(run, policy, asked), used(run, around.reports)
    checks = Outlook(run, around, policy.spec, state_of(run), budget.left).checks(now)
    next_check = asked.plan.verdict.next_check if asked and asked.agrees else None
    if next_check and all(abs((check.at - next_check).total_seconds()) > 1 for check in checks):
        checks = sorted([*checks, Check(next_check, "the operator looks again, whatever happens")])
    reason = status.get("reason", "")
    return Explanation(
        run=run,
        reason=reason,
        meaning=sentence(reason),
        message=status.get("message", "") if status else "the operator has not seen it yet: is it running?",
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
    return Budget(charged, spec.restart_budget, spec.restart_budget_per_agent, left, policy.name, policy.sure)


def _agent(agent: JsonObject, run: JsonObject, around: Around, asked: Replay | None) -> AgentSaid:
    found: JsonObject = next((a for a in status_of(run).get("agents", ()) if a["name"] == agent["name"]), {})
    report, reason = around.report(agent["name"]), found.get("reason", "")
    return AgentSaid(
        name=agent["name"],
        required=agent.get("required", True),
        health=found.get("health", "Starting"),
        attempt=found.get("attempt", 0),
        reason=reason,
        meaning=sentence(reason),
        message=found.get("message", ""),
        rule=asked.rules.get(agent["name"], "") if asked and asked.agrees and asked.plan.rule == "supervised" else "",
        advice=in_words(found.get("advice", {})),
        active_at=happened_at(report, "activityAgeSeconds") if report else None,
        progress_at=happened_at(report, "progressAgeSeconds") if report else None,
        reported_at=reported_at(report) if report else None,
    )


def _notes(run: JsonObject, around: Around, policy: PolicySeen, asked: Replay | None) -> list[str]:
    """What this explanation is unsure of, and why."""
    notes = [f"{denied}: what it would tell is left out" for denied in around.denied]
    if not policy.sure and status_of(run):
        notes.append(f"policy {policy.name or '(none yet)'} cannot be seen from here: its values are taken to be the defaults")
    if status_of(run) and status_of(run).get("observedGeneration", 0) < run["metadata"].get("generation", 0):
        notes.append("the spec was changed since: the operator has not judged it yet")
    if asked and not asked.agrees:
        verdict = asked.plan.verdict
        seen = f"{verdict.phase} ({verdict.reason})"
        notes.append(f"seen from here the plan would say {seen}: the operator is about to act, or sees more than you may")
    return notes


def cooldowns(run: JsonObject, now: datetime) -> list[tuple[str, datetime]]:
    """Return the agents that are not restarted again before a time that is ahead."""
    unfinished = (agent for agent in status_of(run).get("agents", ()) if agent.get("outcome") != "Completed")
    found = ((agent["name"], time_of(agent.get("cooldownUntil"))) for agent in unfinished)
    return [(name, until) for name, until in found if until and until > now]
