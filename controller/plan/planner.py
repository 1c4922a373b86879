"""`plan(snapshot, now)`: the one pure function that decides. No clock, no I/O, no randomness, no global."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime

from controller.plan.model import AgentView, Plan, Snapshot, Verdict
from controller.plan.rules import decide
from controller.plan.situation import Situation
from controller.plan.views import views


def plan(snapshot: Snapshot, now: datetime) -> Plan:
    """Decide what is due for one Run.

    `now` is the API server's time (aware, UTC). The same snapshot and now give the same bytes, in any process.
    """
    at = Situation(snapshot, now)
    rule, verdict = decide(at)
    agents = views(at)
    return Plan(rule, verdict, agents, digest(rule, verdict, agents))


def digest(rule: str, verdict: Verdict, agents: tuple[AgentView, ...]) -> str:
    """Return the SHA-256 (hex) of the decision's canonical JSON; times, ages and texts that may hold them are left out."""
    canonical = {
        "rule": rule,
        "phase": verdict.phase,
        "reason": verdict.reason,
        "actions": [[a.intent, a.step, a.reason, a.agent, a.attempt, a.pod, a.pod_uid, a.phase] for a in verdict.actions],
        "agents": [[view.name, view.health, view.reason] for view in agents],
    }
    text = json.dumps(canonical, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()
