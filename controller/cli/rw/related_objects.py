"""Pure: the objects related to a Run, and the ones that the caller may not read."""

from __future__ import annotations

from dataclasses import dataclass

from controller.cli.rw.kubectl_errors import Denied
from controller.cli.rw.objects import JsonObject


@dataclass(frozen=True, slots=True)
class Around:
    """The objects related to one Run. `policy` is the RunPolicy in force, None if the operator's own policy is."""

    pods: tuple[JsonObject, ...] = ()
    escalations: tuple[JsonObject, ...] = ()
    reports: tuple[JsonObject, ...] = ()
    events: tuple[JsonObject, ...] = ()
    policy: JsonObject | None = None
    denied: tuple[Denied, ...] = ()

    def report(self, agent: str) -> JsonObject | None:
        """Return an agent's last report."""
        return next((report for report in self.reports if report["spec"]["agent"] == agent), None)
