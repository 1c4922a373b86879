"""What every cluster is to a test, whatever it is made of."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.cluster.progress import ClusterError

IN_TIME = "--timeout=300s"
"""For commands that wait for the cluster: one that other work slows down is not broken."""
KUBECTL_SECONDS = 330.0
"""A little more, so that kubectl can say what it waits for."""
TOLD_OF = ("runs", "escalations", "agentreports", "pods", "events", "leases", "deployments")
"""Kinds that are kept of a failed test's cluster."""
CONTENT_WRITES = frozenset({"create", "update", "patch", "delete"})


@dataclass
class Cluster:
    """A running cluster: who may reach it and how. `audit_log` holds one JSON event a write, where it is kept."""

    name: str
    provider: str
    directory: Path
    kubeconfig: Path
    kubectl_path: Path
    audit_log: Path | None = None

    def kubectl(self, *args: str, stdin: str | None = None, check: bool = True, timeout: float = KUBECTL_SECONDS) -> str:
        """Run kubectl as the cluster's admin and return what it printed (with `check` off, errors too).

        Raises ClusterError with kubectl's own words where it fails.
        """
        command = [str(self.kubectl_path), "--kubeconfig", str(self.kubeconfig), *args]
        done = insistently(
            lambda: subprocess.run(command, input=stdin, capture_output=True, text=True, check=False, timeout=timeout),
            harmless="apply" in args,
        )
        if done.returncode and check:
            raise ClusterError(f"kubectl {' '.join(args[:8])}: {done.stderr.strip()}")
        return done.stdout + ("" if check else done.stderr)

    def writes(self, namespace: str, *programs: str) -> Counter[tuple[str, str]]:
        """Count what programs (how their user agents begin) wrote in a namespace, by (verb, resource), from the audit log."""
        if self.audit_log is None:
            raise ClusterError(f"cluster {self.name} keeps no audit log")
        found: Counter[tuple[str, str]] = Counter()
        for line in self.audit_log.read_text().splitlines():
            event = json.loads(line)
            ours = event.get("userAgent", "").startswith(programs) and event.get("objectRef", {}).get("namespace") == namespace
            if ours and event["verb"] in CONTENT_WRITES:
                found[event["verb"], written_to(event)] += 1
        return found

    def export_logs(self, to: Path, *namespaces: str) -> None:
        """Copy what the cluster's parts logged into a folder, and every object that tells of what happened.

        Of a cluster that somebody else runs only these namespaces are looked at: objects, events and logs of pods.
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
    """Run a command of kubectl or helm once more, and again, where it has done nothing for want of a connection.

    An API server that shares two cores with all the tests may take longer for a handshake than they wait for. A command that is
    `harmless` when it is run twice is run again, too, where etcd did not say in time whether it was done.
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
