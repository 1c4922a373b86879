"""The deterministic plan: what was observed of a Run in, what to do and why out. Pure; imports only `controller.api`."""

from controller.plan.actions import Action
from controller.plan.model import Plan
from controller.plan.planner import plan
from controller.plan.snapshot import Snapshot

__all__ = ["Action", "Plan", "Snapshot", "plan"]
