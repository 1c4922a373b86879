"""Pure: what there is around a Run, and what of it the caller may not see."""

from __future__ import annotations

from dataclasses import dataclass

from controller.cli.rw.kubectl_errors import Denied
from controller.cli.rw.objects import JsonObject


@dataclass(frozen=True, slots=True)
class Around:
    """The objects around one Run. `policy` is the RunPolicy in force, None where that is the operator's own."""

    pods: tuple[JsonObject, ...] = ()
    escalations: tuple[JsonObject, ...] = ()
    reports: tuple[JsonObject, ...] = ()
    events: tuple[JsonObject, ...] = ()
    policy: JsonObject | None = None
    denied: tuple[Denied, ...] = ()

    def report(self, agent: str) -> JsonObject | None:
        """Return what was last reported of an agent."""
        return next((report for report in self.reports if report["spec"]["agent"] == agent), None)
