"""The deterministic plan: from the observed state of a Run to the due actions and their reasons. Pure; imports `controller.api`
only.

The names below are imported on first use: a command that needs only the reasons of decisions does not load the rest.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from controller.plan.actions import Action
    from controller.plan.model import Plan
    from controller.plan.planner import plan
    from controller.plan.snapshot import Snapshot

__all__ = ["Action", "Plan", "Snapshot", "plan"]

MODULES = {"Action": "actions", "Plan": "model", "Snapshot": "snapshot", "plan": "planner"}
"""The names and their modules."""


def __getattr__(name: str) -> object:
    """Import a name on first use."""
    if name not in MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{MODULES[name]}"), name)
