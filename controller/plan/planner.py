"""`plan(snapshot, now)`: the one pure function that decides. No clock, no I/O, no randomness, no global."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import datetime

from controller.plan.housekeeping import held
from controller.plan.model import Action, AgentView, Plan, Step, Verdict
from controller.plan.rules import decide
from controller.plan.situation import Situation
from controller.plan.snapshot import Snapshot
from controller.plan.views import views
from controller.times import later

HELD_CHECK_SECONDS = 10
"""How often it is asked whether the namespace of a held pod is being deleted: all that is in it waits for its pods."""


def plan(snapshot: Snapshot, now: datetime) -> Plan:
    """Decide what is due for one Run.

    `now` is the API server's time (aware, UTC). The same snapshot and now give the same bytes, in any process.
    """
    at = Situation(snapshot, now)
    rule, verdict = decide(at)
    agents = views(at, verdict.blocks)
    decision = Plan(rule, verdict, agents, digest(rule, verdict, agents))
    shown = _only_shown(decision, now) if at.policy and at.policy.dry_run else decision
    return _looking_again(shown, now) if held(at) and not shown.actions else shown


def _only_shown(decision: Plan, now: datetime) -> Plan:
    """Under a dry run nothing is done but to let go of what somebody else deletes."""
    harmless = tuple(action for action in decision.actions if action.step is Step.RELEASE)
    withheld = tuple(action for action in decision.actions if action.step is not Step.RELEASE)
    check = decision.verdict.next_check
    # What is withheld stays due: it is no reason to look again at once, and again.
    ahead = check if check and check > now else None
    return replace(decision, verdict=replace(decision.verdict, actions=harmless, next_check=ahead), withheld=withheld)


def _looking_again(decision: Plan, now: datetime) -> Plan:
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
        "actions": [_said(action) for action in verdict.actions],
        "agents": [[view.name, view.health, view.reason] for view in agents],
    }
    text = json.dumps(canonical, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _said(action: Action) -> list[str | int | None]:
    """What tells an action from another, its message left out."""
    what: list[str | int | None] = [action.intent, action.step, action.reason, action.agent, action.attempt]
    return [*what, action.pod, action.pod_uid, action.phase, action.charge, action.escalation, action.escalation_phase]
