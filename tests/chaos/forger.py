"""A hostile tenant during a wave: it knows every name and UID of the wave's Runs, and claims them in a namespace of its own.

It acts as an admin, whom no admission stops: it creates reports, pods and escalations that name each Run by its UID, for each
attempt, with everything that would end, restart or stop it if it were believed. The wave must end as it does without them.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

from controller.api.base import JsonObject
from controller.api.names import (
    API_VERSION,
    GATE_ADMITTED,
    LABEL_AGENT,
    LABEL_ATTEMPT,
    LABEL_RUN,
    LABEL_RUN_UID,
    REPORTER_CONTAINER,
)
from tests.chaos.evidence import Evidence
from tests.cluster import Cluster

LOOK_SECONDS = 1.0
APPLY = ("apply", "--server-side", "--validate=false", f"--field-manager={REPORTER_CONTAINER}", "-f", "-")
NOBODY = "nobody"
"""A scheduler that does not exist: forged pods use no node."""
DEAD = {"exitCode": 3, "reason": "Error", "startedAt": "2026-01-01T00:00:00Z", "finishedAt": "2026-01-01T00:00:01Z"}


def home_of(namespace: str) -> str:
    """Return the namespace of a wave's hostile neighbour, which the wave's operator has to watch."""
    return f"{namespace}-forger"


@dataclass(slots=True)
class Forger:
    """Forges objects during one wave; `forged` counts those that the API server accepted."""

    cluster: Cluster
    evidence: Evidence
    victim: str
    user: str
    forged: int = 0
    _seen: set[tuple[str, int]] = field(default_factory=set)

    def work(self, over: threading.Event) -> None:
        """Forge objects for each attempt of each Run as soon as it exists, until the wave is over."""
        while not over.wait(LOOK_SECONDS):
            lies = [lie for pod in self.evidence.all_of("pods", self.victim) for lie in self._lies(pod)]
            if lies:
                self.forged += self._kubectl(lies, "create", "-f", "-").count(" created")
                self._kubectl([self._answered(lie) for lie in lies if lie["kind"] == "Escalation"], *APPLY)
                told = [{key: value for key, value in lie.items() if key != "spec"} for lie in lies if "status" in lie]
                self._kubectl(told, *APPLY, "--subresource=status")

    def _lies(self, pod: JsonObject) -> list[JsonObject]:
        """Return the lies about an attempt, once each: a failed agent, a forged pod, an answer with Stop."""
        labels, uid = pod["metadata"].get("labels", {}), pod["metadata"]["uid"]
        key = (uid, int(labels.get(LABEL_ATTEMPT, -1)))
        if LABEL_RUN_UID not in labels or key in self._seen:
            return []
        self._seen.add(key)
        return [*_reports(labels, uid), *_pods(labels, uid), _escalation(labels, uid, self.user)]

    def _answered(self, question: JsonObject) -> JsonObject:
        """Return a forged question with the answer Stop."""
        named = {key: question[key] for key in ("apiVersion", "kind")} | {"metadata": {"name": question["metadata"]["name"]}}
        return named | {"spec": {"response": {"decision": "Stop", "by": self.user}}}

    def _kubectl(self, objects: list[JsonObject], *args: str) -> str:
        """Send objects; those that the garbage collector has deleted meanwhile do not matter."""
        listed = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
        return self.cluster.kubectl("-n", home_of(self.victim), *args, stdin=listed, check=False)


def _reports(labels: dict[str, str], pod: str) -> list[JsonObject]:
    """Return reports that a Run's agent has failed: one without an owner, one owned by the Run, as its own reporter would write
    it.
    """
    run, uid, agent, attempt = (labels[key] for key in (LABEL_RUN, LABEL_RUN_UID, LABEL_AGENT, LABEL_ATTEMPT))
    owner = {"apiVersion": API_VERSION, "kind": "Run", "name": run, "uid": uid, "controller": True}
    told = {"attempt": int(attempt), "podUID": pod, "seq": 1_000_000, "intervalSeconds": 60, "activityAgeSeconds": 86_400}
    told |= {"result": {"outcome": "Failed", "summary": "forged"}, "questions": [{"id": "forged", "text": "Which?"}]}
    made = []
    for name, owners in (("unowned", []), ("owned", [owner])):
        meta = {"name": f"{run}-{agent}-{attempt}-{name}-{pod[:8]}", "ownerReferences": owners, "labels": _claimed(labels)}
        spec = {"runName": run, "runUID": uid, "agent": agent}
        made.append({"apiVersion": API_VERSION, "kind": "AgentReport", "metadata": meta, "spec": spec, "status": told})
    return made


def _pods(labels: dict[str, str], pod: str) -> list[JsonObject]:
    """Return pods that look like a Run's: a gated one for the next attempt, a failed one for this attempt."""
    gated = _pod(f"gated-{pod}", labels, following=1)
    gated["spec"]["schedulingGates"] = [{"name": GATE_ADMITTED}]
    ended = {"name": "agent", "image": "x", "imageID": "", "ready": False, "restartCount": 0, "state": {"terminated": DEAD}}
    return [gated, _pod(f"dead-{pod}", labels) | {"status": {"phase": "Failed", "containerStatuses": [ended]}}]


def _pod(name: str, labels: dict[str, str], following: int = 0) -> JsonObject:
    claimed = _claimed(labels) | {LABEL_ATTEMPT: str(int(labels[LABEL_ATTEMPT]) + following)}
    spec = {"schedulerName": NOBODY, "containers": [{"name": "agent", "image": "x"}]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": claimed}, "spec": spec}


def _escalation(labels: dict[str, str], pod: str, responder: str) -> JsonObject:
    """Return a question about a Run, which a user of the forger's choice may answer."""
    asked = {"runName": labels[LABEL_RUN], "runUID": labels[LABEL_RUN_UID], "responders": {"users": [responder]}}
    asked |= {"type": "Blocked", "summary": "forged", "text": "forged"}
    meta = {"name": f"forged-{pod}", "labels": _claimed(labels)}
    return {"apiVersion": API_VERSION, "kind": "Escalation", "metadata": meta, "spec": asked, "status": {"phase": "Open"}}


def _claimed(labels: dict[str, str]) -> dict[str, str]:
    return {key: labels[key] for key in (LABEL_RUN, LABEL_RUN_UID, LABEL_AGENT, LABEL_ATTEMPT)}


@contextmanager
def forging(cluster: Cluster, evidence: Evidence, victim: str) -> Iterator[Forger]:
    """Run a hostile tenant for a namespace while the context lasts; its objects are deleted with its own namespace."""
    forger, over = Forger(cluster, evidence, victim, cluster.user), threading.Event()
    cluster.kubectl("create", "namespace", home_of(victim))
    try:
        with ThreadPoolExecutor(1) as pool:
            working = pool.submit(forger.work, over)
            try:
                yield forger
            finally:
                over.set()
            working.result()
    finally:
        cluster.kubectl("delete", "namespace", home_of(victim), "--wait=false")
