"""A plan with what it was made from, so that it is not made again from the same."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from controller.plan.model import Plan
from controller.plan.planner import plan
from controller.plan.snapshot import Snapshot

SAME_MOMENT = timedelta(seconds=1)
"""What the API server's clock, known by the whole seconds of its answers, can tell apart."""


@dataclass(frozen=True, slots=True)
class PlanCache:
    """A plan, the snapshot that it was made from, and when."""

    snapshot: Snapshot
    at: datetime
    plan: Plan

    @classmethod
    def compute(cls, snapshot: Snapshot, now: datetime) -> PlanCache:
        """Plan."""
        return cls(snapshot, now, plan(snapshot, now))

    def refresh(self, snapshot: Snapshot, now: datetime) -> PlanCache:
        """Plan, unless that would be this very plan: `plan` is pure, so equal facts at the same moment have one."""
        same = timedelta() <= now - self.at < SAME_MOMENT and snapshot == self.snapshot
        return self if same else PlanCache.compute(snapshot, now)
