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
"""How often it is asked whether the namespace of a held pod is being deleted: all that is in it waits for its pods."""


def plan(snapshot: Snapshot, now: datetime) -> Plan:
    """Decide what is due for one Run.

    `now` is the API server's time (aware, UTC). The same snapshot and now give the same bytes, in any process.
    """
    at = PlanContext(snapshot, now)
    rule, verdict = decide(at)
    agents = views(at, verdict.blocks)
    decision = Plan(rule, verdict, agents, digest(rule, verdict, agents))
    shown = _apply_dry_run(decision, now) if at.policy and at.policy.dry_run else decision
    return _recheck_soon(shown, now) if has_held_pod(at) and not shown.actions else shown


def _apply_dry_run(decision: Plan, now: datetime) -> Plan:
    """Under a dry run nothing is done but to let go of what somebody else deletes."""
    harmless = tuple(action for action in decision.actions if isinstance(action, RemoveFinalizer))
    withheld = tuple(action for action in decision.actions if not isinstance(action, RemoveFinalizer))
    check = decision.verdict.next_check
    # What is withheld stays due: it is no reason to look again at once, and again.
    ahead = check if check and check > now else None
    return replace(decision, verdict=replace(decision.verdict, actions=harmless, next_check=ahead), withheld=withheld)


def _recheck_soon(decision: Plan, now: datetime) -> Plan:
    """Look again soon at a pod that is held, for want of a record or by a dry run: nobody tells when its namespace is deleted."""
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
    """What tells an action from another, its message left out."""
    header: list[str | int | None] = [action.intent, action.step, action.reason, action.agent, action.attempt]
    return [*header, *(getattr(action, field, default) for field, default in DIGEST_FIELDS)]


DIGEST_FIELDS = (("pod", ""), ("pod_uid", ""), ("phase", None), ("charge", None), ("escalation", ""), ("escalation_phase", None))
"""The fields of actions that are part of a digest, and what stands there for an action that has no such field."""
