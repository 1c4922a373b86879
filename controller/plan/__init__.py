"""The deterministic plan: from the observed state of a Run to the due actions and their reasons. Pure; imports `controller.api`
only.
"""

from controller.plan.actions import Action
from controller.plan.model import Plan
from controller.plan.planner import plan
from controller.plan.snapshot import Snapshot

__all__ = ["Action", "Plan", "Snapshot", "plan"]
