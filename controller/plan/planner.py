"""`plan(snapshot, now)`: the one pure function that decides. No clock, no I/O, no randomness, no global."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import datetime

from controller.api.timestamps import later
from controller.plan.actions import Action, RemoveFinalizer
from controller.plan.agent_health import views
from controller.plan.attempts.cleanup import has_held_pod
from controller.plan.context import PlanContext
from controller.plan.model import AgentView, Plan, Verdict
from controller.plan.rules.run_rules import decide
from controller.plan.snapshot import Snapshot

HELD_CHECK_SECONDS = 10
"""Poll interval for a terminating namespace while our finalizer holds a pod in it."""


def plan(snapshot: Snapshot, now: datetime) -> Plan:
    """Decide the actions that are due for one Run.

    `now` is the API server's time (aware, UTC). The same snapshot and now give the same bytes, in any process.
    """
    at = PlanContext(snapshot, now)
    rule, verdict = decide(at)
    agents = views(at, verdict.blocks)
    decision = Plan(rule, verdict, agents, digest(rule, verdict, agents))
    shown = _apply_dry_run(decision, now) if at.policy and at.policy.dry_run else decision
    return _recheck_soon(shown, now) if has_held_pod(at) and not shown.actions else shown


def _apply_dry_run(decision: Plan, now: datetime) -> Plan:
    """Withhold all actions of a dry run, except the release of pods that another client deletes."""
    harmless = tuple(action for action in decision.actions if isinstance(action, RemoveFinalizer))
    withheld = tuple(action for action in decision.actions if not isinstance(action, RemoveFinalizer))
    check = decision.verdict.next_check
    # Withheld actions stay due, so a check time that has passed must not cause another pass at once.
    ahead = check if check and check > now else None
    return replace(decision, verdict=replace(decision.verdict, actions=harmless, next_check=ahead), withheld=withheld)


def _recheck_soon(decision: Plan, now: datetime) -> Plan:
    """Set an early check for a held pod, without a record or in a dry run: no event shows that its namespace is being deleted."""
    soon = later(now, HELD_CHECK_SECONDS)
    check = decision.verdict.next_check
    return replace(decision, verdict=replace(decision.verdict, next_check=min(check or soon, soon)))


def digest(rule: str, verdict: Verdict, agents: tuple[AgentView, ...]) -> str:
    """Return the SHA-256 (hex) of the decision's canonical JSON; times, ages and texts that may hold them are left out."""
    canonical = {
        "rule": rule,
        "phase": verdict.phase,
        "reason": verdict.reason,
        "actions": [_digest_key(action) for action in verdict.actions],
        "agents": [[view.name, view.health, view.reason] for view in agents],
    }
    text = json.dumps(canonical, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _digest_key(action: Action) -> list[str | int | None]:
    """Return the identity of an action, without its message."""
    header: list[str | int | None] = [action.intent, action.step, action.reason, action.agent, action.attempt]
    return [*header, *(getattr(action, field, default) for field, default in DIGEST_FIELDS)]


DIGEST_FIELDS = (("pod", ""), ("pod_uid", ""), ("phase", None), ("charge", None), ("escalation", ""), ("escalation_phase", None))
"""Fields of actions that are part of a digest, and their value for an action without the field."""
