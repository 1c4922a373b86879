"""One Run of a wave: its observations, and the actions of a human."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from typing import Any

from controller.api.base import JsonObject
from controller.api.names import LABEL_ATTEMPT, LABEL_RUN_UID, pod_name
from tests.chaos.evidence import Evidence
from tests.cluster import Cluster
from tests.support import answer

FINISHED = frozenset({"Completed", "Failed", "Stopped"})
ONE_AT_A_TIME = threading.Lock()
"""Allows one drain at a time: two of them could leave no node to continue on."""
DRAIN_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Scene:
    """A Run by its name in its wave's namespace."""

    cluster: Cluster
    evidence: Evidence
    namespace: str
    run: str

    @property
    def found(self) -> JsonObject:
        """The current Run, empty if absent."""
        return self.evidence.newest("runs", self.namespace, self.run)

    @property
    def phase(self) -> str:
        """The Run's phase."""
        return str(self.found.get("status", {}).get("phase", ""))

    def works(self, attempt: int, agent: str = "coder") -> bool:
        """Whether the container of an attempt is running."""
        found = self.evidence.newest("pods", self.namespace, pod_name(self.run, agent, attempt))
        return any("running" in container["state"] for container in found.get("status", {}).get("containerStatuses", []))

    def ready(self, attempt: int) -> bool:
        """Whether an attempt's pod is ready."""
        found = self.evidence.newest("pods", self.namespace, pod_name(self.run, "coder", attempt))
        return any(c["type"] == "Ready" and c["status"] == "True" for c in found.get("status", {}).get("conditions", []))

    @property
    def escalations(self) -> list[JsonObject]:
        """The Run's escalations, by name."""
        uid = self.found["metadata"]["uid"]
        return [e for e in self.evidence.all_of("escalations", self.namespace) if e["spec"]["runUID"] == uid]

    def asked(self, attempt: int) -> JsonObject | None:
        """Return the open escalation of an attempt, if there is one."""
        ours = (e for e in self.escalations if e["metadata"]["labels"][LABEL_ATTEMPT] == str(attempt))
        return next((e for e in ours if e.get("status", {}).get("phase") == "Open"), None)

    def answer(self, attempt: int, decision: str, **fields: str) -> None:
        """Answer the open escalation of an attempt."""
        asked = self.asked(attempt)
        assert asked
        answer(self.cluster, self.namespace, asked["metadata"]["name"], decision, **fields)

    def change(self, **spec: Any) -> None:
        """Change the Run's spec."""
        self._kubectl("patch", "run", self.run, "--type=merge", "-p", json.dumps({"spec": spec}))

    def delete(self, attempt: int, *options: str) -> None:
        """Delete an attempt's pod."""
        self._kubectl("delete", "pod", pod_name(self.run, "coder", attempt), "--wait=false", *options)

    def within(self, attempt: int, *command: str) -> None:
        """Run a command in the pod of an attempt, next to its agent."""
        self._kubectl("exec", pod_name(self.run, "coder", attempt), "--", *command)

    def drain(self, attempt: int) -> None:
        """Drain an attempt's node of this Run's pods, and make it schedulable again."""
        node = self.evidence.newest("pods", self.namespace, pod_name(self.run, "coder", attempt))["spec"]["nodeName"]
        only = f"--pod-selector={LABEL_RUN_UID}={self.found['metadata']['uid']}"
        told = ("--ignore-daemonsets", "--force", "--delete-emptydir-data", only, f"--timeout={DRAIN_SECONDS:.0f}s")
        with ONE_AT_A_TIME:
            try:
                self.cluster.kubectl("drain", node, *told, timeout=2 * DRAIN_SECONDS)
            finally:
                self.cluster.kubectl("uncordon", node)

    def _kubectl(self, *args: str) -> None:
        self.cluster.kubectl("-n", self.namespace, *args)
