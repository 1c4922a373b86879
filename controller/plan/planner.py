"""`plan(snapshot, now)`: the one pure function that decides. No clock, no I/O, no randomness, no global."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from controller.api.timestamps import later
from controller.plan.actions import RemoveFinalizer
from controller.plan.agent_health import views
from controller.plan.attempts.cleanup import has_held_pod
from controller.plan.context import PlanContext
from controller.plan.model import Plan
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
    decision = Plan(rule, verdict, views(at, verdict.blocks))
    shown = _apply_dry_run(decision, now) if at.policy and at.policy.dry_run else decision
    return _recheck_soon(shown, now) if has_held_pod(at) and not shown.actions else shown


def _apply_dry_run(decision: Plan, now: datetime) -> Plan:
    """Withhold all actions of a dry run, except the release of pods that another client deletes."""
    harmless = tuple(action for action in decision.actions if isinstance(action, RemoveFinalizer))
    check = decision.verdict.next_check
    # Withheld actions stay due, so a check time that has passed must not cause another pass at once.
    ahead = check if check and check > now else None
    return replace(decision, verdict=replace(decision.verdict, actions=harmless, next_check=ahead), planned=decision.actions)


def _recheck_soon(decision: Plan, now: datetime) -> Plan:
    """Set an early check for a held pod, without a record or in a dry run: no event shows that its namespace is being deleted."""
    soon = later(now, HELD_CHECK_SECONDS)
    check = decision.verdict.next_check
    return replace(decision, verdict=replace(decision.verdict, next_check=min(check or soon, soon)))
