"""One wave: every scenario at once in a namespace, the actions of humans, and the final states."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field

import yaml

from controller.api.base import JsonObject
from tests.chaos.case import Scene
from tests.chaos.evidence import INCOMPLETE, Evidence
from tests.chaos.final_state import end_of, rows, settled
from tests.chaos.forger import Forger, forging
from tests.chaos.invariants import Law, violations
from tests.chaos.pods import pods_started
from tests.chaos.scenarios import COOLDOWN, Scenario
from tests.cluster import Cluster
from tests.cluster.processes import wait_until

PATIENCE_SECONDS = 600.0
"""For one step of a human or the end of a Run; four operators that start all the time leave little of two cores."""
SETTLING_SECONDS = 30.0
"""How long a difference may last: a status and an escalation are written after the event they show."""
LOOK_SECONDS = 0.1


@dataclass(slots=True)
class Result:
    """The results of one wave."""

    namespace: str
    ends: dict[str, JsonObject] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)
    started: int = 0

    @property
    def charged(self) -> int:
        """The charged restarts of all its Runs."""
        return sum(end["restarts"] for end in self.ends.values())


class Wave:
    """The scenarios in a namespace of their own; with `hostile` a tenant claims their Runs as its own."""

    def __init__(
        self,
        cluster: Cluster,
        evidence: Evidence,
        namespace: str,
        store: str,
        scenarios: Sequence[Scenario],
        *,
        hostile: bool = False,
    ) -> None:
        self._cluster, self._evidence, self._hostile = cluster, evidence, hostile
        self._namespace, self._store, self._scenarios = namespace, store, scenarios
        self._scenes = [Scene(cluster, evidence, namespace, scenario.name) for scenario in scenarios]

    def run(self, expected: dict[str, JsonObject] | None = None) -> Result:
        """Apply every scenario, wait for all of them and delete them; with `expected` wait a while until the ends are equal to it.

        Raises AssertionError for a Run that does not end.
        """
        with self._neighbour() as forger:
            self._see_through()
            if expected is not None:
                wait_until(lambda: self._ends() == expected, SETTLING_SECONDS, LOOK_SECONDS)
        history = self._evidence.history(self._namespace)
        result = Result(self._namespace, self._ends(), violations(history, self._laws()), pods_started(history))
        if forger and not forger.forged:
            result.violations.append("the hostile tenant forged nothing")
        result.violations += self._leave()
        return result

    def _neighbour(self) -> AbstractContextManager[Forger | None]:
        return forging(self._cluster, self._evidence, self._namespace) if self._hostile else nullcontext()

    def _see_through(self) -> None:
        objects = [found for scenario in self._scenarios for found in scenario.objects()]
        self._cluster.kubectl("-n", self._namespace, "apply", "-f", "-", stdin=yaml.safe_dump_all(objects))
        with ThreadPoolExecutor(len(self._scenes)) as pool:
            played = [pool.submit(_play, scene, scenario) for scene, scenario in zip(self._scenes, self._scenarios, strict=True)]
        _first_error(played)

    def _ends(self) -> dict[str, JsonObject]:
        return {scene.run: end_of(scene, self._store) for scene in self._scenes}

    def _laws(self) -> dict[str, Law]:
        return {each.name: Law(each.budget, COOLDOWN, each.by_hand, each.taken) for each in self._scenarios}

    def _leave(self) -> list[str]:
        """Delete every Run and return the remaining objects in the namespace and the store."""
        uids = {scene.found["metadata"]["uid"] for scene in self._scenes}
        self._cluster.kubectl("-n", self._namespace, "delete", "runs", "--all", "--wait=false")
        left: list[str] = []

        def nothing() -> bool:
            left[:] = self._cluster.kubectl("-n", self._namespace, "get", "runs,pods,pvc,escalations", "-o", "name").split()
            left.extend(f"row {uid}" for uid in uids & set(rows(self._store) if "://" in self._store else ()))
            return not left

        wait_until(nothing, PATIENCE_SECONDS, 1.0)
        return [f"orphan: {what} is left when its Run is gone" for what in left]


@contextmanager
def namespace_of(cluster: Cluster, name: str) -> Iterator[str]:
    """A namespace while the context lasts."""
    cluster.kubectl("create", "namespace", name)
    try:
        yield name
    finally:
        cluster.kubectl("delete", "namespace", name)


def _play(scene: Scene, scenario: Scenario) -> None:
    """Take the scenario's steps at their times, and wait for the Run's end."""
    for number, step in enumerate(scenario.steps):
        _await(scene, step.when, f"the moment of step {number}")
        step.do(scene)
    _await(scene, settled, "the end")


def _await(scene: Scene, when: Callable[[Scene], object], what: str) -> None:
    told = scene.evidence
    come = wait_until(lambda: not told.complete or (scene.found and when(scene)), PATIENCE_SECONDS, LOOK_SECONDS)
    assert told.complete, INCOMPLETE
    assert come, f"{scene.namespace}/{scene.run}: {what} has not come: {_story(scene)}"


def _story(scene: Scene) -> str:
    return json.dumps(scene.found.get("status", {}))[:3000]


def _first_error(played: Sequence[Future[None]]) -> None:
    for each in played:
        each.result()


def compare(expected: dict[str, JsonObject], found: dict[str, JsonObject]) -> list[str]:
    """Return the differences between the ends of two waves."""
    lines = []
    for name, end in expected.items():
        keys = [key for key in end if end[key] != found.get(name, {}).get(key)]
        lines += [f"Run {name}, {key}: undisturbed {end[key]}, killed {found.get(name, {}).get(key)}" for key in keys]
    return lines
