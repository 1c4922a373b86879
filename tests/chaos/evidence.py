"""The API server's history: every version of every Run, pod and escalation, seen from the start."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from controller.api.base import JsonObject
from controller.api.names import API_VERSION
from tests.cluster import Cluster

KINDS = ("runs", "pods", "escalations")
PATHS = {"pods": "/api/v1/pods", "leases": "/apis/coordination.k8s.io/v1/leases"}
"""The paths of kinds other than ours."""

WATCH_SECONDS = 600
INCOMPLETE = "the evidence is not complete: the API server has ended a watch and no longer has the events after it"


@dataclass(frozen=True, slots=True)
class Change:
    """One version of an object.

    `order` is its resourceVersion, which one etcd counts for every kind; `at` is the time of its event.
    """

    order: int
    at: float
    kind: str
    gone: bool
    object: JsonObject

    @property
    def namespace(self) -> str:
        """The object's namespace."""
        return str(self.object["metadata"]["namespace"])

    @property
    def name(self) -> str:
        """The object's name."""
        return str(self.object["metadata"]["name"])

    @property
    def uid(self) -> str:
        """The object's UID."""
        return str(self.object["metadata"]["uid"])


class Evidence:
    """Every version so far, and the newest of each object."""

    def __init__(self) -> None:
        self._all: list[Change] = []
        self._newest: dict[tuple[str, str, str], JsonObject] = {}
        self.complete = True
        self.resumed = 0
        """How often a watch was resumed after the API server had ended it."""

    def see(self, kind: str, event: JsonObject) -> None:
        """Record one event of a watch."""
        found, gone = event["object"], event["type"] == "DELETED"
        change = Change(int(found["metadata"]["resourceVersion"]), time.monotonic(), kind, gone, found)
        self._all.append(change)
        key = (kind, change.namespace, change.name)
        if gone:
            self._newest.pop(key, None)
        else:
            self._newest[key] = found

    @property
    def last(self) -> Change:
        """The version that was seen last."""
        return self._all[-1]

    def history(self, namespace: str) -> list[Change]:
        """Return every version of a namespace's objects, in the order in which they were written."""
        return sorted((change for change in list(self._all) if change.namespace == namespace), key=lambda change: change.order)

    def count(self, namespace: str) -> int:
        """Return the number of versions of a namespace's objects so far."""
        return sum(change.namespace == namespace for change in list(self._all))

    def newest(self, kind: str, namespace: str, name: str) -> JsonObject:
        """Return the current object, empty if absent."""
        return self._newest.get((kind, namespace, name), {})

    def all_of(self, kind: str, namespace: str) -> list[JsonObject]:
        """Return the current objects of a namespace, by name."""
        return [found for key, found in sorted(self._newest.copy().items()) if key[:2] == (kind, namespace)]


@contextmanager
def watching(cluster: Cluster, kinds: Sequence[str] = KINDS, seconds: int = WATCH_SECONDS) -> Iterator[Evidence]:
    """Watch the whole cluster while the context lasts; each watch resumes where the last one ended, within this many seconds.

    Events that the API server no longer has make the evidence incomplete.
    """
    evidence = Evidence()
    watches = [_Watch(cluster, kind, seconds, evidence) for kind in kinds]
    try:
        yield evidence
    finally:
        for watch in watches:
            watch.close()


class _Watch:
    """Every version of one kind, from a list on: the API server may end a watch at any time."""

    def __init__(self, cluster: Cluster, kind: str, seconds: int, evidence: Evidence) -> None:
        self._cluster, self._kind, self._evidence = cluster, kind, evidence
        self._path = PATHS.get(kind, f"/apis/{API_VERSION}/{kind}")
        self._how = f"watch=1&allowWatchBookmarks=true&timeoutSeconds={seconds}&resourceVersion="
        listed = cluster.read(self._path)
        assert listed, f"the API server has no {kind}"
        for found in listed["items"]:
            evidence.see(kind, {"type": "ADDED", "object": found})
        self._closing = threading.Event()
        self._process = self._open(listed["metadata"]["resourceVersion"])
        self._thread = threading.Thread(target=self._follow, args=(listed["metadata"]["resourceVersion"],), daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the watch."""
        self._closing.set()
        self._process.terminate()
        self._thread.join()

    def _open(self, version: str) -> subprocess.Popen[str]:
        command = [str(self._cluster.kubectl_path), "--kubeconfig", str(self._cluster.kubeconfig), "get", "--raw"]
        return subprocess.Popen([*command, f"{self._path}?{self._how}{version}"], stdout=subprocess.PIPE, text=True)

    def _follow(self, version: str) -> None:
        while True:
            version, whole = self._read(version)
            failed = self._process.wait() != 0
            if self._closing.is_set():
                return
            if failed or not whole:
                self._evidence.complete = False
                return
            self._evidence.resumed += 1
            self._process = self._open(version)
            if self._closing.is_set():
                self._process.terminate()

    def _read(self, version: str) -> tuple[str, bool]:
        """Record the events of one watch; return its last version, and whether it was complete."""
        assert self._process.stdout
        with self._process.stdout as lines:
            for line in lines:
                event = json.loads(line)
                if event["type"] == "ERROR":
                    return version, False
                version = event["object"]["metadata"]["resourceVersion"]
                if event["type"] != "BOOKMARK":
                    self._evidence.see(self._kind, event)
        return version, True
