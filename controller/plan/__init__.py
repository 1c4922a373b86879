"""The deterministic plan: what was observed of a Run in, what to do and why out. Pure; imports only `controller.api`."""

from controller.plan.model import Action, Plan, Snapshot
from controller.plan.planner import plan

__all__ = ["Action", "Plan", "Snapshot", "plan"]
