"""The events of many objects and their pods, and the times between them: pure, so that a test can build one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from controller.api.base import JsonObject

OVER = ("Succeeded", "Failed")


@dataclass
class Story:
    """The times at which each object with this name prefix, and its pods, were first seen, ended, and were reported as ended."""

    prefix: str
    is_finished: Callable[[JsonObject], bool]
    born: dict[str, float] = field(default_factory=dict)
    finished: dict[str, float] = field(default_factory=dict)
    pods: dict[str, dict[str, float]] = field(default_factory=lambda: defaultdict(dict))
    over: dict[str, float] = field(default_factory=dict)

    def see_object(self, at: float, kind: str, found: JsonObject) -> None:
        """Record an event of a Run or Job."""
        name = found["metadata"]["name"]
        if kind == "DELETED" or not name.startswith(self.prefix):
            return
        self.born.setdefault(name, at)
        if self.is_finished(found):
            self.finished.setdefault(name, at)

    def see_pod(self, at: float, kind: str, pod: JsonObject) -> None:
        """Record an event of a pod; one without an owner is ignored."""
        owner = owner_of(pod)
        if kind == "DELETED" or owner is None or not owner.startswith(self.prefix):
            return
        self.pods[owner].setdefault(pod["metadata"]["name"], at)
        if pod.get("status", {}).get("phase") in OVER:
            self.over.setdefault(pod["metadata"]["name"], at)

    def starts(self) -> list[float]:
        """Return the time from each object to its first pod."""
        return [min(pods.values()) - self.born[name] for name, pods in self.pods.items() if name in self.born]

    def endings(self) -> list[float]:
        """Return the time from each object's last pod's end to its finished status."""
        ends = {name: [self.over[pod] for pod in self.pods[name] if pod in self.over] for name in self.finished}
        return [self.finished[name] - max(times) for name, times in ends.items() if times]

    def successions(self) -> list[float]:
        """Return the time from a pod's end to the next pod of its object."""
        found = []
        for pods in self.pods.values():
            in_order = sorted(pods, key=pods.__getitem__)
            found += [pods[after] - self.over[before] for before, after in pairwise(in_order)]
        return found


def owner_of(pod: JsonObject) -> str | None:
    """Return the name of the object that controls a pod."""
    owners: Sequence[JsonObject] = pod["metadata"].get("ownerReferences", ())
    return next((str(owner["name"]) for owner in owners if owner.get("controller")), None)
