"""A pod in the form that the invariants need, version by version."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from controller.api.names import GATE_ADMITTED, LABEL_AGENT, LABEL_ATTEMPT, LABEL_RUN
from tests.chaos.evidence import Change


@dataclass(frozen=True, slots=True)
class Pod:
    """One version of a pod, in the form that the invariants need."""

    change: Change

    @property
    def run(self) -> str:
        """The Run's name: within a wave no two share it."""
        return str(self.change.object["metadata"]["labels"][LABEL_RUN])

    @property
    def agent(self) -> tuple[str, str]:
        """Run and agent."""
        return self.run, str(self.change.object["metadata"]["labels"][LABEL_AGENT])

    @property
    def attempt(self) -> int:
        """The attempt."""
        return int(self.change.object["metadata"]["labels"][LABEL_ATTEMPT])

    @property
    def started(self) -> bool:
        """Whether its gate was removed."""
        return all(gate["name"] != GATE_ADMITTED for gate in self.change.object["spec"].get("schedulingGates", []))

    @property
    def deleting(self) -> bool:
        """Whether it is being deleted."""
        return "deletionTimestamp" in self.change.object["metadata"]

    @property
    def over(self) -> bool:
        """Whether it has terminated."""
        return self.change.gone or self.change.object["status"].get("phase") in ("Succeeded", "Failed")

    @property
    def live(self) -> bool:
        """Whether it may run: started, not terminated, and not deleted before it was bound."""
        return self.started and not self.over and ("nodeName" in self.change.object["spec"] or not self.deleting)

    @property
    def told_to_end(self) -> bool:
        """Whether it has been asked to end."""
        return self.deleting or "activeDeadlineSeconds" in self.change.object["spec"]

    @property
    def created(self) -> datetime:
        """The time of its creation."""
        return datetime.fromisoformat(self.change.object["metadata"]["creationTimestamp"])

    def stamp(self, state: str, field: str) -> datetime | None:
        """Return a kubelet's timestamp of its container."""
        for container in self.change.object["status"].get("containerStatuses", []):
            if told := container["state"].get(state, {}).get(field):
                return datetime.fromisoformat(told)
        return None

    def __str__(self) -> str:
        """Name and UID."""
        return f"pod {self.change.name} ({self.change.uid})"


def pods(history: Sequence[Change]) -> Iterator[Pod]:
    """Return every version of every pod in a history."""
    return (Pod(change) for change in history if change.kind == "pods")


def pods_started(history: Sequence[Change]) -> int:
    """Return the number of pods that were started."""
    return len({pod.change.uid for pod in pods(history) if pod.started})
