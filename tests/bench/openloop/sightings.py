"""The moments of many starts, as the requests and one watch of pods show them: pure, so that a test can build them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from controller.api.base import JsonObject
from tests.bench.timeline import OVER, owner_of

Step = tuple[str, str]
"""The first and the last moment of a step."""

LATE: Step = ("due", "sent")
TOTAL, ACKNOWLEDGED, CONTROLLER, OWN = "to started", "acknowledged", "controller's part", "pod's own start"
STEPS: dict[str, Step] = {
    TOTAL: ("sent", "started"),
    ACKNOWLEDGED: ("sent", "acknowledged"),
    "pod seen": ("acknowledged", "created"),
    "gate removed": ("created", "ungated"),
    CONTROLLER: ("acknowledged", "ungated"),
    "bound": ("ungated", "bound"),
    "started": ("bound", "started"),
    OWN: ("ungated", "started"),
}
"""The steps of a start, by name."""
CONTAINER_STARTED = frozenset({"running", "terminated"})


@dataclass
class Sightings:
    """The moments of each object: when its request was due, sent and acknowledged, and when its first pod was first seen in each
    state. `begun` is the moment zero of the arrivals.
    """

    begun: float = 0.0
    moments: dict[str, dict[str, float]] = field(default_factory=dict)
    pods: dict[str, str] = field(default_factory=dict)
    """The first pod of each object."""
    changed: Callable[[], None] = lambda: None

    def expect(self, begun: float, due: Mapping[str, float]) -> None:
        """Record these objects from now on, and only these; earlier ones are dropped."""
        self.begun, self.pods = begun, {}
        self.moments = {name: {"due": at} for name, at in due.items()}

    def mark(self, name: str, moment: str, at: float) -> None:
        """Record a moment of an object, once."""
        self.moments[name].setdefault(moment, at)

    def see_pod(self, at: float, kind: str, pod: JsonObject) -> None:
        """Record an event of a pod: one of a Job or Run belongs to that, another is the object itself."""
        meta = pod["metadata"]
        name = owner_of(pod) or meta["name"]
        if kind != "DELETED" and name in self.moments and self.pods.setdefault(name, meta["name"]) == meta["name"]:
            for moment in _moments_of(pod):
                self.mark(name, moment, at)
        self.changed()

    def all_have(self, moment: str) -> bool:
        """Whether every object has had this moment."""
        return all(moment in each for each in self.moments.values())

    def took(self, step: Step) -> list[float]:
        """Return the seconds of a step, for each object that has both of its moments."""
        return [took for _, took in self.arrived(step)]

    def arrived(self, step: Step) -> list[tuple[float, float]]:
        """Return when each object with both moments of a step was due, in seconds from the begin, and the step's seconds."""
        first, last = step
        return [
            (each["due"] - self.begun, each[last] - each[first]) for each in self.moments.values() if first in each and last in each
        ]


def _moments_of(pod: JsonObject) -> Iterator[str]:
    spec, status = pod["spec"], pod.get("status", {})
    yield "created"
    if not spec.get("schedulingGates"):
        yield "ungated"
    if spec.get("nodeName"):
        yield "bound"
    if any(CONTAINER_STARTED & each.get("state", {}).keys() for each in status.get("containerStatuses", ())):
        yield "started"
    if status.get("phase") in OVER:
        yield "over"
