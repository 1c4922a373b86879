"""The common interface of all test clusters."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tests.cluster import plain
from tests.cluster.progress import ClusterError
from tests.cluster.reading import Reader, reader_of

IN_TIME = "--timeout=300s"
"""For commands that wait for the cluster: one that is slow because of other work is not broken."""
KUBECTL_SECONDS = 330.0
"""A little more, so that kubectl can print its own timeout message."""
TOLD_OF = ("runs", "escalations", "agentreports", "pods", "events", "leases", "deployments")
"""Kinds that are exported from a failed test's cluster."""
NAMESPACES = "/api/v1/namespaces"
BRIEF_GO = {"GOGC": "off", "GOMEMLIMIT": "1GiB", "GOMAXPROCS": "1"}
"""The environment of kubectl and helm, which end within a second: without collecting garbage they need a quarter less CPU."""
RARE_COLLECTION = {"GOGC": "400"}
"""The environment of programs that need not be small: with four times the garbage they need a tenth less CPU."""
CONTENT_WRITES = frozenset({"create", "update", "patch", "delete"})


@dataclass
class Cluster:
    """A running cluster, with its credentials. `audit_log` has one JSON event per write, if it is enabled."""

    name: str
    provider: str
    directory: Path
    kubeconfig: Path
    kubectl_path: Path
    audit_log: Path | None = None

    def kubectl(self, *args: str, stdin: str | None = None, check: bool = True, timeout: float = KUBECTL_SECONDS) -> str:
        """Run a command of kubectl as the cluster's admin and return its output (with `check` off, errors too).

        The plainest commands take no process (plain.py). Raises ClusterError with kubectl's message if it fails.
        """
        done = (self._reader and plain.run(self._reader, args, stdin)) or self._process(args, stdin, timeout)
        if done.returncode and check:
            raise ClusterError(f"kubectl {' '.join(args[:8])}: {done.stderr.strip()}")
        return done.stdout + ("" if check else done.stderr)

    def _process(self, args: tuple[str, ...], stdin: str | None, timeout: float) -> subprocess.CompletedProcess[str]:
        command = [str(self.kubectl_path), "--kubeconfig", str(self.kubeconfig), *args]
        return insistently(
            lambda: subprocess.run(
                command, input=stdin, capture_output=True, text=True, check=False, timeout=timeout, env=os.environ | BRIEF_GO
            ),
            harmless="apply" in args,
        )

    def apply(self, namespace: str, *objects: dict[str, Any]) -> None:
        """Apply objects on the server, with what others own of them. Raises ClusterError."""
        for each in objects:
            if not (self._reader and plain.apply(self._reader, namespace, each)):
                command = ("apply", "--server-side", "--force-conflicts", "-f", "-")
                self.kubectl("-n", namespace, *command, stdin=json.dumps(each))

    def read(self, path: str) -> dict[str, Any] | None:
        """Return the object or list at a path of the API, None if there is none. Raises ClusterError.

        Only kubectl knows every kind of credential: it reads as a user without a certificate or token, and on a cluster that
        somebody else runs.
        """
        if self._reader:
            return self._reader.read(path)
        try:
            found: dict[str, Any] = json.loads(self.kubectl("get", "--raw", path))
        except ClusterError as error:
            if "(NotFound)" in str(error):
                return None
            raise
        return found

    def create(self, path: str, obj: dict[str, Any]) -> dict[str, Any]:
        """Create an object in the collection at a path of the API, and return it. Raises ClusterError."""
        if self._reader:
            return self._reader.create(path, obj)
        found: dict[str, Any] = json.loads(self.kubectl("create", "--raw", path, "-f", "-", stdin=json.dumps(obj)))
        return found

    def create_namespace(self, name: str) -> None:
        """Create a namespace. Raises ClusterError."""
        self.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})

    def delete_namespace(self, name: str) -> None:
        """Begin to delete a namespace, if it exists. Raises ClusterError."""
        if self._reader:
            self._reader.delete(f"{NAMESPACES}/{name}")
        else:
            self.kubectl("delete", "namespace", name, "--wait=false", "--ignore-not-found")

    @cached_property
    def user(self) -> str:
        """The API server's name for us."""
        return self.kubectl("auth", "whoami", "-o", "jsonpath={.status.userInfo.username}")

    @cached_property
    def _reader(self) -> Reader | None:
        return None if self.provider == "existing" else reader_of(self.kubeconfig)

    def writes(self, namespace: str, *programs: str) -> Counter[tuple[str, str]]:
        """Count the writes of programs (by user agent prefixes) in a namespace, by (verb, resource), from the audit log."""
        if self.audit_log is None:
            raise ClusterError(f"cluster {self.name} keeps no audit log")
        found: Counter[tuple[str, str]] = Counter()
        with self.audit_log.open() as lines:
            for line in lines:
                if namespace not in line:  # nearly every line, after a thousand tests
                    continue
                event = json.loads(line)
                ours = event.get("userAgent", "").startswith(programs) and event.get("objectRef", {}).get("namespace") == namespace
                if ours and event["verb"] in CONTENT_WRITES:
                    found[event["verb"], written_to(event)] += 1
        return found

    def export_logs(self, to: Path, *namespaces: str) -> None:
        """Copy the logs of the cluster's components into a folder, and every object that shows the history.

        On a cluster that somebody else runs only these namespaces are read: objects, events and logs of pods.
        """
        to.mkdir(parents=True, exist_ok=True)
        if self.provider == "existing":
            where = ("--output-directory", str(to), "--namespaces", ",".join(namespaces))
            self.kubectl("cluster-info", "dump", *where, check=False)
            return
        for log in self.directory.glob("*.log"):
            shutil.copy(log, to)
        for kind in TOLD_OF:
            (to / f"{kind}.yaml").write_text(self.kubectl("get", kind, "--all-namespaces", "-o", "yaml", check=False))


def insistently(run: Callable[[], subprocess.CompletedProcess[str]], *, harmless: bool = False) -> subprocess.CompletedProcess[str]:
    """Repeat a command of kubectl or helm that has done nothing because it had no connection.

    An API server that shares two cores with all the tests may need longer for a handshake than they wait. A `harmless` command,
    which may run twice, is also repeated if etcd did not confirm it in time.
    """
    for _ in range(ATTEMPTS - 1):
        done = run()
        unconnected = NOT_CONNECTED in done.stderr and not done.stdout
        if not done.returncode or not (unconnected or (harmless and NOT_SAID in done.stderr)):
            return done
    return run()


ATTEMPTS = 3
NOT_CONNECTED, NOT_SAID = "TLS handshake timeout", "etcdserver: request timed out"


def written_to(event: dict[str, Any]) -> str:
    """Return the resource of an event of the audit log, with its subresource where it has one."""
    target = event.get("objectRef", {})
    return "/".join(part for part in (target.get("resource", ""), target.get("subresource")) if part)
