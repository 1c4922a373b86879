"""What the API server told: every version of every Run, pod and escalation, seen from the start."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from controller.api.base import JsonObject
from tests.cluster import Cluster

KINDS = ("runs", "pods", "escalations")


@dataclass(frozen=True, slots=True)
class Change:
    """One version of an object. `order` is its resourceVersion, which one etcd counts for every kind; `at` is when we saw it."""

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

    def see(self, kind: str, event: JsonObject) -> None:
        """Take in one event of a watch."""
        found, gone = event["object"], event["type"] == "DELETED"
        change = Change(int(found["metadata"]["resourceVersion"]), time.monotonic(), kind, gone, found)
        self._all.append(change)
        key = (kind, change.namespace, change.name)
        if gone:
            self._newest.pop(key, None)
        else:
            self._newest[key] = found

    def history(self, namespace: str) -> list[Change]:
        """Return every version of a namespace's objects, in the order in which they were written."""
        return sorted((change for change in list(self._all) if change.namespace == namespace), key=lambda change: change.order)

    def count(self, namespace: str) -> int:
        """Return how many versions of a namespace's objects were seen so far."""
        return sum(change.namespace == namespace for change in list(self._all))

    def newest(self, kind: str, namespace: str, name: str) -> JsonObject:
        """Return an object as it is now, empty where there is none."""
        return self._newest.get((kind, namespace, name), {})

    def all_of(self, kind: str, namespace: str) -> list[JsonObject]:
        """Return the objects of a namespace as they are now, by name."""
        return [found for key, found in sorted(self._newest.copy().items()) if key[:2] == (kind, namespace)]


@contextmanager
def watching(cluster: Cluster, kinds: Sequence[str] = KINDS) -> Iterator[Evidence]:
    """Watch the whole cluster while the context lasts. A watch that ends before makes the evidence incomplete."""
    evidence, watches = Evidence(), []
    closing = threading.Event()
    for kind in kinds:
        command = [str(cluster.kubectl_path), "--kubeconfig", str(cluster.kubeconfig), "get", kind, "-A", "-o", "json"]
        watch = subprocess.Popen([*command, "--watch", "--output-watch-events"], stdout=subprocess.PIPE, text=True)
        reader = threading.Thread(target=_read, args=(evidence, kind, watch, closing), daemon=True)
        reader.start()
        watches.append((watch, reader))
    try:
        yield evidence
    finally:
        closing.set()
        for watch, reader in watches:
            watch.terminate()
            watch.wait()
            reader.join()


def _read(evidence: Evidence, kind: str, watch: subprocess.Popen[str], closing: threading.Event) -> None:
    assert watch.stdout
    with watch.stdout as lines:
        for line in lines:
            evidence.see(kind, json.loads(line))
    evidence.complete = evidence.complete and closing.is_set()
