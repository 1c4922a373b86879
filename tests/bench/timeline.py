"""What was seen of many objects and their pods, and the times between: pure, so that a test can tell it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from controller.api.base import JsonObject

OVER = ("Succeeded", "Failed")


@dataclass
class Story:
    """When each object whose name begins so, and its pods, were first seen, were over, and were said to be over."""

    prefix: str
    is_finished: Callable[[JsonObject], bool]
    born: dict[str, float] = field(default_factory=dict)
    finished: dict[str, float] = field(default_factory=dict)
    pods: dict[str, dict[str, float]] = field(default_factory=lambda: defaultdict(dict))
    over: dict[str, float] = field(default_factory=dict)

    def see_object(self, at: float, kind: str, found: JsonObject) -> None:
        """Take in an event of a Run or Job."""
        name = found["metadata"]["name"]
        if kind == "DELETED" or not name.startswith(self.prefix):
            return
        self.born.setdefault(name, at)
        if self.is_finished(found):
            self.finished.setdefault(name, at)

    def see_pod(self, at: float, kind: str, pod: JsonObject) -> None:
        """Take in an event of a pod; one without an owner is nobody's."""
        owner = owner_of(pod)
        if kind == "DELETED" or owner is None or not owner.startswith(self.prefix):
            return
        self.pods[owner].setdefault(pod["metadata"]["name"], at)
        if pod.get("status", {}).get("phase") in OVER:
            self.over.setdefault(pod["metadata"]["name"], at)

    def starts(self) -> list[float]:
        """Return how long after each object its first pod was seen."""
        return [min(pods.values()) - self.born[name] for name, pods in self.pods.items() if name in self.born]

    def endings(self) -> list[float]:
        """Return how long after its last pod's end each object was said to be finished."""
        ends = {name: [self.over[pod] for pod in self.pods[name] if pod in self.over] for name in self.finished}
        return [self.finished[name] - max(times) for name, times in ends.items() if times]

    def successions(self) -> list[float]:
        """Return how long after a pod's end the next one of its object was seen."""
        found = []
        for pods in self.pods.values():
            in_order = sorted(pods, key=pods.__getitem__)
            found += [pods[after] - self.over[before] for before, after in pairwise(in_order)]
        return found


def owner_of(pod: JsonObject) -> str | None:
    """Return the name of the object that controls a pod."""
    owners: Sequence[JsonObject] = pod["metadata"].get("ownerReferences", ())
    return next((str(owner["name"]) for owner in owners if owner.get("controller")), None)
